"""What each runtime makes of each fault: one table.

Of awslambdaric more than one outcome may be listed: whether its HTTP library sends a POST again
after a reset depends on how far it had come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.contract.fault import Outcome

R, RR, RRR = (("response",) * count for count in (1, 2, 3))
E, EE, EEE = (("error",) * count for count in (1, 2, 3))
RE: Final = ("response", "error")
NONE: Final[tuple[str, ...]] = ()

# What the last line on stderr says. Ours begins with "snapboot: " and names the call.
ENDED: Final = "the connection ended before the response"
LOST: Final = "the connection was lost"
# By a reset amid a stream, which the sending meets or the receiving.
CUT: Final = "the connection"
INSIDE: Final = "the connection ended inside the response"
NO_HTTP: Final = "a response starts with b'garbage"
NO_NEXT: Final = "Failed to get next invocation"
NO_RESPONSE: Final = "Failed to post invocation response"
NO_ERROR: Final = "Failed to post invocation error"
GONE: Final = "RemoteDisconnected"
RESET: Final = "ConnectionResetError"
PARTIAL: Final = "IncompleteRead"


def answered(status: int) -> str:
    """Return what our last line says of a status."""
    return f"was answered {status}"


def reason(status: int) -> str:
    """Return what the last line of awslambdaric says of a status."""
    return f"Reason: '{status}'"


def on(sends: int, answers: tuple[str, ...]) -> Outcome:
    """Return the outcome of a runtime that goes on."""
    return Outcome(None, sends, answers)


def end(exit_code: int, sends: int, answers: tuple[str, ...], line: str = "") -> Outcome:
    """Return the outcome of a runtime that ends; `line` is a part of its last line."""
    return Outcome(exit_code, sends, answers, line)


# stage -> fault -> what snapboot does, then what awslambdaric does
OUTCOMES: Final[Mapping[str, Mapping[str, tuple[Outcome, ...]]]] = {
    "next": {
        "403": (end(1, 2, R, answered(403)), end(1, 2, R, NO_NEXT)),
        "500": (end(1, 2, R, answered(500)), end(1, 2, R, NO_NEXT)),
        "closed before reading the request": (on(4, RR), on(4, RR)),
        "reset before reading the request": (on(4, RR), on(4, RR)),
        "closed amid the request": (on(4, RR), on(4, RR)),
        "reset amid the request": (on(4, RR), on(4, RR)),
        "closed before the reply": (on(4, RR), on(4, RR)),
        "reset before the reply": (on(4, RR), on(4, RR)),
        "closed amid the head of the reply": (on(4, RR), on(3, RE)),
        "reset amid the head of the reply": (on(4, RR), end(1, 2, R, NO_NEXT)),
        "closed amid the body of the reply": (on(4, RR), end(1, 2, R, NO_NEXT)),
        "reset amid the body of the reply": (on(4, RR), end(1, 2, R, NO_NEXT)),
        "closed while idle": (on(3, RR), on(3, RR)),
        "reset while idle": (on(3, RR), on(3, RR)),
        "byte by byte": (on(3, RR), on(3, RR)),
        "chunked": (on(3, RR), on(3, RR)),
        "chunked, byte by byte": (on(3, RR), on(3, RR)),
        "Connection: close": (on(3, RR), on(3, RR)),
        "HTTP/1.0": (on(3, RR), on(3, RR)),
        "60 KB of headers": (on(3, RR), on(3, RR)),
        "no HTTP at all": (end(1, 2, R, NO_HTTP), end(1, 2, R, NO_NEXT)),
        "a pause of 5 s amid the body": (on(3, RR), on(3, RR)),
    },
    "response": {
        "400": (end(1, 1, R, answered(400)), end(1, 1, R, NO_RESPONSE)),
        "400 TruncatedHTTPRequest": (on(1, RR), end(1, 1, R, NO_RESPONSE)),
        "403": (end(1, 1, R, answered(403)), end(1, 1, R, NO_RESPONSE)),
        "410": (on(1, RR), end(1, 1, R, NO_RESPONSE)),
        "413": (on(1, RR), end(1, 1, R, NO_RESPONSE)),
        "500": (end(1, 1, R, answered(500)), end(1, 1, R, NO_RESPONSE)),
        "closed before reading the request": (end(1, 1, R, ENDED), end(1, 1, R, NO_RESPONSE)),
        "reset before reading the request": (
            end(1, 1, R, LOST),
            end(1, 1, R, NO_RESPONSE),
            on(2, RRR),
        ),
        "closed amid the request": (end(1, 1, R, ENDED), end(1, 1, R, NO_RESPONSE)),
        "reset amid the request": (end(1, 1, R, LOST), end(1, 1, R, NO_RESPONSE), on(2, RRR)),
        "closed before the reply": (end(1, 1, R, ENDED), end(1, 1, R, NO_RESPONSE)),
        "reset before the reply": (end(1, 1, R, LOST), end(1, 1, R, NO_RESPONSE)),
        "closed amid the head of the reply": (end(1, 1, R, INSIDE), on(1, RR)),
        "reset amid the head of the reply": (end(1, 1, R, LOST), end(1, 1, R, NO_RESPONSE)),
        "closed amid the body of the reply": (end(1, 1, R, INSIDE), end(1, 1, R, NO_RESPONSE)),
        "reset amid the body of the reply": (end(1, 1, R, LOST), end(1, 1, R, NO_RESPONSE)),
        "closed while idle": (on(1, RR), on(1, RR)),
        "reset while idle": (on(1, RR), on(1, RR)),
        "byte by byte": (on(1, RR), on(1, RR)),
        "chunked": (on(1, RR), on(1, RR)),
        "chunked, byte by byte": (on(1, RR), on(1, RR)),
        "Connection: close": (on(1, RR), on(1, RR)),
        "HTTP/1.0": (on(1, RR), on(1, RR)),
        "60 KB of headers": (on(1, RR), on(1, RR)),
        "no HTTP at all": (end(1, 1, R, NO_HTTP), end(1, 1, R, NO_RESPONSE)),
        "a pause of 5 s amid the body": (on(1, RR), on(1, RR)),
    },
    "stream": {
        "400": (end(1, 1, R, answered(400)),),
        "400 TruncatedHTTPRequest": (on(1, RR),),
        "403": (end(1, 1, R, answered(403)),),
        "410": (on(1, RR),),
        "413": (on(1, RR),),
        "500": (end(1, 1, R, answered(500)),),
        "closed before reading the request": (end(1, 1, R, ENDED),),
        "reset before reading the request": (end(1, 1, R, CUT),),
        "closed amid the request": (end(1, 1, R, ENDED),),
        "reset amid the request": (end(1, 1, R, CUT),),
        "closed before the reply": (end(1, 1, R, ENDED),),
        "reset before the reply": (end(1, 1, R, LOST),),
        "closed amid the head of the reply": (end(1, 1, R, INSIDE),),
        "reset amid the head of the reply": (end(1, 1, R, LOST),),
        "closed amid the body of the reply": (end(1, 1, R, INSIDE),),
        "reset amid the body of the reply": (end(1, 1, R, LOST),),
        "closed amid the body of the request": (end(1, 1, R, ENDED),),
        "reset amid the body of the request": (end(1, 1, R, CUT),),
        "closed while idle": (on(1, RR),),
        "reset while idle": (on(1, RR),),
        "400 at once": (end(1, 1, R, answered(400)),),
        "410 at once": (on(1, RR),),
        "413 at once": (on(1, RR),),
        "500 at once": (end(1, 1, R, answered(500)),),
        "byte by byte": (on(1, RR),),
        "chunked": (on(1, RR),),
        "chunked, byte by byte": (on(1, RR),),
        "Connection: close": (on(1, RR),),
        "HTTP/1.0": (on(1, RR),),
        "60 KB of headers": (on(1, RR),),
        "no HTTP at all": (end(1, 1, R, NO_HTTP),),
    },
    "long stream": {
        "413": (on(1, RR),),
        "500": (end(1, 1, R, answered(500)),),
        "400 TruncatedHTTPRequest": (on(1, RR),),
        "closed before reading the request": (end(1, 1, R, ENDED),),
        "reset before reading the request": (end(1, 1, R, CUT),),
        "closed amid the request": (end(1, 1, R, ENDED),),
        "reset amid the request": (end(1, 1, R, CUT),),
        "closed before the reply": (end(1, 1, R, ENDED),),
        "reset before the reply": (end(1, 1, R, LOST),),
        "closed amid the head of the reply": (end(1, 1, R, INSIDE),),
        "reset amid the head of the reply": (end(1, 1, R, LOST),),
        "closed amid the body of the reply": (end(1, 1, R, INSIDE),),
        "reset amid the body of the reply": (end(1, 1, R, LOST),),
        "closed amid the body of the request": (end(1, 1, R, ENDED),),
        "reset amid the body of the request": (end(1, 1, R, CUT),),
        "400 at once": (end(1, 1, R, answered(400)),),
        "410 at once": (on(1, RR),),
        "413 at once": (on(1, RR),),
        "500 at once": (end(1, 1, R, answered(500)),),
    },
    "error": {
        "400": (end(1, 1, E, answered(400)), end(1, 1, E, NO_ERROR)),
        "400 TruncatedHTTPRequest": (on(1, EE), end(1, 1, E, NO_ERROR)),
        "403": (end(1, 1, E, answered(403)), end(1, 1, E, NO_ERROR)),
        "410": (on(1, EE), end(1, 1, E, NO_ERROR)),
        "413": (on(1, EE), end(1, 1, E, NO_ERROR)),
        "500": (end(1, 1, E, answered(500)), end(1, 1, E, NO_ERROR)),
        "closed before reading the request": (end(1, 1, E, ENDED), end(1, 1, E, NO_ERROR)),
        "reset before reading the request": (
            end(1, 1, E, LOST),
            end(1, 1, E, NO_ERROR),
            on(2, EEE),
        ),
        "closed amid the request": (end(1, 1, E, ENDED), end(1, 1, E, NO_ERROR)),
        "reset amid the request": (end(1, 1, E, LOST), end(1, 1, E, NO_ERROR), on(2, EEE)),
        "closed before the reply": (end(1, 1, E, ENDED), end(1, 1, E, NO_ERROR)),
        "reset before the reply": (end(1, 1, E, LOST), end(1, 1, E, NO_ERROR)),
        "closed amid the head of the reply": (end(1, 1, E, INSIDE), on(1, EE)),
        "reset amid the head of the reply": (end(1, 1, E, LOST), end(1, 1, E, NO_ERROR)),
        "closed amid the body of the reply": (end(1, 1, E, INSIDE), end(1, 1, E, NO_ERROR)),
        "reset amid the body of the reply": (end(1, 1, E, LOST), end(1, 1, E, NO_ERROR)),
        "closed while idle": (on(1, EE), on(1, EE)),
        "reset while idle": (on(1, EE), on(1, EE)),
    },
    "init/error": {
        "none": (end(1, 1, NONE), end(1, 1, NONE)),
        "403": (end(1, 1, NONE, answered(403)), end(1, 1, NONE, reason(403))),
        "500": (end(1, 1, NONE, answered(500)), end(1, 1, NONE, reason(500))),
        "closed before reading the request": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset before reading the request": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the request": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset amid the request": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed before the reply": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset before the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the head of the reply": (end(1, 1, NONE, INSIDE), end(1, 1, NONE)),
        "reset amid the head of the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the body of the reply": (end(1, 1, NONE, INSIDE), end(1, 1, NONE, PARTIAL)),
        "reset amid the body of the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
    },
    "init/error of a hook": {
        "none": (end(64, 1, NONE), end(64, 1, NONE)),
        "403": (end(1, 1, NONE, answered(403)), end(1, 1, NONE, reason(403))),
        "500": (end(1, 1, NONE, answered(500)), end(1, 1, NONE, reason(500))),
    },
    "restore/next": {
        "none": (on(1, R), on(1, R)),
        "403": (end(64, 1, NONE), end(64, 1, NONE)),
        "404": (end(64, 1, NONE), end(64, 1, NONE)),
        "500": (end(64, 1, NONE), end(64, 1, NONE)),
        "closed before reading the request": (on(2, R), end(64, 1, NONE)),
        "reset before reading the request": (on(2, R), end(64, 1, NONE)),
        "closed amid the request": (on(2, R), end(64, 1, NONE)),
        "reset amid the request": (on(2, R), end(64, 1, NONE)),
        "closed before the reply": (on(2, R), end(64, 1, NONE)),
        "reset before the reply": (on(2, R), end(64, 1, NONE)),
        "closed amid the head of the reply": (on(2, R), on(1, R)),
        "reset amid the head of the reply": (on(2, R), end(64, 1, NONE)),
        "closed amid the body of the reply": (on(1, R), on(1, R)),
        "reset amid the body of the reply": (on(1, R), on(1, R)),
    },
    "next after restore": {
        "403": (end(1, 1, NONE, answered(403)), end(1, 1, NONE, NO_NEXT)),
        "500": (end(1, 1, NONE, answered(500)), end(1, 1, NONE, NO_NEXT)),
        "closed while idle": (on(2, R), on(2, R)),
        "reset while idle": (on(2, R), on(2, R)),
    },
    "restore/error": {
        "none": (end(65, 1, NONE), end(65, 1, NONE)),
        "403": (end(1, 1, NONE, answered(403)), end(1, 1, NONE, reason(403))),
        "404": (end(1, 1, NONE, answered(404)), end(1, 1, NONE, reason(404))),
        "500": (end(1, 1, NONE, answered(500)), end(1, 1, NONE, reason(500))),
        "closed before reading the request": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset before reading the request": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the request": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset amid the request": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed before the reply": (end(1, 1, NONE, ENDED), end(1, 1, NONE, GONE)),
        "reset before the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the head of the reply": (end(1, 1, NONE, INSIDE), end(65, 1, NONE)),
        "reset amid the head of the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed amid the body of the reply": (end(1, 1, NONE, INSIDE), end(1, 1, NONE, PARTIAL)),
        "reset amid the body of the reply": (end(1, 1, NONE, LOST), end(1, 1, NONE, RESET)),
        "closed while idle": (end(65, 1, NONE), end(65, 1, NONE)),
        "reset while idle": (end(65, 1, NONE), end(65, 1, NONE)),
    },
}
