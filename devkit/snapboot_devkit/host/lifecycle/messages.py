"""What is fed to the lifecycle core.

A *call* stands for one request to the environment's APIs, a *caller* for one invoke request; both
are the owner's objects, which the core hands back. A process is named by its extension; the one
without a name is the runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.failures import Failure
    from snapboot_devkit.host.lifecycle.terms import (
        CallerToken,
        CallToken,
        Invocation,
        Subscription,
    )


# ---- by the platform -------------------------------------------------------------------------


@dataclass(slots=True)
class InitRequested:
    """Initialise ahead of any request."""


@dataclass(slots=True)
class InvokeRequested:
    """A caller wants this event handled."""

    caller: CallerToken
    invocation: Invocation


@dataclass(slots=True)
class TimePassed:
    """A deadline may have passed."""


@dataclass(slots=True)
class StopRequested:
    """The host goes down, or the environment is no longer needed."""


@dataclass(slots=True)
class ProcessExited:
    """A process has ended; a negative code is the signal that ended it."""

    code: int
    extension: str | None = None


@dataclass(slots=True)
class SpawnFailed:
    """A process could not be started; `failure` is that of the snapshot it should come from."""

    reason: str
    extension: str | None = None
    failure: Failure | None = None


# ---- by the runtime --------------------------------------------------------------------------


@dataclass(slots=True)
class NextCalled:
    """The runtime asks for an event."""

    call: CallToken


@dataclass(slots=True)
class ResponseBegun:
    """The head of a response has arrived; its body follows."""

    call: CallToken
    request_id: str
    invocation_id: str | None = None
    mode: str | None = None
    content_type: str = "application/json"


@dataclass(slots=True)
class ErrorBegun:
    """The head of an invocation error has arrived; its body follows."""

    call: CallToken
    request_id: str
    invocation_id: str | None = None
    error_type: str = ""


@dataclass(slots=True)
class AnswerEnded:
    """The body of a response or an error is complete; `size` counts what was not kept, too.

    A streamed response has passed already: `body` is empty, and an error that came up on the way
    is in its trailers.
    """

    call: CallToken
    body: bytes | bytearray
    size: int
    content_type: str = "application/json"
    trailing_error_type: str = ""
    trailing_error_body: bytes = b""


@dataclass(slots=True)
class StreamOverrun:
    """A streamed response has grown beyond what its caller may get; `limit` in bytes."""

    call: CallToken
    limit: int


@dataclass(slots=True)
class InitErrorPosted:
    """The runtime could not initialise."""

    call: CallToken
    error_type: str
    body: bytes | bytearray


@dataclass(slots=True)
class RestoreNextCalled:
    """The runtime is ready for its snapshot."""

    call: CallToken


@dataclass(slots=True)
class RestoreErrorPosted:
    """A hook failed after the restore."""

    call: CallToken
    error_type: str
    body: bytes | bytearray


# ---- by extensions ---------------------------------------------------------------------------


@dataclass(slots=True)
class RegisterCalled:
    """An extension registers for `events`; a name that no process has is an internal one's."""

    call: CallToken
    name: str
    events: tuple[str, ...] = ()
    wants_account: bool = False


@dataclass(slots=True)
class ExtensionNextCalled:
    """An extension asks for an event."""

    call: CallToken
    identifier: str


@dataclass(slots=True)
class ExtensionErrorPosted:
    """An extension failed, in its init or (`exiting`) later, and is about to leave."""

    call: CallToken
    identifier: str
    error_type: str
    exiting: bool = False


@dataclass(slots=True)
class SubscribeCalled:
    """An extension wants telemetry."""

    call: CallToken
    identifier: str
    subscription: Subscription


@dataclass(slots=True)
class CallDropped:
    """The connection of a call that had no reply yet was closed."""

    call: CallToken


RuntimeCall: TypeAlias = (
    NextCalled
    | ResponseBegun
    | ErrorBegun
    | AnswerEnded
    | StreamOverrun
    | InitErrorPosted
    | RestoreNextCalled
    | RestoreErrorPosted
    | CallDropped
)
ExtensionCall: TypeAlias = (
    RegisterCalled | ExtensionNextCalled | ExtensionErrorPosted | SubscribeCalled
)
PlatformMessage: TypeAlias = (
    InitRequested | InvokeRequested | TimePassed | StopRequested | ProcessExited | SpawnFailed
)
Message: TypeAlias = RuntimeCall | ExtensionCall | PlatformMessage
