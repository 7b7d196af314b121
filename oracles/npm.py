"""Packages of npm in the oracles' cache: fetched without running their install scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from oracles.cache import OracleUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIMEOUT_S: Final = 300
_QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--silent")


def install(folder: Path, package: str) -> None:
    """Install `package` (`name@version`) below `folder`/node_modules. Raises OracleUnavailable."""
    run(["install", "--prefix", os.fspath(folder), package])


def pack(folder: Path, package: str) -> Path:
    """Return the tarball of `package`, fetched into `folder`. Raises OracleUnavailable."""
    run(["pack", "--pack-destination", os.fspath(folder), package])
    return next(folder.glob("*.tgz"))


def run(arguments: Sequence[str]) -> None:
    """Run npm, or raise OracleUnavailable with its last words."""
    program = shutil.which("npm")
    if program is None:
        raise OracleUnavailable("no npm on the PATH: install Node.js, which brings it")
    command = [program, *arguments, *_QUIET]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise OracleUnavailable(_advice(command, str(exc))) from exc
    if done.returncode:
        raise OracleUnavailable(_advice(command, (done.stderr or done.stdout).strip()))


def _advice(command: Sequence[str], words: str) -> str:
    return (
        f"tried {' '.join(command)!r}, which failed: {words!r}. Give this machine a registry that "
        "npm is configured for, or copy a filled cache here"
    )
