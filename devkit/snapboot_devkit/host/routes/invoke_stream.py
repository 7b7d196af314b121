"""InvokeWithResponseStream on the wire: what a function says as messages of an event stream.

A message of `application/vnd.amazon.eventstream` is: its length, its headers' length, a CRC of
these two; headers; payload; a CRC of all (the event stream encoding of the AWS SDKs). Numbers are
big-endian.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final
from zlib import crc32

from snapboot_devkit.host import protocol
from snapboot_devkit.host.routes.invoke import ids, log_tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

# What the parsers of AWS's SDKs take.
MAX_HEADERS_BYTES: Final = 128 * protocol.KIB
MAX_PAYLOAD_BYTES: Final = 24 * protocol.MIB

_STRING: Final = 7
_FRAME_BYTES: Final = 16

# A whole result is cut, so that no message nears what a client's parser takes.
_CHUNK_BYTES: Final = protocol.MIB


def headers(invocation: Invocation, version: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of a response that begins."""
    return (
        (protocol.CONTENT_TYPE, CONTENT_TYPE),
        *ids(invocation),
        (protocol.EXECUTED_VERSION, version.encode()),
    )


def chunks(payload: bytes | bytearray) -> Iterator[bytes]:
    """Yield the messages that carry a payload, or a piece of one."""
    for start in range(0, len(payload), _CHUNK_BYTES):
        piece = bytes(payload[start : start + _CHUNK_BYTES])
        yield event(protocol.PAYLOAD_CHUNK, protocol.OCTETS, piece)


def complete(result: FunctionResult, log: bytes | None) -> bytes:
    """Return the last message; of a result that is an error the payload becomes the details."""
    document: dict[str, str] = {}
    if result.failed:
        payload = bytes(result.payload)
        document["ErrorCode"] = result.error_type or _named_in(payload) or protocol.UNHANDLED
        if payload:
            document["ErrorDetails"] = payload.decode("utf-8", "replace")
    if log is not None:
        document["LogResult"] = log_tail(log).decode("ascii")
    content = json.dumps(document).encode()
    return event(protocol.INVOKE_COMPLETE, protocol.JSON, content)


def broken_off(failure: ServiceFailure) -> bytes:
    """Return the last message of a stream that the service itself breaks off."""
    return error(failure.exception, failure.message)


def _named_in(document: bytes) -> str | None:
    """Return the error type in an error document, if it is one."""
    try:
        named = json.loads(document)["errorType"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return named if isinstance(named, str) else None


# ---- messages --------------------------------------------------------------------------------


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
