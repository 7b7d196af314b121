"""What runs a function behind an Invoke API: our host, and AWS's emulator, with our runtime.

Each is started as its users start it, and invoked over connections that are kept. The runtime and
the function are the same files.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.children import Child
from benchmarks.contenders import OURS, environment
from benchmarks.endpoints import DEADLINE_S, ContenderError
from oracles import emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

HOST = "snapboot start"
UNFROZEN = "snapboot start --no-freeze"
EMULATOR = "aws-lambda-rie"
HANDLER = "app.echo"
PATH = "/2015-03-31/functions/function/invocations"
TIMEOUT_S = "300"
MEMORY_MB = "3008"
MOST_ENVIRONMENTS = "8"
POLL_S = 0.02
BUFFER_BYTES = 8 << 20
END_OF_CHUNKS = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Serving:
    """A platform that runs: the port at which it listens, and its process."""

    port: int
    child: Child


@dataclass(frozen=True, slots=True, eq=False)
class Platform:
    """A program that serves the Invoke API.

    `command` takes the bench, a port to listen on, and the handler. It `grows`
    when it starts more environments for more callers.
    """

    name: str
    version: str
    command: Callable[[Bench, int, str], tuple[str, ...]]
    grows: bool

    def __repr__(self) -> str:
        return f"<Platform {self.name} {self.version}>"

    @property
    def shown(self) -> str:
        """Its command as people write it."""
        return f"{self.name} …"

    @contextmanager
    def running(self, bench: Bench, handler: str = HANDLER) -> Iterator[Serving]:
        """Start it, and yield it as soon as it listens. Raises `ContenderError`."""
        port = _free_port()
        variables = environment(bench.task_root, handler, bench.interpreter)
        with (
            Path(os.devnull).open("wb") as nothing,
            Child(
                self.command(bench, port, handler),
                variables | {"AWS_LAMBDA_FUNCTION_TIMEOUT": TIMEOUT_S},
                stdout=nothing.fileno(),
                stderr=bench.scratch / f"{self.name}.stderr",
            ) as child,
        ):
            _wait_until_listening(self, port)
            yield Serving(port, child)


class Connection:
    """A client of the Invoke API that reads no more of HTTP than it must. Close it after use."""

    __slots__ = ("_buffer", "_socket", "_view")

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)

    def __repr__(self) -> str:
        return f"<Connection to {self._socket.getpeername()}>"

    def invoke(self, request: bytes) -> memoryview:
        """Return the answer's body, as it came: in chunks, if the platform sent it in chunks."""
        self._socket.sendall(request)
        size = self._receive(0)
        while (end := self._buffer.find(b"\r\n\r\n", 0, size)) < 0:
            size = self._receive(size)
        head = bytes(self._view[:end])
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ContenderError(f"answered {head[:200]!r} to an invocation")
        _, counted, length = head.lower().partition(b"\r\ncontent-length: ")
        if counted:
            whole = end + 4 + int(length.partition(b"\r\n")[0])
            while size < whole:
                size = self._receive(size)
        else:
            while self._view[size - len(END_OF_CHUNKS) : size] != END_OF_CHUNKS:
                size = self._receive(size)
        return self._view[end + 4 : size]

    def close(self) -> None:
        """Hang up."""
        self._view.release()
        self._socket.close()

    def _receive(self, size: int) -> int:
        count = self._socket.recv_into(self._view[size:])
        if not count:
            raise ContenderError(f"hung up after {size!r} bytes of an answer")
        return size + count


def invocation(event: bytes) -> bytes:
    """Return the request that invokes the function."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(event)}\r\n\r\n"
    return head.encode() + event


def platforms(bench: Bench) -> tuple[Platform, ...]:
    """Return those that are compared. Raises `OracleUnavailable`."""
    version = _runtime(bench).version
    return (
        Platform(HOST, version, _host, grows=True),
        Platform(UNFROZEN, version, _unfrozen_host, grows=True),
        Platform(EMULATOR, f"of aws-sam-cli {emulator.SAM_VERSION}", _emulator, grows=False),
    )


def _host(bench: Bench, port: int, handler: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "snapboot_devkit", "start", handler, "--no-reload"),
        *("--port", str(port), "--task-root", str(bench.task_root), "--timeout", TIMEOUT_S),
        *("--memory", MEMORY_MB, "--concurrency", MOST_ENVIRONMENTS),
        *("--bootstrap", shlex.join(_runtime(bench).start(handler))),
    )


def _unfrozen_host(bench: Bench, port: int, handler: str) -> tuple[str, ...]:
    return (*_host(bench, port, handler), "--no-freeze")


def _emulator(bench: Bench, port: int, handler: str) -> tuple[str, ...]:
    return (
        str(emulator.binary()),
        *("--runtime-api-address", f"127.0.0.1:{_free_port()}"),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *_runtime(bench).start(handler),
    )


def _runtime(bench: Bench) -> Contender:
    for contender in bench.contenders:
        if contender.name == OURS:
            return contender
    msg = f"has no runtime: --contenders must name {OURS!r} for platforms"
    raise ContenderError(msg)


def _wait_until_listening(platform: Platform, port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), DEADLINE_S).close()
            return
        time.sleep(POLL_S)
    raise ContenderError(f"did not listen within {DEADLINE_S} s: {platform!r}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
