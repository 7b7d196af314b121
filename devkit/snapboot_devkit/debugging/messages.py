"""The framing of the Debug Adapter Protocol, sans-IO: bytes in, messages out.

A message is JSON behind HTTP-like headers, of which `Content-Length` alone has a meaning
(microsoft.github.io/debug-adapter-protocol/overview, "Base Protocol").
"""

from __future__ import annotations

import json
from typing import Any, Final

from snapboot_devkit.host.protocol import MIB

MAX_HEAD_BYTES: Final = 4096
# Variables of a function can be large; debugpy cuts them long before this.
MAX_MESSAGE_BYTES: Final = 64 * MIB

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length"
# Whatever has others, such as a browser's request, must not reach an interpreter.
_FIELDS: Final = frozenset({_LENGTH, b"content-type"})
_MAX_DIGITS: Final = 20


class MessageError(ValueError):
    """What arrived is not the Debug Adapter Protocol: hang up."""


class MessageReader:
    """Takes bytes as they come, and gives the messages that have become whole."""

    def __init__(self) -> None:
        """Begin before a head."""
        self._buffer = bytearray()
        self._searched = 0
        self._length: int | None = None

    def __repr__(self) -> str:
        return f"<MessageReader, {len(self._buffer)} bytes of {self._length or 'a head'}>"

    def receive(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that end in `data`. Raises MessageError, after which it is no use."""
        self._buffer += data
        messages = []
        while (content := self._content()) is not None:
            messages.append(_parsed(content))
        return messages

    def _content(self) -> bytes | None:
        """Return the next message's JSON, or None until it is whole."""
        if self._length is None and not self._read_head():
            return None
        assert self._length is not None
        if len(self._buffer) < self._length:
            return None
        return self._taken(self._length)

    def _read_head(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD, self._searched)
        if end > MAX_HEAD_BYTES or (end < 0 and len(self._buffer) > MAX_HEAD_BYTES):
            raise MessageError(f"a head is longer than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            # The end may have begun in the bytes at hand.
            self._searched = max(0, len(self._buffer) - len(_END_OF_HEAD) + 1)
            return False
        self._length = _length(bytes(self._buffer[:end]))
        del self._buffer[: end + len(_END_OF_HEAD)]
        return True

    def _taken(self, size: int) -> bytes:
        content = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched, self._length = 0, None
        return content


def framed(message: dict[str, Any]) -> bytes:
    """Return a message as it is sent."""
    content = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(content) + content


def _length(head: bytes) -> int:
    """Return the length that a head states; one with other fields is not of this protocol."""
    fields = dict(_field(line) for line in head.split(b"\r\n"))
    value = fields.get(_LENGTH, b"")
    if not value.isdigit() or len(value) > _MAX_DIGITS or not fields.keys() <= _FIELDS:
        raise MessageError(f"a head without a length, or with more than that: {head!r}")
    if (length := int(value)) > MAX_MESSAGE_BYTES:
        raise MessageError(f"a message of {length} bytes; {MAX_MESSAGE_BYTES} are allowed")
    return length


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise MessageError(f"a message is not JSON: {exc}") from exc
    if not isinstance(message, dict):
        raise MessageError(f"a message is not an object: {content[:80]!r}")
    return message
