"""The extensions that have subscribed: all that an environment logs and reports goes to each.

What happened before an extension subscribed is kept for it, within bounds, while it still may. For
subscribers time stands still while the environment is frozen.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.records import LogsDropped
from snapboot_devkit.host.telemetry.logs import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from snapboot_devkit.host.lifecycle.terms import Subscription
    from snapboot_devkit.host.telemetry.delivery import RetryPolicy, Subscriber
    from snapboot_devkit.host.telemetry.logs import EnvironmentInfo
    from snapboot_devkit.host.telemetry.platform_events import Entry

# Of what came before a subscription, in characters of text; what a record takes is a rough figure.
MAX_CHARACTERS: Final = protocol.MIB
_RECORD_CHARACTERS: Final = 256


class Telemetry:
    """What an environment sends to its subscribers. No caller ever waits for a slow one."""

    def __init__(
        self,
        info: EnvironmentInfo,
        retries: RetryPolicy | None = None,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        """Begin without subscribers; `epoch` is the clock for events about the telemetry itself."""
        self._info = info
        self._retries = retries
        self._epoch = epoch
        self._time = ActiveTime()
        self._history = History()
        self._subscribers: dict[str, Subscriber] = {}

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
        # For those that subscribe alone: it imports h11 and more.
        from snapboot_devkit.host.telemetry.delivery import RetryPolicy, Subscriber  # noqa: PLC0415

        retries = self._retries or RetryPolicy()
        added = Subscriber(self._info, subscription, self._time, retries, self._epoch)
        self._subscribers[name] = added
        for entry, epoch in self._history.replay(self._epoch()):
            added.add(entry, epoch)

    def emit(self, entry: Entry, epoch: float) -> None:
        """Send a record, or a line of the function or an extension; `epoch` in seconds."""
        self._history.add(entry, epoch)
        for subscriber in self._subscribers.values():
            subscriber.add(entry, epoch)

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


class History:
    """The early records and lines of an environment, the oldest of them at any rate."""

    def __init__(self) -> None:
        self._kept: list[tuple[Entry, float]] = []
        self._size = 0
        self._left_out = 0
        self._left_out_size = 0
        self._open = True

    def __repr__(self) -> str:
        return f"<History {'open' if self._open else 'closed'}, {len(self._kept)} kept>"

    def add(self, entry: Entry, epoch: float) -> None:
        """Keep one more; once it is closed or full nothing more is kept."""
        if not self._open:
            return
        size = len(entry.text) if isinstance(entry, LogLine) else _RECORD_CHARACTERS
        if self._left_out or self._size + size > MAX_CHARACTERS:
            self._left_out += 1
            self._left_out_size += size
            return
        self._size += size
        self._kept.append((entry, epoch))

    def replay(self, now: float) -> Iterator[tuple[Entry, float]]:
        """Yield all that was kept with its time, and at the end, as of `now`, what was not."""
        yield from self._kept
        if self._left_out:
            reason = "More was logged before the subscription than is kept"
            yield LogsDropped(self._left_out_size, self._left_out, reason), now

    def open(self) -> None:
        """Begin again: a new init has begun, whose extensions may subscribe."""
        self.close()
        self._open = True

    def close(self) -> None:
        """Forget everything: no extension can subscribe any more."""
        self._kept.clear()
        self._size = self._left_out = self._left_out_size = 0
        self._open = False


class ActiveTime:
    """A clock that can be stopped, and waiting that counts by it; in seconds.

    It belongs to one event loop.
    """

    def __init__(self) -> None:
        self._frozen_s = 0.0
        self._frozen_at: float | None = None
        self._running = asyncio.Event()
        self._running.set()
        self._limits: dict[asyncio.Timeout, float] = {}

    def __repr__(self) -> str:
        state = "running" if self._frozen_at is None else "frozen"
        return f"<ActiveTime {state}, {len(self._limits)} limits>"

    def now(self) -> float:
        """Return the loop's time less all that passed while frozen."""
        at = _loop_time() if self._frozen_at is None else self._frozen_at
        return at - self._frozen_s

    def pause(self) -> None:
        """Stop; no limit runs out from now on."""
        if self._frozen_at is None:
            self._frozen_at = _loop_time()
            self._running.clear()
            self._arm_all()

    def resume(self) -> None:
        """Go on where the clock was stopped."""
        if self._frozen_at is not None:
            self._frozen_s += _loop_time() - self._frozen_at
            self._frozen_at = None
            self._running.set()
            self._arm_all()

    async def running(self) -> None:
        """Wait until the clock runs."""
        await self._running.wait()

    @asynccontextmanager
    async def limit(self, seconds: float | None) -> AsyncIterator[None]:
        """Bound what is done inside. Raises TimeoutError when the active time is over."""
        async with asyncio.timeout(None) as timeout:
            if seconds is not None:
                self._limits[timeout] = self.now() + seconds
                self._arm(timeout)
            try:
                yield
            finally:
                self._limits.pop(timeout, None)

    def _arm_all(self) -> None:
        for timeout in self._limits:
            self._arm(timeout)

    def _arm(self, timeout: asyncio.Timeout) -> None:
        if timeout.expired():
            return
        left = self._limits[timeout] - self.now()
        timeout.reschedule(None if self._frozen_at is not None else _loop_time() + left)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
