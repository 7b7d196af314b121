"""The second transport: for a Runtime API behind TLS, or where a raw socket will not do.

Costs 80 ms of import. A call is made once: no retries, no redirects, no timeouts, no proxies.
"""

from http.client import BadStatusLine, LineTooLong, RemoteDisconnected

import urllib3
from urllib3.exceptions import HTTPError

from .wire import ConnectionLostError, ProtocolError, Response, RuntimeAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Urllib3Transport:
    """Exchanges requests for responses over a pool of one connection."""

    __slots__ = ("_pool", "_url")

    def __init__(self, address: str) -> None:
        """Take `host:port`, or a URL for another scheme than `http`."""
        self._url = address if "://" in address else f"http://{address}"
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
                headers=dict(headers),
                redirect=False,
                decode_content=False,  # an event's bytes are the handler's
            )
        except HTTPError as exc:
            raise _failure(exc)(f"no response from {self._url!r}: {exc}") from exc
        values = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status, values, closing=False)
        response.body = answer.data
        return response

    def close(self) -> None:
        """Drop the connection; the next exchange makes a new one."""
        self._pool.close()
        self._pool = self._new_pool()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        forever = urllib3.Timeout(connect=None, read=None)
        try:
            return urllib3.connection_from_url(
                self._url, maxsize=1, block=True, retries=False, timeout=forever
            )
        except HTTPError as exc:
            raise ConnectionLostError(
                f"cannot connect to {self._url!r} (AWS_LAMBDA_RUNTIME_API): {exc}"
            ) from exc


def _failure(exc: HTTPError) -> type[RuntimeAPIError]:
    """Tell bytes that are no HTTP from bytes that are missing, by what urllib3 wraps."""
    cause = exc.args[-1] if exc.args else exc
    if isinstance(cause, RemoteDisconnected):  # a BadStatusLine, to http.client
        return ConnectionLostError
    return ProtocolError if isinstance(cause, (BadStatusLine, LineTooLong)) else ConnectionLostError
