"""Messages of `application/vnd.amazon.eventstream`, as AWS's clients read them. Encoding only.

A message is: its length, its headers' length, a CRC of these two; headers; payload; a CRC of all
(the event stream encoding of the AWS SDKs). Numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

from snapboot_devkit.host.protocol import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

# What the parsers of AWS's SDKs take.
MAX_HEADERS_BYTES: Final = 128 * KIB
MAX_PAYLOAD_BYTES: Final = 24 * MIB

_STRING: Final = 7
_FRAME_BYTES: Final = 16


def encode(headers: Mapping[str, str], payload: bytes = b"") -> bytes:
    """Return one message. Raises ValueError for what no reader would take."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    _check_size("headers", len(encoded), MAX_HEADERS_BYTES)
    _check_size("payload", len(payload), MAX_PAYLOAD_BYTES)
    lengths = struct.pack(">II", _FRAME_BYTES + len(encoded) + len(payload), len(encoded))
    message = b"".join((lengths, struct.pack(">I", crc32(lengths)), encoded, payload))
    return message + struct.pack(">I", crc32(message))


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    """Return a message of a kind that the API's model knows."""
    return encode(
        {":message-type": "event", ":event-type": kind, ":content-type": content_type}, payload
    )


def error(code: str, message: str) -> bytes:
    """Return a message that says why the stream breaks off; clients raise it."""
    return encode({":message-type": "error", ":error-code": code, ":error-message": message})


def _header(name: str, value: str) -> bytes:
    named, text = name.encode(), value.encode()
    return struct.pack(
        f">B{len(named)}sBH{len(text)}s", len(named), named, _STRING, len(text), text
    )


def _check_size(part: str, size: int, limit: int) -> None:
    if size > limit:
        raise ValueError(f"the {part} of a message have {size} bytes; at most {limit} can be read")
