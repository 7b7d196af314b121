"""Both transports, on real sockets: the same scenarios, and the few where they differ."""

from __future__ import annotations

import contextlib
import gzip
import os
import signal
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final, Self

import pytest

from snapboot import socket_transport
from snapboot.api import NEXT, RESTORE_NEXT, RuntimeAPI
from snapboot.socket_transport import JOIN_BYTES, SocketTransport
from snapboot.urllib3_transport import Urllib3Transport
from snapboot.wire import MAX_HEAD_BYTES, ConnectionLostError, ProtocolError
from tests.fakes.runtime_api import RuntimeAPI as FakeRuntimeAPI
from tests.fakes.scenario import ACCEPTED, Call, Cut, Ending, Event, Framing, Reply, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snapboot.api import Transport

    Script = Callable[[socket.socket], None]
    Connect = Callable[[str], Transport]

DEADLINE_S: Final = 10
MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
INIT_ERROR: Final = "/2018-06-01/runtime/init/error"
EVENT: Final = Event(b'{"key": "value"}')
ONE_ANSWER: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nOK"

transports = pytest.mark.parametrize(
    "connect", [SocketTransport, Urllib3Transport], indirect=True, ids=["socket", "urllib3"]
)
socket_only = pytest.mark.parametrize("connect", [SocketTransport], indirect=True, ids=["socket"])
urllib3_only = pytest.mark.parametrize(
    "connect", [Urllib3Transport], indirect=True, ids=["urllib3"]
)


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Return what makes a transport to an address; all are closed at the end of the test."""
    made: list[Transport] = []

    def make(address: str) -> Transport:
        made.append(request.param(address))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


class Peer:
    """A server that does to each connection, in their order, what a script of its own says.

    For what a Runtime API would not do, or not at this address. All scripts must be played.
    """

    def __init__(self, *scripts: Script, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._listener.settimeout(DEADLINE_S)
        self._thread = threading.Thread(target=self._play, args=(scripts,), name="peer")
        self.port: int = self._listener.getsockname()[1]
        self.ended = threading.Semaphore(0)

    def __repr__(self) -> str:
        return f"<Peer at port {self.port}>"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._thread.join(2 * DEADLINE_S)
        self._listener.close()
        assert not self._thread.is_alive()

    def _play(self, scripts: tuple[Script, ...]) -> None:
        for script in scripts:
            connection, _ = self._listener.accept()
            connection.settimeout(DEADLINE_S)
            with connection:
                script(connection)
            self.ended.release()


def read_head(connection: socket.socket) -> bytes:
    """Read a request without a body, or the head of one and no byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the connection ended after {head!r}"
        head += byte
    return head


def answer_once(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(ONE_ANSWER)


def refuse_early(connection: socket.socket) -> None:
    """Answer a request by its head alone, and go away with its body unread."""
    read_head(connection)
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")


# What goes well.


@pytest.mark.parametrize(
    ("version", "framing"),
    [
        ("HTTP/1.1", Framing.LENGTH),
        ("HTTP/1.1", Framing.CHUNKED),
        ("HTTP/1.1", Framing.UNTIL_CLOSE),
        ("HTTP/1.0", Framing.LENGTH),
        ("HTTP/1.0", Framing.UNTIL_CLOSE),
    ],
)
@pytest.mark.parametrize("piece_bytes", [None, 1, 7])
@transports
def test_an_event_arrives_however_it_is_framed_and_cut(
    connect: Connect, framing: Framing, version: str, piece_bytes: int | None
) -> None:
    reply = Reply(framing=framing, version=version, piece_bytes=piece_bytes)
    with FakeRuntimeAPI(EVENT, faults={Call.NEXT: [reply]}) as api:
        response = connect(api.address).exchange("GET", NEXT, [], None)

    assert response.status == 200
    assert response.body == EVENT.body
    assert response.headers["content-type"] == "application/json"
    assert response.headers["lambda-runtime-aws-request-id"].startswith("00000000-")


@transports
def test_an_event_of_the_largest_size_arrives_whole(connect: Connect) -> None:
    body = bytes(range(256)) * (MAX_PAYLOAD_BYTES // 256)
    with FakeRuntimeAPI(Event(body)) as api:
        assert connect(api.address).exchange("GET", NEXT, [], None).body == body


@pytest.mark.parametrize("size", [0, 1, JOIN_BYTES, JOIN_BYTES + 1, MAX_PAYLOAD_BYTES])
@transports
def test_a_body_of_any_size_is_sent_whole(connect: Connect, size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    with FakeRuntimeAPI() as api:
        response = connect(api.address).exchange("POST", INIT_ERROR, [("A", "1")], body)
        request = api.wait_for(Call.INIT_ERROR)

    assert (response.status, response.body) == (202, ACCEPTED)
    assert request.body == body
    assert request.header("Content-Length") == str(size)
    assert request.header("Host") == api.address
    assert request.header("A") == "1"


@transports
def test_a_request_without_a_body_announces_none(connect: Connect) -> None:
    with FakeRuntimeAPI(EVENT) as api:
        connect(api.address).exchange("GET", NEXT, [("User-Agent", "snapboot/1")], None)
        request = api.wait_for(Call.NEXT)

    assert request.header("Content-Length") is None
    assert request.header("Transfer-Encoding") is None
    assert request.header("User-Agent") == "snapboot/1"


@transports
def test_a_value_goes_back_in_the_bytes_it_came_in(connect: Connect) -> None:
    reply = Reply(raw=b"HTTP/1.1 200 OK\r\nId: \xc3\xa9\xff\r\nContent-Length: 0\r\n\r\n")
    with FakeRuntimeAPI(faults={Call.RESTORE_NEXT: [reply]}) as api:
        transport = connect(api.address)
        value = transport.exchange("GET", RESTORE_NEXT, [], None).headers["id"]
        transport.exchange("POST", INIT_ERROR, [("Id", value)], b"")
        request = api.wait_for(Call.INIT_ERROR)

    assert request.header("Id") == b"\xc3\xa9\xff".decode("utf-8", "surrogateescape")


@transports
def test_an_encoded_body_is_handed_out_as_it_came(connect: Connect) -> None:
    body = gzip.compress(b"{}")
    reply = Reply(body=body, headers=(("Content-Encoding", "gzip"),))
    with FakeRuntimeAPI(EVENT, faults={Call.NEXT: [reply]}) as api:
        assert connect(api.address).exchange("GET", NEXT, [], None).body == body


@pytest.mark.parametrize("status", [302, 307, 400, 403, 410, 413, 500, 503])
@transports
def test_every_status_is_a_response_and_is_not_acted_upon(connect: Connect, status: int) -> None:
    reply = Reply(status=status, headers=(("Location", NEXT), ("Retry-After", "0")))
    with FakeRuntimeAPI(faults={Call.INIT_ERROR: [reply]}) as api:
        response = connect(api.address).exchange("POST", INIT_ERROR, [], b"{}")

    assert response.status == status
    assert len(api.requests) == 1


@transports
def test_an_interim_answer_is_passed_over(connect: Connect) -> None:
    reply = Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + ONE_ANSWER)
    with FakeRuntimeAPI(faults={Call.INIT_ERROR: [reply]}) as api:
        response = connect(api.address).exchange("POST", INIT_ERROR, [], b"{}")

    assert (response.status, response.body) == (202, b"OK")


@transports
def test_a_signal_handler_runs_while_a_call_waits(connect: Connect) -> None:
    with FakeRuntimeAPI() as api:
        previous = signal.signal(signal.SIGUSR1, lambda *_: api.send(EVENT))
        waker = threading.Thread(target=lambda: _signal_once_waiting(api))
        waker.start()
        try:
            response = connect(api.address).exchange("GET", NEXT, [], None)
        finally:
            waker.join(DEADLINE_S)
            signal.signal(signal.SIGUSR1, previous)

    assert response.body == EVENT.body


def _signal_once_waiting(api: FakeRuntimeAPI) -> None:
    api.wait_idle()
    os.kill(os.getpid(), signal.SIGUSR1)


# Which connection.


@transports
def test_one_connection_carries_call_after_call(connect: Connect) -> None:
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        for size in (1, JOIN_BYTES + 1, 0):
            transport.exchange("POST", INIT_ERROR, [], b"x" * size)

    assert [request.connection for request in api.requests] == [1, 1, 1]


@pytest.mark.parametrize(
    ("reply", "reused"),
    [
        (Reply(closing=True), False),
        (Reply(framing=Framing.UNTIL_CLOSE), False),
        (Reply(version="HTTP/1.0", headers=(("Connection", "keep-alive"),)), True),
        (Reply(framing=Framing.CHUNKED), True),
        (Reply(status=500), True),
    ],
    ids=["closing", "until the end", "HTTP/1.0 kept alive", "chunked", "a refusal"],
)
@transports
def test_the_next_call_takes_the_connection_that_the_answer_leaves(
    connect: Connect, reply: Reply, *, reused: bool
) -> None:
    with FakeRuntimeAPI(faults={Call.INIT_ERROR: [reply]}) as api:
        transport = connect(api.address)
        for _ in range(2):
            transport.exchange("POST", INIT_ERROR, [], b"{}")

    assert [request.connection for request in api.requests] == ([1, 1] if reused else [1, 2])


@socket_only
def test_http_1_0_ends_the_connection_unless_it_says_otherwise(connect: Connect) -> None:
    with Peer(_answer_in_http_1_0, answer_once) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        transport.exchange("GET", NEXT, [], None)

        assert transport.exchange("GET", NEXT, [], None).status == 202


def _answer_in_http_1_0(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert connection.recv(1) == b"", "a second request on a connection of HTTP/1.0"


@transports
def test_a_closed_transport_connects_again(connect: Connect) -> None:
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        transport.exchange("POST", INIT_ERROR, [], b"{}")
        transport.close()
        transport.close()
        transport.exchange("POST", INIT_ERROR, [], b"{}")

    assert [request.connection for request in api.requests] == [1, 2]


@socket_only
def test_the_socket_transport_says_where_it_goes_and_whether_it_is_open(connect: Connect) -> None:
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        assert repr(transport) == f"<SocketTransport to {api.address}, closed>"
        transport.exchange("POST", INIT_ERROR, [], b"{}")
        assert repr(transport) == f"<SocketTransport to {api.address}, open>"


@urllib3_only
def test_the_urllib3_transport_says_where_it_goes(connect: Connect) -> None:
    assert repr(connect("127.0.0.1:9001")) == "<Urllib3Transport to http://127.0.0.1:9001>"


# Addresses.


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@transports
def test_an_address_of_either_family_is_reached(connect: Connect, host: str) -> None:
    name = f"[{host}]" if ":" in host else host
    try:
        peer = Peer(answer_once, host=host)
    except OSError as exc:
        pytest.skip(f"this machine has no {host}: {exc}")
    with peer:
        assert connect(f"{name}:{peer.port}").exchange("GET", NEXT, [], None).status == 202


@transports
def test_a_name_is_reached_at_whichever_of_its_addresses_accepts(connect: Connect) -> None:
    # `localhost` may be ::1 first, where no one listens.
    with FakeRuntimeAPI() as api:
        address = api.address.replace("127.0.0.1", "localhost")
        response = connect(address).exchange("POST", INIT_ERROR, [], b"{}")

    assert response.status == 202


def test_an_address_of_a_family_that_the_kernel_lacks_is_passed_over() -> None:
    lacking = (socket.AF_UNSPEC, socket.SOCK_STREAM, 255, "", ("::1", 9001))
    with Peer(answer_once) as peer:
        working = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", peer.port))
        connection = socket_transport._connected([lacking, working])
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(100) == ONE_ANSWER
        connection.close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:9001", ("127.0.0.1", 9001)),
        ("localhost:9001", ("localhost", 9001)),
        ("localhost", ("localhost", 80)),
        ("[::1]:9001", ("::1", 9001)),
        ("[::1]", ("::1", 80)),
    ],
)
def test_an_address_is_a_name_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert socket_transport._split(address) == parts


@pytest.mark.parametrize(
    "address", ["127.0.0.1:port", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "[::1", ":9001x"]
)
@socket_only
def test_an_address_that_is_none_is_named_with_its_variable(connect: Connect, address: str) -> None:
    with pytest.raises(ConnectionLostError) as caught:
        connect(address).exchange("GET", NEXT, [], None)

    assert repr(address) in str(caught.value)
    assert "AWS_LAMBDA_RUNTIME_API" in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:port", "127.0.0.1:99999", "127.0.0.1:-1"])
@urllib3_only
def test_urllib3_names_a_wrong_address_when_the_transport_is_made(
    connect: Connect, address: str
) -> None:
    with pytest.raises(ConnectionLostError, match=rf"{address}' \(AWS_LAMBDA_RUNTIME_API\)"):
        connect(address)


@transports
def test_a_connection_refused_is_a_connection_lost(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(ConnectionLostError, match=address) as caught:
        connect(address).exchange("GET", NEXT, [], None)

    assert "refused" in str(caught.value)


# What goes wrong.


@transports
def test_an_answer_that_comes_while_we_still_send_is_the_answer(connect: Connect) -> None:
    with Peer(refuse_early, answer_once) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        response = transport.exchange("POST", INIT_ERROR, [], b"x" * MAX_PAYLOAD_BYTES)
        following = transport.exchange("GET", NEXT, [], None)

    assert (response.status, response.body) == (413, b"big")
    assert following.status == 202


@pytest.mark.parametrize("framing", [Framing.LENGTH, Framing.CHUNKED])
@pytest.mark.parametrize(
    "cut",
    [
        Cut(Stage.BEFORE_READING, Ending.CLOSE),
        Cut(Stage.BEFORE_READING, Ending.RESET),
        Cut(Stage.BEFORE_REPLY, Ending.CLOSE),
        Cut(Stage.BEFORE_REPLY, Ending.RESET),
        Cut(Stage.MID_HEAD, Ending.RESET),
        Cut(Stage.MID_BODY, Ending.CLOSE),
        Cut(Stage.MID_BODY, Ending.RESET),
    ],
)
@transports
def test_a_connection_that_ends_early_is_lost_and_the_next_call_makes_another(
    connect: Connect, cut: Cut, framing: Framing
) -> None:
    faults = {Call.INIT_ERROR: [Reply(framing=framing, cut=cut)]}
    with FakeRuntimeAPI(faults=faults) as api:
        transport = connect(api.address)
        with pytest.raises(ConnectionLostError):
            transport.exchange("POST", INIT_ERROR, [], b"{}")

        assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202

    assert [request.connection for request in api.requests] == [1, 2]


@socket_only
def test_half_a_head_is_never_an_event(connect: Connect) -> None:
    # urllib3 does not know: http.client takes the end of the connection for that of the head.
    faults = {Call.NEXT: [Reply(cut=Cut(Stage.MID_HEAD, Ending.CLOSE))]}
    with FakeRuntimeAPI(EVENT, faults=faults) as api, pytest.raises(ConnectionLostError):
        connect(api.address).exchange("GET", NEXT, [], None)


@pytest.mark.parametrize("ending", Ending)
@transports
def test_a_connection_that_ends_while_we_send_is_lost(connect: Connect, ending: Ending) -> None:
    faults = {Call.INIT_ERROR: [Reply(cut=Cut(Stage.MID_REQUEST, ending))]}
    with FakeRuntimeAPI(faults=faults) as api, pytest.raises(ConnectionLostError):
        connect(api.address).exchange("POST", INIT_ERROR, [], b"x" * MAX_PAYLOAD_BYTES)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
    ids=["garbage", "a status of letters", "a huge head"],
)
@transports
def test_an_answer_that_is_no_http_is_distinguished_from_one_that_is_missing(
    connect: Connect, raw: bytes
) -> None:
    with FakeRuntimeAPI(faults={Call.INIT_ERROR: [Reply(raw=raw)]}) as api:
        transport = connect(api.address)
        with pytest.raises(ProtocolError):
            transport.exchange("POST", INIT_ERROR, [], b"{}")

        assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202


@transports
def test_a_chunk_size_that_is_none_ends_the_exchange(connect: Connect) -> None:
    # http.client calls this an incomplete read; the connection stays open, and no one may wait.
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n"
    faults = {Call.INIT_ERROR: [Reply(raw=raw)]}
    lost = pytest.raises((ProtocolError, ConnectionLostError))
    with FakeRuntimeAPI(faults=faults) as api, lost:
        connect(api.address).exchange("POST", INIT_ERROR, [], b"{}")


@transports
def test_next_outlives_a_connection_that_died_in_the_freeze(connect: Connect) -> None:
    with Peer(answer_once, _serve_event) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        transport.exchange("GET", INIT_ERROR, [], None)
        assert peer.ended.acquire(timeout=DEADLINE_S)

        assert RuntimeAPI(transport).next_invocation().request_id == "1"


def _serve_event(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
        b"Lambda-Runtime-Deadline-Ms: 1542409706888\r\nContent-Length: 2\r\n\r\n{}"
    )


# A connection that was kept.

STRAY: Final = b"HTTP/1.1 500 Stray\r\nContent-Length: 5\r\n\r\nstray"
LARGE: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 200000\r\n\r\n" + b" " * 200_000


@pytest.mark.parametrize("ending", Ending)
@transports
def test_a_connection_that_ended_while_idle_is_made_again_before_a_post(
    connect: Connect, ending: Ending
) -> None:
    def leave(connection: socket.socket) -> None:
        answer_once(connection)
        if ending is Ending.RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with Peer(leave, answer_once) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        transport.exchange("GET", NEXT, [], None)
        assert peer.ended.acquire(timeout=DEADLINE_S)

        assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202


answers = pytest.mark.parametrize("answer", [ONE_ANSWER, LARGE], ids=["small", "in parts"])


@answers
@socket_only
def test_bytes_sent_along_with_an_answer_end_the_connection(
    connect: Connect, answer: bytes
) -> None:
    # urllib3 goes on with the connection: http.client has read and dropped such bytes.
    _exchange_past_a_stray(connect, answer, later=False)


@answers
@transports
def test_bytes_sent_after_an_answer_are_never_read_as_the_next_one(
    connect: Connect, answer: bytes
) -> None:
    _exchange_past_a_stray(connect, answer, later=True)


def _exchange_past_a_stray(connect: Connect, answer: bytes, *, later: bool) -> None:
    asked = threading.Event()
    sent = threading.Event()

    def say_more(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer if later else answer + STRAY)
        if later:
            assert asked.wait(DEADLINE_S)
            connection.sendall(STRAY)
        sent.set()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b"", "a second request behind a stray answer"

    with Peer(say_more, answer_once) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        transport.exchange("GET", NEXT, [], None)
        asked.set()
        assert sent.wait(DEADLINE_S)

        assert transport.exchange("POST", INIT_ERROR, [], b"{}").body == b"OK"


@socket_only
def test_a_connection_that_breaks_between_the_look_and_the_send_is_made_again(
    connect: Connect,
) -> None:
    # Not a byte of the request went out, so that it is not sent twice.
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        transport.exchange("POST", INIT_ERROR, [], b"{}")
        transport._connection.shutdown(socket.SHUT_WR)
        assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202

    assert [request.body for request in api.requests] == [b"{}", b"{}"]


@socket_only
def test_a_post_whose_outcome_is_unknown_is_not_sent_again(connect: Connect) -> None:
    def hang_up(connection: socket.socket) -> None:
        answer_once(connection)
        read_head(connection)

    with Peer(hang_up) as peer:
        transport = connect(f"127.0.0.1:{peer.port}")
        transport.exchange("GET", NEXT, [], None)

        with pytest.raises(ConnectionLostError, match="the connection"):
            transport.exchange("POST", INIT_ERROR, [], b"{}")


@pytest.mark.parametrize("error", [TimeoutError, KeyError])
@socket_only
def test_a_chunk_that_a_signal_handler_cuts_ends_the_connection(
    connect: Connect, error: type[Exception]
) -> None:
    received = bytearray()

    def interrupt(connection: socket.socket) -> None:
        read_head(connection)
        received.extend(connection.recv(1))  # the chunk is being sent, of which no more is read
        os.kill(os.getpid(), signal.SIGUSR1)
        raised.wait(DEADLINE_S)
        while data := connection.recv(1 << 20):
            received.extend(data)

    def fail(*_: object) -> None:
        raise error("of the function's")

    raised = threading.Event()
    previous = signal.signal(signal.SIGUSR1, fail)
    try:
        with Peer(interrupt) as peer:
            upload = connect(f"127.0.0.1:{peer.port}").begin(INIT_ERROR, [])
            with pytest.raises(error, match="of the function's"):
                upload.write(b"x" * (1 << 26))
            raised.set()
            with pytest.raises(ConnectionLostError):
                upload.finish([("Error", "late")])
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert received.startswith(b"4000000\r\nxx")
    assert set(received[9:]) == set(b"x"), "nothing follows that would be taken for the chunk"


# What a function does to the connection's descriptor.


@pytest.mark.parametrize("size", [2, MAX_PAYLOAD_BYTES])
@socket_only
def test_a_connection_set_to_not_block_is_waited_for(connect: Connect, size: int) -> None:
    with FakeRuntimeAPI(EVENT) as api:
        transport = connect(api.address)
        transport.exchange("GET", NEXT, [], None)
        os.set_blocking(transport._connection.fileno(), False)
        answer = transport.exchange("POST", INIT_ERROR, [], b"x" * size)

    assert answer.status == 202
    assert [request.connection for request in api.requests] == [1, 1]


@socket_only
def test_a_descriptor_closed_under_us_is_answered_over_a_new_connection(connect: Connect) -> None:
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        for _ in range(2):
            assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202
            os.close(transport._connection.fileno())


@pytest.mark.parametrize("kind", ["a file", "a socket that says something", "a quiet pipe"])
@socket_only
def test_a_file_that_got_our_number_is_neither_written_to_nor_closed(
    connect: Connect, kind: str, tmp_path: Path
) -> None:
    number = -1
    with FakeRuntimeAPI() as api:
        transport = connect(api.address)
        transport.exchange("POST", INIT_ERROR, [], b"{}")
        number = transport._connection.fileno()
        if kind == "a file":
            source = os.open(tmp_path / "own", os.O_CREAT | os.O_RDWR)
            other = -1
        elif kind == "a quiet pipe":
            source, other = os.pipe()
        else:
            ours, theirs = socket.socketpair()
            ours.sendall(b"!")
            source, other = theirs.detach(), ours.detach()
        os.dup2(source, number)
        try:
            assert transport.exchange("POST", INIT_ERROR, [], b"{}").status == 202
            assert os.path.sameopenfile(source, number)
            assert not (tmp_path / "own").exists() or not (tmp_path / "own").read_bytes()
        finally:
            for descriptor in {source, other, number} - {-1}:
                os.close(descriptor)
