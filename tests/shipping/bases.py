"""What images are built upon: folders with a Python as three kinds of base images have it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from oracles import roots

VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
DEADLINE_S: Final = 60
PROGRAMS: Final = ("python", "pip", "idle", "pydoc", "2to3")
# Asked of an interpreter in its new place.
_IMPORTS: Final = "import ctypes, sqlite3, ssl, zlib, pip"
# What `dnf` does on Amazon Linux, for the one package that is asked for: no `python3` is there then.
DNF: Final = f"""#!/bin/sh
set -eu
case "$*" in
"install -y python{VERSION} python{VERSION}-pip") cp -a /srv/python/. /usr/ && rm -r /srv/python ;;
"clean all") echo cleaned > /var/log/dnf.log ;;
*) echo "No match for argument: $*" >&2; exit 1 ;;
esac
"""


def debian(folder: Path) -> list[Path]:
    """Return Debian with its own `python3`: folders that are mounted over each other."""
    del folder
    return [roots.python()]


def debian_version() -> str:
    """Return the version of that Python, such as `3.11`."""
    return (roots.python() / "usr/bin/python3").readlink().name.removeprefix("python")


def slim(folder: Path) -> list[Path]:
    """Return what is like python:3.13-slim: a Python in /usr/local, and no bytecode of it."""
    _place_python(folder / "usr/local")
    # In the place of the cache that ldconfig would have made.
    for library in (folder / "usr/local/lib").glob("libpython*.so*"):
        (folder / "usr/lib").mkdir(exist_ok=True)
        (folder / "usr/lib" / library.name).symlink_to(f"/usr/local/lib/{library.name}")
    return [roots.bare(), folder]


def amazon(folder: Path) -> list[Path]:
    """Return what is like provided:al2023: no Python, but a `dnf` that can install one."""
    python = folder / "srv/python"
    _place_python(python)
    for link in ("python", "python3", "pip", "pip3"):
        (python / "bin" / link).unlink(missing_ok=True)
    dnf = folder / "usr/bin/dnf"
    dnf.parent.mkdir(parents=True)
    dnf.write_text(DNF)
    dnf.chmod(0o755)
    return [roots.bare(), folder]


def bare(folder: Path) -> list[Path]:
    """Return what has no Python, and no way to one."""
    del folder
    return [roots.bare()]


def _place_python(target: Path) -> None:
    """Put this machine's interpreter into a root; skip where it cannot be moved."""
    source = Path(sys.base_prefix)
    shutil.copytree(source, target, symlinks=True, ignore=_ignored, dirs_exist_ok=True)
    python = target / f"bin/python{VERSION}"
    done = subprocess.run(
        [python, "-Ic", f"{_IMPORTS}; import sys; print(sys.prefix)"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    if done.stdout.strip() != str(target):
        pytest.skip(f"the interpreter in {str(source)!r} cannot be moved: {done.stderr.strip()}")
    for cache in list(target.rglob("__pycache__")):
        shutil.rmtree(cache)


def _ignored(folder: str, names: list[str]) -> set[str]:
    """Leave out what is no part of the interpreter, but for pip."""
    match Path(folder).name:
        case "bin":
            return {name for name in names if not name.startswith(PROGRAMS)}
        case "site-packages":
            return {name for name in names if not name.startswith(("pip", "setuptools"))}
    return {name for name in names if name in {"__pycache__", "share"} or name.endswith(".a")}
