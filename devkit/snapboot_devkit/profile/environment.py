"""One execution environment that is measured: its process, the Runtime API it calls, and clocks.

It answers as the platform does, from one thread, with nothing else at work in this process. The
devkit's host is the model of the platform; this one is the stopwatch.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

import h11

from snapboot_devkit.host import protocol
from snapboot_devkit.host.sandbox import process_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

# A function that prints more than this during its init prints without end.
MAX_OUTPUT_BYTES: Final = 64 * protocol.MIB
_LAST_WORDS_BYTES: Final = 4_000
_LOOK_S: Final = 0.25
_READ_BYTES: Final = 1 << 18
_JSON: Final = (("Content-Type", "application/json"),)
_ACCEPTED: Final = b'{"status":"OK"}\n'

_SEND_LIMIT_S: Final = 10.0


class PhaseEnd(StrEnum):
    """How a phase of an environment came out."""

    READY = "ready"
    INIT_ERROR = "init error"
    EXITED = "exited"
    TIMED_OUT = "timed out"
    PRINTED_TOO_MUCH = "printed too much"


@dataclass(slots=True)
class Outcome:
    """How it came out, in words for people where that was not well."""

    ended: PhaseEnd
    text: str = ""


@dataclass(frozen=True, slots=True)
class Invoked:
    """One invocation: from the event being sent to the response, and to the following `next`."""

    response_ns: int
    next_ns: int
    error: str = ""


@dataclass(slots=True)
class _Exchange:
    """A connection, and the request on it that has not been answered."""

    wire: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER))
    method: str = ""
    path: str = ""
    body: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    arrived_ns: int = 0


class MeasuredEnvironment:
    """A process and its Runtime API. Use it by `with`: nothing of the process is left then."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Callable[[str], Mapping[str, str]],
        spawn: Any,
        output: Path,
        *,
        started: Callable[[str], object] = str,
    ) -> None:
        """Start `command`; `environ` is given the address of the Runtime API.

        `spawn` starts a process with a command, variables and a descriptor for its output, which
        goes to the file `output`. `started` hears of the mark that all its processes have.
        """
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((protocol.LOOPBACK, 0), backlog=128)
        self._listener.setblocking(False)  # noqa: FBT003
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.address = f"{protocol.LOOPBACK}:{self._listener.getsockname()[1]}"
        self.mark = f"AWS_LAMBDA_RUNTIME_API={self.address}"
        self._exchanges: dict[socket.socket, _Exchange] = {}
        self._waiting: socket.socket | None = None
        self._next_ns: int | None = None
        self._answer: tuple[int, str] | None = None
        self._request_id = ""
        self._init_error = ""
        self._output = output
        self._file: IO[bytes] = output.open("wb")
        variables = environ(self.address)
        started(self.mark)
        self.started_ns = time.perf_counter_ns()
        try:
            self._process: subprocess.Popen[bytes] = spawn(command, variables, self._file.fileno())
        except BaseException:
            self._close()
            raise

    def __repr__(self) -> str:
        return f"<MeasuredEnvironment {self._process.pid} at {self.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process, whatever it has started, and every connection."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self._kill()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        process_scan.end(lambda pid: process_scan.carries(pid, self.mark))
        self._close()

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        for connection in (*self._exchanges, self._listener):
            connection.close()
        self._selector.close()
        self._file.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def printed(self) -> str:
        """The end of what was printed."""
        with self._output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_WORDS_BYTES))
            return file.read().decode("utf-8", "replace")

    def cpu_ns(self) -> int | None:
        """Return the CPU time of the process so far; None where the system does not say.

        The number of a process's clock is made as in clock_getcpuclockid(3).
        """
        try:
            return time.clock_gettime_ns((~self.pid << 3) | 2)
        except OSError:
            return None

    def wait_until_ready(self, limit_s: float) -> tuple[Outcome, int]:
        """Return how the init came out, and how long after the spawn that was, in ns."""
        deadline = time.monotonic() + limit_s
        outcome = self._wait(lambda: self._next_ns is not None, deadline)
        if outcome is None:
            assert self._next_ns is not None
            return Outcome(PhaseEnd.READY), self._next_ns - self.started_ns
        if outcome.ended is PhaseEnd.TIMED_OUT:
            outcome.text = f"the init has not ended within {limit_s:g} s"
        return outcome, time.perf_counter_ns() - self.started_ns

    def invoke(self, event: bytes, limit_s: float) -> Invoked | Outcome:
        """Have an event handled. The environment must have asked for one."""
        assert self._waiting is not None
        self._request_id = str(uuid4())
        self._answer, self._next_ns = None, None
        connection, self._waiting = self._waiting, None
        sent_ns = time.perf_counter_ns()
        self._reply(connection, 200, event, self._event_headers(limit_s))
        outcome = self._wait(lambda: self._next_ns is not None, time.monotonic() + limit_s)
        if outcome is not None:
            if outcome.ended is PhaseEnd.TIMED_OUT:
                outcome.text = f"the invocation has not ended within {limit_s:g} s"
            return outcome
        assert self._next_ns is not None
        answered_ns, error = self._answer or (self._next_ns, "")
        return Invoked(answered_ns - sent_ns, self._next_ns - sent_ns, error)

    def _event_headers(self, limit_s: float) -> tuple[tuple[str, str], ...]:
        deadline_ms = round((time.time() + limit_s) * 1000)
        trace = f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Parent={uuid4().hex[:16]}"
        return (
            *_JSON,
            ("Lambda-Runtime-Aws-Request-Id", self._request_id),
            ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
            (
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:012345678912:function:test_function",
            ),
            ("Lambda-Runtime-Trace-Id", f"{trace};Sampled=0"),
        )

    # ---- waiting -----------------------------------------------------------------------------

    def _wait(self, done: Callable[[], bool], deadline: float) -> Outcome | None:
        """Serve until `done`; return what came instead, or None."""
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return Outcome(PhaseEnd.TIMED_OUT)
            for key, _ in self._selector.select(min(left, _LOOK_S)):
                self._serve(key.fileobj)
            if done():
                return None
            if self._init_error:
                return Outcome(PhaseEnd.INIT_ERROR, self._init_error)
            if (status := self._status_of_process()) is not None:
                return Outcome(PhaseEnd.EXITED, f"the process has ended with {_status(status)}")
            if self._output.stat().st_size > MAX_OUTPUT_BYTES:
                text = f"it has printed more than {MAX_OUTPUT_BYTES >> 20} MiB"
                return Outcome(PhaseEnd.PRINTED_TOO_MUCH, text)
        return None

    def _status_of_process(self) -> int | None:
        """Return the status that the process has ended with, or None."""
        return self._process.poll()

    def _serve(self, source: Any) -> None:
        arrived_ns = time.perf_counter_ns()
        if source is self._listener:
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                connection.setblocking(False)  # noqa: FBT003
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._exchanges[connection] = _Exchange()
                self._selector.register(connection, selectors.EVENT_READ)
            return
        try:
            content = source.recv(_READ_BYTES)
            self._received(source, content, arrived_ns)
        except BlockingIOError:
            return
        except (OSError, h11.ProtocolError):
            self._drop(source)

    def _drop(self, connection: socket.socket) -> None:
        if self._exchanges.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()
        if self._waiting is connection:
            self._waiting = self._next_ns = None

    def _received(self, connection: socket.socket, content: bytes, arrived_ns: int) -> None:
        exchange = self._exchanges[connection]
        exchange.wire.receive_data(content)
        while True:
            event = exchange.wire.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                if exchange.wire.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    connection.sendall(exchange.wire.send(go_on) or b"")
                return
            match event:
                case h11.Request():
                    exchange.method = event.method.decode()
                    exchange.path = event.target.decode("ascii", "replace")
                    exchange.headers = dict(event.headers)
                    exchange.body, exchange.arrived_ns = b"", arrived_ns
                case h11.Data():
                    exchange.body += bytes(event.data)
                case h11.EndOfMessage():
                    trailers = dict(event.headers)
                    self._requested(connection, exchange, trailers)
                case h11.ConnectionClosed():
                    self._drop(connection)
                    return

    def _requested(
        self, connection: socket.socket, exchange: _Exchange, trailers: Mapping[bytes, bytes]
    ) -> None:
        """Do what a request asks for."""
        path = exchange.path.partition("?")[0]
        invocation = f"{protocol.RUNTIME_INVOCATION}{self._request_id}"
        match (exchange.method, path):
            case ("GET", protocol.RUNTIME_NEXT):
                self._waiting, self._next_ns = connection, exchange.arrived_ns
            case ("POST", protocol.RUNTIME_INIT_ERROR):
                self._init_error = _error_text(exchange.body)
                self._reply(connection, 202, _ACCEPTED, _JSON)
            case ("POST", answer) if answer == f"{invocation}/response":
                failed = protocol.ERROR_TYPE in trailers
                error = _error_text(exchange.body) if failed else ""
                self._answer = self._answer or (exchange.arrived_ns, error)
                self._reply(connection, 202, _ACCEPTED, _JSON)
            case ("POST", answer) if answer == f"{invocation}/error":
                self._answer = exchange.arrived_ns, _error_text(exchange.body)
                self._reply(connection, 202, _ACCEPTED, _JSON)
            case ("POST", protocol.EXTENSION_REGISTER_PATH):
                headers = (*_JSON, ("Lambda-Extension-Identifier", str(uuid4())))
                self._reply(connection, 200, b"{}", headers)
            case ("GET", protocol.EXTENSION_NEXT_PATH):
                return  # no event comes while it is measured
            case _:
                refusal = {"errorType": "NotFound", "errorMessage": f"not served here: {path}"}
                self._reply(connection, 404, json.dumps(refusal).encode(), _JSON)

    def _reply(
        self,
        connection: socket.socket,
        status: int,
        body: bytes,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        exchange = self._exchanges.get(connection)
        if exchange is None:
            return
        wire = exchange.wire
        named = [*headers, ("Content-Length", str(len(body)))]
        content = wire.send(h11.Response(status_code=status, headers=named)) or b""
        content += wire.send(h11.Data(data=body)) or b""
        content += wire.send(h11.EndOfMessage()) or b""
        try:
            connection.settimeout(_SEND_LIMIT_S)
            connection.sendall(content)
            connection.setblocking(False)  # noqa: FBT003
            if wire.our_state is h11.DONE and wire.their_state is h11.DONE:
                wire.start_next_cycle()
            else:
                self._drop(connection)
        except (OSError, h11.ProtocolError):
            self._drop(connection)


def _status(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-status).name}"
        return f"signal {-status}"
    return f"exit status {status}, and has not asked for an event"


def _error_text(body: bytes) -> str:
    try:
        document = json.loads(body)
        error_type, message = document["errorType"], document["errorMessage"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return body[:500].decode("utf-8", "replace") or "an error without a description"
    return f"{error_type}: {message}"[:2_000]
