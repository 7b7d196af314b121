"""A process that a snapshot has cloned: the host's in all but its parent, which reports its end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from typing import IO, Final

from snapboot_devkit.host.errors import LaunchError

_LINE_BYTES: Final = 64
_REASON_BYTES: Final = 1024
# A clone takes milliseconds; after this long the snapshot has gone astray.
_CLONE_LIMIT_S: Final = 10.0


@dataclass(slots=True, eq=False)
class ClonedProcess:
    """What stands for a started process, as `subprocess.Popen` does; `report` is its end's."""

    pid: int
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None
    report: IO[bytes]
    returncode: int | None = None

    def await_end(self) -> None:
        """Wait until it has ended; its id stays its own until `reap`."""
        with contextlib.suppress(ProcessLookupError):
            end = os.pidfd_open(self.pid)
            try:
                watch = select.poll()
                watch.register(end, select.POLLIN)
                watch.poll()
            finally:
                os.close(end)

    def reap(self) -> int:
        """Return how it ended, and let the snapshot let go of its id."""
        with self.report:
            line = self.report.readline()
        # Without a report the snapshot has been killed, and all clones with it.
        return int(line) if line.strip() else -signal.SIGKILL


def started(output: int, errors: int, report: int) -> ClonedProcess:
    """Return a clone whose word for its id is on its way. Raises LaunchError."""
    stdout, stderr, told = (os.fdopen(end, "rb", buffering=0) for end in (output, errors, report))
    watch = select.poll()
    watch.register(report, select.POLLIN)
    in_time = bool(watch.poll(_CLONE_LIMIT_S * 1000))
    line = told.readline(_LINE_BYTES) if in_time else b""
    if not line.strip().isdigit():
        # Without a report the other end of the pipe is closed, and the last line says why.
        said = stderr.read(_REASON_BYTES).decode("utf-8", "replace").strip() if in_time else ""
        for pipe in (stdout, stderr, told):
            pipe.close()
        late = f"no clone within {_CLONE_LIMIT_S:g} s"
        reason = said or ("its process has ended" if in_time else late)
        raise LaunchError(f"the snapshot could not be restored: {reason}")
    return ClonedProcess(int(line), stdout, stderr, told)
