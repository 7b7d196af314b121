"""Where a request goes: to which environment of its function, if to any. Decisions only.

The platform prefers a warm environment; which one is left open, here it is the last that was at
work. An environment that has answered its caller but not yet come back to rest is worth a short
wait: a client that sends one request after the other must meet neither a cold start nor a 429.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

# How long a request waits for an environment to settle before it gets a new one. The way from an
# answer to the next `next` takes milliseconds; an extension that works on takes any time.
SETTLE_S: Final = 0.5
# And how long when there can be no new one: a reset takes 2 s with extensions, and then some.
LAST_RESORT_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How an environment is placed to serve a request; `used_at` is an instant in seconds.

    `capacity` is how many more events it takes, `warm` whether it has been initialised, `idle`
    whether it could be dispensed with.
    """

    tenant: str = ""
    capacity: int = 0
    warm: bool = False
    idle: bool = False
    settling: bool = False
    used_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks: how long already, in seconds, and behind how many others of its tenant."""

    tenant: str = ""
    waited_s: float = 0.0
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """Send it to this environment, by its index."""

    index: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again when an environment has changed, at the latest after so many seconds."""

    at_most_s: float


@dataclass(frozen=True, slots=True)
class Grow:
    """Start a new environment; first retire the one at this index, if any."""

    retire: int | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """There are as many environments as there may be, and none will be free soon."""


Placing: TypeAlias = Use | Wait | Grow | Refuse


def place(environments: Sequence[Condition], limit: int, request: Request) -> Placing:
    """Decide where a request goes, given a function's environments and how many it may have."""
    numbered = list(enumerate(environments))
    own = [(i, one) for i, one in numbered if one.tenant == request.tenant]
    if free := [(one.warm, one.used_at, i) for i, one in own if one.capacity > 0]:
        return Use(max(free)[-1])
    # Each that settles will serve one of those who wait.
    hopeful = request.ahead < sum(one.settling for _, one in own)
    if hopeful and request.waited_s < SETTLE_S:
        return Wait(SETTLE_S - request.waited_s)
    if len(environments) < limit:
        return Grow()
    if idle := [(one.used_at, i) for i, one in numbered if one.idle and not one.settling]:
        return Grow(retire=min(idle)[-1])
    if hopeful and request.waited_s < LAST_RESORT_S:
        return Wait(LAST_RESORT_S - request.waited_s)
    return Refuse()
