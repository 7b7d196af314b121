"""Where a request goes: to which environment of its function, if to any. Decisions only.

The platform prefers a warm environment; which one is left open, here it is the last that was at
work. An environment that has answered its caller but not yet come back to rest is worth a short
wait: a client that sends one request after the other must meet neither a cold start nor a 429.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
class PlacingRequest:
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
class RefuseRequest:
    """There are as many environments as there may be, and none will be free soon."""


Placing: TypeAlias = Use | Wait | Grow | RefuseRequest


class Placed(Protocol):
    """What says whether an environment takes a request right now."""

    @property
    def tenant(self) -> str:
        """Whom alone it serves."""

    @property
    def capacity(self) -> int:
        """How many more events it takes."""

    @property
    def warm(self) -> bool:
        """Whether it has been initialised."""

    @property
    def settling(self) -> bool:
        """Whether it will be free in a moment."""

    @property
    def used_at(self) -> float:
        """When it was last at work."""


def free(environments: Iterable[Placed], tenant: str) -> int | None:
    """Return the index of the environment that takes a tenant's request at once, if one does."""
    best: tuple[bool, float, int] | None = None
    for i, one in enumerate(environments):
        if one.tenant == tenant and one.capacity > 0:
            rank = one.warm, one.used_at, i
            if best is None or rank > best:
                best = rank
    return best[-1] if best else None


def one_settles(environments: Iterable[Placed], tenant: str, ahead: int = 0) -> bool:
    """Tell whether there is hope for a request behind `ahead` others of its tenant.

    Each environment that settles will serve one of those who wait.
    """
    return ahead < sum(one.settling for one in environments if one.tenant == tenant)


def place(environments: Sequence[Condition], limit: int, request: PlacingRequest) -> Placing:
    """Decide where a request goes, given a function's environments and how many it may have."""
    index = free(environments, request.tenant)
    if index is not None:
        return Use(index)
    hopeful = one_settles(environments, request.tenant, request.ahead)
    if hopeful and request.waited_s < SETTLE_S:
        return Wait(SETTLE_S - request.waited_s)
    if len(environments) < limit:
        return Grow()
    numbered = enumerate(environments)
    if idle := [(one.used_at, i) for i, one in numbered if one.idle and not one.settling]:
        return Grow(retire=min(idle)[-1])
    if hopeful and request.waited_s < LAST_RESORT_S:
        return Wait(LAST_RESORT_S - request.waited_s)
    return RefuseRequest()
