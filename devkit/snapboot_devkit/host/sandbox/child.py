"""The host's child processes: started, or cloned by a snapshot, read line by line, reaped.

Its id is not free for another process before the host has reaped it, and no signal is sent after
that: whom a signal is meant for, it reaches.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host.errors import LaunchError
from snapboot_devkit.host.sandbox import limits
from snapboot_devkit.host.sandbox.output import LineReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from snapboot_devkit.host.sandbox.sandbox import Sandbox

    Start: TypeAlias = Callable[[], subprocess.Popen[bytes]]

_LINE_BYTES: Final = 64
_REASON_BYTES: Final = 1024
# A clone takes milliseconds; after this long the snapshot has gone astray.
_CLONE_LIMIT_S: Final = 10.0
# As on Lambda, whatever the host was started with.
_UMASK: Final = 0o022
# In each turn of the loop asyncio reads up to 256 KiB of a connection.
_LAST_TURNS: Final = 50
# Linux counts ru_maxrss in KiB, macOS in bytes.
_MAXRSS_PER_KIB: Final = 1024 if sys.platform == "darwin" else 1


class Child:
    """A process, from its start to its reaping."""

    def __init__(
        self, popen: subprocess.Popen[bytes] | ClonedProcess, name: str | None, parent: Sandbox
    ) -> None:
        """Watch a process that `start` has started, or that a snapshot has cloned."""
        assert popen.stdout is not None
        assert popen.stderr is not None
        self.pid = popen.pid
        self.name = name
        self._popen = popen
        self._parent = parent
        self._lock = threading.Lock()
        self._reaped = False
        self._peak_kib = 0
        self._memory = limits.Peak(self.pid)
        self._inherited_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MAXRSS_PER_KIB
        printed = partial(parent.printed, name)
        self._readers = [LineReader(pipe, printed) for pipe in (popen.stdout, popen.stderr)]
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait, args=(loop,), daemon=True).start()

    def __repr__(self) -> str:
        return f"<Child {self.name or 'runtime'} {self.pid}{', reaped' if self._reaped else ''}>"

    def flush(self) -> None:
        """Pass on all that has been printed by now."""
        for reader in self._readers:
            reader.flush()

    def signal(self, number: int) -> None:
        """Signal the process and its group, unless it has been reaped."""
        with self._lock:
            if not self._reaped:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)

    def peak_kib(self) -> int:
        """Return the most memory that the process and its descendants have taken, 0 if unknown."""
        with self._lock:
            if not self._reaped:
                self._note_peak(self._memory.kib())
        return self._peak_kib

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait in a thread of its own, which works the same on Linux and macOS."""
        self._parent.child_started(self)
        if isinstance(self._popen, ClonedProcess):
            self._wait_for_clone(loop, self._popen)
            return
        if hasattr(os, "waitid"):
            # Without reaping, so that the group's id stays its own until all of it has ended.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.signal(signal.SIGKILL)
            self._parent.child_ended(self)
        with self._lock:
            _, status, usage = os.wait4(self.pid, 0)
            self._reaped = True
            self._memory.close()
        self._popen.returncode = os.waitstatus_to_exitcode(status)
        # The loop may be gone when the host's program is torn down without closing the host.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._exited, self._popen.returncode, usage)

    def _wait_for_clone(self, loop: asyncio.AbstractEventLoop, clone: ClonedProcess) -> None:
        clone.await_end()
        self.signal(signal.SIGKILL)
        self._parent.child_ended(self)
        with self._lock:
            # What it has taken by now is known from the looks at it alone.
            self._note_peak(self._memory.kib())
            self._reaped = True
            self._memory.close()
            clone.returncode = clone.reap()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._end, clone.returncode)

    def _exited(self, code: int, usage: resource.struct_rusage) -> None:
        kib = usage.ru_maxrss // _MAXRSS_PER_KIB
        # Linux counts what the host had taken when it forked as the child's own (exec_mmap).
        if kib > self._inherited_kib:
            self._note_peak(kib)
        self._end(code)

    def _end(self, code: int, turns: int = _LAST_TURNS) -> None:
        if turns:  # let the loop read what was sent before the end
            asyncio.get_running_loop().call_soon(self._end, code, turns - 1)
            return
        for reader in self._readers:
            reader.close()
        self._parent.child_exited(self, code)

    def _note_peak(self, kib: int) -> None:
        self._peak_kib = max(self._peak_kib, kib)


def start(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process. Raises LaunchError."""
    try:
        return subprocess.Popen(
            list(command),
            bufsize=0,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The leader of a session cannot leave its group, whose kill is its own for certain.
            start_new_session=True,
            umask=_UMASK,
        )
    except (OSError, ValueError) as exc:
        import shlex  # noqa: PLC0415

        reason = getattr(exc, "strerror", None) or exc
        raise LaunchError(
            f"cannot start {shlex.join(command)!r} in {str(cwd)!r}: {reason}"
        ) from exc


class ClonedProcess:
    """A process that a snapshot has cloned, in the place of `subprocess.Popen`.

    It is the host's in all but its parent, which reports its end by `report`.
    """

    returncode: int | None = None

    def __init__(self, pid: int, stdout: IO[bytes], stderr: IO[bytes], report: IO[bytes]) -> None:
        self.pid = pid
        self.stdout: IO[bytes] | None = stdout
        self.stderr: IO[bytes] | None = stderr
        self.report = report

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


def started_clone(output: int, errors: int, report: int) -> ClonedProcess:
    """Return a clone whose word for its id is on its way. Raises LaunchError."""
    stdout, stderr, ended = (os.fdopen(end, "rb", buffering=0) for end in (output, errors, report))
    watch = select.poll()
    watch.register(report, select.POLLIN)
    in_time = bool(watch.poll(_CLONE_LIMIT_S * 1000))
    line = ended.readline(_LINE_BYTES) if in_time else b""
    if not line.strip().isdigit():
        # Without a report the other end of the pipe is closed, and the last line says why.
        said = stderr.read(_REASON_BYTES).decode("utf-8", "replace").strip() if in_time else ""
        for pipe in (stdout, stderr, ended):
            pipe.close()
        late = f"no clone within {_CLONE_LIMIT_S:g} s"
        reason = said or ("its process has ended" if in_time else late)
        raise LaunchError(f"the snapshot could not be restored: {reason}")
    return ClonedProcess(int(line), stdout, stderr, ended)


class Spawner:
    """A thread that starts processes: what it has joined by `join`, they are born into.

    Control groups and mount namespaces belong to threads on Linux, and are inherited from the one
    that forks. So nothing needs to run between fork and exec, and no program in between is started.
    """

    def __init__(self, join: Callable[[], None]) -> None:
        """Prepare the thread, which runs from the first start on."""
        self._join = join
        self._failure: LaunchError | None = None
        self._thread = ThreadPoolExecutor(1, initializer=self._move)

    def start(self, start: Start) -> subprocess.Popen[bytes]:
        """Return what `start` returns when the thread calls it, or raise what it raises."""
        return self._thread.submit(self._start, start).result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _start(self, start: Start) -> subprocess.Popen[bytes]:
        if self._failure:
            raise self._failure
        return start()

    def _move(self) -> None:
        # Inherited, too; what threads of the host block must not be blocked in a function.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        try:
            self._join()
        except Exception as exc:  # noqa: BLE001 - each start says so
            self._failure = LaunchError(
                f"cannot make the place for a process: {exc}; try without --isolate"
            )
