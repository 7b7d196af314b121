"""Where this client and h11, as a client, read the same bytes differently, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_OK: Final = b"HTTP/1.1 200 OK\r\n"
_CHUNKED: Final = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Bytes that one of the two takes for a whole response, and the other does not."""

    name: str
    data: bytes
    we_accept: bool


DISAGREEMENTS: Final = (
    # Old spellings that h11 forgives, for servers of all ages. Ours has one peer, which has none of
    # them, so they can only come from something that is not the Runtime API.
    Disagreement("bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", we_accept=False),
    Disagreement(
        "a folded header", _OK + b"A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", we_accept=False
    ),
    Disagreement("a list of lengths", _OK + b"Content-Length: 1, 1\r\n\r\na", we_accept=False),
    Disagreement("another minor version", b"HTTP/1.2 204 OK\r\n\r\n", we_accept=False),
    # 20 digits of a chunk size are beyond 64 bits; 16 are enough for any body.
    Disagreement("zeros before a chunk size", _CHUNKED + b"0" * 20 + b"\r\n\r\n", we_accept=False),
    # Nothing is done with trailers, reasons and extensions, so they are not looked at.
    Disagreement("a trailer without a colon", _CHUNKED + b"0\r\ngarbage\r\n\r\n", we_accept=True),
    Disagreement(
        "a control character in a reason",
        b"HTTP/1.1 200 O\x0bK\r\nContent-Length: 0\r\n\r\n",
        we_accept=True,
    ),
    # RFC 9110 5.5 lets a recipient keep them, where it forbids CR, LF and NUL, as we do.
    Disagreement(
        "a vertical tab in a value", _OK + b"A: 1\x0b2\r\nContent-Length: 0\r\n\r\n", we_accept=True
    ),
    # RFC 9112 7.1.1 wants this space parsed and removed.
    Disagreement("space before an extension", _CHUNKED + b"1 ;a\r\na\r\n0\r\n\r\n", we_accept=True),
)
