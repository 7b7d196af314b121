"""What waits for one subscriber, and when it is due. No I/O; the clock is an argument.

A batch is due when it has as many events or bytes as the subscription says, or when its first
event has waited for the subscription's time. What does not fit is left out and counted, up to
the end of the overflow; then the subscriber is told, at the place where the gap is.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host.lifecycle.records import LogsDropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.terms import Subscription

Batch: TypeAlias = tuple[bytes, ...]

# So many full batches may wait; beyond, a subscriber is too slow.
MAX_WAITING_BATCHES: Final = 8
# AWS's own words, which people search for.
TOO_SLOW: Final = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."
_MS: Final = 1000.0


class Buffer:
    """The events that wait for a subscriber, in order."""

    def __init__(
        self, subscription: Subscription, dropped_event: Callable[[LogsDropped], bytes | None]
    ) -> None:
        """Buffer as subscribed; `dropped_event` renders what was left out, if that is told."""
        self.subscription = subscription
        self.dropped = 0
        self._dropped_event = dropped_event
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._overflowing = False
        self._gap_records = 0
        self._gap_bytes = 0
        self._gap_reason = ""

    def __repr__(self) -> str:
        return f"<Buffer {len(self._waiting)} events, {self._size} bytes, {self.dropped} dropped>"

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: bytes, now: float) -> None:
        """Take one event, or count it when there is no room for it."""
        if self._overflowing or not self._has_room(event):
            # Until a batch has left, even what would fit stays out: one gap, not many.
            self._overflowing = bool(self._waiting)
            self.lose((event,), now, TOO_SLOW)
        else:
            self._append(event, now)

    def take(self, now: float, *, everything: bool = False) -> Batch | None:
        """Return the next batch that is due, or that is there at all, and make room."""
        due = self.due_at()
        if due is None or (now < due and not everything):
            return None
        batch = self._cut()
        self._overflowing = False
        self._tell_gap(now)
        return batch

    def due_at(self) -> float | None:
        """Return when the next batch is due; it may have been for long. None: there is nothing."""
        if not self._waiting:
            return None
        first, _ = self._waiting[0]
        return first if self._is_full() else first + self.subscription.timeout_ms / _MS

    def lose(self, batch: Batch, now: float, reason: str) -> None:
        """Count events that will never arrive."""
        self.dropped += len(batch)
        self._gap_records += len(batch)
        self._gap_bytes += sum(map(len, batch))
        self._gap_reason = reason
        if not self._overflowing:
            self._tell_gap(now)

    def _append(self, event: bytes, now: float) -> None:
        self._waiting.append((now, event))
        self._size += len(event)

    def _has_room(self, event: bytes) -> bool:
        items = self.subscription.max_items * MAX_WAITING_BATCHES
        size = self.subscription.max_bytes * MAX_WAITING_BATCHES
        return len(self._waiting) < items and self._size + len(event) <= size

    def _is_full(self) -> bool:
        items, size = self.subscription.max_items, self.subscription.max_bytes
        return len(self._waiting) >= items or self._size >= size

    def _cut(self) -> Batch:
        """Take events up to the one that fills the batch, which may carry it over its size."""
        batch: list[bytes] = []
        size = 0
        limits = self.subscription
        while self._waiting and len(batch) < limits.max_items and size < limits.max_bytes:
            _, event = self._waiting.popleft()
            batch.append(event)
            size += len(event)
        self._size -= size
        return tuple(batch)

    def _tell_gap(self, now: float) -> None:
        if not self._gap_records:
            return
        gap = LogsDropped(self._gap_bytes, self._gap_records, self._gap_reason)
        self._gap_records = self._gap_bytes = 0
        if (event := self._dropped_event(gap)) is not None:
            self._append(event, now)
