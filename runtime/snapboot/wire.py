"""The client half of HTTP/1.1: response bytes in, responses out; requests as bytes.

Theory of operation. A response mostly arrives whole, and is then taken straight from the received
bytes. Mostly its head is also an earlier one but for some values: an id, a time, a length. A few
calls that run in C take those out, by their places where heads of this length were met, otherwise
line by line, prove the rest by joining the head again, and check of the values what `_parse` would:
less than its instructions (`benchmarks counts`). No dictionary of headers is made unless someone
asks for it, since the shape knows which of the values are asked for. Any doubt sends a response to
`_head`, which reads each one, and which the shapes of heads are learnt from. Otherwise
`ResponseReader` keeps what it has: an incomplete head, or a response whose body goes on. Of a body
of known length the rest bypasses the buffer, since `body_buffer` lends the very memory that it will
be handed out in; bodies without one are left to `framing.py`, which is imported with the first of
them. No byte is looked at twice in Python.

No socket, no clock, no knowledge of the Runtime API: those are the transport's and `api.py`'s.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    # A shape, and what takes the values that change out of a head, by their places.
    Places = tuple["Shape", Callable[[str], tuple[str, ...]]]

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
# A head that is longer, or has more lines, is not worth a memory of its shape. Of one number of
# lines a function sees few shapes, as optional headers come and go.
MAX_USUAL_BYTES = 1 << 12
MAX_USUAL_LINES = 32
MAX_SHAPES = 32
MAX_ALIKE = 6
# Where no shape lasts, it costs more to keep them than it saves.
MAX_LESSONS = 256
# How many lengths of heads are remembered; others are taken apart line by line.
MAX_LENGTHS = 64
# The answer to a result. It mostly repeats, but for its date; an answer of more bytes is not kept.
REPEATED_STATUS = 202
MAX_REPEATED_BYTES = 1 << 10

HEAD_END = b"\r\n\r\n"
HEAD_END_BYTES = 4
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
    """One response: status, header values by lower-case name, body (`bytes` or `bytearray`).

    `closing` says that its connection is of no further use: its end is announced, or bytes follow
    that no one asked for.
    """

    __slots__ = ("body", "closing", "headers", "status")

    def __init__(self, status: int, headers: "dict[str, str]") -> None:
        self.status = status
        self.headers = headers
        self.closing = False
        self.body: bytes | bytearray = b""

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"

    def values_of(self, names: "tuple[str, ...]") -> list[str]:
        """Return the values of these headers, "" for one that is missing."""
        return [self.headers.get(name, "") for name in names]


class Shape:
    """What the heads of one kind have in common, made of one of them."""

    __slots__ = (
        "asked",
        "beginning",
        "constants",
        "headers",
        "length_at",
        "marked",
        "names",
        "parts",
        "picks",
        "starts",
        "status",
    )

    def __init__(self, status: int, headers: "dict[str, str]") -> None:
        self.status = status
        # All headers of the one head, and the names of those whose values change.
        self.headers = headers
        self.names: list[str] = []
        # The head in parts: each second one is a value that changes, the last that was met; the
        # first and the last of these are always "", and belong to no header.
        self.parts = ["", ""]
        # The number of the line of each value, and where the value begins in it.
        self.starts: list[tuple[int, int]] = []
        # The number and the beginning of a line that another shape does not have.
        self.marked = 0
        self.beginning = ""
        # Which of the values is the length of the body.
        self.length_at = 0
        # The headers asked for last, their values, and which of these change to which.
        self.asked: tuple[str, ...] = ()
        self.constants: list[str] = []
        self.picks: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"<Shape of {self.status}, {len(self.headers)} headers>"

    def ask(self, names: "tuple[str, ...]") -> None:
        """Find the places of the values of these headers."""
        self.asked = names
        self.constants = [self.headers.get(name, "") for name in names]
        self.picks = [
            (place, self.names.index(name) + 1)
            for place, name in enumerate(names)
            if name in self.names
        ]


class UsualResponse(Response):
    """A response whose head has a known shape: its headers wait for someone to look at them."""

    __slots__ = ("_shape", "_values", "length")

    def __init__(self, shape: Shape, values: "Sequence[str]", body: bytes) -> None:
        """Take the values that change, with a "" before and behind them, and the body so far.

        `length` is how long the whole of it is said to be.
        """
        self.status = shape.status
        self.closing = False
        self.body = body
        self._shape = shape
        self._values = values
        self.length = values[shape.length_at]

    @property
    def headers(self) -> "dict[str, str]":  # type: ignore[override]
        """The header values by lower-case name."""
        changed = zip(self._shape.names, self._values[1:-1])  # noqa: B905 - as many
        return self._shape.headers | dict(changed)

    def values_of(self, names: "tuple[str, ...]") -> list[str]:
        """Return the values of these headers, "" for one that is missing."""
        shape = self._shape
        if shape.asked is not names:
            shape.ask(names)
        found = shape.constants.copy()
        values = self._values
        for place, source in shape.picks:
            found[place] = values[source]
        return found


def fixed_part(host: str, headers: "Iterable[tuple[str, str]]") -> str:
    """Return what each request to a host has behind its target: the version and these headers."""
    return f" HTTP/1.1\r\nHost: {host}\r\n" + field_lines(headers)


def field_lines(headers: "Iterable[tuple[str, str]]") -> str:
    """Return headers or trailers as lines."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def request(method: str, target: str, lines: str, body_bytes: int | None) -> bytes:
    """Return the head of a request; `body_bytes` is None for one without a body.

    `lines` are the fixed part and those of the headers.
    Values go out in Latin-1, as they came in: bytes echoed are the bytes received.
    """
    length = "" if body_bytes is None else f"Content-Length: {body_bytes}\r\n"
    return f"{method} {target}{lines}{length}\r\n".encode("latin-1")


class ResponseReader:
    """Turns the bytes of one connection into its responses, one after the other."""

    __slots__ = (
        "_buffer",
        "_first_values",
        "_framing",
        "_interim",
        "_known_names",
        "_lessons",
        "_places",
        "_repeated",
        "_repeated_bytes",
        "_response",
        "_scanned",
        "_shapes",
        "_shortest",
        "body_buffer",
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._known_names: dict[str, str] = {}
        # By the number of lines of a head; and by its length, the shortest of which is kept, with
        # what takes the values that change from their places: None once these were not the same.
        self._shapes: dict[int, list[Shape]] = {}
        self._places: dict[int, Places | None] = {}
        self._shortest = 0
        self._lessons = 0
        # Of each header the first value that was learnt; None once there was another one.
        self._first_values: dict[str, str | None] = {"content-length": None}
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
            response: Response | None = (usual := self._usual(data))
            if usual is None:
                response = self._head(data)
            elif usual.length != str(len(usual.body)):
                response = self._body(usual, data, len(data) - len(usual.body))
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

    def _usual(self, data: bytes) -> UsualResponse | None:
        """Return a response whose head has the shape of an earlier one; None for any other.

        Some values are new then. They must be what `_fields` would find: without a line break, a
        null or a blank at either end; one with a tab or two blanks in a row, or an empty one, is
        left to it as well. The search for the end of the head starts where the shortest
        of known length ends: had it one before that, a value would have a line break.
        """
        end = data.find(HEAD_END, self._shortest)
        places = self._places.get(end)
        if places is not None:
            shape, values_in = places
            head = str(data[:end], "latin-1")
            values: Sequence[str] = values_in(head)
            parts = shape.parts
            parts[1::2] = values
        if places is None or "".join(parts) != head:
            end = data.find(HEAD_END)
            found = (
                self._by_lines(str(data[:end], "latin-1")) if 0 < end <= MAX_USUAL_BYTES else None
            )
            if found is None:
                return None
            shape, values = found
        text = " ".join(values)
        if "\r" in text or "\n" in text or "\0" in text or "\t" in text or "  " in text:
            return None
        return UsualResponse(shape, values, data[end + HEAD_END_BYTES :])

    def _by_lines(self, head: str) -> "tuple[Shape, list[str]] | None":
        """Find the shape of a head of any length, and the values that change, line by line."""
        lines = head.split("\r\n")
        for shape in self._shapes.get(len(lines), ()):
            if not lines[shape.marked].startswith(shape.beginning):
                continue
            values = ["", *[lines[line][start:] for line, start in shape.starts], ""]
            parts = shape.parts
            parts[1::2] = values
            if "".join(parts) != head:
                continue
            if len(head) in self._places:  # two shapes in turn have heads of one length
                self._places[len(head)] = None
            elif len(self._places) < MAX_LENGTHS:
                self._places[len(head)] = shape, _values_at_places_of(parts)
                self._shortest = min(self._places)
            return shape, values
        return None

    def _learn(self, lines: list[str], response: Response) -> None:
        """Keep the shape of a head: its values that ever differed from the first are to change."""
        headers = response.headers
        if not (
            len(headers) == len(lines) - 1 < MAX_USUAL_LINES
            and "content-length" in headers
            and not response.closing
            and "connection" not in headers
            and "transfer-encoding" not in headers
            and response.status >= 200
            and response.status not in _BODILESS
        ):
            return
        first = self._first_values
        shape = Shape(response.status, headers.copy())
        part = lines[0]
        for number, (name, value) in enumerate(headers.items(), 1):
            line = lines[number]
            start = len(name) + 2
            if line[start - 2 :] != f": {value}":
                return
            if name not in first and len(first) < MAX_KNOWN_NAMES:
                first[name] = value
            if first.get(name) == value:
                part = f"{part}\r\n{line}"
            else:
                if name in first:
                    first[name] = None
                shape.names.append(name)
                shape.starts.append((number, start))
                shape.parts += f"{part}\r\n{line[:start]}", ""
                part = ""
        shape.parts += part, ""
        shape.length_at = shape.names.index("content-length") + 1
        self._lessons += 1
        layout = [*headers]
        others = self._shapes.get(len(lines), [])
        others = [
            each for each in others if each.status != shape.status or [*each.headers] != layout
        ]
        del others[: 1 - MAX_ALIKE]
        if others:
            shape.marked = _first_line_not_in(layout, others[-1].headers)
        shape.beginning = lines[shape.marked].partition(":")[0]
        if sum(map(len, self._shapes.values())) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[len(lines)] = [*others, shape]
        self._places.clear()
        self._shortest = 0

    def _remember(self, response: Response, data: bytes) -> None:
        """Keep an answer for when its bytes come again, if they are all of it and nothing else."""
        if self.is_idle and len(data) <= MAX_REPEATED_BYTES:
            self._repeated, self._repeated_bytes = response, data

    # The head.

    def _head(self, data: bytes | bytearray) -> Response | None:
        start = 0
        while True:
            end = data.find(HEAD_END, max(start, self._scanned))
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
            start = end + HEAD_END_BYTES
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
        if len(head) <= MAX_USUAL_BYTES and self._lessons < MAX_LESSONS:
            self._learn(lines, response)
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
        if rest and response is not None:
            response.closing = True
        return response

    def _end(self) -> Response | None:
        if self._framing is not None and self._framing.ends_with_connection:
            return self._complete(b"")
        where = "before" if self.is_idle else "inside"
        raise ConnectionLostError(f"the connection ended {where} the response")


def _values_at_places_of(parts: list[str]) -> "Callable[[str], tuple[str, ...]]":
    """Return what takes each second part out of a head whose parts have these lengths."""
    from _operator import itemgetter

    slices = []
    end = 0
    for fixed, value in zip(parts[::2], parts[1::2]):  # noqa: B905 - as many
        start = end + len(fixed)
        end = start + len(value)
        slices.append(slice(start, end))
    return itemgetter(*slices)


def _first_line_not_in(names: "list[str]", others: "dict[str, str]") -> int:
    """Return the number of the first line whose name others do not have; 0 if they have all."""
    for number, name in enumerate(names, 1):
        if name not in others:
            return number
    return 0


def check_size(size: int) -> None:
    """Raise ProtocolError for a body of more than `MAX_BODY_BYTES`."""
    if size > MAX_BODY_BYTES:
        raise ProtocolError(f"a body of {size} bytes; the limit is {MAX_BODY_BYTES}")
