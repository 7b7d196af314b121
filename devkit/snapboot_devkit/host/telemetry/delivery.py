"""Telemetry on its way to one subscriber: what waits for it, in batches, and where these are sent.

Who sends never waits: it fills a buffer, and one task empties it. A batch is due when it has as
many events or bytes as the subscription says, or when its first event has waited for the
subscription's time. What does not fit is left out and counted, up to the end of the overflow; then
an event says so, at the place where the gap is. No more than one batch is on its way, so that
order is kept; it is sent until it is taken or the attempts are used up.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import h11

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.records import LogsDropped
from snapboot_devkit.host.telemetry import platform_events
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.terms import Subscription
    from snapboot_devkit.host.telemetry.logs import EnvironmentInfo
    from snapboot_devkit.host.telemetry.platform_events import Entry
    from snapboot_devkit.host.telemetry.subscribers import ActiveTime

Batch: TypeAlias = tuple[bytes, ...]

# So many full batches may wait; beyond, a subscriber is too slow.
MAX_WAITING_BATCHES: Final = 8
# AWS's own words, which people search for.
TOO_SLOW: Final = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs."

_READ_BYTES: Final = 16 * protocol.KIB
# An answer says nothing but its status; who says more than this is not listened to any longer.
MAX_ANSWER_BYTES: Final = 64 * protocol.KIB
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a subscriber is put up with; AWS keeps its figures to itself.

    An attempt may take `answer_s` seconds. The pause after the first is `pause_s`; each is twice
    the one before, up to `longest_pause_s`. After the last of the attempts the batch is lost.
    """

    answer_s: float = 5.0
    pause_s: float = 0.05
    longest_pause_s: float = 2.0
    attempts: int = 10


class Subscriber:
    """One extension: what it wants to hear, in which shape, and what it is still owed."""

    def __init__(
        self,
        info: EnvironmentInfo,
        subscription: Subscription,
        time: ActiveTime,
        retries: RetryPolicy,
        epoch: Callable[[], float],
    ) -> None:
        """Begin to deliver; needs a running event loop. `epoch` is the clock for gaps' events."""
        self._info = info
        self._epoch = epoch
        self._time = time
        self._retries = retries
        self._subscription = subscription
        self._buffer = Buffer(subscription, self._dropped_event)
        self._destination = destination(subscription)
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._flushing = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __repr__(self) -> str:
        return f"<Subscriber {self._destination!r}, {self._buffer!r}>"

    def add(self, entry: Entry, epoch: float) -> None:
        """Deliver what was subscribed to in its turn, or count it as dropped; `epoch` in s."""
        if platform_events.category(entry) not in self._subscription.types:
            return
        for event in self._rendered(entry, epoch):
            self._buffer.add(event, self._time.now())
            self._drained.clear()
            self._wake.set()

    def redirect(self, subscription: Subscription) -> None:
        """Deliver what is still owed, and all that comes, as a newer subscription says."""
        former, self._destination = self._destination, destination(subscription)
        self._subscription = self._buffer.subscription = subscription
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
        pause_s = self._retries.pause_s
        reason = ""
        for attempt in range(self._retries.attempts):
            if attempt:
                await self._wait(self._moved, pause_s)
                pause_s = min(2 * pause_s, self._retries.longest_pause_s)
            self._moved.clear()
            try:
                await self._attempt(batch)
            except TimeoutError:
                reason = f"no answer within {self._retries.answer_s} seconds"
            except (OSError, UndeliveredError) as exc:
                reason = str(exc)
            else:
                return
        reason = f"Given up after {self._retries.attempts} attempts: {reason}"
        self._buffer.lose(batch, self._time.now(), reason)

    async def _attempt(self, batch: Batch) -> None:
        await self._time.running()
        target = self._destination
        async with self._time.limit(self._retries.answer_s if target.answers else None):
            await target.send(batch)

    def _dropped_event(self, dropped: LogsDropped) -> bytes | None:
        if platform_events.PLATFORM not in self._subscription.types:
            return None
        return self._rendered(dropped, self._epoch())[0]

    def _rendered(self, entry: Entry, epoch: float) -> list[bytes]:
        asked = self._subscription
        schema = platform_events.Schema(asked.api, asked.schema_version)
        events = platform_events.events(entry, self._info, epoch, schema)
        return [platform_events.encoded(event) for event in events]

    async def _wait(self, event: asyncio.Event, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with self._time.limit(seconds):
                await event.wait()


# ---- what waits ------------------------------------------------------------------------------


class Buffer:
    """The events that wait for a subscriber, in order."""

    def __init__(
        self, subscription: Subscription, dropped_event: Callable[[LogsDropped], bytes | None]
    ) -> None:
        """Buffer as subscribed; `dropped_event` renders what was left out, if at all."""
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
        self._report_gap(now)
        return batch

    def due_at(self) -> float | None:
        """Return when the next batch is due; it may have been for long. None: there is nothing."""
        if not self._waiting:
            return None
        first, _ = self._waiting[0]
        return (
            first if self._is_full() else first + self.subscription.timeout_ms / protocol.MS_PER_S
        )

    def lose(self, batch: Batch, now: float, reason: str) -> None:
        """Count events that will never arrive."""
        self.dropped += len(batch)
        self._gap_records += len(batch)
        self._gap_bytes += sum(map(len, batch))
        self._gap_reason = reason
        if not self._overflowing:
            self._report_gap(now)

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

    def _report_gap(self, now: float) -> None:
        if not self._gap_records:
            return
        gap = LogsDropped(self._gap_bytes, self._gap_records, self._gap_reason)
        self._gap_records = self._gap_bytes = 0
        if (event := self._dropped_event(gap)) is not None:
            self._append(event, now)


# ---- where it is sent ------------------------------------------------------------------------


class UndeliveredError(Exception):
    """A subscriber did not take a batch; send it again, later."""


class Destination(ABC):
    """What takes batches, over a connection that `close` breaks off at any time."""

    # Whether a batch counts as taken once it was answered, for which a subscriber has some time.
    answers: bool

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._closed = False

    @abstractmethod
    async def send(self, batch: Batch) -> None:
        """Send a batch. Raises OSError or UndeliveredError when it was not taken."""

    def close(self) -> None:
        """Break off what is under way, and let go of the connection."""
        self._closed = True
        self._hang_up()

    def _check_open(self) -> None:
        if self._closed:
            raise UndeliveredError("the subscription has been replaced")

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


def destination(subscription: Subscription) -> Destination:
    """Return the destination that a subscription names."""
    if subscription.uri:
        return HttpDestination(subscription.uri, subscription.method)
    return TcpDestination(subscription.port)


class HttpDestination(Destination):
    """An HTTP server, which gets every batch as a JSON array and answers with 200.

    Each batch has a connection of its own: they are few, and none can have died in a freeze.
    """

    answers = True

    def __init__(self, uri: str, method: str) -> None:
        """Send to `http://<name>:<port>/...`; the name is the environment itself, our loopback."""
        super().__init__()
        parts = urlsplit(uri)
        self._host = parts.netloc.rpartition("@")[2]
        self._port = parts.port or 80
        self._target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        self._method = method

    def __repr__(self) -> str:
        return f"<HttpDestination {self._method} {self._host}{self._target}>"

    async def send(self, batch: Batch) -> None:
        """Send a batch and wait for the answer."""
        reader, self._writer = await asyncio.open_connection(protocol.LOOPBACK, self._port)
        try:
            self._check_open()
            status = await self._exchange(reader, self._writer, b"[%b]" % b",".join(batch))
        except h11.RemoteProtocolError as exc:
            raise UndeliveredError(f"{self._host} did not answer in HTTP: {exc}") from exc
        finally:
            self._hang_up()
        if status not in _OK:
            raise UndeliveredError(f"{self._host} answered with status {status}, not 200")

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> int:
        http = h11.Connection(h11.CLIENT)
        for event in (self._request(body), h11.Data(body), h11.EndOfMessage()):
            writer.write(http.send(event) or b"")
        await writer.drain()
        return await _answered_status(http, reader)

    def _request(self, body: bytes) -> h11.Request:
        headers = [
            (b"host", self._host.encode()),
            (protocol.CONTENT_TYPE, protocol.JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            # The same for each attempt, so that a subscriber can tell a repeated batch (RAPID).
            (protocol.SEQUENCE_ID, base64.b64encode(hashlib.sha256(body).digest())),
            (b"connection", b"close"),
        ]
        return h11.Request(method=self._method, target=self._target, headers=headers)


async def _answered_status(http: h11.Connection, reader: asyncio.StreamReader) -> int:
    """Return the answer's status, once the answer is whole or its peer has gone."""
    status, size = 0, 0
    while True:
        match http.next_event():
            case h11.NEED_DATA if size > MAX_ANSWER_BYTES and status:
                return status
            case h11.NEED_DATA:
                data = await _read(reader, status)
                if not data and status:
                    return status
                size += len(data)
                http.receive_data(data)
            case h11.Response() as response:
                status = response.status_code
            case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                return status


async def _read(reader: asyncio.StreamReader, status: int) -> bytes:
    try:
        return await reader.read(_READ_BYTES)
    except OSError:
        if not status:
            raise
        # The answer has been given; that its peer left in a hurry takes nothing back.
        return b""


class TcpDestination(Destination):
    """A TCP listener, which gets one event per line over a lasting connection.

    No one answers: a batch counts as taken when the system has taken it. A slow listener is
    waited for; a connection that breaks in the middle of a batch makes it be sent again.
    """

    answers = False

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def __repr__(self) -> str:
        return f"<TcpDestination {self._port}>"

    async def send(self, batch: Batch) -> None:
        """Send a batch, over a new connection if the former one is gone."""
        if self._writer is None or self._writer.is_closing():
            self._writer = await _connected(self._port)
        writer = self._writer
        try:
            self._check_open()
            writer.write(b"\n".join((*batch, b"")))
            await writer.drain()
        except BaseException:
            # Half of a batch may have gone; what follows needs a connection that begins again.
            self._hang_up()
            raise


class _Listening(asyncio.StreamReaderProtocol):
    """A connection whose peer has nothing to say, except that it goes."""

    def data_received(self, data: bytes) -> None:
        """Listen to nothing, so that nothing piles up."""
        del data

    def eof_received(self) -> bool:
        """Close, so that the next batch finds a new connection."""
        return False


async def _connected(port: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, listening = await loop.create_connection(
        lambda: _Listening(reader), protocol.LOOPBACK, port
    )
    # What is drained has left this process.
    transport.set_write_buffer_limits(0)
    return asyncio.StreamWriter(transport, listening, reader, loop)
