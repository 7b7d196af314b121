"""One delivery of an invocation: how it has fared so far, and its figures in the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.lifecycle.terms import (
    CallerToken,
    Status,
)

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.failures import Failure
    from snapboot_devkit.host.lifecycle.terms import Delivery, Instant


@dataclass(slots=True)
class InFlight:
    """An invocation under work until `ends`. `first` and `last` are of its response's bytes."""

    caller: CallerToken
    delivery: Delivery
    began: Instant
    ends: float
    status: Status = Status.SUCCESS
    error_type: str | None = None
    first: Instant | None = None
    last: Instant | None = None
    produced_bytes: int | None = None
    runtime_done: Instant | None = None

    @property
    def request_id(self) -> str:
        """The request's id, which all its deliveries share."""
        return self.delivery.invocation.request_id

    def fail(self, failure: Failure) -> None:
        """Keep how it went wrong, for the records."""
        self.status, self.error_type = failure.status, failure.error_type

    def runtime_record(self, now: Instant) -> records.RuntimeDone:
        """Return the record of the runtime's part, which has come to its end."""
        invocation = self.delivery.invocation
        return records.RuntimeDone(
            invocation.request_id,
            self.status,
            self.error_type,
            _ms_between(self.began, now),
            self.produced_bytes,
            self._runtime_spans(now),
            invocation.trace_id,
            invocation.tenant_id,
        )

    def report(
        self,
        now: Instant,
        spans: tuple[records.Span, ...],
        init_ms: float | None = None,
        restore_ms: float | None = None,
    ) -> records.Report:
        """Return the figures; the init before a first invoke has been on the bill since 2025."""
        duration_ms = _ms_between(self.began, now)
        invocation = self.delivery.invocation
        return records.Report(
            self.caller,
            invocation.request_id,
            duration_ms,
            math.ceil(duration_ms + (init_ms or 0.0)),
            init_ms,
            restore_ms,
            self.status,
            self.error_type,
            spans=spans,
            trace_id=invocation.trace_id,
            tenant_id=invocation.tenant_id,
        )

    def response_spans(self) -> tuple[records.Span, ...]:
        """Return how long the response let wait for it, and how long it took."""
        if self.first is None or self.last is None:
            return ()
        return (
            _span("responseLatency", self.began, self.first),
            _span("responseDuration", self.first, self.last),
        )

    def _runtime_spans(self, now: Instant) -> tuple[records.Span, ...]:
        spans = self.response_spans()
        if self.last is None or not spans:
            return ()
        return (*spans, _span("runtimeOverhead", self.last, now))

    def extension_spans(self, now: Instant) -> tuple[records.Span, ...]:
        """Return by how much the extensions were longer at work than the runtime."""
        if self.runtime_done in (None, now):
            return ()
        return (_span("extensionOverhead", self.runtime_done, now),)


def _span(name: str, began: Instant, ended: Instant) -> records.Span:
    return records.Span(name, began.epoch, (ended.mono - began.mono) * protocol.MS_PER_S)


def _ms_between(began: Instant, ended: Instant) -> float:
    return (ended.mono - began.mono) * protocol.MS_PER_S
