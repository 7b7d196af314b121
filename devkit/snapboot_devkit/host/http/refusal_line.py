"""A refused request as one line of the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Head, Response

FIRST_ERROR: Final = 400
# The caller chooses the path; the reason may quote what was sent.
_MAX_PATH: Final = 200
_MAX_REASON: Final = 1000
# Where the documents of the several APIs have their text.
_TEXTS: Final = ("errorMessage", "Message", "message")


def is_refusal(response: Response) -> bool:
    """Tell whether a response is the host's own no, and not what a function has answered."""
    return response.status >= FIRST_ERROR and not response.of_function


def refusal_line(head: Head | None, response: Response) -> str:
    """Return the line for a request, of which there may be no head that could be read."""
    what = "a request"
    if head is not None:
        what = f"{head.method} {head.header(b'host') or ''}{head.path}"
    reason = _plain(_reason(response), _MAX_REASON)
    return f"snapboot: {_plain(what, _MAX_PATH)} is answered {response.status}: {reason}"


def _reason(response: Response) -> str:
    given = dict(response.fields).get(protocol.SNAPBOOT_REASON)
    if given is not None:
        return given.decode()
    text = bytes(response.body).decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        return text
    found = document if isinstance(document, dict) else {}
    return next((str(found[name]) for name in _TEXTS if name in found), text)


def _plain(text: str, limit: int) -> str:
    """Return the text on one line, without anything that a terminal would obey."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    return "".join(sign if sign.isprintable() else " " for sign in cut).strip()
