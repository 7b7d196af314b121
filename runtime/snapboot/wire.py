"""The client half of HTTP/1.1: response bytes in, responses out; requests as bytes.

Theory of operation. A response mostly arrives whole, and is then taken straight from the received
bytes. Mostly its head is also an earlier one but for some values, which are where they were then:
an id, a time. A few calls that run in C take those out and check of them what `_parse` would, for
less than its instructions (`benchmarks counts`). Any doubt sends a response to `_head`, which reads
each one, and which the shapes of heads are learnt from. Otherwise `ResponseReader` keeps what it
has: an incomplete head, or a response whose body goes on. Of a body of known length the rest
bypasses the buffer, since `body_buffer` lends the very memory that it will be handed out in; bodies
without one are left to `framing.py`, which is imported with the first of them. No byte is looked at
twice in Python.

No socket, no clock, no knowledge of the Runtime API: those are the transport's and `api.py`'s.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    Shape = tuple[int, dict[str, str], list[str], list[tuple[int, int]], list[str]]

    class Framing(Protocol):
        """Where a body of unknown length ends; see `framing.py`."""

        @property
        def ends_with_connection(self) -> bool:
            """Whether the end of the connection is the end of the body."""

        def take(self, buffer: bytearray, body: bytes | bytearray) -> bool:
            """Move what there is of the body from the buffer; return whether it is complete."""


# An Invoke request may carry 1 MB of headers (Lambda quotas); what reaches us is less.
MAX_HEAD_BYTES = 1 << 20
# No limit of the platform's (6 MB today) but the memory of the smallest function: a nonsense length
# must end neither in MemoryError nor in a kill for want of memory.
MAX_BODY_BYTES = 1 << 27
# No one sends even one to a client that does not ask for it.
MAX_INTERIM = 16
# How many spellings of header names are remembered; the Runtime API uses a dozen.
MAX_KNOWN_NAMES = 64
# A head that is longer is not worth a memory of its shape. Its length varies with the number of
# digits of the body's, and with the trace id: a function sees a few.
MAX_USUAL_BYTES = 1 << 12
MAX_SHAPES = 16
# The answer to a result. It mostly repeats, but for its date; an answer of more bytes is not kept.
REPEATED_STATUS = 202
MAX_REPEATED_BYTES = 1 << 10

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BODILESS = (204, 304)
# These say where a body ends; two that disagree would make two bodies of it.
_FRAMING = ("content-length", "transfer-encoding")


class RuntimeAPIError(Exception):
    """The Runtime API cannot be used any more: the process must end, saying why."""


class ProtocolError(RuntimeAPIError):
    """The peer's bytes are not HTTP/1.1: the connection is of no further use."""


class ConnectionLostError(RuntimeAPIError):
    """The connection could not be made, or ended before a complete response."""


class Response:
    """One response: status, header values by lower-case name, body (`bytes` or `bytearray`)."""

    __slots__ = ("body", "closing", "headers", "status")

    def __init__(self, status: int, headers: "dict[str, str]") -> None:
        self.status = status
        self.headers = headers
        self.closing = False
        self.body: bytes | bytearray = b""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def fixed_part(host: str, headers: "Iterable[tuple[str, str]]") -> str:
    """Return what each request to a host has behind its target: the version and these headers."""
    return f" HTTP/1.1\r\nHost: {host}\r\n" + field_lines(headers)


def field_lines(headers: "Iterable[tuple[str, str]]") -> str:
    """Return headers or trailers as lines."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def request(
    method: str,
    target: str,
    fixed: str,
    headers: "Iterable[tuple[str, str]]",
    body_bytes: int | None,
) -> bytes:
    """Return the head of a request; `body_bytes` is None for one without a body.

    Values go out in Latin-1, as they came in: bytes echoed are the bytes received.
    """
    length = "" if body_bytes is None else f"Content-Length: {body_bytes}\r\n"
    return f"{method} {target}{fixed}{field_lines(headers)}{length}\r\n".encode("latin-1")


class ResponseReader:
    """Turns the bytes of one connection into its responses, one after the other."""

    __slots__ = (
        "_buffer",
        "_framing",
        "_heads",
        "_interim",
        "_known_names",
        "_repeated",
        "_repeated_bytes",
        "_response",
        "_scanned",
        "_shapes",
        "_usual_bytes",
        "body_buffer",
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._known_names: dict[str, str] = {}
        # By the length of a head: the last one's headers; and its status, headers, the names of
        # those whose values change, the places of the values, and what is around each of them.
        self._heads: dict[int, dict[str, str]] = {}
        self._shapes: dict[int, Shape] = {}
        self._usual_bytes = 0
        self._repeated: Response | None = None
        self._repeated_bytes = b""
        self._response: Response | None = None
        self._framing: Framing | None = None
        self._scanned = 0
        self._interim = 0
        # The unfilled part of a body of known length, to receive into.
        self.body_buffer: memoryview | None = None

    def __repr__(self) -> str:
        return f"<ResponseReader in {self._response or 'a head'}, {len(self._buffer)} bytes kept>"

    @property
    def is_idle(self) -> bool:
        """Whether no byte of a next response is here."""
        return self._response is None and not self._buffer

    def feed(self, data: bytes) -> Response | None:
        """Take received bytes, none at the end of the connection; return a completed response.

        Raises ProtocolError when the bytes are no response, ConnectionLostError when they end
        before it does.
        """
        if data and self._response is None and not self._buffer and not self._interim:
            if data == self._repeated_bytes:
                return self._repeated
            response = self._usual(data) or self._head(data)
            if response is not None and response.status == REPEATED_STATUS:
                self._remember(response, data)
            return response
        if not data:
            return self._end()
        if self.body_buffer is not None:
            return self._copy(data)
        self._buffer += data
        return self._head(self._buffer) if self._response is None else self._framed()

    def filled(self, size: int) -> Response | None:
        """Take note that `size` bytes (0: end of the connection) came into `body_buffer`."""
        if not size or self.body_buffer is None:
            return self._end()
        self.body_buffer = self.body_buffer[size:]
        return None if self.body_buffer else self._complete(b"")

    # What is usual.

    def _usual(self, data: bytes) -> Response | None:
        """Return a whole response whose head has the shape of an earlier one; None for any other.

        Only some values are new then. They must be what `_fields` would find: without a line break,
        a null or a blank at either end; and the length that of what is here.
        """
        end = self._usual_bytes
        if not data.startswith(b"\r\n\r\n", end):  # nor earlier, as the head proves to be usual
            self._usual_bytes = end = data.find(b"\r\n\r\n")
        shape = self._shapes.get(end)
        if shape is None:
            return None
        status, last, names, places, fixed = shape
        head = str(data[:end], "latin-1")
        values = [head[start:stop] for start, stop in places]
        text = "".join(values)
        parts = fixed.copy()
        parts[1::2] = values
        if (
            "".join(parts) != head
            or "".join(map(str.strip, values)) != text
            or "\r" in text
            or "\n" in text
            or "\0" in text
        ):
            return None
        headers = last.copy()
        headers.update(zip(names, values))  # noqa: B905 - as many
        body = data[end + 4 :]
        if headers["content-length"] != str(len(body)):
            return None
        response = Response(status, headers)
        response.body = body
        return response

    def _learn(self, head: str, lines: list[str], response: Response) -> None:
        """Keep the shape of a head, once there was another of its length: what changed, changes."""
        headers = response.headers
        if (
            len(headers) != len(lines) - 1
            or "content-length" not in headers
            or response.closing
            or "connection" in headers
            or "transfer-encoding" in headers
            or response.status < 200
            or response.status in _BODILESS
        ):
            return
        size = len(head)
        last = self._heads.get(size, {})
        if not last and len(self._heads) == MAX_SHAPES:
            self._heads.clear()
            self._shapes.clear()
        self._heads[size] = headers
        if [*last] != [*headers]:
            return
        changing = [*self._shapes[size][2]] if size in self._shapes else ["content-length"]
        names, places, fixed = [], [], [lines[0]]
        position = len(lines[0])
        for line, (name, value) in zip(lines[1:], headers.items()):  # noqa: B905 - as many
            if line[len(name) :] != f": {value}":
                return
            fixed[-1] += f"\r\n{line[: len(name)]}: "
            position += 2 + len(line)
            if name in changing or last[name] != value:
                names.append(name)
                places.append((position - len(value), position))
                fixed += "", ""
            else:
                fixed[-1] += value
        self._shapes[size] = response.status, headers, names, places, fixed

    def _remember(self, response: Response, data: bytes) -> None:
        """Keep an answer for when its bytes come again, if they are all of it and nothing else."""
        if self.is_idle and len(data) <= MAX_REPEATED_BYTES:
            self._repeated, self._repeated_bytes = response, data

    # The head.

    def _head(self, data: bytes | bytearray) -> Response | None:
        start = 0
        while True:
            end = data.find(b"\r\n\r\n", max(start, self._scanned))
            if not b"HTTP/1.".startswith(data[start : start + 7]):
                raise ProtocolError(f"a response starts with {bytes(data[start:][:40])!r}")
            if (len(data) if end < 0 else end) - start > MAX_HEAD_BYTES:
                raise ProtocolError(f"a response head is longer than {MAX_HEAD_BYTES} bytes")
            if end < 0:
                if start or data is not self._buffer:
                    self._buffer = bytearray(data[start:])
                self._scanned = max(0, len(self._buffer) - 3)
                return None
            response = self._parse(str(data[start:end], "latin-1"))
            start = end + 4
            if response.status >= 200:
                return self._body(response, data, start)
            self._interim += 1  # the real answer is to follow
            if self._interim > MAX_INTERIM:
                raise ProtocolError(f"more than {MAX_INTERIM} interim answers to one request")

    def _parse(self, head: str) -> Response:
        lines = head.split("\r\n")
        if not head.count("\r") == head.count("\n") == len(lines) - 1 or "\0" in head:
            raise ProtocolError(f"a control character in a response head: {head[:200]!r}")
        version, _, rest = lines[0].partition(" ")
        status = rest[:3]
        if (
            version not in ("HTTP/1.1", "HTTP/1.0")
            or not (len(status) == 3 and status.isascii() and status.isdigit())
            or status < "100"
            or rest[3:4] not in ("", " ")
        ):
            raise ProtocolError(f"not a status line: {lines[0][:80]!r}")
        headers = self._fields(lines)
        connection = headers.get("connection", "").lower()
        response = Response(int(status), headers)
        response.closing = "close" in connection or (
            version == "HTTP/1.0" and connection != "keep-alive"
        )
        if len(head) <= MAX_USUAL_BYTES:
            self._learn(head, lines, response)
        return response

    def _fields(self, lines: list[str]) -> dict[str, str]:
        headers: dict[str, str] = {}
        known = self._known_names
        for position in range(1, len(lines)):
            line = lines[position]
            spelling, colon, value = line.partition(":")
            name = (colon and known.get(spelling)) or self._name(spelling, line)
            value = value.strip(" \t")
            if name in headers and name in _FRAMING and headers[name] != value:
                raise ProtocolError(f"two of {name}: {headers[name][:80]!r} and {value[:80]!r}")
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

    # The body, whose first bytes are those of `data` from `start` on.

    def _body(self, response: Response, data: bytes | bytearray, start: int) -> Response | None:
        headers = response.headers
        self._response = response
        if response.status in _BODILESS:
            return self._complete(data[start:])
        if "content-length" not in headers or "transfer-encoding" in headers:
            return self._begin_framed(response, data[start:])
        length = headers["content-length"]
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise ProtocolError(f"not a body length: {length[:80]!r}")
        end = start + int(length)
        if end <= len(data):
            response.body = bytes(data[start:end])
            return self._complete(data[end:])
        check_size(end - start)
        response.body = body = bytearray(end - start)
        self._buffer = bytearray()
        self.body_buffer = memoryview(body)
        return self._copy(data[start:]) if start < len(data) else None

    def _copy(self, data: bytes | bytearray) -> Response | None:
        """Fill the buffer with what was received elsewhere."""
        assert self.body_buffer is not None
        size = min(len(data), len(self.body_buffer))
        self.body_buffer[:size] = data[:size]
        self.body_buffer = self.body_buffer[size:]
        return None if self.body_buffer else self._complete(data[size:])

    def _begin_framed(self, response: Response, data: bytes | bytearray) -> Response | None:
        from .framing import framing_of

        self._framing = framing_of(response)
        response.body = bytearray()
        self._buffer = bytearray(data)
        return self._framed()

    def _framed(self) -> Response | None:
        assert self._framing is not None
        assert self._response is not None
        if not self._framing.take(self._buffer, self._response.body):
            return None
        return self._complete(self._buffer)

    def _complete(self, rest: bytes | bytearray) -> Response | None:
        response, self._response = self._response, None
        self._framing = self.body_buffer = None
        self._scanned = self._interim = 0
        if rest or self._buffer:
            self._buffer = bytearray(rest)
        return response

    def _end(self) -> Response | None:
        if self._framing is not None and self._framing.ends_with_connection:
            return self._complete(b"")
        where = "before" if self.is_idle else "inside"
        raise ConnectionLostError(f"the connection ended {where} the response")


def check_size(size: int) -> None:
    """Raise ProtocolError for a body of more than `MAX_BODY_BYTES`."""
    if size > MAX_BODY_BYTES:
        raise ProtocolError(f"a body of {size} bytes; the limit is {MAX_BODY_BYTES}")
