"""The folder the oracles are kept in, and how an entry of it comes to be: whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT: Final = Path(__file__).resolve().parents[1] / ".cache"
PIP_TIMEOUT_S: Final = 300


class OracleUnavailable(Exception):  # noqa: N818 - reads as the state of affairs it reports
    """An oracle cannot be had here. The message says why and what to do; tests skip on it alone."""


def entry(name: str, fill: Callable[[Path], None], root: Path = ROOT) -> Path:
    """Return the folder `name` of the cache at `root`, made by `fill` when it is not there yet.

    `fill` gets an empty folder beside the final one, which is renamed into place when it returns:
    callers in parallel may do the work twice, but never see half of it.
    """
    target = root / name
    if target.is_dir():
        return target
    root.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=root))
    try:
        fill(scratch)
        scratch.chmod(0o755)
        _move(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def pip(python: str | os.PathLike[str], arguments: Sequence[str]) -> None:
    """Run pip of the interpreter `python`, or raise OracleUnavailable with its last words."""
    command = [os.fspath(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise OracleUnavailable(_advice(command, str(exc))) from exc
    if done.returncode:
        raise OracleUnavailable(_advice(command, done.stderr.strip()))


def _move(scratch: Path, target: Path) -> None:
    try:
        scratch.rename(target)
    except OSError:
        # Another process was first; its copy is as good as ours.
        if not target.is_dir():
            raise


def _advice(command: Sequence[str], words: str) -> str:
    return (
        f"tried {' '.join(command)!r}, which failed: {words!r}. Give this machine pip and a "
        "package index (network, or PIP_INDEX_URL / PIP_FIND_LINKS), or copy a filled "
        f"{str(ROOT)!r} here"
    )
