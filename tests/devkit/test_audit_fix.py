"""What `--fix` puts right, in folders and in zips, and what it leaves alone."""

import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import zipfile

import pytest

from snapboot_devkit.package.audit import AuditError, audit, fix
from snapboot_devkit.package.binary.bytecode import Mode, header
from tests.devkit.audited import (
    LONG,
    TAG,
    TIMESTAMP,
    ZEROED,
    codes,
    compile_all,
    entry,
    filled,
    zipped,
)

FILES = {
    "app.py": "import library\n\ndef handler(event, context):\n    return library.function_1(event)\n",
    "library.py": LONG,
    "data/table.csv": "1,2\n",
}
PYC = f"__pycache__/app.{TAG}.pyc"


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "code", FILES)


@pytest.fixture
def stale(folder, tmp_path):
    return zipped(compile_all(folder, TIMESTAMP), tmp_path / "function.zip", date=ZEROED)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(root):
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_a_folder_gets_bytecode_that_is_used_unchecked(folder):
    assert len(fix(folder)) == 2
    assert codes(audit(folder)) == {}
    assert header((folder / PYC).read_bytes()).mode is Mode.UNCHECKED_HASH
    assert fix(folder) == ()


def test_the_bytecode_runs_and_names_the_path_on_lambda(folder):
    fix(folder)
    path = folder / "app.py"
    spec = importlib.util.spec_from_file_location("app", path)
    code = spec.loader.get_code("app")
    assert code.co_filename == str(path)  # corrected by the import system
    assert b"/var/task/app.py" in (folder / PYC).read_bytes()


def test_a_zip_with_zeroed_dates_is_fixed_and_the_same_each_time(stale, tmp_path):
    copy = shutil.copy(stale, tmp_path / "copy.zip")
    fix(stale)
    fix(copy)
    assert codes(audit(stale)) == {}
    assert digest(stale) == digest(copy)
    with zipfile.ZipFile(stale) as archive:
        assert archive.testzip() is None
        assert archive.read("data/table.csv") == b"1,2\n"
        assert stat.S_IMODE(archive.getinfo("app.py").external_attr >> 16) == 0o644


def test_nothing_to_fix_leaves_a_zip_as_it_is(folder, tmp_path):
    path = zipped(compile_all(folder), tmp_path / "function.zip")
    before = (digest(path), path.stat().st_mtime_ns)
    assert fix(path) == ()
    assert (digest(path), path.stat().st_mtime_ns) == before


def test_bytecode_of_other_versions_and_of_no_source_is_removed(folder):
    filled(folder, {"__pycache__/app.cpython-38.pyc": "1", f"__pycache__/gone.{TAG}.pyc": "1"})
    fix(folder, python=sys.executable)
    assert sorted(path.name for path in (folder / "__pycache__").iterdir()) == [
        f"app.{TAG}.pyc", f"library.{TAG}.pyc",
    ]  # fmt: skip


def test_bytecode_of_another_source_is_made_from_the_source_that_is_there(folder):
    compile_all(folder)
    filled(folder, {"app.py": "changed = True\n"})
    assert "bytecode-mismatch" in codes(audit(folder))
    fix(folder)
    assert codes(audit(folder)) == {}


def test_permissions_are_those_that_chmod_would_set(folder):
    compile_all(folder)
    (folder / "data").chmod(0o700)
    (folder / "data/table.csv").chmod(0o600)
    fix(folder)
    assert codes(audit(folder)) == {}
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "data/table.csv").stat().st_mode) == 0o644


def test_a_bootstrap_gets_unix_lines_and_its_run_bits(folder):
    compile_all(filled(folder, {"bootstrap": "#!/bin/sh\r\nexec true\r\n"}))
    (folder / "bootstrap").chmod(0o600)
    fix(folder)
    assert codes(audit(folder)) == {}
    assert (folder / "bootstrap").read_bytes() == b"#!/bin/sh\nexec true\n"


def test_a_module_archive_that_is_refused_is_removed(folder):
    compile_all(filled(folder, {"snapboot.modules": "not an archive"}))
    assert codes(audit(folder))["archive-refused"] == "warning"
    assert [change.path for change in fix(folder)] == ["snapboot.modules"]
    assert not (folder / "snapboot.modules").exists()


def test_modules_are_not_compiled_by_another_version(folder):
    other = "312" if sys.version_info[:2] != (3, 12) else "313"
    filled(folder, {f"fast.cpython-{other}-x86_64-linux-gnu.so": ""})
    before = content(folder)
    environment = os.environ["PATH"]
    os.environ["PATH"] = "/nowhere"
    try:
        with pytest.raises(AuditError, match=r"is for Python 3\.\d+, which was not found here"):
            fix(folder)
    finally:
        os.environ["PATH"] = environment
    assert content(folder) == before


# ---- what must not be written ----------------------------------------------------------------


def test_nothing_is_written_through_a_link(folder, tmp_path):
    outside = filled(tmp_path / "outside", {"keep": "1"})
    (folder / "__pycache__").symlink_to(outside)
    with pytest.raises(AuditError, match="a link leads it out of its folder"):
        fix(folder)
    assert content(outside) == {"keep": b"1"}


def test_a_linked_file_outside_keeps_its_mode(folder, tmp_path):
    outside = filled(tmp_path / "outside", {"secret": "1"})
    (outside / "secret").chmod(0o600)
    (folder / "linked").symlink_to(outside / "secret")
    fix(folder)
    assert stat.S_IMODE((outside / "secret").stat().st_mode) == 0o600


def test_a_zip_with_an_entry_that_leads_outside_is_not_rewritten(tmp_path):
    path = tmp_path / "function.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry("app.py"), LONG)
        archive.writestr(entry("../evil.py"), "")
    before = digest(path)
    with pytest.raises(AuditError, match=r"'\.\./evil\.py', its name leads out"):
        fix(path)
    assert digest(path) == before
    assert [found.name for found in tmp_path.iterdir()] == ["function.zip"]


def test_a_damaged_entry_leaves_the_zip_and_nothing_beside(stale, tmp_path):
    with zipfile.ZipFile(stale) as archive:
        at = archive.getinfo("data/table.csv").header_offset + 30 + len("data/table.csv")
    damaged = bytearray(stale.read_bytes())
    damaged[at] ^= 0xFF
    stale.write_bytes(damaged)
    with pytest.raises(AuditError, match="cannot rewrite"):
        fix(stale)
    assert stale.read_bytes() == damaged
    assert sorted(path.name for path in tmp_path.iterdir()) == ["code", "function.zip"]


def test_what_cannot_be_written_is_reported_and_leaves_nothing_beside(folder):
    filled(folder, {"__pycache__": "a file where a folder belongs"})
    before = content(folder)
    with pytest.raises(AuditError, match=r"cannot write to .*__pycache__'"):
        fix(folder)
    assert content(folder) == before
