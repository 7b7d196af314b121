"""One connection: reads requests, passes them to the service, writes its responses.

Even if the service answers early, a request is read to its end before its response is written,
because clients of the Runtime API send everything first.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from snapboot_devkit.host.http import heads, site
from snapboot_devkit.host.http.exchange import Body, Head, Response, error_response
from snapboot_devkit.host.http.refusal_line import FIRST_ERROR, is_refusal
from snapboot_devkit.host.http.response_stream import Framing, ResponseStream
from snapboot_devkit.host.protocol import KIB, MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from snapboot_devkit.host.http.unusual import RequestBegun, UnusualRequest

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b" % (status, status.phrase.encode()) for status in HTTPStatus
}

# Many more would take the descriptors, of which 1,024 are usual, from the host's other work.
MAX_CONNECTIONS: Final = 256
# With so many connections that are being refused, further ones are closed without an answer.
_MAX_CROWD: Final = 2 * MAX_CONNECTIONS
# Requests of all connections together, from their first byte to their answer: forty of the largest.
MAX_HELD_BYTES: Final = 40 * MAX_PAYLOAD_BYTES
# How long a peer that has been hung up on may take to notice.
_LINGER_S: Final = 0.5
# On and for no time: what is closed is reset (socket(7)).
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_READ_BYTES: Final = 64 * KIB
# Beyond this a peer that sends without reading its answers is made to wait.
_PIPELINE_BYTES: Final = 64 * KIB
# Up to here one copy is cheaper than a second system call, by which the peer is woken twice.
_JOINED_BYTES: Final = 128 * KIB
_WITHOUT_BODY: Final = frozenset({204, 304})
_NOWHERE: Final = memoryview(b"")
_NO_TRAILERS: Final[Mapping[bytes, bytes]] = {}
_NO_BODY: Final = Body(b"", 0, _NO_TRAILERS)


# Gets the requests that are refused; what could not be read as one has no head.
Refused: TypeAlias = "Callable[[Head | None, Response], object]"


def unheard(head: Head | None, response: Response) -> None:
    """Let a refusal go."""
    del head, response


class Service(Protocol):
    """What answers the requests of a server."""

    def opened(self, exchange: Exchange) -> None:
        """Take note of a request whose head has arrived."""

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take note that the request is whole; not when it has its response already."""

    def dropped(self, exchange: Exchange) -> None:
        """Take note that the request broke off, or that its peer has gone unanswered."""


class Exchange:
    """One request, which carries its answer: a whole response, or a stream of it."""

    __slots__ = ("connection", "head", "note", "response", "stream", "taker", "whole")

    def __init__(self, connection: Connection, head: Head, whole: bool = False) -> None:  # noqa: FBT001, FBT002
        """Stand for the request that `head` begins; of one that is `whole` the body is there."""
        self.connection = connection
        self.head = head
        self.whole = whole
        # What the service keeps with it.
        self.note: Any = None
        self.response: Response | None = None
        self.stream: ResponseStream | None = None
        self.taker: Callable[[bytes], None] | None = None

    def __repr__(self) -> str:
        answer = self.response or self.stream
        return f"<Exchange {self.head.method} {self.head.path} {answer.status if answer else ''}>"

    @property
    def peer(self) -> str:
        """The address of who asks, without a port."""
        return self.connection.peer

    def answer(self, response: Response) -> None:
        """Answer, once; to a peer that has gone nothing is sent."""
        if self.response is None and self.stream is None:
            self.response = response
            if response.status >= FIRST_ERROR:
                self.report(response)
            self.connection.flush(self)

    def report(self, response: Response) -> None:
        """Have a refusal logged; one that is not answered, since a response has begun, also is."""
        if is_refusal(response):
            self.connection.refused(self.head, response)

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> ResponseStream:
        """Answer, once, by a stream, whose framing is the connection's business.

        Raises RuntimeError when there is an answer already.
        """
        if self.response is not None or self.stream is not None:
            raise RuntimeError(f"cannot begin a stream: {self!r} is answered; answer once")
        self.stream = ResponseStream(self.connection, status, tuple(headers))
        self.connection.flush(self)
        return self.stream

    def receive(self, take: Callable[[bytes], None]) -> None:
        """Have the body by pieces, of any size and number; to be called when the head arrives.

        Once the request is answered the rest of its body is read, and let go.
        """
        self.taker = take

    def pause(self) -> None:
        """Take no more pieces of the body for now."""
        self.connection.pause(self)

    def resume(self) -> None:
        """Take pieces of the body again."""
        self.connection.resume(self)


class Connection(asyncio.BufferedProtocol):
    """One connection: reads requests, calls the service, writes responses, one after another.

    A request whose head is not a usual one gets an h11 of its own, which never sees the
    response. Most of a body of known length is received past its buffer, into pieces that are each
    as large as all before them: what is only announced takes no memory.
    """

    def __init__(
        self,
        service: Service,
        open_connections: set[Connection],
        patience_s: float | None,
        refused: Refused = unheard,
    ) -> None:
        """Serve a connection, which belongs to `open_connections` while it is open."""
        self.refused = refused
        self._service = service
        self._open = open_connections
        self._patience_s = patience_s
        self._patience: asyncio.TimerHandle | None = None
        self._patience_until = math.inf
        self._transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._scratch = memoryview(bytearray(_READ_BYTES))
        self._space: memoryview
        # The memory that the present request takes.
        self.held = 0
        self._ended = False
        self._hung_up = False
        self._unread = False
        # What the service keeps with it.
        self.note: Any = None
        self._loop = asyncio.get_running_loop()
        self._expect_request()

    def __repr__(self) -> str:
        return f"<Connection {self._exchange or 'idle'}>"

    @property
    def peer(self) -> str:
        """The address at the other end, without a port."""
        return str((self._transport.get_extra_info("peername") or ("",))[0])

    # ---- the transport's protocol ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        self._expect_peer()
        if len(self._open) > _MAX_CROWD:
            transport.abort()
        elif len(self._open) > MAX_CONNECTIONS:
            self.refused(None, _TOO_MANY_CONNECTIONS)
            self._write("", _TOO_MANY_CONNECTIONS, lasting=False)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Offer the body's own place where that is known."""
        del sizehint
        return self._space or self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of what was put into the buffer."""
        if self._hung_up:
            return
        if not (self._space or self._whole):
            self._parse(bytes(self._scratch[:nbytes]))
        elif self._space:
            self._space = self._space[nbytes:]
            self._lacking -= nbytes
            if not self._lacking:
                content = b"".join(self._pieces)
                self._end(Body(content, len(content), _NO_TRAILERS), b"")
            elif not self._space:
                self._make_space()
        else:
            self._hold_back(bytes(self._scratch[:nbytes]))

    def eof_received(self) -> bool:
        """Answer what is whole to a peer that has only ended its own half."""
        self._ended = True
        if self._hung_up:
            self._transport.close()
        elif not self._whole:
            self._break_off()
        return True

    def pause_writing(self) -> None:
        """Make no new answers for a peer that does not read."""
        self._unread = True
        if self._exchange is not None and self._exchange.stream is not None:
            self._expect_peer()

    def resume_writing(self) -> None:
        """Go on where the peer's not reading has kept us."""
        self._unread = False
        if self._exchange is not None:
            if self._exchange.stream is not None:
                self._stop_waiting()
                self._exchange.stream.on_writable()
        elif self._whole and self._lasting:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the service know that the peer is gone."""
        del exc
        self._open.discard(self)
        self._stop_waiting()
        if self._patience is not None:
            self._patience.cancel()
        self._drop()

    def close(self) -> None:
        """End the connection, whatever is under way."""
        self._transport.abort()

    # ---- the exchange's side -----------------------------------------------------------------

    def flush(self, exchange: Exchange) -> None:
        """Write the answer if its request has been read to the end, and go on to the next."""
        if exchange is not self._exchange:
            return
        response = exchange.response
        if not self._whole:
            if response is not None:
                # The rest of the body is not needed, but it must be read.
                self._read_on()
        elif response is not None:
            self._exchange = None
            self._write(exchange.head.method, response, lasting=self._lasting)
            if self._lasting and not self._unread:
                self._go_on()
        elif exchange.stream is not None and exchange.stream.framing is None:
            self._begin_stream(exchange.stream, exchange.head)

    def pause(self, exchange: Exchange) -> None:
        """Read no more of the body of the present request."""
        if exchange is self._exchange and not self._whole:
            self._paused = True
            self._stop_waiting()
            self._transport.pause_reading()

    def resume(self, exchange: Exchange) -> None:
        """Read on with the body of the present request."""
        if exchange is self._exchange:
            self._read_on()

    def holds(self, stream: ResponseStream) -> bool:
        """Tell whether a stream's peer is still there to be written to."""
        return self._exchange is not None and self._exchange.stream is stream

    @property
    def keeps_up(self) -> bool:
        """Whether the peer reads what is written."""
        return not self._unread

    def send(self, data: bytes) -> None:
        """Write a piece of the present stream."""
        self._transport.write(data)

    def finish(self, *, complete: bool) -> None:
        """Go on after the end of the present stream; one that is cut off takes its peer along."""
        assert self._exchange is not None
        assert self._exchange.stream is not None
        framing, self._exchange = self._exchange.stream.framing, None
        self._expect_peer()
        if complete and self._lasting:
            if not self._unread:
                self._go_on()
        elif complete or framing is Framing.CHUNKS:
            self._hang_up()
        else:
            self._reset()

    # ---- reading -----------------------------------------------------------------------------

    def _expect_request(self) -> None:
        self._unusual: UnusualRequest | None = None
        self._lasting = True
        self._whole = False
        # It was usual, and whole from the beginning.
        self._simple = False
        self._paused = False
        # A body of known length: what there is of it and place for more, and how much is to come.
        self._pieces: list[bytes | bytearray] = []
        self._space = _NOWHERE
        self._lacking = 0
        # The body of a length that only its end will tell, or that is too large to be kept.
        self._kept = bytearray()
        self._size = 0
        self.held = 0
        # The size from which all requests are added up again.
        self._look_at = _READ_BYTES
        # What has come before its turn, of the next requests.
        self._early = b""

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._expect_peer()
            self._transport.resume_reading()
            if self._unusual is not None:
                # Not from within a call that the pump itself makes.
                self._loop.call_soon(self._pump, self._unusual)

    def _parse(self, data: bytes) -> None:
        """Take bytes of a request; the first of them usually are all of it."""
        if self._unusual is not None:
            if self._exchange is not None or self._hold(self.held + len(data)):
                self._unusual.feed(data)
                self._pump(self._unusual)
            return
        self.held = size = len(data)
        usual = heads.usual(data)
        if usual is None:
            self._unusual = request = _unusual_request()
            request.feed(data)
            self._pump(request)
            return
        head, length, self._lasting, body_at = usual
        is_whole = size - body_at == length
        self._exchange = exchange = Exchange(self, head, is_whole)
        self._service.opened(exchange)
        if exchange.taker is not None or length > MAX_PAYLOAD_BYTES:
            self._unusual = request = _unusual_request()
            request.feed(data)
            request.next_event()  # the head, which is known
            self._pump(request)
        elif is_whole:
            self._simple = True
            self._take_whole(
                exchange, Body(data[body_at:], length, _NO_TRAILERS) if length else _NO_BODY
            )
        else:
            self._expect_body(length, data[body_at:])

    def _pump(self, request: UnusualRequest) -> None:
        """Take events of a request until there are no more, or no more are wanted."""
        from snapboot_devkit.host.http.unusual import BadRequestError  # noqa: PLC0415

        if request is not self._unusual or self._whole or self._hung_up:
            return
        try:
            while not self._paused and self._take(request):
                pass
        except BadRequestError as exc:
            self._refuse(exc.status, str(exc))

    def _take(self, request: UnusualRequest) -> bool:
        """Take note of the next event, and return whether to look for another one."""
        from snapboot_devkit.host.http.unusual import Closed, RequestBegun, RequestEnded  # noqa: PLC0415

        match request.next_event():
            case RequestBegun() as begun:
                return self._begin_unusual(begun, request)
            case bytes(data):
                return self._keep(data)
            case RequestEnded(trailers, rest):
                self._end(Body(self._kept, self._size, trailers), rest)
            case Closed():
                self._transport.close()
            case _:
                self._encourage()
        return False

    def _begin_unusual(self, begun: RequestBegun, request: UnusualRequest) -> bool:
        """Tell the service of a head, and return whether h11 is to read the body."""
        exchange = self._begin(begun.head, lasting=begun.lasting)
        if exchange is None:
            return False
        length = begun.length
        if length is None or length > MAX_PAYLOAD_BYTES or exchange.taker is not None:
            return True
        self._expect_body(length, request.rest)
        return False

    def _begin(self, head: Head, *, lasting: bool) -> Exchange | None:
        """Tell the service of a head, unless it is refused."""
        self._lasting = lasting
        if not site.is_place(head.header(b"host") or ""):
            self.refused(head, _NO_HOST)
            self._write("", _NO_HOST, lasting=False)
            return None
        self._exchange = exchange = Exchange(self, head)
        self._service.opened(exchange)
        return exchange

    def _expect_body(self, length: int, arrived: bytes) -> None:
        if len(arrived) >= length:
            self._end(Body(arrived[:length], length, _NO_TRAILERS), arrived[length:])
            return
        self._encourage()
        self._pieces = [arrived]
        self.held = len(arrived)
        self._lacking = length - len(arrived)
        self._make_space()

    def _make_space(self) -> None:
        """Make place for as much of the body again as there is."""
        size = min(max(self.held, _READ_BYTES), self._lacking)
        if self._hold(self.held + size):
            piece = bytearray(size)
            self._pieces.append(piece)
            self._space = memoryview(piece)

    def _hold(self, size: int) -> bool:
        """Let the request take so much memory, or refuse it: all together have a limit."""
        self.held = size
        if size < self._look_at:
            return True
        self._look_at = size + _READ_BYTES
        if sum(one.held for one in self._open) <= MAX_HELD_BYTES:
            return True
        self._turn_away(_TOO_MANY_BYTES)
        return False

    def _keep(self, data: bytes) -> bool:
        """Pass a piece of the body on or keep it, but of one that is too large only its size.

        Return whether there is room for more.
        """
        self._size += len(data)
        exchange = self._exchange
        if exchange is not None and exchange.taker is not None:
            if exchange.response is None:
                exchange.taker(data)
        elif self._size > MAX_PAYLOAD_BYTES:
            self._kept = bytearray()
            self.held = 0
        else:
            self._kept += data
            return self._hold(len(self._kept))
        return True

    def _end(self, body: Body, early: bytes) -> None:
        self._whole = True
        self._pieces = []
        self._kept = bytearray()
        self._stop_waiting()
        if early:
            self._hold_back(early)
        if self._exchange is not None:
            self._take_whole(self._exchange, body)

    def _take_whole(self, exchange: Exchange, body: Body) -> None:
        self._whole = True
        self._patience_until = math.inf
        if exchange.response is None:
            self._service.closed(exchange, body)
        if self._exchange is exchange and (exchange.response or exchange.stream):
            self.flush(exchange)

    def _encourage(self) -> None:
        if self._unusual is not None and self._unusual.peer_waits:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _hold_back(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > _PIPELINE_BYTES:
            self._transport.pause_reading()

    def _break_off(self) -> None:
        if self._lacking:
            self._refuse(400, f"it ended {self._lacking} bytes before its body")
        else:
            self._parse(b"")

    # ---- writing -----------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Turn to the next request, whose beginning may have come already."""
        early = self._early
        if self._simple and not (early or self._ended):
            # Nothing else has changed since the last request.
            self._whole = self._simple = False
            self.held = 0
            return
        self._expect_request()
        self._transport.resume_reading()
        if early:
            self._loop.call_soon(self._catch_up, early)
        elif self._ended:
            self._transport.close()

    def _catch_up(self, early: bytes) -> None:
        if self._transport.is_closing():
            return
        self._parse(early)
        if self._ended and not self._whole:
            self._break_off()

    def _write(self, method: str, response: Response, *, lasting: bool) -> None:
        if self._patience_s is not None:
            self._expect_peer()
        head, body = _response_head(response, lasting=lasting), response.body
        if not body or method == "HEAD":
            self._transport.write(head)
        elif len(body) < _JOINED_BYTES:
            self._transport.write(head + body)
        else:
            # Not by `writelines`, which does not always tell of a full buffer (CPython gh-127655).
            self._transport.write(head)
            self._transport.write(body)
        if not lasting:
            self._hang_up()

    def _begin_stream(self, stream: ResponseStream, head: Head) -> None:
        if head.method == "HEAD" or stream.status in _WITHOUT_BODY:
            framing = Framing.NOTHING
        elif head.version == "1.1":
            framing = Framing.CHUNKS
        else:
            framing = Framing.UNTIL_CLOSE
        self._transport.write(_stream_head(stream, framing, lasting=self._lasting))
        stream.start(framing)

    def _hang_up(self) -> None:
        """End our half, and drop what the peer still sends: a reset would overtake the answer."""
        if self._transport.is_closing():
            return
        self._hung_up = True
        self._space = _NOWHERE
        self._pieces = []
        self.held = 0
        self._transport.resume_reading()
        self._transport.write_eof()
        self._loop.call_later(_LINGER_S, self._transport.close)

    def _reset(self) -> None:
        """Hang up in a way that no peer who reads until the end takes for the end."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _refuse(self, status: int, reason: str) -> None:
        """Tell a peer that does not keep to HTTP so, and hang up."""
        message = f"This is not a request that HTTP/1.1 allows: {reason}"
        self._turn_away(error_response(status, "InvalidRequest", message))

    def _turn_away(self, refusal: Response) -> None:
        """Answer a request that is not whole, unless it has its answer, and hang up."""
        dropped = self._drop()
        answer = dropped and dropped.response
        if not answer:
            self.refused(dropped.head if dropped else None, refusal)
        self._write("", answer or refusal, lasting=False)

    def _drop(self) -> Exchange | None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._service.dropped(exchange)
            if exchange.stream is not None:
                exchange.stream.on_writable()
        return exchange

    # ---- patience ----------------------------------------------------------------------------

    def _expect_peer(self) -> None:
        """Give the peer its time to take its answer and to send its next request whole."""
        if self._patience_s is None:
            return
        self._patience_until = self._loop.time() + self._patience_s
        if self._patience is None:
            self._patience = self._loop.call_at(self._patience_until, self._lose_patience)

    def _stop_waiting(self) -> None:
        """Wait for ever; the timer runs on, since it is soon wanted again."""
        self._patience_until = math.inf

    def _lose_patience(self) -> None:
        loop = self._loop
        self._patience = None
        if self._patience_until <= loop.time():
            self._transport.abort()
        elif self._patience_until < math.inf:
            self._patience = loop.call_at(self._patience_until, self._lose_patience)


_TOO_MANY_CONNECTIONS: Final = error_response(
    503,
    "TooManyConnections",
    f"This host serves {MAX_CONNECTIONS} connections at once; close some of them",
)


_TOO_MANY_BYTES: Final = error_response(
    503,
    "TooManyBytes",
    f"This host holds {MAX_HELD_BYTES} bytes of requests at once; send fewer at the same time",
)
_NO_HOST: Final = error_response(
    400,
    "InvalidRequest",
    "Host must be a name or an address, and perhaps a port, as localhost:9000",
)


def _unusual_request() -> UnusualRequest:
    from snapboot_devkit.host.http.unusual import UnusualRequest  # noqa: PLC0415 - h11

    return UnusualRequest()


def _response_head(response: Response, *, lasting: bool) -> bytes:
    status = response.status
    line = _STATUS_LINES.get(status) or _status_line(status)
    end = b"\r\n" if lasting else b"connection: close\r\n\r\n"
    if status in _WITHOUT_BODY:
        return b"%b\r\n%b%b" % (line, response.headers, end)
    length = len(response.body)
    return b"%b\r\n%bcontent-length: %d\r\n%b" % (line, response.headers, length, end)


def _stream_head(stream: ResponseStream, framing: Framing, *, lasting: bool) -> bytes:
    lines = [_status_line(stream.status)]
    lines += [b"%s: %s" % header for header in stream.headers]
    if framing is Framing.CHUNKS:
        lines.append(b"transfer-encoding: chunked")
    if not lasting:
        lines.append(b"connection: close")
    return b"\r\n".join([*lines, b"", b""])


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status
