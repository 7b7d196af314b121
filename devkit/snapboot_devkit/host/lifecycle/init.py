"""One init: its processes start in RAPID's order, registrations close, and its end is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.lifecycle.terms import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.extensions import Extensions
    from snapboot_devkit.host.lifecycle.failures import Failure
    from snapboot_devkit.host.lifecycle.runtime import Runtime
    from snapboot_devkit.host.lifecycle.terms import InitializationType, Instant, Phase

_MS: Final = 1000.0


class Init:
    """The init of an environment, again after each reset; `phase` is set while one is under way."""

    def __init__(
        self,
        runtime: Runtime,
        extensions: Extensions,
        kind: InitializationType,
        record: Callable[[records.Record], None],
    ) -> None:
        """Start `runtime` behind `extensions`."""
        self.phase: Phase | None = None
        self._runtime = runtime
        self._extensions = extensions
        self._kind = kind
        self._record = record
        self._began = 0.0

    def __repr__(self) -> str:
        return f"<Init {self.phase.value if self.phase else 'over'}>"

    def begin(self, phase: Phase, request_id: str, now: Instant) -> Failure | None:
        """Start the processes, or return why that cannot be; `request_id` may be empty."""
        self.phase = phase
        self._began = now.mono
        self._record(records.InitStart(phase, self._kind))
        failure = self._extensions.start(request_id)
        if failure is None:
            self.go_on()
        return failure

    def go_on(self) -> None:
        """Start the runtime, once every external extension has registered."""
        if self.phase and not self._runtime.alive and self._extensions.all_registered:
            self._runtime.spawn()

    def end_runtime(self) -> None:
        """Take note that the runtime has done its part."""
        if self.phase:
            self._extensions.close_registration()
            self._record(records.InitRuntimeDone(self.phase, self._kind))

    def end(self, now: Instant, failure: Failure | None = None) -> float:
        """Record the end, and return what it took in milliseconds."""
        assert self.phase is not None
        duration_ms = (now.mono - self._began) * _MS
        status = failure.status if failure else Status.SUCCESS
        error_type = failure.error_type if failure else None
        self._extensions.close_registration()
        self._extensions.close_subscription()
        if failure:
            self._record(records.InitRuntimeDone(self.phase, self._kind, status, error_type))
        else:
            self._extensions.report()
        report = records.InitReport(self.phase, self._kind, duration_ms, status, error_type)
        self.phase = None
        self._record(report)
        return duration_ms

    def abandon(self) -> None:
        """Let it go without a word: the environment is stopped."""
        self.phase = None
