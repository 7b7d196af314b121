"""Requests as a Runtime API receives them, read off a socket."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tests.fakes.scenario import Call

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

READ_BYTES: Final = 65536
PREFIX: Final = "/2018-06-01/runtime"
ROUTES: Final[tuple[tuple[str, re.Pattern[str], Call], ...]] = (
    ("GET", re.compile(f"{PREFIX}/invocation/next"), Call.NEXT),
    ("POST", re.compile(f"{PREFIX}/invocation/([^/]+)/response"), Call.RESPONSE),
    ("POST", re.compile(f"{PREFIX}/invocation/([^/]+)/error"), Call.ERROR),
    ("POST", re.compile(f"{PREFIX}/init/error"), Call.INIT_ERROR),
    ("GET", re.compile(f"{PREFIX}/restore/next"), Call.RESTORE_NEXT),
    ("POST", re.compile(f"{PREFIX}/restore/error"), Call.RESTORE_ERROR),
)


class PeerGone(Exception):  # noqa: N818 - the runtime ended the connection, which it may
    """The peer is gone: nothing to read from."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived; `connection` counts the connections of the server from 1.

    `complete` is False when it was not read to its end, or was read and deliberately ignored.
    Header text is UTF-8 with surrogate escapes, since awslambdaric sends raw UTF-8.
    """

    call: Call
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    trailers: tuple[tuple[str, str], ...] = ()
    complete: bool = True
    chunks: int = 0

    def header(self, name: str) -> str | None:
        """Return the value of the header `name`, whatever its case; None when it is not there."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def json(self) -> object:
        """Return the body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def request_id(self) -> str | None:
        """The id in the path, for the calls that carry one."""
        return route(self.method, self.path)[1]


def route(method: str, path: str) -> tuple[Call, str | None]:
    """Return which call a request line makes, and the id in its path if there is one."""
    for wanted, pattern, call in ROUTES:
        match = pattern.fullmatch(path) if method == wanted else None
        if match:
            return call, match[1] if match.groups() else None
    return Call.UNKNOWN, None


class Reader:
    """The requests of one connection; what was read beyond one is kept for the next."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self._connection = connection
        self._number = number
        self._buffer = b""

    def __repr__(self) -> str:
        """Name the connection and what is unread in the buffer."""
        return f"<Reader connection={self._number} buffered={len(self._buffer)}>"

    def head(self) -> Request:
        """Return the next request without its body, `complete` False. Raises PeerGone."""
        lines = self._until(b"\r\n\r\n").decode("utf-8", "surrogateescape").split("\r\n")
        method, path, _version = lines[0].split(" ")
        call, _ = route(method, path)
        return Request(call, method, path, _fields(lines[1:]), b"", self._number, complete=False)

    def whole(self, head: Request) -> Request:
        """Return the request with its body, or with what came of it before the peer went."""
        body = bytearray()
        trailers: tuple[tuple[str, str], ...] = ()
        chunks = 0
        complete = True
        try:
            if (head.header("Transfer-Encoding") or "").lower() == "chunked":
                while self._chunk(body):
                    chunks += 1
                trailers = self._trailers()
            else:
                self._exactly(int(head.header("Content-Length") or 0), body)
        except PeerGone:
            complete = False
        return replace(head, body=bytes(body), trailers=trailers, complete=complete, chunks=chunks)

    def begun(self, head: Request) -> Request:
        """Return the request with the first chunk of its body. Raises PeerGone."""
        body = bytearray()
        self._chunk(body)
        return replace(head, body=bytes(body), chunks=1)

    def _chunk(self, body: bytearray) -> int:
        size = int(self._until(b"\r\n").split(b";")[0], 16)
        if size:
            self._exactly(size, body)
            self._until(b"\r\n")
        return size

    def _trailers(self) -> tuple[tuple[str, str], ...]:
        lines = []
        while line := self._until(b"\r\n"):
            lines.append(line.decode())
        return _fields(lines)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += self._receive()
        found, self._buffer = self._buffer.split(mark, 1)
        return found

    def _exactly(self, size: int, into: bytearray) -> None:
        goal = len(into) + size
        into += self._buffer[:size]
        self._buffer = self._buffer[size:]
        while len(into) < goal:
            data = self._receive()
            missing = goal - len(into)
            into += data[:missing]
            self._buffer = data[missing:]

    def _receive(self) -> bytes:
        try:
            data = self._connection.recv(READ_BYTES)
        except OSError as exc:
            raise PeerGone from exc
        if not data:
            raise PeerGone
        return data


def _fields(lines: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = (line.partition(":") for line in lines)
    return tuple((name, value.strip()) for name, _, value in pairs)
