"""Bodies that do not state their length: in chunks, or up to the end of the connection.

A framing takes what it can from a buffer, adds it to a body, and says when that is complete.
"""

from .wire import MAX_HEAD_BYTES, ProtocolError, Response, check_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A chunk's size line: at most 16 digits, and extensions that no one sends.
MAX_CHUNK_LINE_BYTES = 4096

_HEX = b"0123456789abcdefABCDEF"


def framing_of(response: Response) -> "Chunked | Endless":
    """Return how the body of a response without a length is framed. Raises ProtocolError."""
    encoding = response.headers.get("transfer-encoding")
    if encoding is None:
        response.closing = True
        return Endless()
    if encoding.lower() != "chunked":
        raise ProtocolError(f"the transfer encoding {encoding[:80]!r} is not one of ours")
    return Chunked()


class Endless:
    """A body that ends with the connection."""

    __slots__ = ()
    ends_with_connection = True

    def take(self, buffer: bytearray, body: "bytes | bytearray") -> bool:
        """Move all of the buffer to the body; it is never complete by itself."""
        _move(buffer, body, len(buffer))
        return False


class Chunked:
    """A body in chunks, each behind a line with its size; trailers are read and dropped."""

    __slots__ = ("_left", "_scanned", "_step", "_trailer_bytes")
    ends_with_connection = False

    def __init__(self) -> None:
        self._left = 0
        self._scanned = 0
        self._trailer_bytes = 0
        # Uses up what it can; returns whether to go on at once, None when the body is complete.
        self._step: Callable[[bytearray, bytes | bytearray], bool | None] = self._size

    def take(self, buffer: bytearray, body: "bytes | bytearray") -> bool:
        """Move what there is of the body from the buffer; return whether it is complete."""
        going = True
        while going:
            further = self._step(buffer, body)
            if further is None:
                return True
            going = further
        return False

    def _size(self, buffer: bytearray, body: "bytes | bytearray") -> bool:
        line = self._line(buffer, MAX_CHUNK_LINE_BYTES)
        if line is None:
            return False
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 16 or digits.translate(None, _HEX):
            raise ProtocolError(f"not a chunk size: {line[:80]!r}")
        self._left = int(digits, 16)
        check_size(len(body) + self._left)
        self._step = self._chunk if self._left else self._trailers
        return True

    def _chunk(self, buffer: bytearray, body: "bytes | bytearray") -> bool:
        size = min(self._left, len(buffer))
        _move(buffer, body, size)
        self._left -= size
        if not self._left:
            self._step = self._chunk_end
        return not self._left

    def _chunk_end(self, buffer: bytearray, _body: "bytes | bytearray") -> bool:
        if len(buffer) < 2:
            return False
        if buffer[:2] != b"\r\n":
            raise ProtocolError(f"a chunk is followed by {bytes(buffer[:2])!r}")
        del buffer[:2]
        self._step = self._size
        return True

    def _trailers(self, buffer: bytearray, _body: "bytes | bytearray") -> bool | None:
        line = self._line(buffer, MAX_HEAD_BYTES)
        if line is None:
            return False
        self._trailer_bytes += len(line)
        if self._trailer_bytes > MAX_HEAD_BYTES:
            raise ProtocolError(f"the trailers are longer than {MAX_HEAD_BYTES} bytes")
        return True if line else None

    def _line(self, buffer: bytearray, limit: int) -> bytes | None:
        """Take one line off the buffer; None while it is incomplete."""
        end = buffer.find(b"\r\n", self._scanned)
        if (len(buffer) if end < 0 else end) > limit:
            raise ProtocolError(f"a line of a chunked body is longer than {limit} bytes")
        if end < 0:
            self._scanned = max(0, len(buffer) - 1)
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        self._scanned = 0
        return line


def _move(buffer: bytearray, body: "bytes | bytearray", size: int) -> None:
    check_size(len(body) + size)
    body += buffer[:size]
    del buffer[:size]
