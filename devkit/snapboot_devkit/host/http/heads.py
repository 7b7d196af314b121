"""The head of a usual request, read by two strict expressions: of its line, and of its fields.

What they do not match goes to h11, whose verdict counts: a head that is not whole, an
unusual method or version, a body in chunks, an expectation, a name that comes twice, bytes beyond
ASCII. What they do match, h11 would read the same.

Most peers send the same head, or the same fields, again and again: short ones are looked up before
they are read. The id by which a runtime names its delivery is left out of what is looked up.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http import site
from snapboot_devkit.host.http.exchange import Head

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each repetition is possessive or ends where the next one begins: reading takes linear time.
_NAME: Final = rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]++"
_VALUE: Final = rb"(?:[!-~](?:[ -~]*[!-~])?)?"
_LINE: Final = re.compile(rb"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (/[!-~]*+) HTTP/1\.1")
_FIELDS: Final = re.compile(rb"(?:" + _NAME + rb":[ \t]*+" + _VALUE + rb"\r\n)++\r\n")
_FIELD: Final = re.compile(rb"([^:]++):[ \t]*+([^\r]*+)\r\n")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
# What is new in each answer of a runtime that names its delivery.
_DELIVERY: Final = re.compile(rb"\r\n(?i:%b): ([0-9a-f-]{36})\r\n" % protocol.INVOCATION_ID)
# They say how the body or the connection goes on, which is more than a head.
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_END: Final = b"\r\n\r\n"
# Heads and fields that are kept, and how long each may be: 256 KB at most.
_KEPT: Final = 64
_KEPT_BYTES: Final = 2048


# A head, the length of its body, whether the connection lasts, and how long the head is.
Usual: TypeAlias = "tuple[Head, int, bool, int]"
# Headers, the length of the body, whether the connection lasts.
Fields: TypeAlias = "tuple[Mapping[bytes, bytes], int, bool]"


def usual(data: bytes) -> Usual | None:
    """Return a usual head that stands at the beginning, or None."""
    found = data.find(_END)
    if found < 0:
        return None
    end = found + 4
    return _known(data[:end]) if end <= _KEPT_BYTES else _read(data[:end])


def _read(data: bytes) -> Usual | None:
    line, _, lines = data.partition(b"\r\n")
    found = _LINE.fullmatch(line)
    delivery = _DELIVERY.search(lines)
    if delivery is not None:
        lines = lines[: delivery.start(1)] + lines[delivery.end(1) :]
    fields = _known_fields(lines) if len(lines) <= _KEPT_BYTES else _fields(lines)
    if found is None or fields is None:
        return None
    method, target = found.groups()
    path, _, query = target.decode("ascii").partition("?")
    alike, length, is_lasting = fields
    headers = {**alike, protocol.INVOCATION_ID: delivery[1]} if delivery is not None else alike
    head = Head(method.decode("ascii"), path, query, headers, "1.1", alike)
    return head, length, is_lasting, len(data)


def _fields(lines: bytes) -> Fields | None:
    """Read all behind the request line: an answer's path is new each time, its fields are not."""
    if not _FIELDS.fullmatch(lines):
        return None
    fields = _FIELD.findall(lines)
    headers = {name.lower(): value for name, value in fields}
    if len(headers) < len(fields) or not _UNUSUAL.isdisjoint(headers):
        return None
    length = headers.get(b"content-length", b"0")
    host = headers.get(b"host")
    if host is None or not _LENGTH.fullmatch(length) or not site.is_place(host.decode("ascii")):
        return None
    return headers, int(length), not wants_close(headers)


_known: Final = functools.lru_cache(_KEPT)(_read)
_known_fields: Final = functools.lru_cache(_KEPT)(_fields)


def wants_close(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a peer wants the connection to end with its request."""
    return b"close" in headers.get(b"connection", b"").lower()
