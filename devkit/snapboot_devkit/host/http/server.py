"""HTTP/1.1 over asyncio, with h11 for the grammar: requests in, responses out.

Knows nothing of Lambda. A service is told of a request's head, then of its whole body; it answers
when it likes, at the earliest on the head. Whatever the service says, a request is read to its
end before its response is written, because clients of the Runtime API send everything first.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import h11

from snapboot_devkit.host.errors import AddressInUseError
from snapboot_devkit.host.http.exchange import Body, Head, Response, error_response
from snapboot_devkit.host.protocol import MAX_HEAD_BYTES, MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

# Many more would take the descriptors, of which 1,024 are usual, from the host's other work.
MAX_CONNECTIONS: Final = 256
# How long a peer that has been hung up on may take to notice.
_LINGER_S: Final = 0.5
_READ_BYTES: Final = 64 * 1024
# Beyond this a peer that sends without reading its answers is made to wait.
_PIPELINE_BYTES: Final = 64 * 1024
# Up to here one copy is cheaper than a second buffer in the system call.
_JOINED_BYTES: Final = 16 * 1024


class Service(Protocol):
    """What answers the requests of a server."""

    def opened(self, exchange: Exchange) -> None:
        """Take note of a request whose head has arrived."""

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take note that the request is whole."""

    def dropped(self, exchange: Exchange) -> None:
        """Take note that the request broke off, or that its peer has gone unanswered."""


class Exchange:
    """One request, which carries its answer."""

    __slots__ = ("_connection", "head", "response")

    def __init__(self, connection: _Connection, head: Head) -> None:
        """Stand for the request that `head` begins."""
        self._connection = connection
        self.head = head
        self.response: Response | None = None

    def __repr__(self) -> str:
        answered = self.response.status if self.response else "open"
        return f"<Exchange {self.head.method} {self.head.path} {answered}>"

    def answer(self, response: Response) -> None:
        """Answer, once; to a peer that has gone nothing is sent."""
        if self.response is None:
            self.response = response
            self._connection.flush(self)


class _Connection(asyncio.BufferedProtocol):
    """One connection: reads requests, tells the service, writes responses, one after another.

    Every request gets an h11 of its own, which is never told of the response: all responses are
    whole and of known length, so that h11 could add nothing to them. Most of a body of known
    length is received right where it stays, past h11's own buffer: a 6 MB round trip takes 0.66 of
    the host's CPU time and 0.83 of the time of one through h11 (CPython 3.13, one CPU).
    """

    def __init__(
        self, service: Service, open_connections: set[_Connection], patience_s: float | None
    ) -> None:
        self._service = service
        self._open = open_connections
        self._patience_s = patience_s
        self._patience: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._scratch = memoryview(bytearray(_READ_BYTES))
        self._space: memoryview
        self._ended = False
        self._hung_up = False
        self._unread = False
        self._expect_request()

    def __repr__(self) -> str:
        return f"<_Connection {self._exchange or 'idle'}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        self._expect_peer()
        if len(self._open) > MAX_CONNECTIONS:
            self._write("", _TOO_MANY_CONNECTIONS, lasting=False)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._space or self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._hung_up:
            return
        if self._space:
            self._space = self._space[nbytes:]
            if not self._space:
                self._end(self._body, len(self._body), b"")
        else:
            self._received(bytes(self._scratch[:nbytes]))

    def eof_received(self) -> bool:
        """Answer what is whole to a peer that has only ended its own half."""
        self._ended = True
        if self._hung_up:
            self._transport.close()
        elif not self._whole:
            self._break_off()
        return True

    def pause_writing(self) -> None:
        self._unread = True

    def resume_writing(self) -> None:
        self._unread = False
        if self._exchange is None and self._whole and self._lasting:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._open.discard(self)
        self._stop_waiting()
        self._drop()

    def close(self) -> None:
        """End the connection, whatever is under way."""
        self._transport.abort()

    def flush(self, exchange: Exchange) -> None:
        """Write the answer if its request has been read to the end, and go on to the next."""
        if exchange is not self._exchange or not self._whole or exchange.response is None:
            return
        self._exchange = None
        self._write(exchange.head.method, exchange.response, lasting=self._lasting)
        if self._lasting and not self._unread:
            self._go_on()

    # ---- reading -----------------------------------------------------------------------------

    def _expect_request(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._lasting = True
        self._whole = False
        self._body = bytearray()
        # The part of the body of known length that is to come.
        self._space = memoryview(b"")
        # The body of a length that only its end will tell, or that is too large to be kept.
        self._chunks: list[bytes] = []
        self._size = 0
        # What has come before its turn, of the next requests.
        self._early = b""

    def _received(self, data: bytes) -> None:
        if self._whole:
            self._hold_back(data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as exc:
            self._refuse(exc.error_status_hint, str(exc))

    def _take(self, event: object) -> bool:
        """Take note of one event, and return whether to look for another one."""
        match event:
            case h11.Request():
                return self._begin(event)
            case h11.Data():
                self._keep(event.data)
                return True
            case h11.EndOfMessage():
                self._end(b"".join(self._chunks), self._size, self._http.trailing_data[0])
            case h11.ConnectionClosed():
                self._transport.close()
            case _:
                self._encourage()
        return False

    def _begin(self, request: h11.Request) -> bool:
        """Tell the service of a head, and return whether h11 is to read the body."""
        path, _, query = request.target.decode("ascii", "replace").partition("?")
        head = Head(request.method.decode("ascii"), path, query, dict(request.headers))
        self._lasting = _is_lasting(request.http_version, head.headers)
        self._exchange = Exchange(self, head)
        self._service.opened(self._exchange)
        length = _known_length(head.headers)
        if length is None or length > MAX_PAYLOAD_BYTES:
            return True
        self._expect_body(length, self._http.trailing_data[0])
        return False

    def _expect_body(self, length: int, arrived: bytes) -> None:
        if len(arrived) >= length:
            self._end(arrived[:length], length, arrived[length:])
            return
        self._encourage()
        self._body = bytearray(length)
        self._body[: len(arrived)] = arrived
        self._space = memoryview(self._body)[len(arrived) :]

    def _keep(self, data: bytes) -> None:
        """Keep a piece of the body, but of one that is too large only its size."""
        self._size += len(data)
        if self._size > MAX_PAYLOAD_BYTES:
            self._chunks.clear()
        else:
            self._chunks.append(data)

    def _end(self, content: bytes | bytearray, size: int, early: bytes) -> None:
        self._whole = True
        self._stop_waiting()
        self._hold_back(early)
        exchange = self._exchange
        if exchange is not None and exchange.response is None:
            self._service.closed(exchange, Body(content, size))
        elif exchange is not None:
            self.flush(exchange)

    def _encourage(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _hold_back(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > _PIPELINE_BYTES:
            self._transport.pause_reading()

    def _break_off(self) -> None:
        if self._space:
            self._refuse(400, f"it ended {len(self._space)} bytes before its body")
        else:
            self._parse(b"")

    # ---- writing -----------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Turn to the next request, whose beginning may have come already."""
        early = self._early
        self._expect_request()
        self._transport.resume_reading()
        if early:
            asyncio.get_running_loop().call_soon(self._catch_up, early)
        elif self._ended:
            self._transport.close()

    def _catch_up(self, early: bytes) -> None:
        if self._transport.is_closing():
            return
        self._received(early)
        if self._ended and not self._whole:
            self._break_off()

    def _write(self, method: str, response: Response, *, lasting: bool) -> None:
        self._expect_peer()
        head = _response_head(response, lasting=lasting)
        if not response.body or method == "HEAD":
            self._transport.write(head)
        elif len(response.body) < _JOINED_BYTES:
            self._transport.write(head + response.body)
        else:
            # Not by `writelines`, which does not always tell of a full buffer (CPython gh-127655).
            self._transport.write(head)
            self._transport.write(response.body)
        if not lasting:
            self._hang_up()

    def _hang_up(self) -> None:
        """End our half, and drop what the peer still sends: a reset would overtake the answer."""
        if self._transport.is_closing():
            return
        self._hung_up = True
        self._space = memoryview(b"")
        self._transport.resume_reading()
        self._transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_S, self._transport.close)

    def _refuse(self, status: int, reason: str) -> None:
        """Tell a peer that does not keep to HTTP so, and hang up."""
        dropped = self._drop()
        message = f"This is not a request that HTTP/1.1 allows: {reason}"
        refusal = error_response(status, "InvalidRequest", message)
        self._write("", (dropped and dropped.response) or refusal, lasting=False)

    def _drop(self) -> Exchange | None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._service.dropped(exchange)
        return exchange

    # ---- patience ----------------------------------------------------------------------------

    def _expect_peer(self) -> None:
        """Give the peer its time to take its answer and to send its next request whole."""
        self._stop_waiting()
        if self._patience_s is not None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._patience_s, self._transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Server:
    """A listening socket and its connections."""

    def __init__(self, listener: asyncio.Server, connections: set[_Connection]) -> None:
        """Stand for a server that `listen` has started."""
        self._listener = listener
        self._connections = connections
        self.host: str
        self.port: int
        self.host, self.port = listener.sockets[0].getsockname()[:2]

    def __repr__(self) -> str:
        return f"<Server {self.address}, {len(self._connections)} connections>"

    @property
    def address(self) -> str:
        """Where to connect to, as `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def hang_up(self) -> None:
        """End all connections and go on listening."""
        for connection in tuple(self._connections):
            connection.close()

    async def close(self) -> None:
        """Stop listening and end all connections."""
        self._listener.close()
        self.hang_up()
        await self._listener.wait_closed()


async def listen(
    service: Service, host: str, port: int, *, patience_s: float | None = None
) -> Server:
    """Serve HTTP on an address; port 0 takes a free one. Raises AddressInUseError.

    A peer has `patience_s` seconds to send a request whole, counted from its connection or the
    last response. Without a limit it may idle for ever, as a runtime whose handler works does.
    """
    connections: set[_Connection] = set()
    try:
        listener = await asyncio.get_running_loop().create_server(
            lambda: _Connection(service, connections, patience_s), host, port
        )
    except OSError as exc:
        raise AddressInUseError(
            f"cannot listen on {host}:{port}: {exc.strerror or exc}; "
            "stop what listens there or choose another port"
        ) from exc
    return Server(listener, connections)


_TOO_MANY_CONNECTIONS: Final = error_response(
    503,
    "TooManyConnections",
    f"This host serves {MAX_CONNECTIONS} connections at once; close some of them",
)


def _is_lasting(version: bytes, headers: Mapping[bytes, bytes]) -> bool:
    return version == b"1.1" and b"close" not in headers.get(b"connection", b"").lower()


def _known_length(headers: Mapping[bytes, bytes]) -> int | None:
    """Return the length that h11 has checked; it is of no account beside chunks (RFC 9112, 6.3)."""
    if b"transfer-encoding" in headers or b"content-length" not in headers:
        return None
    return int(headers[b"content-length"])


def _response_head(response: Response, *, lasting: bool) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (response.status, _REASONS.get(response.status, b""))]
    lines += [b"%s: %s" % header for header in response.headers]
    if response.status != HTTPStatus.NO_CONTENT:
        lines.append(b"content-length: %d" % len(response.body))
    if not lasting:
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", b""])
