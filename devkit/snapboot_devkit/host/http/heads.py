"""The head of a usual request, read by one strict expression.

What the expression does not match goes to h11, whose verdict counts: a head that is not whole, an
unusual method or version, a body in chunks, an expectation, a name that comes twice, bytes beyond
ASCII. What it does match, h11 would read the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.http.exchange import Head

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each repetition is possessive or ends where the next one begins: reading takes linear time.
_NAME: Final = rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]++"
_VALUE: Final = rb"(?:[!-~](?:[ -~]*[!-~])?)?"
_HEAD: Final = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/[!-~]*+) HTTP/1\.1\r\n"
    rb"((?:" + _NAME + rb":[ \t]*+" + _VALUE + rb"\r\n)++)\r\n"
)
_FIELD: Final = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
# They say how the body or the connection goes on, which is more than a head.
_UNUSUAL: Final = (b"transfer-encoding", b"expect", b"upgrade")


def usual(data: bytes) -> tuple[Head, int, int] | None:
    """Return a head, the length of its body, and where in `data` that begins; None if unusual."""
    found = _HEAD.match(data)
    if found is None:
        return None
    method, target, lines = found.groups()
    fields = _FIELD.findall(lines)
    headers = {name.lower(): value for name, value in fields}
    if len(headers) < len(fields) or b"host" not in headers:
        return None
    for name in _UNUSUAL:
        if name in headers:
            return None
    length = headers.get(b"content-length", b"0")
    if not _LENGTH.fullmatch(length):
        return None
    path, _, query = target.decode("ascii").partition("?")
    return Head(method.decode("ascii"), path, query, headers), int(length), found.end()


def wants_close(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a peer wants the connection to end with its request."""
    return b"close" in headers.get(b"connection", b"").lower()
