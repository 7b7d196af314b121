"""The runtime's process: started in a session of its own, read line by line, ended for certain.

Ended means all of it: the group, and whatever has left the group but still carries this
environment's Runtime API address in its variables, which nothing else on the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from snapboot_devkit.host.errors import LaunchError
from snapboot_devkit.host.sandbox import memory
from snapboot_devkit.host.sandbox.output import LineReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A killed process is gone within milliseconds, unless the kernel holds it; then we let it be.
_LAST_BREATH_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.005
_MARK: Final = "AWS_LAMBDA_RUNTIME_API"
# Linux counts ru_maxrss in KiB, macOS in bytes.
_MAXRSS_PER_KIB: Final = 1024 if sys.platform == "darwin" else 1


class Owner(Protocol):
    """Who is told what a process does."""

    def printed(self, line: str) -> None:
        """Take a line of standard output or standard error."""

    def exited(self, code: int) -> None:
        """Take note of the end; a negative code is a signal. All output has been told before."""


class RuntimeProcess:
    """A running runtime."""

    def __init__(self, popen: subprocess.Popen[bytes], mark: str, owner: Owner) -> None:
        """Watch a process that `launch` has started."""
        assert popen.stdout is not None
        assert popen.stderr is not None
        self.pid = popen.pid
        self._popen = popen
        self._mark = mark
        self._owner = owner
        self._peak_kib = 0
        self._inherited_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MAXRSS_PER_KIB
        self._readers = [LineReader(pipe, owner.printed) for pipe in (popen.stdout, popen.stderr)]
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait, args=(loop,), daemon=True).start()

    def __repr__(self) -> str:
        return f"<RuntimeProcess {self.pid}>"

    def flush(self) -> None:
        """Tell the owner all that has been printed by now."""
        for reader in self._readers:
            reader.flush()

    def peak_mb(self) -> int | None:
        """Return the most memory taken so far in MB, rounded up, or None where unknown."""
        self._note_peak(memory.peak_kib(self.pid))
        return -(-self._peak_kib // 1024) or None

    def kill(self) -> None:
        """End the process and its group, at once and without asking."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait in a thread of its own, which works the same on Linux and macOS."""
        _, status, usage = os.wait4(self.pid, 0)
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        self.kill()
        _end_bearers(self._mark)
        # The loop may be gone when the host's program is torn down without closing the host.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._exited, self._popen.returncode, usage)

    def _exited(self, code: int, usage: resource.struct_rusage) -> None:
        self._note_final_peak(usage.ru_maxrss // _MAXRSS_PER_KIB)
        for reader in self._readers:
            reader.close()
        self._owner.exited(code)

    def _note_final_peak(self, kib: int) -> None:
        """Take the kernel's last word, unless it speaks of us.

        Linux counts what the host had taken when it forked as the child's own (exec_mmap).
        """
        if kib > self._inherited_kib:
            self._note_peak(kib)

    def _note_peak(self, kib: int) -> None:
        self._peak_kib = max(self._peak_kib, kib)


def launch(
    command: Sequence[str], cwd: Path, environ: Mapping[str, str], owner: Owner
) -> RuntimeProcess:
    """Start a runtime. Raises LaunchError."""
    try:
        popen = subprocess.Popen(
            list(command),
            bufsize=0,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The leader of a session cannot leave its group, whose kill is its own for certain.
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise LaunchError(
            f"cannot start {shlex.join(command)!r} in {str(cwd)!r}: {reason}"
        ) from exc
    return RuntimeProcess(popen, f"{_MARK}={environ[_MARK]}", owner)


def _end_bearers(mark: str) -> None:
    """Kill all that have the mark among their variables, and those that they start meanwhile."""
    deadline = time.monotonic() + _LAST_BREATH_S
    while (bearers := _bearers(mark)) and time.monotonic() < deadline:
        for pid in bearers:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_AGAIN_S)


def _bearers(mark: str) -> list[int]:
    """Return the processes that have the mark among their variables (Linux only)."""
    needle = mark.encode()
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/environ")
        if needle in _variables(path)
    ]


def _variables(path: Path) -> list[bytes]:
    """Return the variables of a process; none for one of another user, or one that has gone."""
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []
