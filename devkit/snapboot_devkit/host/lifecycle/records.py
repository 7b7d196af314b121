"""What an environment reports of itself: the platform's records, before they take a form.

The log renders them as lines, telemetry as documents. What the core does not know (the function's
name, its log stream, figures of memory) is added there. Durations are in milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from snapboot_devkit.host.lifecycle.terms import (
    CallerToken,
    InitializationType,
    Phase,
    Status,
    TelemetryApi,
)
from snapboot_devkit.lazy_dataclass import dataclass


class Span(NamedTuple):
    """A part of an invocation with a name of its own; `began` is a Unix time in seconds."""

    name: str
    began: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class InitStart:
    """An init begins."""

    phase: Phase
    initialization: InitializationType


@dataclass(frozen=True, slots=True)
class InitRuntimeDone:
    """The runtime is done with an init; extensions may not be."""

    phase: Phase
    initialization: InitializationType
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class InitReport:
    """An init has ended."""

    phase: Phase
    initialization: InitializationType
    duration_ms: float
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreStart:
    """A restore begins."""


@dataclass(frozen=True, slots=True)
class RestoreRuntimeDone:
    """The runtime is done with a restore."""

    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """A restore has ended."""

    duration_ms: float
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """An invocation begins."""

    request_id: str
    trace_id: str = ""
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeDone:
    """The runtime is done with an invocation; extensions may not be."""

    request_id: str
    status: Status = Status.SUCCESS
    error_type: str | None = None
    duration_ms: float = 0.0
    produced_bytes: int | None = None
    spans: tuple[Span, ...] = ()
    trace_id: str = ""
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one invocation.

    The core leaves both figures of memory open: one is the function's setting, and for the other
    the owner takes a look at the processes.
    """

    caller: CallerToken
    request_id: str
    duration_ms: float
    billed_ms: int
    init_ms: float | None = None
    restore_ms: float | None = None
    status: Status = Status.SUCCESS
    error_type: str | None = None
    memory_size_mb: int = 0
    max_memory_used_mb: int | None = None
    spans: tuple[Span, ...] = ()
    trace_id: str = ""
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class ExtensionReport:
    """Where an extension stands when the init ends, or when it failed to start."""

    name: str
    state: str
    events: tuple[str, ...] = ()
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """An extension has subscribed to telemetry."""

    name: str
    types: tuple[str, ...]
    api: TelemetryApi = TelemetryApi.TELEMETRY


@dataclass(frozen=True, slots=True)
class LogsDropped:
    """A subscriber was too slow, and this much was left out."""

    dropped_bytes: int
    dropped_records: int
    reason: str


Record: TypeAlias = (
    InitStart
    | InitRuntimeDone
    | InitReport
    | RestoreStart
    | RestoreRuntimeDone
    | RestoreReport
    | Start
    | RuntimeDone
    | Report
    | ExtensionReport
    | Subscribed
    | LogsDropped
)
