"""The telemetry of one environment: all it tells goes to every extension that subscribed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from snapboot_devkit.host.telemetry.activetime import ActiveTime
from snapboot_devkit.host.telemetry.documents import (
    PLATFORM,
    Facts,
    Schema,
    Told,
    category,
    encoded,
    events,
)
from snapboot_devkit.host.telemetry.history import History

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.records import LogsDropped
    from snapboot_devkit.host.lifecycle.terms import Subscription
    from snapboot_devkit.host.telemetry.delivery import Patience


class Telemetry:
    """What an environment tells its subscribers. Telling never waits, whoever is slow."""

    def __init__(
        self,
        facts: Facts,
        patience: Patience | None = None,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        """Begin without subscribers; `epoch` is the clock for what is told of the telemetry."""
        self._facts = facts
        self._patience = patience
        self._epoch = epoch
        self._time = ActiveTime()
        self._history = History()
        self._subscribers: dict[str, _Subscriber] = {}

    def __repr__(self) -> str:
        return f"<Telemetry to {sorted(self._subscribers)}, {self._history!r}>"

    def subscribe(self, name: str, subscription: Subscription) -> None:
        """Deliver to an extension from now on, and all that came before since `open`.

        One that subscribes again replaces its former subscription: what it is still owed goes
        where the new one says, an attempt under way among it; what it has taken is not replayed.
        """
        if known := self._subscribers.get(name):
            known.redirect(subscription)
            return
        added = _Subscriber(self._facts, subscription, self._time, self._patience, self._epoch)
        self._subscribers[name] = added
        for told, epoch in self._history.replay(self._epoch()):
            added.tell(told, epoch)

    def emit(self, told: Told, epoch: float) -> None:
        """Tell of a record, or of a line of the function or an extension; `epoch` in seconds."""
        self._history.add(told, epoch)
        for subscriber in self._subscribers.values():
            subscriber.tell(told, epoch)

    def open(self) -> None:
        """Keep what comes for those who will subscribe: an init begins. So it is at first."""
        self._history.open()

    def settle(self) -> None:
        """Keep nothing any more: the init is over, and with it the time to subscribe."""
        self._history.close()

    def pause(self) -> None:
        """Send nothing and count no time: the environment is frozen."""
        self._time.pause()

    def resume(self) -> None:
        """Go on."""
        self._time.resume()

    async def flush(self, limit_s: float) -> bool:
        """Send all that waits, for at most so long; return whether all of it has gone.

        A frozen environment takes nothing: resume it before.
        """
        try:
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*(one.flush() for one in self._subscribers.values()))
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop, whatever is still owed; no task and no connection is left."""
        subscribers, self._subscribers = self._subscribers, {}
        await asyncio.gather(*(one.close() for one in subscribers.values()))


class _Subscriber:
    """One extension: what it wants to hear, in which shape, and the delivery of it."""

    def __init__(
        self,
        facts: Facts,
        subscription: Subscription,
        active: ActiveTime,
        patience: Patience | None,
        epoch: Callable[[], float],
    ) -> None:
        self._facts = facts
        self._epoch = epoch
        self._subscription = subscription
        from snapboot_devkit.host.telemetry.delivery import Delivery, Patience  # noqa: PLC0415

        patience = patience or Patience()
        self._delivery = Delivery(subscription, active, patience, self._dropped_event)
        self.flush = self._delivery.flush
        self.close = self._delivery.close

    def __repr__(self) -> str:
        return f"<_Subscriber {self._subscription.types}, {self._delivery!r}>"

    def redirect(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._delivery.redirect(subscription)

    def tell(self, told: Told, epoch: float) -> None:
        if category(told) in self._subscription.types:
            for event in self._rendered(told, epoch):
                self._delivery.add(event)

    def _dropped_event(self, dropped: LogsDropped) -> bytes | None:
        if PLATFORM not in self._subscription.types:
            return None
        return self._rendered(dropped, self._epoch())[0]

    def _rendered(self, told: Told, epoch: float) -> list[bytes]:
        schema = Schema(self._subscription.api, self._subscription.schema_version)
        return [encoded(event) for event in events(told, self._facts, epoch, schema)]
