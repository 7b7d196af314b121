"""HTTP from peers that are slow, greedy, careless or simply many; no Lambda in here."""

import asyncio
import itertools
import os
import random
import tracemalloc

import pytest

from snapboot_devkit.host.http.connection import MAX_CONNECTIONS, MAX_HELD_BYTES, Connection
from snapboot_devkit.host.http.exchange import Response
from snapboot_devkit.host.http.server import listen
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.hosted import DEADLINE_S

# Long enough for all that is in time, short enough to be waited for.
PATIENCE_S = 0.3
HEAD = b"POST /%d HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n"
CHUNKED = b"POST /%d HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"


class Echo:
    """A service that answers with what it got, and counts what was dropped."""

    def __init__(self):
        self.taken = []
        self.dropped_paths = []
        self.headers = {}

    def opened(self, exchange):
        pass

    def closed(self, exchange, body):
        self.taken.append((exchange.head.path, bytes(body.content), body.size))
        self.headers = exchange.head.headers
        exchange.answer(Response(200, b"", body.content))

    def dropped(self, exchange):
        self.dropped_paths.append(exchange.head.path)


def served(scenario, patience_s=None):
    """Run a scenario with a service and a function that connects to its server."""

    async def play():
        service = Echo()
        server = await listen(service, "127.0.0.1", 0, patience_s=patience_s)
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await scenario(
                    service, lambda: asyncio.open_connection(server.host, server.port)
                )
            finally:
                await server.close()

    return asyncio.run(play())


async def until_closed(reader):
    """Return what still comes, however the connection ends."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /1 HT", HEAD % (1, 10) + b"12345", CHUNKED % 1 + b"5\r\n123"],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_a_peer_that_takes_too_long_is_hung_up_on(sent):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(sent)
        answer = await until_closed(reader)
        writer.close()
        return answer, service.taken

    assert served(scenario, PATIENCE_S) == (b"", [])


def test_a_peer_that_dribbles_is_hung_up_on_although_it_never_rests():
    async def scenario(service, connect):
        reader, writer = await connect()
        ended = asyncio.ensure_future(until_closed(reader))
        writer.write(HEAD % (1, MAX_PAYLOAD_BYTES))
        while not ended.done():
            writer.write(b"x")
            await asyncio.wait([ended], timeout=PATIENCE_S / 10)
        writer.close()
        return service.dropped_paths

    assert served(scenario, PATIENCE_S) == ["/1"]


def test_a_peer_that_never_reads_is_neither_served_without_end_nor_waited_for():
    async def scenario(service, connect):
        reader, writer = await connect()
        reader._transport.pause_reading()
        body = os.urandom(1024 * 1024)
        for number in itertools.count(1):
            writer.write(HEAD % (number, len(body)) + body)
            try:
                await writer.drain()
            except (ConnectionResetError, BrokenPipeError):
                break
        writer.transport.abort()
        return len(service.taken)

    # The kernel's buffers take some megabytes of answers before the host sees anything.
    assert served(scenario, PATIENCE_S) < 50


def test_time_is_not_counted_while_the_service_works():
    class Slow(Echo):
        def closed(self, exchange, body):
            loop = asyncio.get_running_loop()
            loop.call_later(3 * PATIENCE_S, super().closed, exchange, body)

    async def play():
        server = await listen(Slow(), "127.0.0.1", 0, patience_s=PATIENCE_S)
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(HEAD % (1, 4) + b"late")
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.readuntil(b"late")
        writer.close()
        await server.close()
        return answer

    assert asyncio.run(play()).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_peer_that_ends_its_half_gets_the_answers_to_all_it_has_sent():
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(HEAD % (1, 3) + b"one" + HEAD % (2, 3) + b"two")
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    first, second = served(scenario).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert (first[-3:], second[-3:]) == (b"one", b"two")


@pytest.mark.parametrize(
    "sent", [b"POST / HT", HEAD % (1, 10) + b"12345", CHUNKED % 1 + b"5\r\n123"]
)
def test_a_peer_that_ends_its_half_too_early_is_reported(sent):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(sent)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer, service.taken

    answer, taken = served(scenario)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert taken == []


def test_a_connection_too_many_is_refused_and_served_when_another_has_ended():
    async def scenario(service, connect):
        crowd = [await connect() for _ in range(MAX_CONNECTIONS)]
        reader, writer = await connect()
        refusal = await until_closed(reader)
        writer.close()
        for _, writer in crowd:
            writer.close()
            await writer.wait_closed()
        while True:
            reader, writer = await connect()
            writer.write(HEAD % (1, 0))
            answer = await reader.readline()
            writer.close()
            if answer == b"HTTP/1.1 200 OK\r\n":
                return refusal

    refusal = served(scenario)
    assert refusal.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"close some of them" in refusal


class Wire(asyncio.Transport):
    """A transport without a socket: what is written is kept, what arrives is cut as asked."""

    def __init__(self, connection):
        super().__init__()
        self.written = b""
        self.closing = False
        self._connection = connection
        connection.connection_made(self)

    def arrive(self, data):
        while data:
            space = self._connection.get_buffer(-1)
            size = min(len(space), len(data))
            space[:size], data = data[:size], data[size:]
            self._connection.buffer_updated(size)

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True

    abort = close

    def write_eof(self):
        self.ended = True

    def pause_reading(self):
        pass

    resume_reading = pause_reading


LENGTH_AND_CHUNKS = (
    b"POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"
    b"6\r\nabcdef\r\n0\r\n\r\n"
)
BODIES = {
    "known length": (HEAD % (1, 6) + b"abcdef", b"abcdef"),
    "no body": (HEAD % (1, 0), b""),
    "chunks": (CHUNKED % 1 + b"4\r\nabcd\r\n2\r\nef\r\n0\r\n\r\n", b"abcdef"),
}


@pytest.mark.parametrize(("request_bytes", "body"), BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    "trailing", [b"", b"POST", HEAD % (2, 2) + b"hi"], ids=["", "part", "next"]
)
def test_a_request_is_the_same_however_it_is_cut(request_bytes, body, trailing):
    async def play(size):
        service = Echo()
        wire = Wire(Connection(service, set(), None))
        stream = request_bytes + trailing
        for start in range(0, len(stream), size):
            wire.arrive(stream[start : start + size])
            # What has come early is looked at in the loop's next turn.
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return service.taken

    expected = [("/1", body, len(body))]
    if trailing.endswith(b"hi"):
        expected.append(("/2", b"hi", 2))
    for size in range(1, len(request_bytes + trailing) + 1):
        assert asyncio.run(play(size)) == expected


@pytest.mark.parametrize("trailing", [b"", HEAD % (2, 2) + b"hi"], ids=["", "next"])
def test_a_length_beside_chunks_is_ignored_and_ends_the_connection(trailing):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(LENGTH_AND_CHUNKS + trailing)
        answer = await reader.read()
        writer.close()
        return answer, service.taken, service.headers

    answer, taken, headers = served(scenario)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer
    assert taken == [("/1", b"abcdef", 6)]
    assert set(headers) == {b"host", b"transfer-encoding"}


@pytest.mark.parametrize(
    "host",
    ["a b", "localhost:x", "localhost:99999", "localhost:1:2", "user@localhost", "localhost/x",
     "[::1", "[localhost]", "::1", "localhost,evil.example", "local\xe9host", "http://localhost"],
)  # fmt: skip
def test_a_host_that_is_none_is_not_let_in_by_any_server(host):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(b"GET /1 HTTP/1.1\r\nhost: " + host.encode("latin-1") + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer, service.taken

    answer, taken = served(scenario)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"connection: close" in answer
    assert taken == []


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9000", "localhost.:80", "localhost:", "[::1]:9000", "[::1]",
             "127.0.0.1:1", "my_fn.lambda-url.localhost:9000", "xn--bcher-kva.example", ""]
)  # fmt: skip
def test_a_host_that_is_one_is_served(host):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(
            b"POST /1 HTTP/1.1\r\nhost: " + host.encode() + b"\r\ncontent-length: 0\r\n\r\n"
        )
        answer = await reader.readline()
        writer.close()
        return answer

    assert served(scenario) == b"HTTP/1.1 200 OK\r\n"


# ---- memory ----------------------------------------------------------------------------------

SIX_MB = 6 * 1024 * 1024


def memory_of(requests):
    """Let requests arrive, each at a connection of its own; return the bytes that it takes."""

    async def play():
        tracemalloc.start()
        crowd = set()
        wires = [Wire(Connection(Echo(), crowd, None)) for _ in requests]
        before, _ = tracemalloc.get_traced_memory()
        for wire, request in zip(wires, requests, strict=True):
            wire.arrive(request)
        await asyncio.sleep(0)
        after, _ = tracemalloc.get_traced_memory()
        return after - before

    try:
        return asyncio.run(play())
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("request_bytes", "most"),
    [
        (HEAD % (1, SIX_MB) + b"x", 100_000),
        (HEAD % (1, SIX_MB) + b"x" * 500_000, 1_200_000),
        (CHUNKED % 1 + b"1\r\nx\r\n" * 4_000, 200_000),
        (b"POST /1 HTTP/1.1\r\nx: " + b"x" * 500_000, 1_200_000),
    ],
    ids=["announced", "partly sent", "tiny chunks", "endless head"],
)
def test_a_request_takes_memory_by_what_has_come_and_not_by_what_is_announced(request_bytes, most):
    assert memory_of([request_bytes] * 20) < 20 * most


def test_all_requests_together_have_a_limit_and_one_beyond_it_is_refused():
    refused = []

    async def play():
        crowd = set()

        def note(head, response):
            refused.append(response.status)

        wires = [Wire(Connection(Echo(), crowd, None, note)) for _ in range(50)]
        for wire in wires:
            wire.arrive(HEAD % (1, MAX_PAYLOAD_BYTES))
        piece = bytes(256 * 1024)
        for _ in range(MAX_PAYLOAD_BYTES // len(piece)):
            for wire in wires:
                if not wire.written:
                    wire.arrive(piece)
        held = sum(connection.held for connection in crowd)
        # Whose turn it is goes on: what others have let go is theirs.
        rest = MAX_PAYLOAD_BYTES - MAX_PAYLOAD_BYTES // len(piece) * len(piece)
        for wire in wires:
            if not wire.written:
                wire.arrive(bytes(rest))
        return held, [wire.written.partition(b"\r\n")[0] for wire in wires]

    held, answers = asyncio.run(play())
    assert held <= MAX_HELD_BYTES
    assert set(answers) == {b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Service Unavailable"}
    assert answers.count(b"HTTP/1.1 200 OK") >= 20
    assert refused == [503] * answers.count(b"HTTP/1.1 503 Service Unavailable")


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 1_000_003, MAX_PAYLOAD_BYTES])
def test_a_body_of_any_size_arrives_whole(size):
    content = random.Random(size).randbytes(size)

    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(HEAD % (1, size) + content)
        await reader.readuntil(b"\r\n\r\n")
        answer = await reader.readexactly(size)
        writer.close()
        return answer

    assert served(scenario) == content


def test_the_answers_still_reach_a_peer_that_has_ended_its_half_meanwhile():
    class Late(Echo):
        def closed(self, exchange, body):
            self.answer = lambda: super(Late, self).closed(exchange, body)

    async def play():
        service = Late()
        connection = Connection(service, set(), None)
        wire = Wire(connection)
        wire.arrive(HEAD % (1, 3) + b"one" + HEAD % (2, 3) + b"two")
        assert connection.eof_received()
        for body in (b"one", b"two"):
            assert not wire.closing
            service.answer()
            await asyncio.sleep(0)
            assert wire.written.endswith(body)
        return wire.closing

    assert asyncio.run(play())


def test_a_body_beyond_the_limit_is_counted_and_not_kept():
    async def scenario(service, connect):
        reader, writer = await connect()
        size = MAX_PAYLOAD_BYTES + 1
        writer.write(HEAD % (1, size) + b"x" * size + HEAD % (2, 2) + b"ok")
        await reader.readuntil(b"ok")
        writer.close()
        return service.taken

    assert served(scenario) == [("/1", b"", MAX_PAYLOAD_BYTES + 1), ("/2", b"ok", 2)]


@pytest.mark.parametrize("length", [b"9" * 30, b"9" * 5000, b"-1", b"1, 2", b"0x10"])
def test_a_length_that_is_none_or_absurd_keeps_no_other_from_being_served(length):
    async def scenario(service, connect):
        reader, writer = await connect()
        writer.write(b"POST /1 HTTP/1.1\r\nhost: h\r\ncontent-length: " + length + b"\r\n\r\n")
        writer.write_eof()
        answer = await until_closed(reader)
        writer.close()
        reader, writer = await connect()
        writer.write(HEAD % (2, 2) + b"ok")
        await reader.readuntil(b"ok")
        writer.close()
        return answer, service.taken

    answer, taken = served(scenario)
    assert answer.startswith(b"HTTP/1.1 4")
    assert taken == [("/2", b"ok", 2)]
