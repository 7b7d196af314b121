"""The repository speaks of the project alone, and says the same thing everywhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from snapboot_devkit import extras
from tests.fakes.contenders import ROOT

# Paths of Lambda and of Unix, where a checkout may well be, but that are no machine's own.
PUBLIC = {
    Path(name) for name in ("/", "/home", "/opt", "/src", "/tmp", "/usr", "/usr/local", "/var")
}
PRIVATE_FOLDERS = re.compile(r"/(?:home|Users)/[A-Za-z0-9_.-]+/|[A-Z]:\\Users\\")
# Functions as users write them, bad ones included.
BROKEN_ON_PURPOSE = ("tests/functions/", "examples/")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# A docstring, behind comments at the most.
OPENING = re.compile(r"""(?:#.*\n|\n)*r?["']+\w*[^"']""")
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Return the text files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"this is no checkout that git can list: {exc}")
    names = filter(None, done.stdout.decode().split("\0"))
    found = {name: text for name in names if (text := _text(ROOT / name)) is not None}
    assert "bootstrap" in found
    return found


def _text(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    data = path.read_bytes()
    return None if b"\0" in data else data.decode()


def test_no_file_names_a_path_of_the_machine_it_was_written_on(texts):
    folders = {ROOT, ROOT.parent, Path.home(), Path(sys.prefix), Path(sys.base_prefix)} - PUBLIC
    here = re.compile(
        "|".join(rf"(?<![\w.~}}/-]){re.escape(str(folder))}(?![\w-])" for folder in folders)
    )
    named = {
        name: match[0]
        for name, text in texts.items()
        if (match := here.search(text) or PRIVATE_FOLDERS.search(text))
    }
    assert named == {}


@pytest.mark.parametrize("pattern", [UNFINISHED, CONFLICT], ids=["marks", "conflicts"])
def test_nothing_is_left_unfinished(texts, pattern):
    assert [name for name, text in texts.items() if pattern.search(text)] == []


def turns(text):
    """Yield the loops of a module that let the event loop turn so many times, on no condition."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.For) and ast.unparse(node.body) == "await asyncio.sleep(0)":
            yield node.lineno


def test_no_test_waits_for_a_number_of_turns_of_the_event_loop(texts):
    candidates = {
        name: text
        for name, text in texts.items()
        if re.match(r"tests/(?!functions).*\.py$", name) and "sleep(0)" in text
    }
    assert {name: found for name, text in candidates.items() if (found := [*turns(text)])} == {}
    assert [*turns("async def f():\n  for _ in range(10):\n    await asyncio.sleep(0)\n")] == [2]


def test_every_text_ends_with_a_line_end(texts):
    assert [name for name, text in texts.items() if text and not text.endswith("\n")] == []


def test_every_python_file_opens_by_saying_what_lives_there(texts):
    silent = [
        name
        for name, text in texts.items()
        if name.endswith(".py") and text and not name.startswith(BROKEN_ON_PURPOSE)
        and not OPENING.match(text)
    ]  # fmt: skip
    assert silent == []


def test_the_version_is_written_in_one_place():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in declared["project"].get("dynamic", [])
    assert declared["tool"]["hatch"]["version"]["path"] == "runtime/snapboot/__init__.py"
    versions = {
        package: re.findall(
            r'^__version__ = "(.+)"', (ROOT / package / "__init__.py").read_text(), re.MULTILINE
        )
        for package in ("runtime/snapboot", "devkit/snapboot_devkit")
    }
    assert versions == {
        "runtime/snapboot": versions["runtime/snapboot"],
        "devkit/snapboot_devkit": [],
    }
    assert len(versions["runtime/snapboot"]) == 1


def test_the_runtime_never_imports_the_devkit_but_to_serve_by_hand():
    importing = [
        path.name
        for path in (ROOT / "runtime").rglob("*.py")
        if re.search(r"^\s*(?:from|import) snapboot_devkit\b", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["standalone.py"]


def test_the_runtime_imports_no_heavy_module_where_it_is_loaded_first():
    """Each costs 2 to 25 ms before the first event; the test of the footprint sees the rest."""
    heavy = "dataclasses|enum|typing|re|logging|json|traceback|contextlib|functools|os|pathlib"
    hot = ("main", "api", "codec", "context", "environment", "handler", "output", "wire",
           "socket_transport", "__init__")  # fmt: skip
    for name in hot:
        source = (ROOT / f"runtime/snapboot/{name}.py").read_text()
        assert not re.findall(rf"^(?:import|from) (?:{heavy})\b", source, re.MULTILINE), name


# --- the image ---------------------------------------------------------------------------------


# Of files of variables, and of watching the code: the host in the image does neither.
NOT_OF_THE_IMAGE = {"dotenv", "watchfiles"}


def files_of_the_image():
    """Return the modules of the devkit that the image is built from."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [ROOT / line[1:] for line in lines if line.startswith("!devkit/")]
    return {module for path in kept for module in (path.rglob("*.py") if path.is_dir() else [path])}


def imported(module):
    """Return the names of what a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_image_has_every_module_of_the_devkit_that_those_in_it_import():
    present = files_of_the_image()
    assert len(present) > 50
    for module in present:
        for name in imported(module):
            path = ROOT / "devkit" / name.replace(".", "/")
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                assert file in present or not file.exists(), f"{module} imports {name}"


def test_the_image_installs_every_library_that_the_devkit_in_it_imports():
    dockerfile = (ROOT / "Dockerfile").read_text()
    installed = {name.lower() for name in re.findall(r'"([a-zA-Z0-9]+)>=', dockerfile)}
    tops = {name.partition(".")[0] for file in files_of_the_image() for name in imported(file)}
    assert (tops & extras.HOST | tops & extras.DEVKIT) - installed == NOT_OF_THE_IMAGE


# --- the source distribution -------------------------------------------------------------------


@pytest.mark.slow
def test_the_source_distribution_has_all_that_is_tracked(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling is in the extra 'dev'")
    if not (ROOT / ".git").exists():
        pytest.skip("what is tracked is known in a checkout alone")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    listed = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    done = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    tracked = set(done.stdout.split("\0")[:-1])
    assert "tests/conftest.py" in tracked
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert packed - {"PKG-INFO"} >= tracked
