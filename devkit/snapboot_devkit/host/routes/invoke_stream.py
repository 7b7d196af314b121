"""InvokeWithResponseStream on the wire: what a function says as messages of an event stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http import eventstream
from snapboot_devkit.host.routes.invoke import ids, log_tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure

# A whole result is cut, so that no message nears what a client's parser takes.
_CHUNK_BYTES: Final = protocol.MIB


def headers(invocation: Invocation, version: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of a response that begins."""
    return (
        (protocol.CONTENT_TYPE, eventstream.CONTENT_TYPE),
        *ids(invocation),
        (protocol.EXECUTED_VERSION, version.encode()),
    )


def chunks(payload: bytes | bytearray) -> Iterator[bytes]:
    """Yield the messages that carry a payload, or a piece of one."""
    for start in range(0, len(payload), _CHUNK_BYTES):
        piece = bytes(payload[start : start + _CHUNK_BYTES])
        yield eventstream.event(protocol.PAYLOAD_CHUNK, protocol.OCTETS, piece)


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
    return eventstream.event(protocol.INVOKE_COMPLETE, protocol.JSON, content)


def broken_off(failure: ServiceFailure) -> bytes:
    """Return the last message of a stream that the service itself breaks off."""
    return eventstream.error(failure.exception, failure.message)


def _named_in(document: bytes) -> str | None:
    """Return the error type in an error document, if it is one."""
    try:
        named = json.loads(document)["errorType"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return named if isinstance(named, str) else None
