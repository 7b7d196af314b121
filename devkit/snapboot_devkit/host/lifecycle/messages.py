"""What the lifecycle core is told, and what it asks for.

Values only. A *call* is the number of one Runtime API request, a *caller* that of one invoke
request; the shell hands the numbers out and finds its sockets and futures by them.
Durations are in milliseconds, instants in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on two clocks: deadlines run on `mono`, what is told to people on `epoch`."""

    mono: float
    epoch: float


class InitializationType(Enum):
    """How the environment came to be, as `AWS_LAMBDA_INITIALIZATION_TYPE` spells it."""

    ON_DEMAND = "on-demand"
    SNAP_START = "snap-start"


class Status(Enum):
    """How a phase ended, as the REPORT line and the telemetry records spell it."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"


class Phase(Enum):
    """Where an init ran: on its own, or suppressed inside an invoke."""

    INIT = "init"
    INVOKE = "invoke"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event as its caller sent it."""

    request_id: str
    payload: bytes | bytearray
    arn: str
    content_type: str = "application/json"
    trace_id: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt at an invocation: what `next` returns."""

    invocation: Invocation
    invocation_id: str
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What the caller of an invoke receives from the function, or from the platform for it."""

    payload: bytes | bytearray
    content_type: str = "application/json"
    function_error: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceFailure:
    """An invoke that the service itself refused: an HTTP status and an exception's name."""

    status: int
    exception: str
    message: str


# ---- what the core is told -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InitRequested:
    """Initialise ahead of any request."""


@dataclass(frozen=True, slots=True)
class InvokeRequested:
    """A caller wants this event handled."""

    caller: int
    invocation: Invocation


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline may have passed."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The host goes down."""


@dataclass(frozen=True, slots=True)
class ProcessExited:
    """The runtime's process has ended; a negative code is the signal that ended it."""

    code: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The runtime's process could not be started."""

    reason: str


@dataclass(frozen=True, slots=True)
class NextCalled:
    """The runtime asks for an event."""

    call: int


@dataclass(frozen=True, slots=True)
class ResponseBegun:
    """The head of a response has arrived; its body follows."""

    call: int
    request_id: str
    invocation_id: str | None = None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorBegun:
    """The head of an invocation error has arrived; its body follows."""

    call: int
    request_id: str
    invocation_id: str | None = None
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The body of a response or an error is complete; `size` counts what was not kept, too."""

    call: int
    body: bytes | bytearray
    size: int
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class InitErrorPosted:
    """The runtime could not initialise."""

    call: int
    error_type: str
    body: bytes | bytearray


@dataclass(frozen=True, slots=True)
class RestoreNextCalled:
    """The runtime is ready for its snapshot."""

    call: int


@dataclass(frozen=True, slots=True)
class RestoreErrorPosted:
    """A hook failed after the restore."""

    call: int
    error_type: str
    body: bytes | bytearray


@dataclass(frozen=True, slots=True)
class CallDropped:
    """The runtime closed the connection of a call that had no reply yet."""

    call: int


RuntimeCall: TypeAlias = (
    NextCalled
    | ResponseBegun
    | ErrorBegun
    | AnswerEnded
    | InitErrorPosted
    | RestoreNextCalled
    | RestoreErrorPosted
    | CallDropped
)
PlatformMessage: TypeAlias = (
    InitRequested | InvokeRequested | TimePassed | StopRequested | ProcessExited | SpawnFailed
)
Message: TypeAlias = RuntimeCall | PlatformMessage


# ---- what the core asks for ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the runtime's process."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the runtime's process and all it started, now."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """202: the runtime's post was taken."""


@dataclass(frozen=True, slots=True)
class Restored:
    """200 without a body: the environment was restored, run the hooks."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The runtime broke a rule of the API, or its answer cannot be used."""

    status: int
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a call of the runtime."""

    call: int
    content: Accepted | Restored | Denied | Delivery


@dataclass(frozen=True, slots=True)
class Answer:
    """Hand the caller the function's result."""

    caller: int
    result: FunctionResult


@dataclass(frozen=True, slots=True)
class Refuse:
    """Tell the caller that there will be no result."""

    caller: int
    failure: ServiceFailure


@dataclass(frozen=True, slots=True)
class InitReport:
    """Record: an init has ended."""

    phase: Phase
    initialization: InitializationType
    duration_ms: float
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """Record: a restore has ended."""

    duration_ms: float
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Record: an invocation begins."""

    request_id: str


@dataclass(frozen=True, slots=True)
class RuntimeDone:
    """Record: the runtime is done with an invocation."""

    request_id: str
    status: Status = Status.SUCCESS
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Record: the figures of one invocation.

    The core leaves both figures of memory open: one is the function's setting, and for the other
    it takes a look at the processes.
    """

    caller: int
    request_id: str
    duration_ms: float
    billed_ms: int
    init_ms: float | None = None
    restore_ms: float | None = None
    status: Status = Status.SUCCESS
    error_type: str | None = None
    memory_size_mb: int = 0
    max_memory_used_mb: int | None = None


Record: TypeAlias = InitReport | RestoreReport | Start | RuntimeDone | Report
Effect: TypeAlias = Spawn | Kill | Reply | Answer | Refuse | Record
