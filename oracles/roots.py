"""Root folders made by debootstrap: what is around a function, with Python or without any.

The mirror and the suite are those that apt of this machine is configured for. A root takes half a
minute and some 200 MB; it must not be written to, for it is there for all that come after.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles import cache

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S: Final = 600
# What Amazon Linux 2023 (minimal) has of the libraries that a CPython links to; with
# ca-certificates comes openssl. All suites since bookworm have them by these names.
LIBRARIES: Final = ("ca-certificates", "libexpat1", "libffi8", "libsqlite3-0", "zlib1g")
PYTHON: Final = ("ca-certificates", "python3", "python3-pip")
FOREIGN: Final = ("libpython3-dev", "python3")
# What Lambda mounts upon, in a root that is read-only by then.
MOUNT_POINTS: Final = ("opt", "var/task", "var/runtime")

_ASK_APT: Final = (
    *("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"),
    "Identifier: Packages",
)
# Whatever it mounts is gone with its end, however it ends.
_DEBOOTSTRAP: Final = ("unshare", "--mount", "--", "debootstrap", "--variant=minbase")
# Fetched or logged, and of no use any more.
_LEFTOVERS: Final = ("var/cache/apt", "var/lib/apt/lists", "var/log", "debootstrap")


def bare() -> Path:
    """Return a root without any Python, which stands in for `provided.al2023`.

    Shell, coreutils, and the libraries that one finds there, of a newer glibc. Raises
    OracleUnavailable.
    """
    return _root("bare", _release(), LIBRARIES)


def python(suite: str = "") -> Path:
    """Return a root with Debian's `python3` and its pip, of a suite or of this machine's.

    `sid` has the newest. Raises OracleUnavailable.
    """
    return _root("python", suite or _release(), PYTHON)


def foreign(architecture: str, suite: str = "") -> Path:
    """Return a root with `python3` of another architecture, by dpkg's name: `arm64`.

    Nothing of it has been run: the packages are unpacked, not configured. With the headers, which
    tell the interpreter's release to those who cannot run it. Raises OracleUnavailable.
    """
    suite = suite or _release()
    fill = functools.partial(_unpack, architecture, suite, FOREIGN)
    return cache.entry(f"root-{suite}-{architecture}", fill)


def _root(name: str, suite: str, packages: Sequence[str]) -> Path:
    return cache.entry(f"root-{suite}-{name}", functools.partial(bootstrap, suite, packages))


def bootstrap(suite: str, packages: Sequence[str], target: Path) -> None:
    """Make a root of these packages at `target`. Raises OracleUnavailable."""
    _run([*_DEBOOTSTRAP, _including(packages), suite, str(target), mirror()])
    _tidy(target)


def _unpack(architecture: str, suite: str, packages: Sequence[str], target: Path) -> None:
    only = ("--foreign", f"--arch={architecture}", _including(packages))
    _run([*_DEBOOTSTRAP, *only, suite, str(target), mirror()])
    # The first stage unpacks what the second needs to run there: the rest is fetched, no more.
    for package in sorted((target / "var/cache/apt/archives").glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(target)])
    _tidy(target)


def _including(packages: Sequence[str]) -> str:
    return f"--include={','.join(packages)}"


def _tidy(target: Path) -> None:
    for name in _LEFTOVERS:
        shutil.rmtree(target / name, ignore_errors=True)
    for name in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"):
        (target / name).mkdir(parents=True)
    for name in MOUNT_POINTS:
        (target / name).mkdir(parents=True, exist_ok=True)


@functools.cache
def _release() -> str:
    """Return this machine's suite."""
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError) as exc:
        message = f"this system names no suite of Debian's: {exc!r}. Use Debian or Ubuntu"
        raise cache.OracleUnavailable(message) from exc


@functools.cache
def mirror() -> str:
    """Return the address that apt takes this machine's suite from."""
    _require()
    for line in _run(_ASK_APT).splitlines():
        address, release, component = line.split(" ")
        if (release, component) == (_release(), "main"):
            return address
    raise cache.OracleUnavailable(
        f"apt knows no source of {_release()!r} 'main'. Add a mirror to /etc/apt/sources.list"
    )


def _require() -> None:
    if os.geteuid():
        raise cache.OracleUnavailable("only root can make a root folder. Run this as root")
    for tool, package in (("apt-get", "apt"), ("debootstrap",) * 2, ("unshare", "util-linux")):
        if not shutil.which(tool):
            raise cache.OracleUnavailable(
                f"there is no {tool!r} here. Install it, on Debian with 'apt-get install {package}'"
            )


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise cache.OracleUnavailable(f"tried {command!r}: {exc}") from exc
    if done.returncode:
        # debootstrap says on standard output why it gave up.
        words = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise cache.OracleUnavailable(
            f"tried {' '.join(command)!r}, which failed: {words!r}. Give this machine a mirror "
            "that can be reached"
        )
    return done.stdout
