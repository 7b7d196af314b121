"""A snapshot that CRIU takes: the process ends with it, and each restore is that process again."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from pathlib import Path
from typing import Any, Final

from snapboot_devkit.profile.environment import Outcome, PhaseEnd
from snapboot_devkit.rehearse import criu
from snapboot_devkit.rehearse.errors import RehearsalError
from snapboot_devkit.rehearse.stage import TemplateProcess

_LIMIT_S: Final = 60.0


class Checkpoint(TemplateProcess):
    """The snapshot as files. A restored process is a child of this one, with its old number."""

    def __init__(self, program: criu.Criu, control: Path, *args: Any, **kwargs: Any) -> None:
        """Start the process, which waits at its snapshot until the file `released` is there."""
        self._criu = program
        self._images = control.with_name(f"{control.name}-images")
        self._images.mkdir()
        self._released = control.with_name(f"{control.name}-released")
        self._checkpointed = False
        self._descriptor: int | None = None
        super().__init__(*args, control=control, **kwargs)

    def _close(self) -> None:
        if self._descriptor is not None:
            self._take_end()
        super()._close()

    def _kill(self) -> None:
        """End what there is: once its process has ended, the number may be another's."""
        if self._descriptor is not None:
            os.killpg(self.pid, signal.SIGKILL)
        elif not self._checkpointed:
            super()._kill()

    def wait_for_snapshot(self, limit_s: float) -> Outcome:
        """Return how the init came out, and have the process checkpointed if that was well."""
        outcome = super().wait_for_snapshot(limit_s)
        if outcome.ended is not PhaseEnd.READY:
            return outcome
        # It has hung up before it waits: nothing of ours is open in it then.
        self._wait(lambda: self._template not in self._reports, time.monotonic() + _LIMIT_S)
        began_ns = time.perf_counter_ns()
        self._checkpointed = True
        try:
            criu.checkpoint(self._criu, self.pid, self._images, _LIMIT_S)
        except RehearsalError:
            self._checkpointed = False  # it goes on
            raise
        self._process.wait()
        self.snapshot_ns = (self.snapshot_ns or 0) + time.perf_counter_ns() - began_ns
        self._released.touch()
        return outcome

    def _status_of_process(self) -> int | None:
        return None if self._checkpointed else super()._status_of_process()

    def _begin_restore(self) -> None:
        criu.restore(self._criu, self._images, _LIMIT_S)
        self._process_id = self.pid
        if f"\nPPid:\t{os.getpid()}\n" not in Path(f"/proc/{self.pid}/status").read_text("ascii"):
            os.killpg(self.pid, signal.SIGKILL)
            raise RehearsalError(
                f"the process that {self._criu.program!r} restores is not a child of this one; put "
                "the program itself on PATH, not a script that waits for it"
            )
        self._descriptor = os.pidfd_open(self.pid)
        self._selector.register(self._descriptor, selectors.EVENT_READ)

    def _serve(self, source: Any) -> None:
        if source == self._descriptor:
            self._reported_end(self._take_end())
        else:
            super()._serve(source)

    def _take_end(self) -> int:
        """Wait for the restored process, and return its status."""
        assert self._descriptor is not None
        self._selector.unregister(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
        with contextlib.suppress(ChildProcessError):
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return -signal.SIGKILL
