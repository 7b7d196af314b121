"""The words a scenario is written in: calls, events, replies, and the ways to spoil a reply."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Call(enum.Enum):
    """The calls of the Runtime API; the values are what reports and tables name them."""

    NEXT = "next"
    RESPONSE = "response"
    ERROR = "error"
    INIT_ERROR = "init/error"
    RESTORE_NEXT = "restore/next"
    RESTORE_ERROR = "restore/error"
    UNKNOWN = "unknown"


class Framing(enum.Enum):
    """How the end of a reply's body is shown."""

    LENGTH = "Content-Length"
    CHUNKED = "Transfer-Encoding: chunked"
    UNTIL_CLOSE = "the end of the connection"


class Stage(enum.Enum):
    """Where in an exchange the connection ends."""

    BEFORE_READING = "before reading the request"  # its head arrived, and is not acted upon
    MID_REQUEST = "amid the request"  # the head was read, the body was not
    AMID_BODY = "amid the body of the request"  # some of it was read
    BEFORE_REPLY = "before the reply"
    MID_HEAD = "amid the head of the reply"
    MID_BODY = "amid the body of the reply"
    AFTER_REPLY = "after the reply"  # a client finds out when it uses the connection again


class Ending(enum.Enum):
    """How a connection ends."""

    CLOSE = "closed"  # FIN: the peer reads an orderly end of stream, and may still write
    RESET = "reset"  # RST: the peer's reads and writes fail


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection ends at `stage`, by `ending`."""

    stage: Stage
    ending: Ending = Ending.RESET


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one request is answered; every default is what the platform does.

    `status` and `body` None: the status and body that belong to the call. `headers` are added.
    `raw` takes the place of the whole reply. `piece_bytes` is how much goes out in one send.
    `pause_s` is how long the server waits in the middle of the body. `closing` announces
    `Connection: close` and does it. `early` answers when the head is there, and takes no body.
    """

    status: int | None = None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    framing: Framing = Framing.LENGTH
    version: str = "HTTP/1.1"
    raw: bytes | None = None
    piece_bytes: int | None = None
    pause_s: float = 0
    closing: bool = False
    early: bool = False
    cut: Cut | None = None


NORMAL: Final = Reply()


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `headers` replaces headers of `next` by name, a value of None leaves one out.

    Without a `request_id` it gets one of the server, which numbers its events from 1.
    """

    body: bytes = b"{}"
    request_id: str = ""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    timeout_s: float = 60

    def numbered(self, number: int) -> Event:
        """Return the event with an id, which is its place in the order of service."""
        return replace(self, request_id=self.request_id or f"00000000-0000-4000-8000-{number:012d}")


def refusal(error_type: str, message: str) -> bytes:
    """Return the body of an answer that refuses a call."""
    return json.dumps({"errorMessage": message, "errorType": error_type}).encode() + b"\n"


# What RAPID says with each status (internal/lambda/rapi/rendering/render_error.go).
REFUSALS: Final[Mapping[int, bytes]] = {
    400: refusal("InvalidRequestID", "Invalid request ID"),
    403: refusal(
        "InvalidStateTransition",
        "State transition from Ready to RuntimeRestoreReady failed for runtime. "
        "Error: State transition is not allowed",
    ),
    404: b"404 page not found\n",
    410: refusal("InvokeTimeout", "Invoke timeout"),
    413: refusal("RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes)."),
    500: refusal("InternalServerError", "Internal Server Error"),
}
TRUNCATED: Final = refusal("TruncatedHTTPRequest", "HTTP request detected as truncated")
ACCEPTED: Final = b'{"status":"OK"}\n'
