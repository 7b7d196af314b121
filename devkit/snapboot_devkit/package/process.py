"""A program that the packager runs to its end; nothing of it stays behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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
    with started(command, limit_s=limit_s, env=env, cwd=cwd) as finish:
        return finish()


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    limit_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Callable[[], Finished]]:
    """Start a program, and yield what waits for its end, which raises PackageError.

    It is ended, and all that it has started, after `limit_s`, and where the block is left.
    """
    with contextlib.ExitStack() as stack:
        # Files, no pipes: what the program leaves running might keep a pipe open for ever.
        output = stack.enter_context(tempfile.TemporaryFile())
        errors = stack.enter_context(tempfile.TemporaryFile())
        deadline = time.monotonic() + limit_s
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
        running = stack.enter_context(contextlib.ExitStack())
        running.callback(_end, process)

        def finish() -> Finished:
            if not _ends(process, deadline):
                raise PackageError(
                    f"{' '.join(command)!r} did not end within {limit_s:g} s and was stopped"
                )
            running.close()
            output.seek(0)
            errors.seek(0)
            words = errors.read().decode("utf-8", "replace")
            return Finished(process.returncode, output.read(), words)

        yield finish


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait until the program has ended; return whether that was before the deadline.

    At the end itself, where the kernel reports it: `Popen.wait` looks every 50 ms.
    """
    left_s = max(0.0, deadline - time.monotonic())
    with contextlib.suppress(OSError, AttributeError):  # an old kernel, or not Linux
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(left_s * 1000)) and process.wait() is not None
        finally:
            os.close(descriptor)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(left_s) is not None
    return False


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
