"""What a function is made of: folders, zips and layers, well meant and hostile."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.sources import MAX_LAYERS, prepare
from snapboot_devkit.host.sources.unpacking import Budget, Tree, unpack_zip

UNIX = 3
LINK = stat.S_IFLNK | 0o777


def entry(name, mode=stat.S_IFREG | 0o644, *, system=UNIX, method=zipfile.ZIP_DEFLATED):
    """Return the head of an entry, as a Unix `zip` would write it."""
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def packed(path, *entries):
    """Write a zip of (name or head, content) pairs."""
    with zipfile.ZipFile(path, "w") as archive:
        for head, content in entries:
            archive.writestr(entry(head) if isinstance(head, str) else head, content)
    return path


def filled(root, **files):
    """Write files into a folder; `__` in a name stands for a slash."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture
def within(tmp_path):
    """A folder for temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def refused(path, within):
    with pytest.raises(SourceError) as raised:
        prepare(path, within=within)
    return str(raised.value)


# ---- what is used where ----------------------------------------------------------------------


def test_a_folder_is_used_where_it_is(tmp_path, within):
    with prepare(filled(tmp_path / "code", app="1"), within=within) as code:
        assert code.task_root == tmp_path / "code"
        assert code.layer_root is None
        assert code.bootstrap is None
        assert code.extensions == ()
    assert (tmp_path / "code" / "app").exists()


def test_one_layer_that_is_a_folder_is_used_where_it_is(tmp_path, within):
    layer = filled(tmp_path / "layer", python__one="1")
    with prepare(filled(tmp_path / "code", app="1"), [layer], within=within) as code:
        assert code.layer_root == layer


def test_a_zip_is_unpacked_with_its_modes_and_removed_in_the_end(tmp_path, within):
    archive = packed(
        tmp_path / "code.zip",
        (entry("bootstrap", stat.S_IFREG | 0o4755), "#!/bin/sh"),
        (entry("package/", stat.S_IFDIR | 0o750), ""),
        ("package/module.py", "x = 1"),
        (entry("link", LINK), "package/module.py"),
    )
    code = prepare(archive, within=within)
    assert stat.S_IMODE((code.task_root / "bootstrap").stat().st_mode) == 0o755
    assert stat.S_IMODE((code.task_root / "package").stat().st_mode) == 0o750
    assert (code.task_root / "link").read_text() == "x = 1"
    assert code.bootstrap == code.task_root / "bootstrap"
    code.close()
    code.close()


def test_a_zip_that_knows_no_modes_gives_files_that_can_be_read(tmp_path, within):
    archive = packed(tmp_path / "code.zip", (entry("app.py", 0, system=0), "x = 1"))
    with prepare(archive, within=within) as code:
        assert stat.S_IMODE((code.task_root / "app.py").stat().st_mode) == 0o644


def test_a_later_layer_overwrites_an_earlier_one(tmp_path, within):
    first = filled(tmp_path / "first", python__a="first", python__b="first", bin__c="first")
    second = packed(tmp_path / "second.zip", ("python/b", "second"), (entry("bin/c", LINK), "../d"))
    third = filled(tmp_path / "third", bin__c="third")
    with prepare(tmp_path, [first, second, third], within=within) as code:
        opt = code.layer_root
        texts = [(opt / name).read_text() for name in ("python/a", "python/b", "bin/c")]
        assert texts == ["first", "second", "third"]
        assert sorted(path.name for path in opt.iterdir()) == ["bin", "python"]


def test_more_layers_than_lambda_takes_are_refused(tmp_path, within):
    with pytest.raises(SourceError, match="6 layers are too many: a function has up to 5"):
        prepare(tmp_path, [tmp_path] * (MAX_LAYERS + 1), within=within)


# ---- what is in it ---------------------------------------------------------------------------


def extensions_of(tmp_path, within, *more):
    layer = packed(
        tmp_path / "layer.zip",
        (entry("extensions/b", stat.S_IFREG | 0o755), ""),
        (entry("extensions/a", stat.S_IFREG | 0o644), ""),
        ("extensions/folder/c", ""),
        *more,
    )
    with prepare(tmp_path, [layer], within=within) as code:
        return [(file.name, file.executable) for file in code.extensions]


def test_extensions_are_the_files_of_their_folder_in_order(tmp_path, within):
    assert extensions_of(tmp_path, within) == [("a", False), ("b", True)]


def test_one_file_switches_all_extensions_off(tmp_path, within):
    assert extensions_of(tmp_path, within, ("disable-extensions-jwigqn8j", "")) == []


def test_the_bootstrap_of_the_code_comes_before_the_layers_if_it_can_be_executed(tmp_path):
    code, layer = (filled(tmp_path / name, bootstrap="") for name in ("code", "layer"))
    with prepare(code, [layer]) as prepared:
        assert prepared.bootstrap == code / "bootstrap"
        (layer / "bootstrap").chmod(0o755)
        assert prepared.bootstrap == layer / "bootstrap"
        (code / "bootstrap").chmod(0o755)
        assert prepared.bootstrap == code / "bootstrap"


# ---- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/etc/passwd", "../escaped", "a/../../escaped", "a/.."])
def test_a_name_that_leads_out_is_refused(tmp_path, within, name):
    message = refused(packed(tmp_path / "code.zip", (name, "x")), within)
    assert f"{name!r} of {str(tmp_path / 'code.zip')!r}" in message
    assert "leads out of its folder" in message
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("target", ["/etc", "..", "a/../..", "x" * 5000])
def test_a_link_that_leads_out_is_refused(tmp_path, within, target):
    assert "'link' of " in refused(
        packed(tmp_path / "code.zip", (entry("link", LINK), target)), within
    )


def test_a_link_that_leads_out_by_another_one_is_refused(tmp_path, within):
    entries = [(entry("here", LINK), "."), (entry("out", LINK), "here/.."), ("out/escaped", "x")]
    assert "'out' of " in refused(packed(tmp_path / "code.zip", *entries), within)
    # The same, where the second link only leads out once the first is there.
    assert "'out' of " in refused(packed(tmp_path / "other.zip", entries[1], entries[0]), within)


def test_nothing_is_written_through_a_link(tmp_path, within):
    first = packed(tmp_path / "first.zip", ("a", "old"), (entry("link", LINK), "a"))
    second = packed(tmp_path / "second.zip", ("link", "new"))
    with prepare(tmp_path, [first, second], within=within) as code:
        assert (code.layer_root / "a").read_text() == "old"
        assert (code.layer_root / "link").read_text() == "new"


def test_a_link_to_itself_does_no_harm(tmp_path, within):
    with prepare(packed(tmp_path / "code.zip", (entry("loop", LINK), "loop")), within=within):
        pass


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_pipes_are_refused(tmp_path, within, kind):
    archive = packed(tmp_path / "code.zip", (entry("device", kind | 0o644), ""))
    assert "'device' of " in refused(archive, within)


def test_a_pipe_in_a_layers_folder_is_refused(tmp_path, within):
    layer = filled(tmp_path / "layer", a="")
    os.mkfifo(layer / "pipe")
    with pytest.raises(SourceError, match=r"'pipe' of .* it is a device, a pipe or a socket"):
        prepare(tmp_path, [layer, layer], within=within)


def test_a_compression_that_lambda_does_not_know_is_refused(tmp_path, within):
    archive = packed(tmp_path / "code.zip", (entry("a", method=zipfile.ZIP_BZIP2), "x"))
    assert "does not know its compression method 12; use deflate" in refused(archive, within)


def test_an_encrypted_entry_is_refused(tmp_path, within):
    archive = packed(tmp_path / "code.zip", ("a", "x"))
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    assert "it is encrypted; pack it without a password" in refused(archive, within)


def test_every_damage_is_refused_or_harmless(tmp_path, within):
    whole = packed(tmp_path / "whole.zip", ("app.py", "x = 1\n" * 100)).read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        (tmp_path / "code.zip").write_bytes(damaged)
        try:
            prepare(tmp_path / "code.zip", within=within).close()
        except SourceError as exc:
            assert str(tmp_path / "code.zip") in str(exc)  # noqa: PT017 - or it is harmless


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06"])
def test_what_is_not_a_zip_is_reported(tmp_path, within, content):
    (tmp_path / "code.zip").write_bytes(content)
    assert "as a zip file" in refused(tmp_path / "code.zip", within)


def test_a_file_that_is_not_there_is_reported(tmp_path, within):
    assert "No such file" in refused(tmp_path / "nothing.zip", within)


def test_a_bomb_is_stopped_by_counting_what_comes_out(tmp_path):
    archive = packed(tmp_path / "bomb.zip", ("zeros", bytes(10_000_000)))
    assert archive.stat().st_size < 20_000
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(SourceError, match="may take 1000000 bytes unpacked"):
        unpack_zip(archive, Tree(root, Budget(max_bytes=1_000_000), archive))
    assert (root / "zeros").stat().st_size <= 1_000_000


def test_code_and_layers_share_one_quota(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    budget = Budget(max_bytes=10)
    for name, size in (("one", 6), ("two", 4)):
        Tree(root, budget, tmp_path).add_file(name, io.BytesIO(bytes(size)))
    with pytest.raises(SourceError, match="'three' of "):
        Tree(root, budget, tmp_path).add_file("three", io.BytesIO(b"x"))


def test_too_many_entries_are_refused(tmp_path):
    archive = packed(tmp_path / "many.zip", *((str(number), "") for number in range(11)))
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(SourceError, match="hold more than 10 files"):
        unpack_zip(archive, Tree(root, Budget(max_entries=10), archive))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's full disk")
def test_a_full_disk_is_reported(tmp_path):
    class Full(io.BytesIO):
        def read(self, size=-1):
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")
            return b""

    with pytest.raises(SourceError, match=r"No space left on device .*TMPDIR chooses"):
        Tree(tmp_path, Budget(), tmp_path).add_file("a", Full())
