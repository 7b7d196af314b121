"""The interpreter that goes into a package: found, judged, trimmed and moved."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import pytest

from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import choice, interpreter, managed, portable, runpath
from snapboot_devkit.package.interpreters.trimming import TRIMMED, is_trimmed
from snapboot_devkit.package.layout import Form
from snapboot_devkit.package.request import PackageRequest
from snapboot_devkit.package.target import Architecture, Target, is_free_threaded, parse_version
from tests.devkit.packages import filled, own_interpreter, target

EM_AARCH64 = (183).to_bytes(2, "little")
EM_RISCV = (243).to_bytes(2, "little")


@pytest.fixture(scope="module")
def own():
    return own_interpreter()


def refusal(place, native=None):
    with pytest.raises(PackageError) as raised:
        interpreter.at(place, native=native or target().architecture)
    return str(raised.value)


def foreign(own, folder, machine=EM_AARCH64):
    """Make what another architecture's interpreter looks like to who cannot run it."""
    for path in (own.program, *own.prefix.glob("lib/libpython3*.so.*")):
        copy = folder / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = bytearray(path.read_bytes())
        content[18:20] = machine
        copy.write_bytes(content)
        copy.chmod(0o755)
    filled(folder, {f"lib/{own.stdlib.name}/os.py": ""})
    return folder


def test_an_interpreter_is_asked_what_it_is(own):
    assert own.hexversion == sys.hexversion
    assert own.stdlib == Path(
        sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
    )
    assert own.release == ".".join(map(str, sys.version_info[:3]))


def test_it_may_be_named_by_its_program(own):
    assert interpreter.at(own.program, native=own.target.architecture) == own


def test_one_that_cannot_run_here_is_read(own, tmp_path):
    if own.target.architecture is not Architecture.X86_64:
        pytest.skip("the stand-in is made from one for x86_64")
    found = interpreter.at(foreign(own, tmp_path), native=Architecture.X86_64)
    assert found.target == Target(own.target.python, Architecture.ARM64)
    assert found.hexversion == sys.hexversion


def test_a_machine_that_lambda_has_not_is_refused(own, tmp_path):
    assert "for EM_RISCV, which Lambda does not support" in refusal(
        foreign(own, tmp_path, EM_RISCV)
    )


def test_a_virtual_environment_is_refused_with_what_to_give_instead(tmp_path):
    filled(tmp_path, {"pyvenv.cfg": "home = /usr/local/bin\nversion = 3.13.1\n"})
    assert "the one it was made from: --python /usr/local" in refusal(tmp_path)


def test_a_folder_without_an_interpreter_is_refused(tmp_path):
    assert "there is no interpreter" in refusal(tmp_path / "none")
    assert "there is no bin/python3.X" in refusal(tmp_path)


def test_a_program_that_is_none_for_linux_is_refused(tmp_path):
    filled(tmp_path, {"bin/python3.13": "#!/bin/sh\n"})
    assert "is not a Linux program" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["3.10", "2.7", "4", "3", "x"])
def test_a_version_that_cannot_be_used_says_what_can(text):
    with pytest.raises(PackageError, match=r"neither a version from 3\.11 up, such as 3\.13"):
        parse_version(text)


def test_a_version_without_the_gil_is_distinguished_from_the_usual_ones(monkeypatch, tmp_path):
    texts = ("3.14t", "3.14.2t", "3.14", "t", "3.14tt")
    assert [is_free_threaded(text) for text in texts] == [True, True, False, False, False]
    builds = ("cpython-3.14.2-linux-x86_64-gnu", "cpython-3.14.1+freethreaded-linux-x86_64-gnu")
    for name in builds:
        (tmp_path / name / "bin").mkdir(parents=True)
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    wanted = Target((3, 14), Architecture.X86_64)
    found = [managed.standalone(wanted, free_threaded=kind).name for kind in (False, True)]
    assert found == list(builds)


def test_an_image_has_the_interpreter_of_its_base_which_is_a_usual_one(tmp_path):
    request = PackageRequest(
        source=tmp_path, handler="a.b", form=Form.IMAGE, output=tmp_path, python="3.14t"
    )
    with pytest.raises(PackageError, match=r"3\.14t is not for an image"):
        choice.version_of(request)


def test_a_version_may_have_a_patch_level():
    assert parse_version("3.14") == parse_version("3.14.2") == (3, 14)


@pytest.mark.parametrize(
    "path",
    ["test", "tkinter", "unittest/test", "lib-dynload/_tkinter.cpython-313-x86_64-linux-gnu.so",
     "json/__pycache__", "config-3.13-x86_64-linux-gnu", "site-packages", "venv/scripts"],
)  # fmt: skip
def test_what_no_function_needs_is_trimmed(path):
    assert is_trimmed(path)


@pytest.mark.parametrize(
    "path",
    ["unittest", "unittest/mock.py", "doctest.py", "pdb.py", "sqlite3", "ctypes", "venv",
     "lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so", "distutils", "pydoc.py",
     "configparser.py", "curses", "_sysconfigdata__linux_x86_64-linux-gnu.py", "testing.py"],
)  # fmt: skip
def test_what_a_handler_may_import_stays(path):
    assert not is_trimmed(path)


def test_every_trimmed_name_has_a_reason():
    assert all(reason.strip() for reason in TRIMMED.values())


@pytest.mark.slow
def test_a_copy_starts_from_where_it_is_and_uses_nothing_of_its_origin(own, tmp_path):
    copied = portable.copy(own, tmp_path / "python", runs_here=True).interpreter
    moved = tmp_path / "moved"
    copied.prefix.rename(moved)
    program = moved / "bin" / copied.program.name
    code = "import sys, ssl, ctypes; print(sys.prefix, *sys.path, open('/proc/self/maps').read())"
    done = subprocess.run(
        [program, "-SsPB", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == str(moved)
    system = Path(sys.base_prefix) == Path("/usr")
    assert system or f"{sys.base_prefix}/" not in done.stdout
    assert not (moved / "lib" / own.stdlib.name / "test").exists()
    assert not list(moved.rglob("__pycache__"))
    names = sorted(path.name for path in (moved / "bin").iterdir())
    assert names == ["python", "python3", copied.program.name]


@pytest.mark.slow
def test_a_copy_that_finds_no_library_of_its_own_cannot_be_moved(own, tmp_path):
    folder = tmp_path / "broken"
    (folder / "bin").mkdir(parents=True)
    shutil.copy2(own.program, folder / "bin")
    stdlib = folder / "lib" / own.stdlib.name
    stdlib.mkdir(parents=True)
    (stdlib / "os.py").touch()
    broken = portable.in_folder(own, folder)
    with pytest.raises(PackageError, match="does not start from another folder"):
        portable.copy(broken, tmp_path / "copy", runs_here=True)


def test_a_library_of_its_own_may_be_named_with_a_folder(own, tmp_path):
    program = tmp_path / "bin" / own.program.name
    named = own.program.read_bytes().replace(b"\0libc.so.6\0", b"\0../c.so.6\0")
    if named == own.program.read_bytes():
        pytest.skip("this system's C library has another name")
    filled(tmp_path, {f"bin/{program.name}": named, "lib/c.so.6": own.program.read_bytes()})
    stdlib = tmp_path / "lib" / own.stdlib.name
    prefix = replace(own, prefix=tmp_path, program=program, stdlib=stdlib)
    assert portable.own_libraries(prefix) == [tmp_path / "lib/c.so.6"]


def test_an_absolute_library_folder_becomes_a_relative_one(own, tmp_path):
    file = tmp_path / "program"
    shutil.copyfile(own.program, file)
    named = [text for text in _runpaths(file) if "$ORIGIN" not in text]
    runpath.relocate(file, "../lib")
    if not named:
        assert file.read_bytes() == own.program.read_bytes()
        pytest.skip("this interpreter names no folder for its libraries")
    assert _runpaths(file) == ["$ORIGIN/../lib"] * len(named)
    assert elf.needs(file) == elf.needs(own.program)
    again = file.read_bytes()
    runpath.relocate(file, "../lib")
    assert file.read_bytes() == again


def test_what_is_relocated_is_another_file_than_the_one_it_was_linked_to(own, tmp_path):
    origin, file = tmp_path / "origin", tmp_path / "program"
    shutil.copyfile(own.program, origin)
    if all("$ORIGIN" in text for text in _runpaths(origin)):
        pytest.skip("this interpreter names no folder for its libraries")
    file.hardlink_to(origin)
    runpath.relocate(file, "../lib")
    assert origin.read_bytes() == own.program.read_bytes() != file.read_bytes()


def test_a_copy_has_the_mode_of_a_package_whatever_that_of_the_interpreter_is(tmp_path):
    files = {name: filled(tmp_path, {name: "x"}) / name for name in ("plain", "odd", "run")}
    files["odd"].chmod(0o640)
    files["plain"].chmod(0o644)
    files["run"].chmod(0o755)
    (tmp_path / "link").symlink_to("odd")
    for name, mode in {"plain": 0o644, "odd": 0o644, "run": 0o755, "link": 0o644}.items():
        copied = tmp_path / "copies" / name
        portable.copy_file(tmp_path / name, copied)
        assert stat.S_IMODE(copied.lstat().st_mode) == mode
        assert copied.read_text() == "x"
    assert stat.S_IMODE(files["odd"].stat().st_mode) == 0o640


def test_a_folder_that_does_not_fit_is_refused(own, tmp_path):
    file = tmp_path / "program"
    shutil.copyfile(own.program, file)
    if all("$ORIGIN" in text for text in _runpaths(file)):
        pytest.skip("this interpreter names no folder for its libraries")
    with pytest.raises(PackageError, match="no room for"):
        runpath.relocate(file, "x" * 4096)


def _runpaths(file):
    with file.open("rb") as content:
        return [text.content.decode() for text in elf.folders_of(content, file.name)]


def test_a_system_interpreter_leaves_the_systems_libraries_alone():
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("this machine has no Python of its own")
    try:
        system = interpreter.at(Path("/usr"), native=target().architecture)
    except PackageError as exc:
        pytest.skip(str(exc))
    assert portable.own_libraries(system) == []


ADDRESS = "https://downloads.example/python-3.13.tar.gz"


@pytest.mark.parametrize(
    ("causes", "expected"),
    [
        ([f"error sending request for url ({ADDRESS})", "dns error"], f"{ADDRESS}: dns error"),
        ([f"404 Not Found for url ({ADDRESS})"], f"404 Not Found for url ({ADDRESS})"),
    ],
)
def test_why_uv_has_no_interpreter_is_reported_by_its_cause_and_one_address(causes, expected):
    lines = ["error: Failed to install cpython-3.13", f"  cause: Failed to download `{ADDRESS}`"]
    assert managed.why("\n".join([*lines, *(f"  cause: {cause}" for cause in causes)])) == expected


def test_what_uv_says_in_one_line_is_reported_without_its_last_stop():
    assert managed.why("error: No download found for cpython-3.99.") == (
        "No download found for cpython-3.99"
    )
