"""What a web application answers, in the form that the integration of its request takes."""

from .environment import environment
from .http_events import OF_THE_CONNECTION, request_of
from .http_response import DELIMITER, number_of
from .logs import log_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .http_events import Headers, Request

    Head = dict[str, Any]
    Encoder = Callable[[bytes, bool], bytes]

NO_CONTENT, NOT_MODIFIED, NOT_IMPLEMENTED = 204, 304, 501
# From here on a status says that a request has failed.
FAILED = 400
# RFC 9110, 5.6.2.
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
# A smaller body is one packet anyway.
MIN_COMPRESSED_BYTES = 1000
COMPRESSED_TYPES = (
    "application/javascript",
    "application/json",
    "application/wasm",
    "application/xml",
    "image/svg+xml",
    "text/",
)
COMPRESSED_SUFFIXES = ("+json", "+xml")
GZIP_WINDOW = 31
# An escaped character of JSON takes up to six bytes, what else is in a document less than this.
JSON_ESCAPE_BYTES, MAX_REST_BYTES = 6, 1 << 16
# Of a stream, API Gateway looks no further for the end of the prelude.
MAX_PRELUDE_BYTES = 1 << 14
WEBSOCKET_REFUSAL = (
    "A WebSocket connection cannot be made here: API Gateway holds such connections itself, in a"
    " WebSocket API, and sends a function events."
)


class ApplicationError(RuntimeError):
    """An application broke a rule of ASGI or WSGI. The message says which."""


class HTTPStatusError(Exception):
    """A response whose status counts as a failed invocation."""


class ResponseSizeError(ValueError):
    """A response that is too large for its integration. The message says what to do."""


class Options:
    """What `snapboot.asgi` and `snapboot.wsgi` have been given besides the application."""

    __slots__ = ("base_path", "compress", "error_statuses", "events_path", "stream")

    def __init__(
        self,
        *,
        stream: bool,
        compress: bool,
        base_path: str,
        error_statuses: "str | Iterable[int | str]",
        events_path: str,
    ) -> None:
        """Raise ValueError or TypeError for what is of no use."""
        self.stream = stream
        self.compress = compress
        self.base_path = _path("base_path", base_path).rstrip("/")
        self.error_statuses = _statuses(error_statuses)
        self.events_path = _path("events_path", events_path)

    def __repr__(self) -> str:
        return f"<Options {[name for name in self.__slots__ if getattr(self, name)]}>"

    def request(self, event: "Any") -> "Request":
        """Return the request that an event is. Raises EventError for one that is none."""
        return request_of(event, self.base_path, self.events_path)


class Answer:
    """The head of a response, checked, and what makes a response of it."""

    __slots__ = ("_options", "headers", "is_streamed", "request", "status")

    def __init__(
        self, request: "Request", options: Options, status: "Any", headers: "Headers"
    ) -> None:
        """Raise ValueError or TypeError for what cannot be sent."""
        if not 200 <= number_of(status) <= 599:
            raise ValueError(f"the status of {request} is {status!r}; it must be 200 to 599")
        self.request = request
        self._options = options
        self.status = int(status)
        checked = [_checked(request, pair) for pair in headers]
        self.headers = [pair for pair in checked if pair[0].encode() not in OF_THE_CONNECTION]
        if status == NO_CONTENT:
            self._remove("content-length")
        # Piece by piece, or in that form: the integration is said to be set up for it.
        is_served = environment.context is not None  # and not called by a test of the function's
        self.is_streamed = is_served and options.stream and request.kind.streams

    def __repr__(self) -> str:
        return f"<Answer {self.status} to {self.request}>"

    @property
    def has_body(self) -> bool:
        """Whether what the application sends as body goes out."""
        return self.request.method != "HEAD" and self.status not in (NO_CONTENT, NOT_MODIFIED)

    def check(self, body: bytes = b"") -> None:
        """Raise HTTPStatusError if its status makes it a failed invocation."""
        if self.status in self._options.error_statuses:
            reason = "one of error_statuses"
        elif not self.request.is_http and self.status >= FAILED:
            reason = "so the event counts as not handled"
        else:
            return
        begin = f"; its body begins {body[:200]!r}" if body else ""
        raise HTTPStatusError(f"{self.request} was answered {self.status}, {reason}{begin}")

    def whole(self, body: bytes) -> "Any":
        """Return what a handler is to return for a body that is whole.

        Raises what `check` does, and ResponseSizeError.
        """
        self.check(body)
        if not self.request.is_http:
            return _value(body)
        body = body if self.has_body else b""
        if self.is_streamed:
            return Streamed(self, iter([body]))
        body = self.encoder(len(body))(body, True)  # noqa: FBT003 - the last piece
        document = self.head() | _body(body, is_encoded=bool(self.header("content-encoding")))
        self._check_size(document, body)
        return document

    def head(self) -> "Head":
        """Return status, headers and cookies in the form of the integration."""
        return FORMS[self.request.kind.form](self)

    def prelude(self) -> bytes:
        """Return what goes ahead of a body that is streamed. Raises ResponseSizeError."""
        from .codec import json_text

        prelude = json_text(self.head()).encode() + DELIMITER
        if self.request.kind.form == "1.0" and len(prelude) > MAX_PRELUDE_BYTES:
            raise ResponseSizeError(
                f"status and headers of the response to {self.request} are of {len(prelude)} bytes;"
                f" {self.request.kind.name} that streams takes {MAX_PRELUDE_BYTES}: send fewer"
                " headers or cookies"
            )
        return prelude

    def header(self, name: str) -> str:
        """Return the values of a header, joined with commas; "" without."""
        return ", ".join(value for key, value in self.headers if key == name)

    def encoder(self, size: "int | None" = None) -> "Encoder":
        """Return what makes pieces of the body what is sent; say in the headers what that is.

        It takes a piece, and whether it is the last one. `size` is that of a whole body.
        """
        if not (self._options.compress and self.has_body and self._is_compressible(size)):
            return lambda piece, _: piece
        self._remove("content-length")
        self.headers = [
            (name, f"W/{value}" if name == "etag" and value[:1] == '"' else value)
            for name, value in self.headers
        ]
        self.headers += [("content-encoding", "gzip"), ("vary", "accept-encoding")]
        return _gzip()

    def _is_compressible(self, size: "int | None") -> bool:
        length = self.header("content-length")
        if size is None:
            size = int(length) if length.isdecimal() else MIN_COMPRESSED_BYTES
        media = self.header("content-type").partition(";")[0].strip().lower()
        return (
            size >= MIN_COMPRESSED_BYTES
            and (media.startswith(COMPRESSED_TYPES) or media.endswith(COMPRESSED_SUFFIXES))
            and not self.header("content-encoding")
            and not self.header("content-range")
            and "no-transform" not in self.header("cache-control")
            and _accepts_gzip(self.request.header(b"accept-encoding"))
        )

    def check_length(self, length: int) -> None:
        """Raise ResponseSizeError for a body, not yet whole, that is too large already."""
        if length > self.request.kind.max_bytes and self.has_body and not self._options.compress:
            raise self._size_error(length, " and not at its end")

    def _check_size(self, document: "Head", body: bytes) -> None:
        kind = self.request.kind
        head = sum(len(name) + len(value) for name, value in self.headers)
        if (len(body) + head) * JSON_ESCAPE_BYTES + MAX_REST_BYTES <= kind.max_bytes:
            return
        from .codec import json_text

        size = len(json_text(document).encode())
        if size > kind.max_bytes:
            raise self._size_error(len(body), f", as JSON of {size}")

    def _size_error(self, length: int, taken_as: str) -> ResponseSizeError:
        kind = self.request.kind
        remedy = (
            "stream it: give stream=True, and set the integration up to stream (200 MB)"
            if kind.streams
            else "a function URL or a REST API can stream it; or send a link to an object in S3"
        )
        return ResponseSizeError(
            f"the response to {self.request} is of {length} bytes{taken_as};"
            f" {kind.name} takes {kind.max_bytes}: {remedy}"
        )

    def _remove(self, name: str) -> None:
        self.headers = [pair for pair in self.headers if pair[0] != name]


class Streamed:
    """A response that is streamed: a prelude, and the pieces of the body."""

    __slots__ = ("_answer", "_prelude", "body")
    __lambda_response__ = True

    def __init__(self, answer: Answer, body: "Iterator[bytes]") -> None:
        """Raise ResponseSizeError where the prelude is too large."""
        self._answer = answer
        self._prelude = answer.prelude()
        self.body = body

    def __repr__(self) -> str:
        return f"<Streamed {self._answer!r}>"

    def prelude(self) -> bytes:
        """Return what goes ahead of the body."""
        return self._prelude


def called(app: "Callable[..., Any]", standard: str, other: str, *arguments: "Any") -> "Any":
    """Call an application. Raises ApplicationError where it takes other arguments than these."""
    try:
        return app(*arguments)
    except TypeError as exc:
        trace = exc.__traceback__
        if trace is not None and trace.tb_next is not None:  # it has been entered
            raise
        raise ApplicationError(
            f"{app!r} cannot be called as an application of {standard}: {exc}; for one of the other"
            f" kind there is {other}"
        ) from exc


def refuse_websocket(request: "Request", options: Options) -> "Any":
    """Return the response to a client that asks for WebSocket, which no integration can do."""
    log_warning(f"snapboot: {request} was answered 501. {WEBSOCKET_REFUSAL}")
    answer = Answer(request, options, NOT_IMPLEMENTED, [(b"content-type", b"text/plain")])
    return answer.whole(WEBSOCKET_REFUSAL.encode())


# --- the forms ----------------------------------------------------------------------------------


def _form_2_0(answer: Answer) -> "Head":
    head: Head = {"statusCode": answer.status, "headers": _joined(answer)}
    cookies = [value for name, value in answer.headers if name == "set-cookie"]
    return head | {"cookies": cookies} if cookies else head


def _form_1_0(answer: Answer) -> "Head":
    values: dict[str, list[str]] = {}
    for name, value in answer.headers:
        values.setdefault(name, []).append(value)
    return {"statusCode": answer.status, "multiValueHeaders": values}


def _form_of_load_balancer(answer: Answer) -> "Head":
    """Return the head in the shape that requests have, as its target group is set up."""
    if "multiValueHeaders" in answer.request.event:
        head = _form_1_0(answer)
    else:
        cookies = (value for name, value in answer.headers if name == "set-cookie")
        # One each, under names that differ in case: there is no other way to have more than one.
        named = dict(zip(_spellings("set-cookie"), cookies, strict=False))
        head = {"statusCode": answer.status, "headers": {**_joined(answer), **named}}
    return head | {"statusDescription": f"{answer.status} {_reason(answer.status)}"}


FORMS: "dict[str, Callable[[Answer], Head]]" = {
    "1.0": _form_1_0,
    "2.0": _form_2_0,
    "load balancer": _form_of_load_balancer,
}


def _joined(answer: Answer) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        if name != "set-cookie":
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _spellings(name: str) -> "Iterator[str]":
    """Yield a name in all ways to write its letters, small or large."""
    letters = [at for at, letter in enumerate(name) if letter.isalpha()]
    for number in range(1 << len(letters)):
        large = {at for bit, at in enumerate(letters) if number >> bit & 1}
        yield "".join(letter.upper() if at in large else letter for at, letter in enumerate(name))


def _reason(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:  # one of the application's own
        return "Unknown"


def _body(body: bytes, *, is_encoded: bool) -> "Head":
    """Return the members of a document: text where it is text, whatever its type says."""
    if not is_encoded and b"\0" not in body:
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    from binascii import b2a_base64

    return {"body": b2a_base64(body, newline=False).decode(), "isBase64Encoded": True}


def _value(body: bytes) -> "Any":
    """Return the result of an event that is not a request: what the JSON means, or the text."""
    from .codec import codec

    try:
        return codec.decode(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


# --- what is checked ----------------------------------------------------------------------------


def _checked(request: "Request", pair: "Any") -> tuple[str, str]:
    try:
        name, value = pair
    except (TypeError, ValueError):
        raise TypeError(
            f"a header of the response to {request} is {pair!r:.100}; it must be a pair: a name and"
            " a value"
        ) from None
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise TypeError(
            f"header {name!r} of the response to {request} is {value!r}; names and values must be"
            " bytes"
        )
    lower = name.decode("latin-1").lower()
    if not lower or not TOKEN.issuperset(lower):
        raise ValueError(f"{name!r} in the response to {request} is not the name of a header")
    if any(mark in value for mark in (b"\r", b"\n", b"\0")):
        raise ValueError(
            f"header {name!r} of the response to {request} has a line break or a NUL in its value"
            f" {value!r}: remove it, as it would let others add headers"
        )
    try:
        return lower, value.decode().strip()
    except UnicodeDecodeError:
        return lower, value.decode("latin-1").strip()


def _accepts_gzip(header: str) -> bool:
    """Whether Accept-Encoding has gzip, or any, with a quality that is not 0."""
    qualities = {"gzip": "0", "*": "0"}
    for item in header.lower().split(","):
        name, _, parameter = item.partition(";")
        qualities[name.strip()] = parameter.strip().removeprefix("q=").strip() or "1"
    named = "gzip" if "gzip" in header.lower() else "*"
    return qualities[named].strip("0.") != ""


def _gzip() -> "Encoder":
    import zlib

    gzip = zlib.compressobj(wbits=GZIP_WINDOW)

    def encode(piece: bytes, is_last: bool) -> bytes:  # noqa: FBT001 - the only one
        if not piece and not is_last:
            return b""
        data = gzip.compress(piece)
        return data + gzip.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)

    return encode


def _path(option: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{option} is {value!r}; it must be a path, such as '/api'")
    if value and not value.startswith("/"):
        raise ValueError(f"{option} is {value!r}; it must begin with a slash: '/{value}'")
    return value


def _statuses(given: "str | Iterable[int | str]") -> frozenset[int]:
    """Return the statuses that numbers, and texts such as `500,502-504`, stand for."""
    found: set[int] = set()
    if isinstance(given, int):
        raise TypeError(f"error_statuses is {given!r}; give a list, such as (500, '502-504')")
    for item in given.split(",") if isinstance(given, str) and given else given:
        first, dash, last = str(item).partition("-")
        numbers = (first.strip(), last.strip() if dash else first.strip())
        if not all(number.isdecimal() and 200 <= int(number) <= 599 for number in numbers):
            raise ValueError(
                f"error_statuses has {item!r}; give statuses from 200 to 599 and ranges of them,"
                " such as (500, '502-504')"
            )
        found.update(range(int(numbers[0]), int(numbers[1]) + 1))
    return frozenset(found)
