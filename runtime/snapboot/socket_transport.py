"""One kept-alive TCP connection to the Runtime API, on a raw socket.

`_socket` and not `socket`: the latter imports `selectors`, `enum` and more, 8 ms before the first
`next`. A signal handler written in Python runs while `recv` blocks, so no thread is needed for it;
`signals` has what a handler of SIGTERM needs beside that.

A connection that was kept is looked at before each request: the peer may have closed it while the
handler worked, or sent what no one asked for, which would be read as the next answer. `poll` is the
cheapest look: an empty list is a quiet, open connection, where `recv` with MSG_PEEK would raise an
exception each time, at four times the price.
"""

import _socket
from _signal import SIGTERM, getsignal  # type: ignore[import-not-found]
from select import POLLIN, poll

from .wire import ConnectionLostError, Response, ResponseReader, field_lines, fixed_part, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .api import Upload

    Address = tuple[int, int, int, str, Any]

# One receive takes a typical event whole, its head included.
RECEIVE_BYTES = 1 << 16
# Up to here a body is copied behind its head; beyond, the kernel gathers the two.
JOIN_BYTES = 1 << 14
DEFAULT_PORT = 80
STDERR = 2

# How much of a request went out.
WHOLE = "whole"
CUT = "cut"
_HUNG_UP = (BrokenPipeError, ConnectionResetError)


class SocketTransport:
    """Exchanges requests for responses over one connection, made again when it is unfit."""

    __slots__ = (
        "_connection",
        "_fixed",
        "_headers",
        "_host",
        "_lines",
        "_name",
        "_reader",
        "_requests",
        "look",
    )

    if TYPE_CHECKING:
        # Gives something once the peer has sent something, or ended the connection.
        look: Callable[[int], list[tuple[int, int]]]
        _name: Any

    def __init__(self, host: str, headers: "Iterable[tuple[str, str]]" = ()) -> None:
        """Take the address as `AWS_LAMBDA_RUNTIME_API` has it, and the headers of each request."""
        self._host = host
        self._fixed = fixed_part(host, headers)
        # Those without a body or headers of their own are made once.
        self._requests: dict[tuple[str, str], bytes] = {}
        # The last headers, and their lines behind the fixed part: those of an answer mostly repeat.
        self._headers: tuple[tuple[str, str], ...] = ()
        self._lines = self._fixed
        self._connection: _socket.socket | None = None
        self._reader = ResponseReader()

    def __repr__(self) -> str:
        return f"<SocketTransport to {self._host}, {'open' if self._connection else 'closed'}>"

    def exchange(
        self,
        method: str,
        target: str,
        headers: "tuple[tuple[str, str], ...]",
        body: "bytes | None",
    ) -> Response:
        """Send a request, once, and return its response, however long that takes.

        Raises ConnectionLostError when there is none, ProtocolError when it is not HTTP.
        """
        if body is None and not headers:
            head = self._requests.get((method, target)) or self._make(method, target)
        else:
            if headers != self._headers:
                self._lines = self._fixed + field_lines(headers)
                self._headers = headers
            head = request(method, target, self._lines, None if body is None else len(body))
        try:
            # A peer that has answered enough (413) may stop reading; its answer is what counts.
            sent = self._send_kept(head, body) or self._send_new(head, body)
            # What is asked for without a body, an event or a restore, may be long in coming.
            if body is None and callable(getsignal(SIGTERM)):
                self._heed_signals()
            response = self._receive()
        except OSError as exc:
            self.close()
            raise ConnectionLostError(f"the connection was lost: {exc}") from exc
        except BaseException:
            self.close()
            raise
        if sent is not WHOLE or response.closing:
            self.close()
        return response

    def begin(self, target: str, headers: "Iterable[tuple[str, str]]") -> "Upload":
        """Begin a POST whose body is sent piece by piece. Raises ConnectionLostError."""
        from .upload import SocketUpload

        chunked = [*headers, ("Transfer-Encoding", "chunked")]
        head = request("POST", target, self._fixed + field_lines(chunked), None)
        try:
            sent = self._send_kept(head, None) or self._send_new(head, None)
        except OSError as exc:
            self.close()
            raise ConnectionLostError(f"the connection was lost: {exc}") from exc
        assert self._connection is not None
        return SocketUpload(self, self._connection, accepting=sent is WHOLE)

    def receive_last(self) -> Response:
        """Return the response to what was begun, and close. Raises RuntimeAPIError."""
        try:
            return self._receive()
        except OSError as exc:
            raise ConnectionLostError(f"the connection was lost: {exc}") from exc
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next exchange makes a new one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not _is(connection, self._name):
            # The function has closed it, and its number may be that of a file of the function's.
            connection.detach()
            return
        try:  # what is left unread would make a reset of an orderly end
            connection.recv(RECEIVE_BYTES, _socket.MSG_DONTWAIT)
        except OSError:
            pass
        connection.close()

    def _make(self, method: str, target: str) -> bytes:
        made = self._requests[method, target] = request(method, target, self._fixed, None)
        return made

    def _send_kept(self, head: bytes, body: bytes | None) -> "str | None":
        """Send over the kept connection; return None when nothing went out, as that is unfit."""
        connection = self._connection
        if connection is None or self.look(0):
            return None
        try:
            return _send(connection, head, body)
        except OSError:  # it ended after the look
            return None

    def _send_new(self, head: bytes, body: bytes | None) -> str:
        self.close()
        connection = self._connect()
        try:
            return _send(connection, head, body)
        except _HUNG_UP:
            return CUT

    def _heed_signals(self) -> None:
        assert self._connection is not None
        try:
            from .signals import wait_readable
        except OSError:  # the function has left no descriptor to read the module by
            return
        wait_readable(self._connection.fileno())

    def _receive(self) -> Response:
        connection = self._connection
        assert connection is not None
        reader = self._reader
        response = None
        while response is None:
            try:
                if reader.body_buffer is None:
                    response = reader.feed(connection.recv(RECEIVE_BYTES))
                else:
                    response = reader.filled(connection.recv_into(reader.body_buffer))
            except BlockingIOError:
                block(connection)
        return response

    def _connect(self) -> _socket.socket:
        try:
            connection = _connected(_addresses(*_split(self._host)))
        except (OSError, OverflowError, ValueError) as exc:
            raise ConnectionLostError(
                f"cannot connect to {self._host!r} (AWS_LAMBDA_RUNTIME_API): {exc}"
            ) from exc
        self._connection = connection
        self._name = connection.getsockname()
        self._reader = ResponseReader()
        watch = poll()
        watch.register(connection, POLLIN)
        self.look = watch.poll
        return connection


def _send(connection: _socket.socket, head: bytes, body: bytes | None) -> str:
    """Send a request; return CUT if the peer hung up amid it, else WHOLE.

    Raises OSError when not one byte of it went out.
    """
    if body is None or len(body) <= JOIN_BYTES:
        data = head + body if body else head
        gone = connection.send(data)
        if gone == len(data):
            return WHOLE
        return send_all(connection, data[gone:])
    gone = connection.sendmsg((head, body)) - len(head)
    if gone < 0:
        return send_all(connection, head[gone:] + body)
    return send_all(connection, memoryview(body)[gone:])


def send_all(connection: _socket.socket, data: "bytes | memoryview") -> str:
    """Send data of which the peer has had some before; return CUT if it hung up, else WHOLE."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[connection.send(rest) :]
        except BlockingIOError:
            block(connection)
        except _HUNG_UP:
            return CUT
    return WHOLE


def _is(connection: _socket.socket, name: "Any") -> bool:
    """Whether the descriptor is still that of the connection with this local address."""
    try:
        return bool(connection.getsockname() == name)
    except OSError:
        return False


def block(connection: _socket.socket) -> None:
    """Have calls wait again: someone with a descriptor of this connection has set O_NONBLOCK."""
    connection.settimeout(None)


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
