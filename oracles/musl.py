"""A CPython for musl, as Alpine has it: built from Debian's source package by musl's own wrapper.

It takes two processors' minutes by the dozen, so it is only built for who asks for it: with
SNAPBOOT_BUILD_MUSL set. It has what the C library alone is needed for: no zlib, no TLS, no SQLite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from oracles import cache, roots

if TYPE_CHECKING:
    from collections.abc import Sequence

WISH: Final = "SNAPBOOT_BUILD_MUSL"
VERSION: Final = "3.13"
SUITE: Final = "trixie"
BUILD_TIMEOUT_S: Final = 3600

_NAME: Final = f"musl-python{VERSION}"
_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
# `configure` compares what the wrapper's gcc says of itself, which is glibc's, with what it finds.
_COMPILER: Final = """#!/bin/sh
case " $* " in
*" --print-multiarch "*) echo "$(uname -m)-linux-musl" ;;
*) exec musl-gcc "$@" ;;
esac
"""
# The test modules and pip are of no use; the libraries of this system are glibc's.
_CONFIGURE: Final = ("--disable-test-modules", "--without-ensurepip", "--without-static-libpython")
_NOTHING_OF_THIS_SYSTEM: Final = {"PKG_CONFIG_LIBDIR": "/nonexistent"}


def python() -> Path:
    """Return the program. Raises OracleUnavailable."""
    return cache.entry(_NAME, _build) / f"bin/python{VERSION}"


def _build(target: Path) -> None:
    if not os.environ.get(WISH):
        raise cache.OracleUnavailable(
            f"no CPython for musl has been built here, which takes long. Set {WISH}=1 to have it"
        )
    if not shutil.which("musl-gcc"):
        raise cache.OracleUnavailable("there is no musl-gcc here. Install musl-tools")
    work = target / "work"
    source = _source(work)
    compiler = work / "musl-cc"
    compiler.write_text(_COMPILER)
    compiler.chmod(0o755)
    _run(["./configure", f"CC={compiler}", f"--prefix={target}", *_CONFIGURE], source)
    _run(["make"], source)
    _run(["make", "install"], source)
    shutil.rmtree(work)


def _source(work: Path) -> Path:
    """Return the folder of the unpacked source, by apt with a configuration of its own."""
    lists = work / "lists"
    (lists / "partial").mkdir(parents=True)
    sources = work / "sources.list"
    sources.write_text(f"deb-src [signed-by={_KEYS}] {roots.mirror()} {SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": lists,
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in settings.items())]
    _run([*apt, "update"], work)
    _run([*apt, "source", "--download-only", f"python{VERSION}"], work)
    (packed,) = work.glob("*.orig.tar.xz")
    _run(["tar", "--extract", "--file", str(packed)], work)
    (unpacked,) = work.glob("Python-*")
    return unpacked


def _run(command: Sequence[str], cwd: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **_NOTHING_OF_THIS_SYSTEM},
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise cache.OracleUnavailable(f"tried {command!r}: {exc}") from exc
    if done.returncode:
        words = "\n".join(done.stderr.splitlines()[-5:])
        raise cache.OracleUnavailable(f"tried {' '.join(command)!r}, which failed: {words!r}")
