"""A Runtime API that does what a scenario says, on a real socket, down to the last byte.

A scenario is data: the events to serve, and for each call the replies to give, in order; when the
replies of a call are used up (or there are none) it is served as the platform serves it.

    faults = {Call.RESPONSE: [NORMAL, Reply(status=413)], Call.NEXT: [Reply(piece_bytes=1)]}
    with RuntimeAPI(Event(b'"first"'), Event(b'"second"'), faults=faults) as api:
        with RuntimeProcess(OURS, "app.handler", api.address, task_root=folder):
            answer = api.wait_for(Call.RESPONSE, count=2)  # the second that arrived, whole
            assert answer.body == b'"second"'
            api.wait_idle()  # `next` is asked again and nothing is left to say

Without a fault it keeps the rules of the real one that a runtime can run into: an event is served
again until it has been answered, an answer for another id is refused with 400, one that is too
large with 413. `concurrent=True` makes it the multi-concurrency host: each `next` gets an event of
its own. Every wait ends at a deadline with an AssertionError that says what was seen instead.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from tests.fakes.rendering import Headers, Rendered, pieces, render
from tests.fakes.requests import PeerGone, Reader, Request
from tests.fakes.scenario import (
    ACCEPTED,
    NORMAL,
    REFUSALS,
    TRUNCATED,
    Call,
    Cut,
    Ending,
    Event,
    Framing,
    Reply,
    Stage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "NORMAL",
    "TRUNCATED",
    "Call",
    "Cut",
    "Ending",
    "Event",
    "Framing",
    "Reply",
    "Request",
    "RuntimeAPI",
    "Stage",
]

DEADLINE_S: Final = 20.0
POLL_S: Final = 0.02
MAX_RESPONSE_BYTES: Final = 6 * 1024 * 1024 + 100
ARN: Final = "arn:aws:lambda:us-east-1:012345678912:function:test_function"
TRACE_ID: Final = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"
# The end of the stream travels with the last bytes, so that a client cannot get in between.
HOLD_BACK: Final = getattr(socket, "MSG_MORE", 0)
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
JSON: Final = (("Content-Type", "application/json"),)


class RuntimeAPI:
    """The server. Start and stop it by `with`; see the module for how it is used."""

    def __init__(
        self,
        *events: Event,
        faults: Mapping[Call, Sequence[Reply]] | None = None,
        concurrent: bool = False,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._deadline_s = deadline_s
        self._script = {call: deque(replies) for call, replies in (faults or {}).items()}
        self._concurrent = concurrent
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._waiting: deque[Event] = deque()
        self._in_flight: dict[str, Event] = {}
        self._taken = 0
        self._idle = 0
        self._requests: list[Request] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self._address = f"{host}:{port}"
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="runtime-api")]
        for event in events:
            self.send(event)

    def __repr__(self) -> str:
        """Name the address, the calls so far and the events that are left."""
        calls = [request.call.value for request in self.requests]
        left = len(self._waiting) + len(self._in_flight)
        return f"<RuntimeAPI {self.address} calls={calls!r} events_left={left}>"

    def __enter__(self) -> Self:
        """Start to listen."""
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End every connection and every thread."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        # A blocked accept() wakes up for a connection on every platform, for a shutdown on some.
        socket.create_connection(self._listener.getsockname(), DEADLINE_S).close()
        self._threads[0].join(DEADLINE_S)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), f"{thread!r} of {self!r} did not end"
        self._listener.close()

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API is set to; good after the end of the server as well."""
        return self._address

    @property
    def requests(self) -> tuple[Request, ...]:
        """Every request so far, in the order of arrival."""
        with self._changed:
            return tuple(self._requests)

    def sent(self, call: Call) -> tuple[Request, ...]:
        """Return the requests so far that made `call`."""
        return tuple(request for request in self.requests if request.call is call)

    def send(self, event: Event) -> Event:
        """Add an event to those that wait; return it with the id that it will carry."""
        with self._changed:
            self._taken += 1
            numbered = event.numbered(self._taken)
            self._waiting.append(numbered)
            self._changed.notify_all()
            return numbered

    def wait_for(self, call: Call, count: int = 1) -> Request:
        """Return the `count`-th request that makes `call`, once it has arrived."""
        self._wait(lambda: len(self.sent(call)) >= count, f"request {count} of {call.value!r}")
        return self.sent(call)[count - 1]

    def wait_idle(self) -> None:
        """Return once a runtime waits in `next` and there is no event left to give it."""
        self._wait(self._is_idle, "a runtime that waits in 'next' with no event left")

    def wait_idle_or(self, ended: Callable[[], bool]) -> bool:
        """Wait for what `wait_idle` waits for, or for `ended()`; return whether it went on."""
        self._wait(lambda: self._is_idle() or ended(), "an idle runtime, or its end")
        return self._is_idle() and not ended()

    def _is_idle(self) -> bool:
        with self._changed:
            return self._idle > 0 and not self._waiting and not self._in_flight

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        seen, deadline = -1, 0.0
        while not condition():
            if len(self._requests) != seen:  # a slow machine is no reason: it is standstill that is
                seen, deadline = len(self._requests), time.monotonic() + self._deadline_s
            assert time.monotonic() < deadline, (
                f"nothing came for {self._deadline_s} s, waiting for {what} of {self!r}"
            )
            with self._changed:
                # A process that ends does not notify: look again now and then.
                self._changed.wait(POLL_S)

    # The threads: one accepts, one serves each connection.

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, len(self._connections)), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        reader = Reader(connection, number)
        # The runtime goes away, or the test is over: both are for the test to notice.
        with connection, contextlib.suppress(OSError, PeerGone):
            while (ending := self._exchange(connection, reader)) is None:
                pass
            if ending is Ending.RESET:
                # Armed like this, the close that follows sends RST instead of FIN.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            else:
                connection.shutdown(socket.SHUT_WR)
                self._ignore(reader)

    def _exchange(self, connection: socket.socket, reader: Reader) -> Ending | None:
        """Serve one request; return how the connection ends, None when it lives on."""
        head = reader.head()
        reply = self._scripted(head.call)
        stage = reply.cut.stage if reply.cut else None
        ending = reply.cut.ending if reply.cut else None
        if stage in (Stage.BEFORE_READING, Stage.MID_REQUEST):
            self._record(head)
            return ending
        if stage is Stage.AMID_BODY:
            self._record(reader.begun(head))
            return ending
        request = head if reply.early else reader.whole(head)
        self._record(request)
        if stage is Stage.BEFORE_REPLY:
            return ending
        self._write(connection, reply, render(reply, *self._answer(connection, request, reply)))
        closes = reply.closing or reply.early or reply.framing is Framing.UNTIL_CLOSE
        return ending or (Ending.CLOSE if closes else None)

    def _ignore(self, reader: Reader) -> None:
        """Record what still arrives on a connection that was closed, and act upon none of it."""
        while True:
            try:
                head = reader.head()
            except ValueError:  # the rest of a body
                continue
            self._record(head)

    def _scripted(self, call: Call) -> Reply:
        with self._changed:
            replies = self._script.get(call)
            return replies.popleft() if replies else NORMAL

    def _record(self, request: Request) -> None:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def _write(self, connection: socket.socket, reply: Reply, rendered: Rendered) -> None:
        orderly = reply.cut and reply.cut.ending is Ending.CLOSE
        flags = HOLD_BACK if orderly else 0  # A reset throws away what is held back.
        for part in rendered.parts(reply.cut.stage if reply.cut else None):
            for piece in pieces(part, reply.piece_bytes):
                connection.sendall(piece, flags)
            if reply.pause_s and part is rendered.first_half:
                self._stopping.wait(reply.pause_s)

    # What the platform answers.

    def _answer(
        self, connection: socket.socket, request: Request, reply: Reply
    ) -> tuple[int, Headers, bytes]:
        served = reply.raw is None and reply.status in (None, 200)
        if request.call is Call.NEXT and served:
            event = self._event_for(connection)
            return 200, _event_headers(event), event.body
        if request.call is Call.RESTORE_NEXT and served:
            return 200, (), b""
        status = self._verdict(request)
        status = status if reply.status is None else reply.status
        return status, JSON, REFUSALS.get(status, ACCEPTED)

    def _event_for(self, connection: socket.socket) -> Event:
        with self._changed:
            self._idle += 1
            self._changed.notify_all()
            try:
                while not self._deliverable():
                    if self._stopping.is_set() or _is_gone(connection):
                        raise PeerGone
                    self._changed.wait(POLL_S)
            finally:
                self._idle -= 1
            return self._deliver()

    def _deliverable(self) -> bool:
        return bool(self._waiting or (self._in_flight and not self._concurrent))

    def _deliver(self) -> Event:
        if self._in_flight and not self._concurrent:
            # RAPID renders the event again when `next` is called before an answer.
            return next(iter(self._in_flight.values()))
        event = self._waiting.popleft()
        self._in_flight[event.request_id] = event
        return event

    def _verdict(self, request: Request) -> int:
        """Return the status for a POST, and forget the event that it answers."""
        if request.call is Call.UNKNOWN:
            return 404
        if request.call not in (Call.RESPONSE, Call.ERROR):
            return 202
        with self._changed:
            if self._in_flight.pop(str(request.request_id), None) is None:
                return 400
        too_large = request.call is Call.RESPONSE and len(request.body) > MAX_RESPONSE_BYTES
        return 413 if too_large else 202


def _event_headers(event: Event) -> Headers:
    deadline_ms = int((time.time() + event.timeout_s) * 1000)
    headers: dict[str, str | None] = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": event.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": ARN,
        "Lambda-Runtime-Trace-Id": TRACE_ID,
        **event.headers,
    }
    return tuple((name, value) for name, value in headers.items() if value is not None)


def _is_gone(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
