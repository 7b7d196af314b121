"""The words that every part of the host shares. Values only.

Durations are in milliseconds, instants in seconds.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from snapboot_devkit.lazy_dataclass import dataclass

# One request to the environment's APIs, and one invoke request. The core compares such a token for
# equality and hands it back, and its owner finds in it what belongs to the request.
CallToken: TypeAlias = Any
CallerToken: TypeAlias = Any

# The events for which extensions register.
SHUTDOWN: Final = "SHUTDOWN"
INVOKE: Final = "INVOKE"


class Instant(NamedTuple):
    """One moment on two clocks: deadlines run on `mono`, what people read on `epoch`."""

    mono: float
    epoch: float


class InitializationType(Enum):
    """How the environment came to be, as `AWS_LAMBDA_INITIALIZATION_TYPE` spells it."""

    ON_DEMAND = "on-demand"
    PROVISIONED_CONCURRENCY = "provisioned-concurrency"
    SNAP_START = "snap-start"
    MANAGED_INSTANCES = "lambda-managed-instances"


class Status(Enum):
    """How a phase ended, as the REPORT line and the telemetry records spell it."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"


class Phase(Enum):
    """Where an init ran: on its own, suppressed inside an invoke, or ahead of a snapshot."""

    INIT = "init"
    INVOKE = "invoke"
    SNAP_START = "snap-start"


class ShutdownReason(Enum):
    """Why an environment's processes go, as the SHUTDOWN event spells it."""

    SPINDOWN = "spindown"
    TIMEOUT = "timeout"
    FAILURE = "failure"


class TelemetryApi(Enum):
    """Which of the two APIs a subscriber used; they must not be mixed."""

    TELEMETRY = "Telemetry"
    LOGS = "Logs"


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
    """One delivery of an invocation: what `next` returns."""

    invocation: Invocation
    invocation_id: str
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class FunctionResult:
    """What the caller of an invoke receives from the function, or from the platform for it.

    The payload of a result that was streamed is empty: its pieces went ahead. `error_type` names
    the error in the last message of a stream.
    """

    payload: bytes | bytearray
    content_type: str = "application/json"
    function_error: str | None = None
    error_type: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it is the function's error, or its stream ended in one."""
        return bool(self.function_error or self.error_type)


@dataclass(frozen=True, slots=True)
class ServiceFailure:
    """An invoke that the service itself refused: an HTTP status and an exception's name."""

    status: int
    exception: str
    message: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an extension subscribes to in telemetry, and where it is sent.

    `types` are `platform`, `function`, `extension`. The destination is `uri` (HTTP, with
    `method`) or, when that is empty, TCP port `port`.
    """

    api: TelemetryApi
    schema_version: str
    types: tuple[str, ...]
    uri: str = ""
    port: int = 0
    method: str = "POST"
    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000
