"""Where telemetry goes: an HTTP server or a TCP listener of an extension, on this machine.

A destination sends one batch at a time. `close` may be called in the middle of that, and makes
it fail; afterwards nothing is open any more.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

import h11

from snapboot_devkit.host import protocol

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.terms import Subscription
    from snapboot_devkit.host.telemetry.buffer import Batch

_LOOPBACK: Final = "127.0.0.1"
_READ_BYTES: Final = 16 * protocol.KIB
# An answer says nothing but its status; who says more than this is not listened to any longer.
MAX_ANSWER_BYTES: Final = 64 * protocol.KIB
_OK: Final = range(200, 300)


class UndeliveredError(Exception):
    """A subscriber did not take a batch; send it again, later."""


class Destination(Protocol):
    """What takes batches."""

    # Whether a batch counts as taken once it was answered, for which a subscriber has some time.
    answers: bool

    async def send(self, batch: Batch) -> None:
        """Send a batch. Raises OSError or UndeliveredError when it was not taken."""

    def close(self) -> None:
        """Break off what is under way, and let go of the connection."""


def destination(subscription: Subscription) -> Destination:
    """Return the destination that a subscription names."""
    if subscription.uri:
        return HttpDestination(subscription.uri, subscription.method)
    return TcpDestination(subscription.port)


class HttpDestination:
    """An HTTP server, which gets every batch as a JSON array and answers with 200.

    Each batch has a connection of its own: they are few, and none can have died in a freeze.
    """

    answers = True

    def __init__(self, uri: str, method: str) -> None:
        """Send to `http://<name>:<port>/...`; the name is the environment itself, our loopback."""
        parts = urlsplit(uri)
        self._host = parts.netloc.rpartition("@")[2]
        self._port = parts.port or 80
        self._target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        self._method = method
        self._writer: asyncio.StreamWriter | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<HttpDestination {self._method} {self._host}{self._target}>"

    async def send(self, batch: Batch) -> None:
        """Send a batch and wait for the answer."""
        reader, self._writer = await asyncio.open_connection(_LOOPBACK, self._port)
        try:
            if self._closed:
                raise UndeliveredError("the subscription has moved elsewhere")
            status = await self._exchange(reader, self._writer, b"[%b]" % b",".join(batch))
        except h11.RemoteProtocolError as exc:
            raise UndeliveredError(f"{self._host} did not answer in HTTP: {exc}") from exc
        finally:
            self._hang_up()
        if status not in _OK:
            raise UndeliveredError(f"{self._host} answered with status {status}, not 200")

    def close(self) -> None:
        """Break off what is under way."""
        self._closed = True
        self._hang_up()

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

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


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


class TcpDestination:
    """A TCP listener, which gets one event per line over a lasting connection.

    Nobody answers: a batch counts as taken when the system has taken it. A slow listener is
    waited for; a connection that breaks in the middle of a batch makes it be sent again.
    """

    answers = False

    def __init__(self, port: int) -> None:
        """Send to a port of this machine."""
        self._port = port
        self._writer: asyncio.StreamWriter | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<TcpDestination {self._port}>"

    async def send(self, batch: Batch) -> None:
        """Send a batch, over a new connection if the former one is gone."""
        if self._writer is None or self._writer.is_closing():
            self._writer = await _connected(self._port)
        writer = self._writer
        if self._closed:
            self._hang_up()
            raise UndeliveredError("the subscription has moved elsewhere")
        try:
            writer.write(b"\n".join((*batch, b"")))
            await writer.drain()
        except BaseException:
            # Half of a batch may have gone; what follows needs a connection that begins anew.
            self._hang_up()
            raise

    def close(self) -> None:
        """Break off what is under way."""
        self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


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
    transport, listening = await loop.create_connection(lambda: _Listening(reader), _LOOPBACK, port)
    # What is drained has left this process.
    transport.set_write_buffer_limits(0)
    return asyncio.StreamWriter(transport, listening, reader, loop)
