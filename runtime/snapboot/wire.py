"""The client half of HTTP/1.1: response bytes in, responses out; requests as bytes.

Theory of operation. `ResponseReader` holds the received bytes that are not yet used and one
`_step`, the method that can make sense of them next: head, then body of known length, chunked body
or body until the end of the connection. A step uses up what it can and returns whether the next
step may be tried at once; no byte is looked at twice. The bytes of a large body of known length
bypass the buffer: `vacancy` lends the very memory the body will be handed out in.

No socket, no clock, no knowledge of the Runtime API: those are the transport's and `api.py`'s.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# An Invoke request may carry 1 MB of headers (Lambda quotas); what reaches us is less.
MAX_HEAD_BYTES = 1 << 20
# No limit of the platform's (6 MB today): a nonsense length must not end in MemoryError.
MAX_BODY_BYTES = 1 << 30
# A chunk's size line: at most 16 digits, and extensions that nobody sends.
MAX_CHUNK_LINE_BYTES = 4096
# How many spellings of header names are remembered; the Runtime API uses a dozen.
MAX_KNOWN_NAMES = 64

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEX = b"0123456789abcdefABCDEF"
_BODILESS = (204, 304)


class RuntimeAPIError(Exception):
    """The Runtime API cannot be used any more: the process must end, saying why."""


class ProtocolError(RuntimeAPIError):
    """The peer's bytes are not HTTP/1.1: the connection is of no further use."""


class ConnectionLostError(RuntimeAPIError):
    """The connection could not be made, or ended before a complete response."""


class Response:
    """One response: status, header values by lower-case name, body (`bytes` or `bytearray`)."""

    __slots__ = ("body", "closing", "headers", "status")

    def __init__(self, status: int, headers: "dict[str, str]", *, closing: bool) -> None:
        self.status = status
        self.headers = headers
        self.closing = closing
        self.body: bytes | bytearray = b""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def request(
    method: str,
    target: str,
    host: str,
    headers: "Iterable[tuple[str, str]]",
    body_bytes: int | None,
) -> bytes:
    """Return the head of a request; `body_bytes` is None for one without a body.

    Values go out in Latin-1, as they came in: bytes echoed are the bytes received.
    """
    head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"
    for name, value in headers:
        head += f"{name}: {value}\r\n"
    if body_bytes is not None:
        head += f"Content-Length: {body_bytes}\r\n"
    return (head + "\r\n").encode("latin-1")


class ResponseReader:
    """Turns the bytes of one connection into its responses, one after the other."""

    __slots__ = (
        "_buffer",
        "_finished",
        "_known_names",
        "_left",
        "_response",
        "_scanned",
        "_step",
        "vacancy",
    )
    # The unfilled part of a body of known length, to receive into.
    vacancy: memoryview | None
    _response: Response | None
    _left: int
    _step: "Callable[[], bool]"

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._known_names: dict[str, str] = {}
        self._finished: Response | None = None
        self._expect_head()

    def __repr__(self) -> str:
        return f"<ResponseReader at {self._step.__name__}, {len(self._buffer)} bytes unused>"

    @property
    def untouched(self) -> bool:
        """Whether no byte of a next response is here."""
        return self._response is None and not self._buffer

    def feed(self, data: bytes) -> Response | None:
        """Take received bytes, none at the end of the connection; return a completed response.

        Raises ProtocolError when the bytes are no response, ConnectionLostError when they end
        before it does.
        """
        if not data:
            return self._end()
        self._buffer += data
        while self._step():
            pass
        finished, self._finished = self._finished, None
        return finished

    def filled(self, size: int) -> Response | None:
        """Take note that `size` bytes (0: end of the connection) came into `vacancy`."""
        if not size or self.vacancy is None:
            return self._end()
        self._left -= size
        self.vacancy = self.vacancy[size:]
        if self._left:
            return None
        self._complete()
        finished, self._finished = self._finished, None
        return finished

    # The head.

    def _expect_head(self) -> None:
        self._response = None
        self.vacancy = None
        self._left = 0
        self._scanned = 0
        self._step = self._head

    def _head(self) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if not b"HTTP/1.".startswith(buffer[:7]):
            raise ProtocolError(f"a response starts with {bytes(buffer[:40])!r}, not 'HTTP/1.'")
        if max(end, len(buffer) if end < 0 else 0) > MAX_HEAD_BYTES:
            raise ProtocolError(f"a response head is longer than {MAX_HEAD_BYTES} bytes")
        if end < 0:
            self._scanned = max(0, len(buffer) - 3)
            return False
        head = buffer[:end].decode("latin-1")
        del buffer[: end + 4]
        lines = head.split("\r\n")
        if not head.count("\r") == head.count("\n") == len(lines) - 1 or "\0" in head:
            raise ProtocolError(f"a control character in a response head: {head[:200]!r}")
        self._scanned = 0
        return self._begin(self._parse(lines))

    def _parse(self, lines: list[str]) -> Response:
        version, _, rest = lines[0].partition(" ")
        status = rest[:3]
        if (
            version not in ("HTTP/1.1", "HTTP/1.0")
            or not (len(status) == 3 and status.isascii() and status.isdigit())
            or rest[3:4] not in ("", " ")
        ):
            raise ProtocolError(f"not a status line: {lines[0][:80]!r}")
        headers = self._fields(lines)
        connection = headers.get("connection", "").lower()
        closing = "close" in connection or (version == "HTTP/1.0" and connection != "keep-alive")
        return Response(int(status), headers, closing=closing)

    def _fields(self, lines: list[str]) -> dict[str, str]:
        headers: dict[str, str] = {}
        known = self._known_names
        for position in range(1, len(lines)):
            line = lines[position]
            spelling, _, value = line.partition(":")
            name = known.get(spelling) or self._name(spelling, line)
            value = value.strip(" \t")
            if name == "content-length" and headers.get(name, value) != value:
                raise ProtocolError(f"two lengths for one body: {headers[name]!r} and {value!r}")
            headers[name] = value
        return headers

    def _name(self, spelling: str, line: str) -> str:
        raw = spelling.encode("latin-1")
        if not raw or raw.translate(None, _TOKEN) or ":" not in line:
            raise ProtocolError(f"not a header line: {line[:80]!r}")
        name = spelling.lower()
        if len(self._known_names) < MAX_KNOWN_NAMES:
            self._known_names[spelling] = name
        return name

    # The body.

    def _begin(self, response: Response) -> bool:
        if response.status < 200:  # an interim answer: the real one follows
            return True
        self._response = response
        headers = response.headers
        if response.status in _BODILESS:
            return self._complete()
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise ProtocolError(f"transfer encoding {headers['transfer-encoding'][:80]!r}")
            response.body = bytearray()
            self._step = self._chunk_size
            return True
        if "content-length" in headers:
            return self._begin_sized(response, headers["content-length"])
        response.body = bytearray()
        response.closing = True
        self._step = self._endless_body
        return True

    def _begin_sized(self, response: Response, length: str) -> bool:
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise ProtocolError(f"not a body length: {length[:80]!r}")
        size = int(length)
        buffer = self._buffer
        have = len(buffer)
        if have >= size:
            response.body = bytes(buffer[:size])
            del buffer[:size]
            return self._complete()
        _bound(size)
        response.body = body = bytearray(size)
        body[:have] = buffer
        buffer.clear()
        self._left = size - have
        self.vacancy = memoryview(body)[have:]
        self._step = self._sized_body
        return False

    def _sized_body(self) -> bool:
        """Copy what was fed although there was a vacancy to receive into."""
        assert self.vacancy is not None
        taken = self._buffer[: self._left]
        del self._buffer[: len(taken)]
        self.vacancy[: len(taken)] = taken
        self.vacancy = self.vacancy[len(taken) :]
        self._left -= len(taken)
        return False if self._left else self._complete()

    def _endless_body(self) -> bool:
        self._take(len(self._buffer))
        return False

    def _chunk_size(self) -> bool:
        line = self._line(MAX_CHUNK_LINE_BYTES)
        if line is None:
            return False
        digits = line.partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 16 or digits.translate(None, _HEX):
            raise ProtocolError(f"not a chunk size: {line[:80]!r}")
        self._left = int(digits, 16)
        self._step = self._chunk if self._left else self._trailers
        return True

    def _chunk(self) -> bool:
        size = min(self._left, len(self._buffer))
        self._take(size)
        self._left -= size
        if self._left:
            return False
        self._step = self._chunk_end
        return True

    def _chunk_end(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise ProtocolError(f"a chunk is followed by {bytes(self._buffer[:2])!r}")
        del self._buffer[:2]
        self._step = self._chunk_size
        return True

    def _trailers(self) -> bool:
        line = self._line(MAX_HEAD_BYTES)
        if line is None:
            return False
        return self._complete() if not line else True

    def _take(self, size: int) -> None:
        """Move bytes from the buffer to the end of the body."""
        body = self._response.body  # type: ignore[union-attr]
        _bound(len(body) + size)
        body += self._buffer[:size]
        del self._buffer[:size]

    def _line(self, limit: int) -> bytes | None:
        """Take one line of a chunked body off the buffer; None while it is incomplete."""
        buffer = self._buffer
        end = buffer.find(b"\r\n", self._scanned)
        if max(end, len(buffer) if end < 0 else 0) > limit:
            raise ProtocolError(f"a line of a chunked body is longer than {limit} bytes")
        if end < 0:
            self._scanned = max(0, len(buffer) - 1)
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        self._scanned = 0
        return line

    # The end.

    def _complete(self) -> bool:
        self._finished = self._response
        self._expect_head()
        return False

    def _end(self) -> Response | None:
        if self._step != self._endless_body:
            where = "before" if self.untouched else "inside"
            raise ConnectionLostError(f"the connection ended {where} the response")
        response = self._response
        self._expect_head()
        return response


def _bound(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise ProtocolError(f"a body of {size} bytes; the limit is {MAX_BODY_BYTES}")
