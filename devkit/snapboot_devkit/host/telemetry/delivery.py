"""Telemetry on its way to one subscriber: batches, attempts, pauses between them.

Who tells never waits: it fills a buffer, and one task empties it. No more than one batch is on
its way, so that order is kept; it is sent until it is taken or the attempts are used up.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from snapboot_devkit.host.telemetry.buffer import Buffer
from snapboot_devkit.host.telemetry.destinations import UndeliveredError, destination
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.records import LogsDropped
    from snapboot_devkit.host.lifecycle.terms import Subscription
    from snapboot_devkit.host.telemetry.activetime import ActiveTime
    from snapboot_devkit.host.telemetry.buffer import Batch


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a subscriber is put up with; AWS keeps its figures to itself.

    An attempt may take `answer_s` seconds. The pause after the first is `pause_s`; each is twice
    the one before, up to `longest_pause_s`. After the last of the attempts the batch is lost.
    """

    answer_s: float = 5.0
    pause_s: float = 0.05
    longest_pause_s: float = 2.0
    attempts: int = 10


class Delivery:
    """What one subscriber is owed."""

    def __init__(
        self,
        subscription: Subscription,
        time: ActiveTime,
        patience: Patience,
        dropped_event: Callable[[LogsDropped], bytes | None],
    ) -> None:
        """Begin to deliver; needs a running event loop. See `Buffer` for `dropped_event`."""
        self._time = time
        self._patience = patience
        self._buffer = Buffer(subscription, dropped_event)
        self._destination = destination(subscription)
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._flushing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __repr__(self) -> str:
        return f"<Delivery to {self._destination!r}, {self._buffer!r}>"

    def add(self, event: bytes) -> None:
        """Deliver one event in its turn, or count it as dropped."""
        self._buffer.add(event, self._time.now())
        self._drained.clear()
        self._wake.set()

    def redirect(self, subscription: Subscription) -> None:
        """Deliver what is still owed, and all that comes, as a newer subscription says."""
        former, self._destination = self._destination, destination(subscription)
        self._buffer.subscription = subscription
        self._moved.set()
        self._wake.set()
        former.close()

    async def flush(self) -> None:
        """Send all that waits without waiting for more; return when it has gone."""
        self._flushing = True
        self._wake.set()
        try:
            await self._drained.wait()
        finally:
            self._flushing = False

    async def close(self) -> None:
        """Stop, whatever is still owed."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._destination.close()

    async def _run(self) -> None:
        while True:
            await self._deliver(await self._next_batch())

    async def _next_batch(self) -> Batch:
        while True:
            await self._time.running()
            self._wake.clear()
            now = self._time.now()
            batch = self._buffer.take(now, everything=self._flushing)
            if batch is not None:
                return batch
            due = self._buffer.due_at()
            if due is None:
                self._drained.set()
            await self._wait(self._wake, None if due is None else due - now)

    async def _deliver(self, batch: Batch) -> None:
        """Send a batch as often as it takes."""
        pause_s = self._patience.pause_s
        reason = ""
        for attempt in range(self._patience.attempts):
            if attempt:
                await self._wait(self._moved, pause_s)
                pause_s = min(2 * pause_s, self._patience.longest_pause_s)
            self._moved.clear()
            try:
                await self._attempt(batch)
            except TimeoutError:
                reason = f"no answer within {self._patience.answer_s} seconds"
            except (OSError, UndeliveredError) as exc:
                reason = str(exc)
            else:
                return
        told = f"Given up after {self._patience.attempts} attempts: {reason}"
        self._buffer.lose(batch, self._time.now(), told)

    async def _attempt(self, batch: Batch) -> None:
        await self._time.running()
        target = self._destination
        async with self._time.limit(self._patience.answer_s if target.answers else None):
            await target.send(batch)

    async def _wait(self, event: asyncio.Event, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with self._time.limit(seconds):
                await event.wait()
