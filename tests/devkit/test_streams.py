"""Bodies that come and go by pieces, over real sockets; no Lambda in here."""

import asyncio
import os
import socket

import h11
import pytest

from snapboot_devkit.host.http.connection import Connection
from snapboot_devkit.host.http.exchange import Response
from snapboot_devkit.host.http.server import listen
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.hosted import DEADLINE_S
from tests.devkit.test_server import CHUNKED, HEAD, Wire

# Beyond all that a test sends in one piece.
_LIMIT_BYTES = 16 * 1024 * 1024
GET = b"GET /%d HTTP/1.1\r\nhost: h\r\n\r\n"
TRAILED = b"3\r\nabc\r\n2\r\nde\r\n0\r\nError-Type: Function.Bad\r\n\r\n"


class Scripted:
    """A service that does what a test says, and notes what it gets."""

    def __init__(self, opened=None, closed=None):
        self._acts = opened, closed
        self.exchange = None
        self.pieces = []
        self.bodies = []
        self.dropped_paths = []
        self.begun = asyncio.Event()
        self.gone = asyncio.Event()

    def opened(self, exchange):
        self.begun.set()
        self.exchange = exchange
        if self._acts[0]:
            self._acts[0](self, exchange)

    def closed(self, exchange, body):
        self.bodies.append(body)
        if self._acts[1]:
            self._acts[1](self, exchange)

    def dropped(self, exchange):
        self.dropped_paths.append(exchange.head.path)
        self.gone.set()


def taking(service, exchange):
    exchange.receive(service.pieces.append)


def accepting(service, exchange):
    exchange.answer(Response(202))


def played(scenario, opened=None, closed=None, **options):
    async def play():
        service = Scripted(opened, closed)
        server = await listen(service, "127.0.0.1", 0, **options)
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(
                server.host, server.port, limit=_LIMIT_BYTES
            )
            try:
                return await scenario(service, reader, writer)
            finally:
                writer.close()
                await server.close()

    return asyncio.run(play())


def read_by_h11(data, *, method="GET"):
    """Return status, body and trailers of one response, and what stands behind it."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response, body = client.next_event(), b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return response.status_code, body, list(event.headers), client.trailing_data[0]


# ---- requests ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "trailers"),
    [(HEAD % (1, 5) + b"abcde", {}), (CHUNKED % 1 + TRAILED, {b"error-type": b"Function.Bad"})],
    ids=["known length", "chunks"],
)
def test_a_body_is_the_same_by_pieces_however_it_is_cut(sent, trailers):
    async def play(size):
        service = Scripted(taking, accepting)
        wire = Wire(Connection(service, set(), None))
        for start in range(0, len(sent), size):
            wire.arrive(sent[start : start + size])
        return b"".join(service.pieces), service.bodies, wire.written

    for size in range(1, len(sent) + 1):
        content, [body], written = asyncio.run(play(size))
        assert content == b"abcde"
        assert (body.content, body.size, body.trailers) == (b"", 5, trailers)
        assert written.startswith(b"HTTP/1.1 202 ")


def test_trailers_of_a_body_that_is_kept_are_passed_on_too():
    async def scenario(service, reader, writer):
        writer.write(CHUNKED % 1 + TRAILED)
        await reader.readuntil(b"\r\n\r\n")
        return service.bodies

    [body] = played(scenario, closed=accepting)
    assert (body.content, body.trailers) == (b"abcde", {b"error-type": b"Function.Bad"})


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_by_pieces_may_be_larger_than_any_payload(chunked):
    body = os.urandom(MAX_PAYLOAD_BYTES + 1000)

    async def scenario(service, reader, writer):
        if chunked:
            writer.write(CHUNKED % 1 + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        else:
            writer.write(HEAD % (1, len(body)) + body)
        await reader.readuntil(b"\r\n\r\n")
        return b"".join(service.pieces), service.bodies[0].size

    assert played(scenario, taking, accepting) == (body, len(body))


def test_no_piece_comes_while_paused_and_none_is_lost():
    def take_one(service, exchange):
        def take(piece):
            service.pieces.append(piece)
            exchange.pause()

        exchange.receive(take)

    async def play():
        service = Scripted(take_one, accepting)
        wire = Wire(Connection(service, set(), None))
        wire.arrive(CHUNKED % 1 + b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
        seen = []
        while not service.bodies:
            seen.append(b"".join(service.pieces))
            service.exchange.resume()
            # What has arrived is looked at in the loop's next turn.
            await asyncio.sleep(0)
        return seen

    assert asyncio.run(play()) == [b"a", b"ab", b"abc"]


def test_a_paused_peer_is_held_back():
    def pause(service, exchange):
        taking(service, exchange)
        exchange.pause()

    async def scenario(service, reader, writer):
        size = 20 * 1024 * 1024
        writer.write(HEAD % (1, size) + b"x" * size)
        drained = asyncio.ensure_future(writer.drain())
        await service.begun.wait()
        # The kernel's buffers take some megabytes, but not this many.
        assert (service.pieces, drained.done()) == ([], False)
        service.exchange.resume()
        await drained
        await reader.readuntil(b"\r\n\r\n")
        return service.bodies[0].size == size

    assert played(scenario, pause, accepting)


def test_a_body_by_pieces_that_breaks_off_is_dropped_and_its_peer_gets_an_error():
    async def scenario(service, reader, writer):
        writer.write(CHUNKED % 1 + b"5\r\nhello\r\n5\r\nwor")
        writer.write_eof()
        answer = await reader.read()
        return b"".join(service.pieces), service.dropped_paths, answer

    pieces, dropped, answer = played(scenario, taking)
    assert (pieces, dropped) == (b"hellowor", ["/1"])
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_an_answer_ahead_of_the_body_waits_for_its_end_and_takes_no_more_pieces():
    def refuse(service, exchange):
        taking(service, exchange)
        exchange.pause()
        exchange.answer(Response(403))

    async def scenario(service, reader, writer):
        writer.write(HEAD % (1, 5) + b"abc")
        await service.begun.wait()
        writer.write(b"de" + HEAD % (2, 0))
        first = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        return first, service.pieces, service.bodies

    first, pieces, bodies = played(scenario, refuse)
    assert first.startswith(b"HTTP/1.1 403 ")
    assert (pieces, bodies) == ([], [])


# ---- responses ---------------------------------------------------------------------------------


def streaming(service, exchange):
    service.stream = exchange.begin(200, [(b"content-type", b"text/plain")])


def test_a_response_by_pieces_reaches_a_client_piece_by_piece():
    async def scenario(service, reader, writer):
        writer.write(GET % 1 + GET % 2)
        head = await reader.readuntil(b"\r\n\r\n")
        service.stream.write(b"one")
        first = await reader.readuntil(b"one\r\n")
        first_stream = service.stream
        first_stream.write(b"")
        first_stream.write(b"x" * 100_000)
        first_stream.end([(b"Error-Type", b"Bad")])
        first_stream.write(b"late")
        # The next request has its turn now.
        rest = await reader.readuntil(b"Error-Type: Bad\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        return read_by_h11(head + first + rest)

    body = b"one" + b"x" * 100_000
    expected = (200, body, [(b"error-type", b"Bad")], b"")
    assert played(scenario, closed=streaming) == expected


def test_a_client_of_http_1_0_reads_until_the_end():
    async def scenario(service, reader, writer):
        writer.write(b"GET /1 HTTP/1.0\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        service.stream.write(b"one")
        service.stream.end([(b"lost", b"trailer")])
        return head, await reader.read()

    head, body = played(scenario, closed=streaming)
    assert body == b"one"
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head


def test_a_head_request_gets_the_head_of_a_stream_alone():
    async def scenario(service, reader, writer):
        writer.write(b"HEAD /1 HTTP/1.1\r\nhost: h\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        service.stream.write(b"one")
        service.stream.end()
        writer.write(GET % 2)
        await reader.readuntil(b"HTTP/1.1 200 OK\r\n")
        return head

    assert b"text/plain" in played(scenario, closed=streaming)


def test_what_is_written_ahead_of_the_request_s_end_waits_for_it():
    def begin(service, exchange):
        streaming(service, exchange)
        service.stream.write(b"early")
        service.was_writable = service.stream.writable
        service.stream.end()

    async def scenario(service, reader, writer):
        writer.write(HEAD % (1, 2) + b"a")
        await service.begun.wait()
        assert (service.was_writable, reader._buffer) == (False, bytearray())
        writer.write(b"b")
        return read_by_h11(await reader.readuntil(b"0\r\n\r\n"))[1]

    assert played(scenario, begin) == b"early"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_stream_that_is_broken_off_does_not_look_whole(version):
    async def scenario(service, reader, writer):
        writer.write(b"GET /1 HTTP/%b\r\nhost: h\r\n\r\n" % version)
        await reader.readuntil(b"\r\n\r\n")
        service.stream.write(b"half")
        await reader.readuntil(b"half")
        service.stream.abort()
        try:
            return await reader.read()
        except ConnectionResetError:
            return "reset"

    assert played(scenario, closed=streaming) == {b"1.0": "reset", b"1.1": b"\r\n"}[version]


def test_a_client_that_does_not_read_makes_the_stream_unwritable_until_it_does():
    async def scenario(service, reader, writer):
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()
        again = asyncio.Event()
        service.stream.on_writable = again.set
        while service.stream.writable:
            service.stream.write(b"x" * 100_000)
            await asyncio.sleep(0)
        assert not again.is_set()
        reader._transport.resume_reading()
        drain = asyncio.ensure_future(reader.read())
        await again.wait()
        writable = service.stream.writable
        service.stream.abort()
        await drain
        return writable

    assert played(scenario, closed=streaming)


def test_a_client_that_goes_away_is_reported_and_delays_no_other():
    async def scenario(service, reader, writer):
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        # A reset instead of a farewell.
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        await service.gone.wait()
        for _ in range(100):
            service.stream.write(b"x" * 100_000)
        service.stream.end()
        return service.dropped_paths, service.stream.writable

    assert played(scenario, closed=streaming) == (["/1"], True)


def test_a_client_that_never_reads_its_stream_is_hung_up_on():
    async def scenario(service, reader, writer):
        writer.write(GET % 1)
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()
        while service.stream.writable:
            service.stream.write(b"x" * 100_000)
        await service.gone.wait()
        return service.dropped_paths

    assert played(scenario, closed=streaming, patience_s=0.3) == ["/1"]


def test_an_exchange_is_answered_once():
    def twice(service, exchange):
        exchange.answer(Response(200))
        with pytest.raises(RuntimeError, match="answer once"):
            exchange.begin(200, ())

    async def scenario(service, reader, writer):
        writer.write(GET % 1)
        return await reader.readuntil(b"\r\n\r\n")

    assert played(scenario, closed=twice).startswith(b"HTTP/1.1 200 ")


def test_headers_that_come_several_times_are_one_list():
    headers = b"x-a: 1\r\nX-A: 2\r\ncookie: a=1\r\ncookie: b=2\r\n"

    async def scenario(service, reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n" + headers + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        return service.exchange.head.headers, service.exchange.peer

    named, peer = played(scenario, closed=accepting)
    assert (named[b"x-a"], named[b"cookie"], peer) == (b"1,2", b"a=1; b=2", "127.0.0.1")
