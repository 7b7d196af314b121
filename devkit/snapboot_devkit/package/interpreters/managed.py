"""Interpreters that uv knows: its own builds, which can be moved, and any that can do work here."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from pathlib import Path
from typing import Final

from snapboot_devkit import programs
from snapboot_devkit.package.contents.resolver import reason, uv_run
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters.interpreter import asked
from snapboot_devkit.package.target import MACHINES, Architecture, Libc, Target

_LIBCS: Final = {Libc.GLIBC: "gnu", Libc.MUSL: "musl"}
_FREE_THREADED: Final = "+freethreaded"
_CAUSE: Final = re.compile(r"^\s*cause: (.+)", re.MULTILINE)
_URL: Final = re.compile(r"https?://[^\s`)]+")


def standalone(target: Target, *, free_threaded: bool = False) -> Path:
    """Return the folder of uv's own build for a target, downloaded if need be.

    With `free_threaded` it is one without the GIL. Raises PackageError when it cannot be had.
    """
    kind = _FREE_THREADED if free_threaded else ""
    request = f"{target.version}{kind}-linux-{MACHINES[target.architecture]}-{_LIBCS[target.libc]}"
    if found := _installed(target, request):
        return found
    done = uv_run(["python", "install", "--no-bin", f"cpython-{request}"])
    found = _installed(target, request)
    if done.status or found is None:
        raise PackageError(
            f"cannot get an interpreter for {target} by 'uv python install': "
            f"{why(done.errors)}; give the folder of one that can be moved by --python FOLDER, "
            "or leave it out by --no-interpreter"
        )
    return found


def why(errors: str) -> str:
    """Return why uv could get no interpreter: the innermost cause, and of which address."""
    causes = _CAUSE.findall(errors)
    if not causes:
        return reason(errors).rstrip(".")
    address = _URL.search(errors)
    if address is None or address[0] in causes[-1]:
        return str(causes[-1])
    return f"{address[0]}: {causes[-1]}"


def program(version: str) -> Path | None:
    """Return any Python program of a version (3.13, 3.13.1, or 3.14t) that runs here."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}" or version == _own_release():
        return Path(sys.executable)
    done = uv_run(["python", "find", "--no-project", "--no-python-downloads", f"cpython@{version}"])
    found = done.output.decode("utf-8", "replace").strip()
    return Path(found) if not done.status and found else _on_path(version)


def _on_path(version: str) -> Path | None:
    """Return the first program of a version that starts; uv gives up at the first that does not."""
    free_threaded = "t" if version.endswith("t") else ""
    wanted = tuple(map(int, version.removesuffix("t").split(".")))
    for program in programs.named("python{}.{}".format(*wanted) + free_threaded):
        with contextlib.suppress(PackageError, ValueError):
            release = asked(Path(program))[0].to_bytes(4, "big")
            if tuple(release[: len(wanted)]) == wanted:
                return Path(program)
    return None


def native() -> Architecture | None:
    """Return this machine's architecture, None where Lambda has no such machine."""
    if sys.platform != "linux":
        return None
    machine = platform.machine()
    return next((name for name, other in MACHINES.items() if other == machine), None)


def _own_release() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _installed(target: Target, request: str) -> Path | None:
    """Return the newest build that is there.

    Folders are named cpython-3.13.1-linux-x86_64-gnu, cpython-3.14.0+freethreaded-linux-….
    """
    done = uv_run(["python", "dir"])
    root = Path(os.fsdecode(done.output).strip())
    platform_name = request.partition("-")[2]
    kind = _FREE_THREADED if _FREE_THREADED in request else ""
    found = root.glob(f"cpython-{target.version}.*{kind}-{platform_name}")
    return max(
        (
            path
            for path in found
            if _patch(path).isdecimal()
            and (_FREE_THREADED in path.name) == bool(kind)
            and (path / "bin").is_dir()
        ),
        key=lambda path: int(_patch(path)),
        default=None,
    )


def _patch(path: Path) -> str:
    return path.name.split("-")[1].partition("+")[0].rpartition(".")[2]
