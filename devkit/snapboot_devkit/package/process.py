"""A program that the packager runs to its end; nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it said."""

    status: int
    output: bytes
    errors: str


def run(
    command: Sequence[str],
    *,
    limit_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a program; end it, and all that it has started, after `limit_s`. Raises PackageError."""
    # Files, no pipes: what the program leaves running might keep a pipe open for ever.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as exc:
            raise PackageError(f"cannot start {command[0]!r}: {exc.strerror or exc}") from exc
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired as exc:
            raise PackageError(
                f"{' '.join(command)!r} did not end within {limit_s:g} s and was stopped"
            ) from exc
        finally:
            _end(process)
        output.seek(0)
        errors.seek(0)
        return Finished(status, output.read(), errors.read().decode("utf-8", "replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program's whole session, of which it was the first.

    It is asked before, as Ctrl-C would: it may have to end a session that it has started itself.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
