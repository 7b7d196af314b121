"""The second transport: for a Runtime API behind TLS, or where a raw socket will not do.

Costs 80 ms of import. A call is made once: no retries, no redirects, no timeouts, no proxies.
"""

import select
from _signal import SIGTERM, getsignal  # type: ignore[import-not-found]
from http.client import (
    BadStatusLine,
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
    LineTooLong,
    RemoteDisconnected,
)
from socket import SHUT_WR

import urllib3
from urllib3 import connection
from urllib3.exceptions import HTTPError

from .signals import wait_readable
from .wire import ConnectionLostError, ProtocolError, Response, RuntimeAPIError, field_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# The peer has ended the connection; only Linux shows it.
ENDED = getattr(select, "POLLRDHUP", 0)


class Urllib3Transport:
    """Exchanges requests for responses over a pool of one connection."""

    __slots__ = ("_headers", "_pool", "_url")

    def __init__(self, address: str, headers: "Iterable[tuple[str, str]]" = ()) -> None:
        """Take `host:port`, or a URL for another scheme than `http`, and each request's headers."""
        self._url = address if "://" in address else f"http://{address}"
        self._headers = tuple(headers)
        self._pool = self._new_pool()

    def __repr__(self) -> str:
        return f"<Urllib3Transport to {self._url}>"

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
        try:
            answer = self._pool.urlopen(
                method,
                target,
                body=body,
                headers=dict((*self._headers, *headers)),
                redirect=False,
                decode_content=False,  # an event's bytes are the handler's
            )
        except HTTPError as exc:
            raise _failure(exc)(f"no response from {self._url!r}: {exc}") from exc
        values = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status, values)
        response.body = answer.data
        return response

    def begin(self, target: str, headers: "Iterable[tuple[str, str]]") -> "Urllib3Upload":
        """Begin a POST whose body is sent piece by piece, over a connection of its own."""
        return Urllib3Upload(self._url, target, (*self._headers, *headers))

    def close(self) -> None:
        """Drop the connection; the next exchange makes a new one."""
        self._pool.close()
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        forever = urllib3.Timeout(connect=None, read=None)
        try:
            pool = urllib3.connection_from_url(
                self._url, maxsize=1, block=True, retries=False, timeout=forever
            )
        except HTTPError as exc:
            raise ConnectionLostError(
                f"cannot connect to {self._url!r} (AWS_LAMBDA_RUNTIME_API): {exc}"
            ) from exc
        pool.ConnectionCls = _TLSConnection if pool.scheme == "https" else _PlainConnection
        return pool


class _WaitsForSignals:
    if TYPE_CHECKING:
        sock: Any

    def getresponse(self) -> "Any":
        if callable(getsignal(SIGTERM)) and not getattr(self.sock, "pending", int)():
            wait_readable(self.sock.fileno())
        return super().getresponse()  # type: ignore[misc]


class _PlainConnection(_WaitsForSignals, connection.HTTPConnection):
    pass


class _TLSConnection(_WaitsForSignals, connection.HTTPSConnection):
    pass


class Urllib3Upload:
    """The body of one POST, by `http.client`: urllib3 sends no trailers."""

    __slots__ = ("_accepting", "_connection", "_look", "_url")

    def __init__(self, url: str, target: str, headers: "Iterable[tuple[str, str]]") -> None:
        self._url = url
        self._accepting = True
        self._connection = _connection_of(url)
        try:
            self._connection.putrequest("POST", target, skip_accept_encoding=True)
            for name, value in (*headers, ("Transfer-Encoding", "chunked")):
                self._connection.putheader(name, value.encode("latin-1"))
            self._connection.endheaders()
        except OSError as exc:
            self._connection.close()
            raise ConnectionLostError(f"cannot connect to {url!r}: {exc}") from exc
        watch = select.poll()
        # Over TLS what can be read need not be an answer: tickets of the session come, too.
        answered = 0 if url.startswith("https:") else select.POLLIN
        watch.register(self._connection.sock, answered | ENDED)
        self._look = watch.poll

    def __repr__(self) -> str:
        return f"<Urllib3Upload to {self._url}>"

    def write(self, data: bytes) -> bool:
        """Send a piece; return False when the peer takes no more: it has answered, or is gone."""
        self._accepting = self._accepting and not self._look(0)
        self._send(b"%x\r\n%b\r\n" % (len(data), data))
        return self._accepting

    async def write_soon(self, data: bytes) -> bool:
        """Do what `write` does; the event loop waits meanwhile."""
        return self.write(data)

    def finish(self, trailers: "list[tuple[str, str]]") -> Response:
        """End the body and return the response.

        Raises ConnectionLostError when there is none, ProtocolError when it is not HTTP.
        """
        self._send(f"0\r\n{field_lines(trailers)}\r\n".encode("latin-1"))
        try:
            answer = self._connection.getresponse()
            values = {name.lower(): value for name, value in answer.headers.items()}
            response = Response(answer.status, values)
            response.closing = True
            response.body = answer.read()
        except (HTTPException, OSError) as exc:
            raise _failure(exc)(f"no response from {self._url!r}: {exc}") from exc
        finally:
            self._connection.close()
        return response

    def _send(self, data: bytes) -> None:
        """Send all of it; after less the peer is not to wait for the rest.

        A signal handler of the function's may raise in here.
        """
        if not self._accepting:
            return
        self._accepting = False
        try:
            self._connection.send(data)
            self._accepting = True
        except OSError as exc:
            if exc.errno is None:  # not the kernel's
                raise
        finally:
            if not self._accepting and self._connection.sock is not None:
                try:
                    self._connection.sock.shutdown(SHUT_WR)
                except OSError:
                    pass


def _connection_of(url: str) -> HTTPConnection:
    parts = urllib3.util.parse_url(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.host or "", parts.port, timeout=None)


def _failure(exc: Exception) -> type[RuntimeAPIError]:
    """Distinguish bytes that are not HTTP from bytes that are missing, by what urllib3 wraps."""
    cause = exc.args[-1] if exc.args else exc
    if isinstance(cause, RemoteDisconnected):  # a BadStatusLine, to http.client
        return ConnectionLostError
    return ProtocolError if isinstance(cause, (BadStatusLine, LineTooLong)) else ConnectionLostError
