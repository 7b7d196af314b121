"""The second transport: for a Runtime API behind TLS, or where a raw socket will not do.

Costs 80 ms of import. A call is made once: no retries, no redirects, no timeouts, no proxies.
"""

import urllib3

from .wire import ConnectionLostError, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Urllib3Transport:
    """Exchanges requests for responses over a pool of one connection."""

    __slots__ = ("_pool", "_url")

    def __init__(self, address: str) -> None:
        """Take `host:port`, or a URL for another scheme than `http`."""
        self._url = address if "://" in address else f"http://{address}"
        self._pool = urllib3.connection_from_url(
            self._url, maxsize=1, block=True, retries=False, timeout=urllib3.Timeout(None)
        )

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

        Raises ConnectionLostError when there is none.
        """
        try:
            answer = self._pool.urlopen(
                method, target, body=body, headers=dict(headers), redirect=False
            )
        except urllib3.exceptions.HTTPError as exc:
            raise ConnectionLostError(f"no response from {self._url!r}: {exc}") from exc
        values = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status, values, closing=False)
        response.body = answer.data
        return response

    def close(self) -> None:
        """Drop the connection; the next exchange makes a new one."""
        self._pool.close()
        self._pool = urllib3.connection_from_url(
            self._url, maxsize=1, block=True, retries=False, timeout=urllib3.Timeout(None)
        )
