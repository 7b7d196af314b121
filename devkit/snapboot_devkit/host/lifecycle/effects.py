"""What the lifecycle core asks for; its owner performs it, in order.

Records are asked for, too: see `records`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from snapboot_devkit.host.lifecycle.records import Record
from snapboot_devkit.host.lifecycle.terms import (
    CallerToken,
    CallToken,
    Delivery,
    FunctionResult,
    ServiceFailure,
    ShutdownReason,
    Subscription,
)
from snapboot_devkit.lazy_dataclass import dataclass


@dataclass(slots=True)
class Spawn:
    """Start the process of an extension, or of the runtime."""

    extension: str | None = None


@dataclass(slots=True)
class Terminate:
    """Send SIGTERM to the runtime's process and its group."""


@dataclass(slots=True)
class Kill:
    """End a process and all it started, now."""

    extension: str | None = None


@dataclass(slots=True)
class Accepted:
    """202: the post was taken."""


@dataclass(slots=True)
class Restored:
    """200 without a body: the environment was restored, run the hooks."""


@dataclass(slots=True)
class Denied:
    """The caller broke a rule of the API, or its answer cannot be used."""

    status: int
    error_type: str
    message: str


@dataclass(slots=True)
class Registered:
    """200: the extension is known by this identifier from now on."""

    identifier: str
    with_account: bool = False


@dataclass(slots=True)
class InvokeEvent:
    """200 for an extension: an invocation begins."""

    delivery: Delivery
    event_id: str


@dataclass(slots=True)
class ShutdownEvent:
    """200 for an extension: the environment goes."""

    deadline_ms: int
    reason: ShutdownReason


@dataclass(slots=True)
class SubscriptionAccepted:
    """200 for an extension: telemetry will come."""


Content: TypeAlias = (
    Accepted
    | Restored
    | Denied
    | Delivery
    | Registered
    | InvokeEvent
    | ShutdownEvent
    | SubscriptionAccepted
)


@dataclass(slots=True)
class Reply:
    """Answer a call."""

    call: CallToken
    content: Content


@dataclass(slots=True)
class BeginStream:
    """Tell the caller that a response begins, whose pieces come by `call`."""

    caller: CallerToken
    call: CallToken
    content_type: str


@dataclass(slots=True)
class Answer:
    """Hand the caller the function's result, or the end of a stream."""

    caller: CallerToken
    result: FunctionResult


@dataclass(slots=True)
class Refuse:
    """Tell the caller that there will be no result."""

    caller: CallerToken
    failure: ServiceFailure


@dataclass(slots=True)
class Subscribe:
    """Deliver telemetry to an extension from now on, and what came before."""

    extension: str
    subscription: Subscription


ACCEPTED: Final = Accepted()

Effect: TypeAlias = (
    Spawn | Terminate | Kill | Reply | BeginStream | Answer | Refuse | Subscribe | Record
)
