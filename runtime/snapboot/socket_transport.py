"""One kept-alive TCP connection to the Runtime API, on a raw socket.

`_socket` and not `socket`: the latter imports `selectors`, `enum` and more, 8 ms before the first
`next`. A signal handler written in Python runs while `recv` blocks, so no thread is needed for it.
"""

import _socket

from .wire import ConnectionLostError, Response, ResponseReader, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Address = tuple[int, int, int, str, Any]

# One receive takes a typical event whole, its head included.
RECEIVE_BYTES = 1 << 16
# Up to here a body is copied behind its head; beyond, the kernel gathers the two.
JOIN_BYTES = 1 << 14
DEFAULT_PORT = 80
STDERR = 2


class SocketTransport:
    """Exchanges requests for responses over one connection, made anew when it is known dead."""

    __slots__ = ("_connection", "_host", "_reader")

    def __init__(self, host: str) -> None:
        """Take the address as `AWS_LAMBDA_RUNTIME_API` has it: `host:port`."""
        self._host = host
        self._connection: _socket.socket | None = None
        self._reader = ResponseReader()

    def __repr__(self) -> str:
        return f"<SocketTransport to {self._host}, {'open' if self._connection else 'closed'}>"

    def exchange(
        self,
        method: str,
        target: str,
        headers: "Iterable[tuple[str, str]]",
        body: "bytes | None",
    ) -> Response:
        """Send a request, once, and return its response, however long that takes.

        Raises ConnectionLostError when there is none, ProtocolError when it is not HTTP.
        """
        connection = self._connection or self._connect()
        head = request(method, target, self._host, headers, None if body is None else len(body))
        reusable = False
        try:
            # A peer that has answered enough (413) may stop reading; its answer is what counts.
            sent = _send(connection, head, body)
            response = self._receive(connection)
            reusable = sent and not response.closing and self._reader.untouched
        except OSError as exc:
            raise ConnectionLostError(f"the connection was lost: {exc}") from exc
        finally:
            if not reusable:
                self.close()
        return response

    def close(self) -> None:
        """Drop the connection; the next exchange makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _receive(self, connection: _socket.socket) -> Response:
        reader = self._reader
        response = None
        while response is None:
            if reader.vacancy is None:
                response = reader.feed(connection.recv(RECEIVE_BYTES))
            else:
                response = reader.filled(connection.recv_into(reader.vacancy))
        return response

    def _connect(self) -> _socket.socket:
        try:
            self._connection = connection = _connected(_addresses(*_split(self._host)))
        except (OSError, OverflowError, ValueError) as exc:
            raise ConnectionLostError(
                f"cannot connect to {self._host!r} (AWS_LAMBDA_RUNTIME_API): {exc}"
            ) from exc
        self._reader = ResponseReader()
        return connection


def _send(connection: _socket.socket, head: bytes, body: bytes | None) -> bool:
    """Return whether everything went out; the peer may have closed its reading half."""
    try:
        if body is None or len(body) <= JOIN_BYTES:
            connection.sendall(head + body if body else head)
            return True
        gone = connection.sendmsg((head, body)) - len(head)
        if gone < 0:
            connection.sendall(head[gone:])
            gone = 0
        connection.sendall(memoryview(body)[gone:])
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _split(host: str) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, str(DEFAULT_PORT)
    return name.removeprefix("[").removesuffix("]"), int(port)


def _connected(addresses: "Iterable[Address]") -> _socket.socket:
    """Connect to the first address that accepts; a kernel may lack the family of another."""
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in addresses:
        try:
            return _opened(_above_standard_streams(family, kind, protocol), address)
        except OSError as exc:
            failure = exc
    raise failure


def _above_standard_streams(family: int, kind: int, protocol: int) -> _socket.socket:
    """Make a socket whose descriptor is not that of a closed stdin, stdout or stderr.

    What prints there regardless would print into the Runtime API.
    """
    low = []
    while (made := _socket.socket(family, kind, protocol)).fileno() <= STDERR:
        low.append(made)
    for connection in low:
        connection.close()
    return made


def _opened(connection: _socket.socket, address: "Any") -> _socket.socket:
    if _socket.getdefaulttimeout() is not None:  # the function's, for its own sockets
        connection.settimeout(None)
    try:
        connection.connect(address)
        connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except (OSError, OverflowError):  # the latter for a port beyond 65535
        connection.close()
        raise
    return connection


def _addresses(name: str, port: int) -> "Iterable[Address]":
    if name.replace(".", "").isdecimal():  # the platform's case; a look-up would load libnss
        return ((_socket.AF_INET, _socket.SOCK_STREAM, 0, "", (name, port)),)
    return _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM)
