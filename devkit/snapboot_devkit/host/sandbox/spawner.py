"""A thread that starts processes: what it has joined, they are born into.

Control groups and mount namespaces belong to threads on Linux, and are inherited from the one that
forks. So nothing needs to run between fork and exec, and no program in between is started.
"""

from __future__ import annotations

import queue
import signal
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeAlias

from snapboot_devkit.host.errors import LaunchError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Process: TypeAlias = subprocess.Popen[bytes]
    Start: TypeAlias = Callable[[], Process]


class Spawner:
    """A thread, begun with its first process, that calls `join` before all else."""

    def __init__(self, join: Callable[[], None]) -> None:
        """Prepare the thread."""
        self._join = join
        self._work: queue.SimpleQueue[tuple[Start, Future[Process]] | None] = queue.SimpleQueue()
        self._failure: LaunchError | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __repr__(self) -> str:
        return f"<Spawner {'at work' if self._thread.is_alive() else 'idle'}>"

    def start(self, start: Start) -> Process:
        """Return what `start` returns when the thread calls it, or raise what it raises."""
        if self._thread.ident is None:
            self._thread.start()
        outcome: Future[Process] = Future()
        self._work.put((start, outcome))
        return outcome.result()

    def close(self) -> None:
        """End the thread."""
        self._work.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        # Inherited, too: what the host's own threads have blocked is no business of a function's.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._move()
        while work := self._work.get():
            start, outcome = work
            if self._failure:
                outcome.set_exception(self._failure)
                continue
            try:
                outcome.set_result(start())
            except Exception as exc:  # noqa: BLE001 - it is the caller's
                outcome.set_exception(exc)

    def _move(self) -> None:
        try:
            self._join()
        except OSError as exc:
            self._failure = LaunchError(
                f"cannot make the place for a process: {exc}; try without --isolate"
            )
