"""A contender's process: started in one system call, its clocks and memory read from outside."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

LAST_WORDS_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Memory:
    """What the kernel holds for a process: resident, and with shared pages shared out.

    Both are None where the system does not say.
    """

    resident_bytes: int | None
    proportional_bytes: int | None


class Child:
    """A started process. Leaving its `with` block kills it and everything it started."""

    __slots__ = ("_ended", "_stderr", "pid", "started_ns")

    def __init__(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        *,
        stdout: int,
        stderr: Path,
    ) -> None:
        """Start `command`. `started_ns` is the `perf_counter_ns` just before.

        posix_spawn copies nothing of this process, however large it is; and a group of its own
        lets everything that the contender starts be ended with it.
        """
        self._stderr = stderr
        self._ended = False
        errors = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        actions = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, stdout, 1),
            (os.POSIX_SPAWN_DUP2, errors, 2),
        )
        try:
            self.started_ns = time.perf_counter_ns()
            self.pid = os.posix_spawn(
                command[0], command, environment, file_actions=actions, setpgroup=0
            )
        finally:
            os.close(errors)

    def __repr__(self) -> str:
        return f"<Child {self.pid} {'ended' if self._ended else 'running'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if error is not None:
            last_words = self.written()[-LAST_WORDS_CHARACTERS:]
            error.add_note(f"The last words of {self!r}:\n{last_words or '(nothing)'}")

    def cpu_ns(self) -> int | None:
        """Return the CPU time of all its threads, ended ones too; None without such a clock.

        The kernel's clock for a process is exact where /proc/<pid>/stat counts ticks, and
        /proc/<pid>/schedstat knows the first thread alone. Its number is made as in
        clock_getcpuclockid(3).
        """
        if sys.platform != "linux":
            return None
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def memory(self) -> Memory:
        """Return what it holds now."""
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        except FileNotFoundError:
            return Memory(None, None)
        rows = dict(line.split(":", 1) for line in text.splitlines()[1:])
        return Memory(_kilobytes(rows["Rss"]), _kilobytes(rows["Pss"]))

    def storage_bytes(self) -> int | None:
        """Return how much had to come from storage for it, with what was read ahead.

        None where the system does not say.
        """
        try:
            text = Path(f"/proc/{self.pid}/io").read_text(encoding="ascii")
        except OSError:
            return None
        return int(text.partition("\nread_bytes: ")[2].partition("\n")[0])

    def written(self) -> str:
        """Return what it wrote to standard error so far."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Kill the process group and reap the process. Calling it again does nothing."""
        if self._ended:
            return
        self._ended = True
        with suppress(PermissionError):  # macOS refuses to signal one that ended by itself
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _kilobytes(field: str) -> int:
    return int(field.split(maxsplit=1)[0]) * 1024
