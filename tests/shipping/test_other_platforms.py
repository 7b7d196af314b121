"""arm64, made here and run under qemu; and what a Python for musl gets.

No emulator of AWS's runs there: the fake Runtime API serves the events.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile

import pytest
from elftools.elf.elffile import ELFFile

from oracles import musl, roots
from tests.fakes.contenders import ROOT, Contender
from tests.fakes.function import Function
from tests.fakes.mounts import TASK_ROOT, mounted
from tests.fakes.scenario import Event
from tests.shipping import packages
from tests.shipping.cases import CASES

pytestmark = pytest.mark.slow

QEMU = "qemu-aarch64-static"
ELF = b"\x7fELF"
PYDANTIC = next(case for case in CASES if case.name == "pydantic_order")
PRINTS_ITS_PLATFORM = """
import platform
import sys

def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return [platform.machine(), event, left > 0, "snapboot.socket_transport" in sys.modules]
"""
PRINTS_ITS_LIBC = """
import sys

def handler(event, context):
    return [sys.implementation._multiarch, event]
"""
FAILS = """
def handler(event, context):
    raise ValueError(event)
"""


@pytest.fixture(scope="module")
def arm64():
    """Return a root of arm64."""
    if not shutil.which(QEMU):
        pytest.skip(f"there is no {QEMU!r} here; on Debian, install qemu-user-static")
    return roots.foreign("arm64")


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """Return a PATH with the interpreter that the one of arm64 has been built beside."""
    root = roots.python()
    folder = tmp_path_factory.mktemp("twin")
    program = (root / "usr/bin/python3").resolve()
    (folder / program.name).symlink_to(program)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def packaged(arm64, twin, tmp_path_factory):
    """Return the folder of a function for arm64, as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("arm64")
    source = packages.witnessed(PYDANTIC, folder / "source")
    output = packages.package(
        *(source, folder / "dist", "--as", "zip", "--arch", "arm64", "--allow-newer-glibc"),
        *("--python", arm64 / "usr"),
        env={**os.environ, "PATH": twin},
    )
    return packages.unpack(output / packages.FUNCTION, folder / "task")


@pytest.fixture(scope="module")
def musl_python():
    """Return a Contender by a Python for musl."""
    program = musl.python()
    command = [str(program), "-SsPB", str(ROOT / "bootstrap")]
    return Contender("musl", lambda handler: [*command, handler], dict)


@pytest.fixture(scope="module")
def image_for_musl(tmp_path_factory):
    """Return the code's folder of a function for an image that has musl."""
    folder = tmp_path_factory.mktemp("musl")
    options = ("--as", "image", "--libc", "musl", "--python", musl.VERSION)
    source = packages.witnessed(PYDANTIC, folder / "source")
    return packages.package(source, folder / "dist", *options) / "image" / "task"


def under_qemu(root, program, bootstrap, **places):
    """Return what starts a program of arm64; its own loader and libraries are the root's."""
    command = [QEMU, "-L", str(root), str(program), "-SsP", str(bootstrap)]
    if places:
        return mounted(command, places)
    return Contender("arm64", lambda handler: [*command, handler], dict)


def machines(folder):
    """Return the machine of each ELF file."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == ELF:
            with path.open("rb") as file:
                found[path.relative_to(folder).as_posix()] = ELFFile(file)["e_machine"]
    return found


def test_the_runtime_serves_on_arm64(arm64, tmp_path):
    function = Function(tmp_path)
    function.code(PRINTS_ITS_PLATFORM)
    contender = under_qemu(arm64, arm64 / "usr/bin/python3", ROOT / "bootstrap")
    run = function.run(Event(b'"\xc3\xa9"'), Event(b"[2]"), contender=contender)
    assert run.results == [["aarch64", "é", True, True], ["aarch64", [2], True, True]]
    assert (run.stdout, run.stderr) == ("", "")


def test_an_error_on_arm64_is_reported_as_anywhere(arm64, tmp_path):
    function = Function(tmp_path)
    function.code(FAILS)
    contender = under_qemu(arm64, arm64 / "usr/bin/python3", ROOT / "bootstrap")
    run = function.run(Event(b'"?"'), contender=contender)
    assert run.document["errorType"] == "ValueError"
    assert run.document["errorMessage"] == "?"


def test_everything_in_a_package_for_arm64_is_for_arm64(packaged):
    found = machines(packaged)
    assert set(found.values()) == {"EM_AARCH64"}
    names = " ".join(found)
    for part in (".snapboot/python/bin/python3", "lib-dynload/", "orjson", "_pydantic_core"):
        assert part in names


def test_a_package_for_arm64_runs_there_from_its_archive(arm64, packaged):
    shebang = (packaged / "bootstrap").read_text().partition("\n")[0]
    program = shebang.removeprefix("#!").split()[0]
    contender = under_qemu(arm64, program, f"{TASK_ROOT}/bootstrap", **{TASK_ROOT: packaged})
    event = Event(json.dumps(PYDANTIC.event).encode())
    run = Function(packaged).run(event, handler=packages.HANDLER, contender=contender)
    assert run.result["result"] == PYDANTIC.result
    assert run.result["compiled"] == []
    assert run.result["loaders"]["ArchiveLoader"] >= PYDANTIC.modules
    assert (run.stdout, run.stderr) == ("", "")


def test_without_a_twin_a_package_for_arm64_has_bytecode_and_no_archive(arm64, tmp_path):
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not (arm64 / "usr/bin" / version).exists():
        pytest.skip(f"the {version} that runs the tests cannot compile for that of arm64")
    source = packages.witnessed(PYDANTIC, tmp_path / "source")
    done = packages.snapboot(
        *("package", source, "--handler", packages.HANDLER, "--output", tmp_path / "dist"),
        *("--as", "zip", "--arch", "arm64", "--allow-newer-glibc", "--python", arm64 / "usr"),
        # Nothing but the interpreter of the tests, of another release, is known then.
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode == 0, done
    with zipfile.ZipFile(tmp_path / "dist" / packages.FUNCTION) as archive:
        names = archive.namelist()
    assert "snapboot.modules" not in names
    assert any(name.endswith(".pyc") for name in names)
    assert "no module archive" in done.stdout + done.stderr


def test_the_runtime_serves_on_musl(musl_python, tmp_path):
    function = Function(tmp_path)
    function.code(PRINTS_ITS_LIBC)
    run = function.run(Event(b'"\xc3\xa9"'), Event(b"[2]"), contender=musl_python)
    assert [libc.rpartition("-")[2] for libc, _ in run.results] == ["musl", "musl"]
    assert [event for _, event in run.results] == ["é", [2]]
    assert (run.stdout, run.stderr) == ("", "")


def test_an_image_for_musl_gets_wheels_for_musl(image_for_musl):
    names = [path.name for path in image_for_musl.rglob("*.so")]
    assert any(name.startswith("_pydantic_core.") for name in names)
    assert [name for name in names if not name.endswith("-linux-musl.so")] == []


def test_a_function_runs_with_its_wheels_for_musl(musl_python, image_for_musl):
    event = Event(json.dumps(PYDANTIC.event).encode())
    run = Function(image_for_musl).run(event, contender=musl_python)
    assert run.result == PYDANTIC.result
    assert (run.stdout, run.stderr) == ("", "")
