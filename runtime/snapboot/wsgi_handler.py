"""`snapboot.wsgi`: a web application of WSGI (PEP 3333) as a handler, in this process."""

import sys
from io import BytesIO

from . import __version__
from .http_answer import Answer, ApplicationError, Options, Streamed, called, refuse_websocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from typing import Any

    from .http_answer import Encoder
    from .http_events import Request

    Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def wsgi(  # noqa: PLR0913 - options
    app: "Application",
    *,
    stream: bool = False,
    base_path: str = "",
    compress: bool = False,
    error_statuses: "str | Iterable[int | str]" = (),
    events_path: str = "",
) -> "WsgiHandler":
    """Return a handler that serves HTTP requests by an application of WSGI.

    The options are those of `snapboot.asgi`. Raises ValueError and TypeError for options of no use.
    """
    if not callable(app):
        raise TypeError(f"snapboot.wsgi was given {app!r}, which is not an application of WSGI")
    options = Options(
        stream=stream,
        compress=compress,
        base_path=base_path,
        error_statuses=error_statuses,
        events_path=events_path,
    )
    return WsgiHandler(app, options)


class WsgiHandler:
    """A handler. Outside of the runtime, in a test, it can be called as any."""

    def __init__(self, app: "Application", options: Options) -> None:
        self._app = app
        self._options = options

    def __repr__(self) -> str:
        return f"<WsgiHandler of {self._app!r}>"

    def __call__(self, event: "Any", context: "Any") -> "Any":
        """Return the response to an event. Raises EventError for one that is not a request."""
        request = self._options.request(event)
        if request.wants_websocket:
            return refuse_websocket(request, self._options)
        response = _Response(request, self._options)
        body = response.pieces(
            called(self._app, "WSGI", "snapboot.asgi", environ_of(request, context), response.start)
        )
        try:
            first = next(body, b"")
            answer = response.answer()
            if not answer.is_streamed:
                return answer.whole(_gathered(answer, first, body))
            answer.check(first)
            return Streamed(answer, _encoded(answer, answer.encoder(), first, body))
        except BaseException:
            body.close()
            raise


def environ_of(request: "Request", context: "Any") -> "dict[str, Any]":
    """Return the environ of a request, with the event and the context of Lambda."""
    root = request.root.encode()
    authorizer = _authorizer(request.event)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root.decode("latin-1"),
        "PATH_INFO": request.path_bytes.removeprefix(root).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "REQUEST_URI": b"?".join(filter(None, (request.raw_path, request.query))).decode(),
        "SERVER_NAME": request.server[0],
        "SERVER_PORT": str(request.server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.http_version}",
        "SERVER_SOFTWARE": f"snapboot/{__version__}",
        "REMOTE_ADDR": request.client[0] if request.client else "",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "aws.event": request.event,
        "aws.context": context,
        # The names of serverless-wsgi.
        "serverless.event": request.event,
        "serverless.context": context,
        "serverless.authorizer": authorizer,
    }
    if isinstance(authorizer, dict) and authorizer.get("principalId"):
        environ["REMOTE_USER"] = str(authorizer["principalId"])
    for name, value in request.headers:
        if b"_" in name:  # would pass for a header with hyphens, which a proxy may have set
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        text = value.decode("latin-1")
        separator = "; " if name == b"cookie" else ","
        known = environ.get(key)
        is_repeated = known and key.startswith("HTTP_")
        environ[key] = f"{known}{separator}{text}" if is_repeated else text
    return environ


class _Response:
    """What an application answers: what `start_response` and `write` are called with."""

    __slots__ = ("_answer", "_options", "_request", "_sent", "_written")

    def __init__(self, request: "Request", options: Options) -> None:
        self._request = request
        self._options = options
        self._answer: Answer | None = None
        self._written: list[bytes] = []
        self._sent = False

    def start(
        self, status: str, headers: "list[tuple[str, str]]", exc_info: "Any" = None
    ) -> "Callable[[bytes], None]":
        """Do what `start_response` of WSGI does."""
        if exc_info and self._sent:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if self._answer is not None and not exc_info:
            raise ApplicationError(
                f"start_response was called twice without exc_info ({self._request})"
            )
        number = str(status)[:3]
        if not number.isdecimal():
            raise ApplicationError(
                f"start_response was called with the status {status!r} ({self._request}); it must"
                " be text such as '200 OK'"
            )
        pairs: Any = [tuple(map(_latin, pair)) for pair in headers]
        self._answer = Answer(self._request, self._options, int(number), pairs)
        return self._write

    def _write(self, piece: bytes) -> None:
        self._written.append(self._checked(piece))
        self._sent = True

    def answer(self) -> Answer:
        """Return the head of the response, which is taken for sent if it is streamed."""
        if self._answer is None:
            raise ApplicationError(f"the application did not call start_response ({self._request})")
        self._sent = True
        return self._answer

    def pieces(self, body: "Iterable[bytes]") -> "Generator[bytes]":
        """Yield the pieces that are not empty, those written first; close the body at the end."""
        try:
            iterator = self._iterator(body)
            while True:
                piece = next(iterator, None)
                written, self._written = self._written, []
                yield from written
                if piece is None:
                    return
                if self._checked(piece):
                    self.answer()
                    yield piece
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _iterator(self, body: "Any") -> "Iterator[bytes]":
        try:
            return iter(body)
        except TypeError:
            raise ApplicationError(
                f"the application returned {body!r:.100} for {self._request}; it must be an"
                " iterable of bytes"
            ) from None

    def _checked(self, piece: "Any") -> bytes:
        if not isinstance(piece, bytes):
            raise TypeError(
                f"the body of the response to {self._request} has a piece of type"
                f" {type(piece).__name__!r}; it must be bytes"
            )
        return piece


def _gathered(answer: Answer, first: bytes, rest: "Iterator[bytes]") -> bytes:
    pieces = [first]
    size = len(first)
    for piece in rest:
        pieces.append(piece)
        size += len(piece)
        answer.check_length(size)
    return b"".join(pieces)


def _encoded(
    answer: Answer, encode: "Encoder", first: bytes, rest: "Generator[bytes]"
) -> "Iterator[bytes]":
    """Yield what is sent of the pieces."""
    try:
        if answer.has_body:
            yield encode(first, False)  # noqa: FBT003 - not the last one
            for piece in rest:
                yield encode(piece, False)  # noqa: FBT003
            yield encode(b"", True)  # noqa: FBT003
        else:
            for _ in rest:
                pass
    finally:
        rest.close()


def _authorizer(event: "Any") -> "Any":
    context = event.get("requestContext") if isinstance(event, dict) else None
    return context.get("authorizer") if isinstance(context, dict) else None


def _latin(text: "Any") -> "Any":
    """Return text of a header as the bytes that it stands for; anything else is refused later."""
    return text.encode("latin-1") if isinstance(text, str) else text
