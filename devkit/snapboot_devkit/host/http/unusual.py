"""A request whose head is not a usual one, read by h11; see `heads`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import h11

from snapboot_devkit.host.http.exchange import Head
from snapboot_devkit.host.http.heads import wants_close
from snapboot_devkit.host.protocol import MAX_HEAD_BYTES
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


class BadRequestError(Exception):
    """The peer does not keep to HTTP; answer with `status` and hang up."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestBegun:
    """A head has arrived.

    `length` is that of the body, None where only its end shows it. After a request that is
    not `lasting` the connection ends.
    """

    head: Head
    length: int | None
    lasting: bool


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """The request is whole; `trailers` are headers behind its body, `rest` is of the next one."""

    trailers: Mapping[bytes, bytes]
    rest: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer has ended its half before a request began."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """Nothing more is whole yet."""


Event: TypeAlias = RequestBegun | RequestEnded | Closed | Wanting | bytes
CLOSED: Final = Closed()
WANTING: Final = Wanting()


class UnusualRequest:
    """Reads one request, event by event."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    def __repr__(self) -> str:
        return f"<UnusualRequest {self._http.their_state}>"

    @property
    def rest(self) -> bytes:
        """What has arrived behind the last event."""
        return self._http.trailing_data[0]

    @property
    def peer_waits(self) -> bool:
        """Whether the peer sends its body only once the server says to continue."""
        return self._http.they_are_waiting_for_100_continue

    def feed(self, data: bytes) -> None:
        """Take what has arrived; nothing is the peer's end."""
        self._http.receive_data(data)

    def next_event(self) -> Event:
        """Return the next event; `bytes` are a piece of the body. Raises BadRequestError."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as exc:
            raise BadRequestError(exc.error_status_hint, str(exc)) from exc
        match event:
            case h11.Request():
                return _begun(event)
            case h11.Data():
                return bytes(event.data)
            case h11.EndOfMessage():
                return RequestEnded(_by_name(event.headers.raw_items()), self.rest)
            case h11.ConnectionClosed():
                return CLOSED
        return WANTING


def _begun(request: h11.Request) -> RequestBegun:
    path, _, query = request.target.decode("ascii", "replace").partition("?")
    version = "1.1" if request.http_version == b"1.1" else "1.0"
    headers = _by_name(request.headers.raw_items())
    lasting = version == "1.1" and not wants_close(headers)
    length = headers.get(b"content-length")
    if b"transfer-encoding" in headers:
        # A length is of no account beside chunks, and must not be taken for one (RFC 9112, 6.3);
        # a proxy in between may have seen the request end elsewhere (6.1).
        lasting = lasting and length is None
        headers.pop(b"content-length", None)
        length = None
    head = Head(request.method.decode("ascii"), path, query, headers, version)
    return RequestBegun(head, None if length is None else int(length), lasting)


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by their names; several of one name are one list (RFC 9110, 5.3)."""
    named: dict[bytes, bytes] = {}
    for raw_name, value in headers:
        name = raw_name.lower()
        if name in named:
            separator = b"; " if name == b"cookie" else b","
            named[name] += separator + value
        else:
            named[name] = value
    return named
