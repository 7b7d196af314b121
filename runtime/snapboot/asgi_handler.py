"""`snapboot.asgi`: a web application of ASGI as a handler, in this process.

The application runs on the environment's event loop, in a task of its own for each request. The
handler returns when the response is complete, or when its body begins if it is streamed; what the
application does after that, such as background tasks, it does once the response has been sent and
before the next event is asked for.
"""

import asyncio

from .aio import environment_loop, on_init
from .api import HTTP_TYPE, JSON_TYPE
from .environment import environment
from .http_answer import Answer, ApplicationError, Options, called, refuse_websocket
from .lifespan import Lifespan, ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping
    from typing import Any

    from .api import Invocation, Upload
    from .http_answer import Encoder
    from .http_events import Request

    Message = MutableMapping[str, Any]
    Application = Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
        Awaitable[None],
    ]

SPEC = {"version": "3.0", "spec_version": "2.4"}


class DisconnectError(OSError):
    """The client takes no more of the response: what `send` raises, as ASGI has it."""


def asgi(  # noqa: PLR0913 - options
    app: "Application",
    *,
    stream: bool = False,
    lifespan: str = "auto",
    base_path: str = "",
    compress: bool = False,
    error_statuses: "str | Iterable[int | str]" = (),
    events_path: str = "",
) -> "AsgiHandler":
    """Return a handler that serves HTTP requests by an application of ASGI.

    `stream`: responses are streamed to function URLs and REST APIs, which must be set up for it.
    `lifespan`: "auto", "on" (an application without is an error) or "off". `base_path`: where a
    custom domain has the API, such as "/orders". `compress`: responses are compressed by gzip where
    the client takes it. `error_statuses`: such statuses make a failed invocation, as in
    (500, "502-504"). `events_path`: events that are not HTTP requests are posted there as JSON.
    Raises ValueError and TypeError for options of no use.
    """
    if not callable(app):
        raise TypeError(f"snapboot.asgi was given {app!r}, which is not an application of ASGI")
    options = Options(
        stream=stream,
        compress=compress,
        base_path=base_path,
        error_statuses=error_statuses,
        events_path=events_path,
    )
    return AsgiHandler(app, options, Lifespan(app, lifespan))


class AsgiHandler:
    """A handler. Outside of the runtime, in a test, it can be called as any."""

    def __init__(self, app: "Application", options: Options, lifespan: Lifespan) -> None:
        self._app = app
        self._options = options
        self._lifespan = lifespan
        if environment.context is None:
            on_init(self._start)

    def __repr__(self) -> str:
        return f"<AsgiHandler of {self._app!r}>"

    def __call__(self, event: "Any", context: "Any") -> "Any":
        """Return the response to an event. Raises EventError for one that is not a request."""
        if environment_loop.is_running:
            raise RuntimeError(
                f"{self!r} was called on the event loop, which it runs itself: call it from a"
                " handler that is not async def"
            )
        self._lifespan.start()  # where no Function Init has done it
        request = self._options.request(event)
        if request.wants_websocket:
            return refuse_websocket(request, self._options)
        scope = scope_of(request, context)
        if self._lifespan.state is not None:
            scope["state"] = self._lifespan.state.copy()
        try:
            return Exchange(self._app, scope, request, self._options).result()
        except Exception as exc:
            if ending.is_due:
                from .main import reported

                reported(exc, context.aws_request_id)
                ending.end()
            raise

    def _start(self) -> None:
        self._lifespan.start()
        ending.await_signal(self._lifespan)


def scope_of(request: "Request", context: "Any") -> "dict[str, Any]":
    """Return the scope of a request, with the event and the context of Lambda."""
    return {
        "type": "http",
        "asgi": SPEC.copy(),
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.raw_path,
        "query_string": request.query,
        "root_path": request.root,
        "headers": request.headers,
        "client": request.client,
        "server": request.server,
        "extensions": {},
        "aws.event": request.event,
        "aws.context": context,
    }


class Exchange:
    """One request, from the application's start to its end, and the response between.

    It is what the handler returns if there is anything left to do: the runtime calls `send`.
    """

    __lambda_response__ = True

    def __init__(
        self, app: "Application", scope: "Message", request: "Request", options: Options
    ) -> None:
        self._request = request
        self._options = options
        self._answer: Answer | None = None
        self._encode: Encoder | None = None
        self._begin = b""  # what goes ahead of the body: its first piece may be cancelled
        self._pieces: list[bytes] = []
        self._size = 0
        self._upload: Upload | None = None
        self._document = b""
        self._has_request = True
        self._is_complete = False
        self._is_disconnected = False
        self._over = asyncio.Event()
        self._order: asyncio.Lock | None = None
        self._exit: SystemExit | KeyboardInterrupt | None = None
        started = called(app, "ASGI", "snapboot.wsgi", scope, self._receive, self._send)
        self._task = environment_loop.task(started)

    def __repr__(self) -> str:
        return f"<Exchange of {self._request}>"

    # What the runtime calls.

    def result(self) -> "Any":
        """Run the application until it has answered, and return the answer.

        Raises what it raises before, and ApplicationError if it ends without an answer.
        """
        self._run()
        answer = self._answer
        if answer is None:
            raise ApplicationError(f"the application ended without a response to {self._request}")
        if answer.is_streamed and not self._task.done():
            self._check(answer)
            return self
        self._check_complete()
        result = answer.whole(b"".join(self._pieces))
        if environment.context is None:
            self._finish()
        elif not self._task.done() or ending.is_due or self._exit is not None:
            from .codec import codec

            self._document = codec.encode(result)
            return self
        return result

    def send(self, invocation: "Invocation", _content_type: str) -> None:
        """Send the response, then do what the application has left to do.

        Raises RuntimeAPIError when the process must end.
        """
        if self._document:
            invocation.succeed(self._document, JSON_TYPE)
        else:
            self._stream(invocation)
        self._finish()
        if self._exit is not None:
            raise self._exit
        if ending.is_due:
            ending.end()

    def _check(self, answer: Answer) -> None:
        """Raise HTTPStatusError once the application knows that its response is of no use."""
        try:
            answer.check(self._pieces.pop())
        except BaseException:
            self._disconnect()
            self._finish()
            raise

    def _stream(self, invocation: "Invocation") -> None:
        from .streaming import trailers_of

        self._upload = invocation.begin(HTTP_TYPE)
        trailers = []
        try:
            self._run()
            self._check_complete()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            trailers = trailers_of(exc, invocation.request_id)
        if not self._is_complete:
            self._disconnect()
        invocation.finish(self._upload, trailers)

    def _run(self) -> None:
        """Let the application run until it ends, or there is something for the runtime to do."""
        try:
            environment_loop.resume(self._task)
        except (SystemExit, KeyboardInterrupt) as exc:
            if not self._is_complete:
                raise
            self._exit = exc  # once the response has been sent
        except BaseException as exc:
            if _is_disconnect(exc):
                return
            if not self._is_complete:
                raise
            _log(exc)

    def _finish(self) -> None:
        while not self._task.done():
            try:
                self._run()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:  # after a disconnect: no one is there to receive it
                _log(exc)

    def _check_complete(self) -> None:
        if not self._is_complete and not self._is_disconnected:
            raise ApplicationError(
                f"the application ended before its response to {self._request} was complete"
            )

    # What the application calls.

    async def _receive(self) -> "Message":
        if self._has_request:
            self._has_request = False
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: "Message") -> None:
        kind = _kind_of(message)
        if self._is_disconnected:
            raise self._disconnected()
        if self._answer is None and kind == "http.response.start":
            headers = list(message.get("headers") or ())
            self._answer = Answer(self._request, self._options, message.get("status"), headers)
        elif self._answer is None or self._is_complete or kind != "http.response.body":
            raise ApplicationError(
                f"the application sent {kind!r} {self._stage()} ({self._request})"
            )
        else:
            await self._send_body(message.get("body", b""), is_last=not message.get("more_body"))

    def _stage(self) -> str:
        if self._answer is None:
            return "before 'http.response.start'"
        return "after the response was complete" if self._is_complete else "amid its response"

    async def _send_body(self, piece: "Any", *, is_last: bool) -> None:
        answer = self._answer
        assert answer is not None
        if not isinstance(piece, bytes):
            if not isinstance(piece, (bytearray, memoryview)):
                raise TypeError(
                    f"the body of the response to {self._request} is of type"
                    f" {type(piece).__name__!r}; it must be bytes"
                )
            piece = bytes(piece)
        if not answer.is_streamed:
            if piece:
                self._pieces.append(piece)
                self._size += len(piece)
                answer.check_length(self._size)
        else:
            if self._order is None:
                self._order = asyncio.Lock()
            async with self._order:  # tasks of the application may send at the same time
                await self._send_piece(answer, piece, is_last=is_last)
        if is_last:
            self._is_complete = True
            self._over.set()
            environment_loop.release()

    async def _send_piece(self, answer: Answer, piece: bytes, *, is_last: bool) -> None:
        if self._encode is None:
            self._encode = answer.encoder()
            self._begin = answer.prelude()
            self._pieces.append(piece)
            await environment_loop.pause()
        if self._upload is None or self._is_disconnected:
            raise self._disconnected()
        body = self._encode(piece, is_last) if answer.has_body else b""
        begin, self._begin = self._begin, b""
        if (begin or body) and not await self._upload.write_soon(begin + body):
            self._disconnect()
            environment_loop.release()
            raise self._disconnected()

    def _disconnect(self) -> None:
        self._is_disconnected = True
        self._over.set()

    def _disconnected(self) -> DisconnectError:
        return DisconnectError(f"the client takes no more of the response to {self._request}")


def _log(error: BaseException) -> None:
    from .main import reported

    context = environment.context
    reported(error, context.aws_request_id if context else "")


def _kind_of(message: "Any") -> str:
    try:
        return str(message["type"])
    except (KeyError, TypeError):
        raise ApplicationError(
            f"the application sent {message!r:.100}, which is not a message of ASGI"
        ) from None


def _is_disconnect(error: "BaseException | None") -> bool:
    """Whether an error comes from the disconnect that was sent to the application."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, DisconnectError):
            return True
        if isinstance(error, BaseExceptionGroup) and all(map(_is_disconnect, error.exceptions)):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False
