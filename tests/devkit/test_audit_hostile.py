"""Packages that were made to do harm, or came to it: each audit ends, and stays inside."""

import os
import socket
import stat
import struct
import subprocess
import sys
import zipfile

import pytest

from snapboot_devkit.host.sources.unpacking import MAX_ENTRIES
from snapboot_devkit.package.audit import AuditError, audit
from snapboot_devkit.package.binary.limits import Steps
from snapboot_devkit.package.checks.contents import Package, opened
from snapboot_devkit.package.checks.folders import FolderStore
from snapboot_devkit.package.checks.zips import ZipStore
from tests.devkit.audited import (
    DEADLINE_S,
    codes,
    compile_all,
    entry,
    filled,
    found,
    snapboot_audit,
)

APP = {"app.py": "def handler(event, context): return event\n"}


@pytest.fixture
def folder(tmp_path):
    return compile_all(filled(tmp_path / "code", APP))


def packed(path, *entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for head, content in entries:
            archive.writestr(entry(head) if isinstance(head, str) else head, content)
    return path


# ---- folders ---------------------------------------------------------------------------------


def test_pipes_and_sockets_are_not_opened(folder):
    os.mkfifo(folder / "module.py")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(folder / "lib.so"))
        report = audit(folder)
    assert sorted(one.path for one in report.findings if one.code == "no-file") == [
        "lib.so", "module.py",
    ]  # fmt: skip


def test_a_pipe_in_place_of_a_package_is_refused(tmp_path):
    os.mkfifo(tmp_path / "function.zip")
    with pytest.raises(AuditError, match="give a folder or a zip"):
        audit(tmp_path / "function.zip")


def test_links_are_not_followed(folder, tmp_path):
    filled(tmp_path / "outside", {"other.py": "def ("})
    (folder / "outside").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    (folder / "inside.py").symlink_to("app.py")
    (folder / "nothing").symlink_to("absent")
    report = audit(folder)
    linked = {one.path for one in report.findings if one.code == "link-outside"}
    assert linked >= {"outside", "nothing"}
    assert "inside.py" not in linked
    assert report.files == 2


def test_a_name_that_is_not_utf_8_is_reported_and_printed(folder, capfdbinary):
    (folder / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"1")
    done = snapboot_audit(capfdbinary, folder)
    assert done.returncode == 1
    assert b"caf\\udce9.txt" in done.stdout
    assert snapboot_audit(capfdbinary, "--json", folder).returncode == 1


def test_a_name_cannot_give_the_terminal_commands(folder, capfdbinary):
    (folder / "\x1b]0;title\x07.py").write_text("")
    done = snapboot_audit(capfdbinary, folder)
    assert b"\x1b" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_the_auditor_cannot_read_is_reported(folder):
    filled(folder, {"closed/module.py": "", "x/site-packages/secret.pth": "import x\n"})
    compile_all(folder)  # measuring would start the interpreter, which may be closed to others
    (folder / "closed").chmod(0)
    (folder / "x/site-packages/secret.pth").chmod(0)
    for parent in folder.parents[:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    # Imported first: the interpreter's own files may be closed to others, too.
    program = """if True:
        import os, sys
        from snapboot_devkit.package.audit import audit
        audit(sys.argv[1])
        os.setgroups([]); os.setgid(993); os.setuid(993)
        print(sorted((one.code, one.path) for one in audit(sys.argv[1]).findings))
    """
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S, text=True)
    assert "('unreadable', 'closed')" in done.stdout
    assert "('unread', 'x/site-packages/secret.pth')" in done.stdout


def test_a_file_that_is_replaced_by_a_pipe_meanwhile_is_not_waited_for(folder):
    package = opened(FolderStore(folder))
    (folder / "app.py").unlink()
    os.mkfifo(folder / "app.py")
    assert package.content("app.py") is None
    assert package.unread == {"app.py": "it is not a file any more"}


def test_more_than_may_be_read_is_not(folder):
    store = FolderStore(folder)
    entries = {one.path: one for one in store.entries()}
    package = Package(store, entries, bytes_read=Steps(60))
    assert package.content("app.py") is not None
    assert package.head("app.py", 100) is not None  # it was kept
    (folder / "other.py").write_bytes(bytes(20))
    package = Package(store, {one.path: one for one in store.entries()}, bytes_read=Steps(60))
    assert package.content("app.py") is not None
    assert package.content("other.py") is None
    assert "more than 60 bytes" in package.unread["other.py"]


# ---- zips ------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "function.zip"
    path.write_bytes(content)
    with pytest.raises(AuditError, match="as a zip file"):
        audit(path)


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "a/" * 3000 + "b"]
)
def test_a_name_that_leads_outside_is_an_error(tmp_path, name):
    path = packed(tmp_path / "function.zip", *APP.items(), (name, "evil"))
    assert found(path, "bad-entry").path == name
    assert [one.name for one in tmp_path.iterdir()] == ["function.zip"]


def test_links_and_devices_in_a_zip_are_no_files(tmp_path):
    path = packed(
        tmp_path / "function.zip",
        (entry("link.py", stat.S_IFLNK | 0o777), "/etc/passwd"),
        (entry("device.py", stat.S_IFCHR | 0o666), ""),
    )
    assert found(path, "bad-entry").path == "device.py"


def test_an_encrypted_entry_is_an_error(tmp_path):
    path = packed(tmp_path / "function.zip", *APP.items())
    content = bytearray(path.read_bytes())
    for at in (6, content.rindex(b"PK\x01\x02") + 8):
        content[at] |= 1
    path.write_bytes(content)
    assert "encrypted" in found(path, "bad-entry").message
    assert "unread" in codes(audit(path))


def test_a_damaged_entry_is_not_the_end(tmp_path):
    path = packed(tmp_path / "function.zip", *APP.items(), ("bad.py", "x = 1\n" * 50))
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("bad.py").header_offset + 30 + len("bad.py")
    content = bytearray(path.read_bytes())
    content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    assert found(path, "unread").path == "bad.py"


def test_a_bomb_is_too_large_and_not_unpacked(tmp_path):
    path = tmp_path / "function.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("lib.so", "w", force_zip64=True) as bomb,
    ):
        for _ in range(260):
            bomb.write(bytes(1024 * 1024))
    assert path.stat().st_size < 1_000_000
    assert found(path, "too-large").severity.value == "error"


def test_a_size_that_is_wrong_reads_no_more_than_it_says(tmp_path):
    path = packed(tmp_path / "function.zip", ("app.py", "x = 1\n" * 1000))
    content = bytearray(path.read_bytes())
    content[(at := content.rindex(b"PK\x01\x02") + 24) : at + 4] = struct.pack("<I", 10)
    path.write_bytes(content)
    with ZipStore(path) as store:
        package = opened(store)
        assert package.content("app.py") in {None, b"x = 1\nx = 1\n"[:10]}


def test_too_many_entries_are_refused(tmp_path):
    path = tmp_path / "function.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MAX_ENTRIES + 1):
            archive.writestr(str(number), b"")
    with pytest.raises(AuditError, match=f"lists more than {MAX_ENTRIES} files"):
        audit(path)


def test_two_entries_of_one_name_are_reported(tmp_path):
    path = tmp_path / "function.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed(path, ("app.py", "x = 1"), ("app.py", "x = 2"))
    assert "2 entries" in found(path, "duplicate-entry").message


def test_a_month_of_zero_is_no_date_and_no_failure(tmp_path):
    path = packed(tmp_path / "function.zip", *APP.items())
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 12
    content[at : at + 4] = bytes(4)
    path.write_bytes(content)
    assert "unread" not in codes(audit(path))


def test_sources_that_are_no_text_are_no_trouble(folder):
    sources = {
        "nulls.py": b"\0" * 100,
        "deep.py": b"(" * 100_000,
        "latin.py": b"# coding: nonsense\n",
        "bytes.py": bytes(range(256)),
        "attributes.py": b"a" + b".b" * 50_000,
    }
    report = audit(filled(folder, sources))
    assert {one.path for one in report.findings if one.code == "uncompilable"} >= {
        "nulls.py", "deep.py", "latin.py", "bytes.py",
    }  # fmt: skip


def test_records_of_an_installer_may_be_anything(folder):
    files = {
        "a-1.dist-info/RECORD": '../../../etc/passwd,,\n"unclosed\n\0,,\n/etc/passwd,,\n',
        "a-1.dist-info/WHEEL": b"\xff\xfe: \0\nTag: nonsense\nTag: a-b-c-d-e",
        "-.dist-info/RECORD": "",
    }
    assert "wrong-wheel" not in codes(audit(filled(folder, files)))
