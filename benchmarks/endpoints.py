"""What a contender reports to: the measuring Runtime API, and the first byte of a bare program.

One server for all contenders. It knows of HTTP only what these clients send, keeps to one system
call per message, and makes nothing while an invocation runs, so that the contender is what is
measured. It is no model of the platform: the devkit's host is.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer than any contender needs on a busy machine; reached only by one that hangs.
DEADLINE_S = 20
BUFFER_BYTES = 8 << 20
SHOWN_BYTES = 1_000

# Of the first delivery. Each has an id, a trace and a deadline of its own; dates change less often.
FIRST_ID = 0x8476A536
ID_REST = "-e9f4-11e8-9739-2dfe598c3fcd"
REQUEST_ID = f"{FIRST_ID:08x}{ID_REST}"
DELIVERIES_PER_SECOND = 16
API = "/2018-06-01/runtime"
NEXT = f"GET {API}/invocation/next ".encode()
RESPONSE = f"POST {API}/invocation/%s{ID_REST}/response ".encode()
ACCEPTED_BODY = b'{"status":"OK"}\n'
ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\n"
    b"Content-Type: application/json\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(ACCEPTED_BODY), ACCEPTED_BODY)
)
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:benchmark"
TRACE_ID = (
    "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1;"
    "Lineage=1:1fdcb11b:0"
)
FUNCTION_TIMEOUT_S = 900
# "14", the time in 20 digits, two ends of line.
FIRST_CHUNK_BYTES = 26
LAST_CHUNK = b"\r\n0\r\n\r\n"

_content_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE).search


class ContenderError(Exception):
    """A contender did not do what every runtime does; nothing it did can be compared."""

    def __init__(self, did: str) -> None:
        """Take what the contender did; the remedy is the same for all."""
        super().__init__(f"the contender {did}; run its command by hand to see why")


class Endpoint(Protocol):
    """What shows that a contender is ready."""

    address: str

    @property
    def stdout(self) -> int:
        """The descriptor that the contender gets as standard output."""

    def wait_until_ready(self) -> int:
        """Return the `perf_counter_ns` at which the contender was ready."""

    def close(self) -> None:
        """Give back what the endpoint holds."""


class FirstByte:
    """Ready when the first byte comes on standard output. There is nothing to invoke."""

    __slots__ = ("_ours", "_theirs", "address")

    def __init__(self) -> None:
        self.address = "127.0.0.1:9"
        self._ours, self._theirs = socket.socketpair()
        _bound_every_wait(self._ours)

    def __repr__(self) -> str:
        return f"<FirstByte on {self._theirs.fileno()}>"

    @property
    def stdout(self) -> int:
        """The descriptor that the program writes its byte to."""
        return self._theirs.fileno()

    def wait_until_ready(self) -> int:
        """Return when the byte came."""
        try:
            self._ours.recv(1)
        except BlockingIOError:
            raise ContenderError(f"did not write its first byte within {DEADLINE_S!r} s") from None
        return time.perf_counter_ns()

    def close(self) -> None:
        """Close both ends."""
        self._ours.close()
        self._theirs.close()


class RuntimeAPI:
    """The Runtime API for one process: ready at its `GET next`, then invoked as often as asked."""

    __slots__ = (
        *(
            "_accepted",
            "_buffer",
            "_connection",
            "_deadline_s",
            "_delivered",
            "_expected",
            "_filled",
            "_listener",
            "_null",
            "_view",
        ),
        "address",
    )

    def __init__(self, deadline_s: int = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._delivered = 0
        self._accepted = ACCEPTED
        self._expected = b""
        self._null = os.open(os.devnull, os.O_WRONLY)
        self._listener = socket.create_server(("127.0.0.1", 0))
        _bound_every_wait(self._listener, deadline_s)
        _wake_for_data_only(self._listener)
        self._connection: socket.socket | None = None
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0
        host, port = self._listener.getsockname()
        self.address = f"{host}:{port}"

    def __repr__(self) -> str:
        state = "listening" if self._connection is None else "connected"
        return f"<RuntimeAPI {self.address} {state}>"

    @property
    def stdout(self) -> int:
        """The descriptor that swallows what the function prints."""
        return self._null

    def wait_until_ready(self) -> int:
        """Accept the contender's connection and return when its first `GET next` had come."""
        try:
            self._connection, _ = self._listener.accept()
            _bound_every_wait(self._connection, self._deadline_s)
            self._read_next()
        except BlockingIOError:
            raise ContenderError(
                f"did not ask for its first event within {self._deadline_s!r} s"
            ) from None
        except ConnectionError as error:
            raise ContenderError(f"left its connection ({error!r})") from error
        ready_ns = time.perf_counter_ns()
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ready_ns

    def invoke(self, event: bytes) -> bytes:
        """Deliver an event, once, and return the body that the contender answered with."""
        delivered = bytearray(delivery(event))
        self._renew(delivered)
        return self._exchange(delivered, keep=True)

    def round_trips_ns(self, events: Sequence[bytes], count: int) -> list[int]:
        """Deliver the events in turn, `count` in all; return each time from sending to `GET next`.

        What is new with each delivery is new here: a runtime that keeps it shows it in its memory.
        """
        clock = time.perf_counter_ns
        exchange = self._exchange
        times = [0] * count
        deliveries = [bytearray(delivery(event)) for event in events]
        for number in range(count):
            delivered = deliveries[number % len(deliveries)]
            self._renew(delivered)
            start_ns = clock()
            exchange(delivered)
            times[number] = clock() - start_ns
        return times

    def stream(self, event: bytes) -> tuple[int, int]:
        """Deliver an event whose answer is streamed, and begins with the time of its making.

        Return how much later that was read, in nanoseconds, and the bytes of the stream.
        """
        if self._connection is None:
            raise RuntimeError(f"cannot invoke {self!r}; call wait_until_ready first")
        self._connection.sendall(delivery(event))
        try:
            begun = self._read_head()
            while self._filled < begun + FIRST_CHUNK_BYTES:
                self._receive()
            read_ns = time.perf_counter_ns()
            made = self._buffer[begun : begun + FIRST_CHUNK_BYTES].split(b"\r\n")[1]
            size = self._filled - begun
            while not self._buffer.endswith(LAST_CHUNK, 0, self._filled):
                self._view[: len(LAST_CHUNK)] = self._view[
                    self._filled - len(LAST_CHUNK) : self._filled
                ]
                self._filled = len(LAST_CHUNK)
                self._receive()
                size += self._filled - len(LAST_CHUNK)
            self._filled = 0
            self._connection.sendall(ACCEPTED)
            self._connection.close()
            self.wait_until_ready()
        except BlockingIOError:
            raise ContenderError(f"did not end a stream within {self._deadline_s!r} s") from None
        return read_ns - int(made), size

    def close(self) -> None:
        """Close the connection, if there is one, and the listener."""
        if self._connection is not None:
            self._connection.close()
        self._listener.close()
        os.close(self._null)

    def _renew(self, delivered: bytearray) -> None:
        """Write into a delivery what each has of its own, in as many bytes."""
        request_id = b"%08x" % (FIRST_ID + self._delivered)
        second = b"%02d" % (self._delivered // DELIVERIES_PER_SECOND % 60)
        for before, text in (
            (b"Request-Id: ", request_id),
            (b"Root=1-", request_id),
            (b"Deadline-Ms: ", b"%d" % _deadline_ms()),
            (b"Date: Thu, 01 Jan 2026 00:00:", second),
        ):
            place = delivered.index(before) + len(before)
            delivered[place : place + len(text)] = text
        self._delivered += 1
        self._expected = RESPONSE % request_id
        self._accepted = ACCEPTED.replace(b":00 GMT", b":%s GMT" % second)

    def _exchange(self, delivered: bytes | bytearray, *, keep: bool = False) -> bytes:
        connection = self._connection
        if connection is None:
            msg = f"cannot invoke {self!r}; call wait_until_ready first"
            raise RuntimeError(msg)
        try:
            connection.sendall(delivered)
            body = self._read_response(keep=keep)
            connection.sendall(self._accepted)
            self._read_next()
        except BlockingIOError:
            raise ContenderError(
                f"did not finish an invocation within {self._deadline_s!r} s"
            ) from None
        except ConnectionError as error:
            raise ContenderError(f"left its connection ({error!r})") from error
        return body

    def _read_response(self, *, keep: bool) -> bytes:
        """Read one answer. What follows it in the buffer is the next request, sent along."""
        head_end = self._read_head()
        found = _content_length(self._buffer, 0, head_end)
        if found is None or not self._buffer.startswith(self._expected):
            raise self._unexpected("a response to this id, with a Content-Length")
        end = head_end + int(found[1])
        while self._filled < end:
            self._receive()
        body = bytes(self._view[head_end:end]) if keep else b""
        left = self._filled - end
        if left:
            self._view[:left] = bytes(self._view[end : self._filled])
        self._filled = left
        return body

    def _read_next(self) -> None:
        end = self._read_head()
        if self._filled > end or not self._buffer.startswith(NEXT):
            raise self._unexpected("GET next alone")
        self._filled = 0

    def _read_head(self) -> int:
        if not self._filled:
            self._receive()
        while (end := self._buffer.find(b"\r\n\r\n", 0, self._filled)) < 0:
            self._receive()
        return end + 4

    def _receive(self) -> None:
        if self._connection is None or self._filled == BUFFER_BYTES:
            raise self._unexpected("a request that fits")
        count = self._connection.recv_into(self._view[self._filled :])
        if not count:
            raise self._unexpected("a request")
        self._filled += count

    def _unexpected(self, wanted: str) -> ContenderError:
        sent = bytes(self._view[: min(self._filled, SHOWN_BYTES)])
        return ContenderError(f"sent {sent!r} where {wanted} was awaited")


def delivery(event: bytes) -> bytes:
    """Return the answer to `GET next` that carries `event`, as the platform writes it."""
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {REQUEST_ID}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {_deadline_ms()}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {FUNCTION_ARN}\r\n"
        f"Lambda-Runtime-Trace-Id: {TRACE_ID}\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        f"Content-Length: {len(event)}\r\n\r\n"
    )
    return head.encode() + event


def _deadline_ms() -> int:
    return int((time.time() + FUNCTION_TIMEOUT_S) * 1000)


def _wake_for_data_only(listener: socket.socket) -> None:
    """Let a connection be accepted when its first request is there, where the system can.

    Otherwise accepting would take the CPU from the contender between its connect and its send.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEADLINE_S)


def _bound_every_wait(connection: socket.socket, deadline_s: int = DEADLINE_S) -> None:
    """Let the kernel end a wait: a Python timeout would poll before every read."""
    limit = struct.pack("ll", deadline_s, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
