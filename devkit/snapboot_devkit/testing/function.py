"""One function with its environments, for a test to invoke."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from snapboot_devkit.host import FunctionConfig, InvokeResult, LocalHost
from snapboot_devkit.testing.loop import BackgroundLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from snapboot_devkit.host import LogLine, Report
    from snapboot_devkit.host.callers.in_process import InProcessCaller

_COOKIE: Final = "set-cookie"
# What a test may call shorter than FunctionConfig does.
_SHORT: Final = {"timeout": "timeout_s", "memory": "memory_mb"}


@dataclass(frozen=True, slots=True)
class Result(InvokeResult):
    """What an invocation came to; a function error is a result, too."""

    def json(self) -> Any:
        """Return what the function returned, or the error's document. Raises ValueError."""
        return json.loads(self.payload)


class LambdaFunction:
    """A function on a local host of its own. Use it as a context manager.

    Environments start when they are needed and serve until the end, as on Lambda: module state
    lasts from one invocation to the next. The settings are those of FunctionConfig, where
    `timeout` is in seconds and `memory` in MB. Every line of the log goes to `log` as it comes, by
    default to standard error. Raises ConfigError; entering raises SourceError.
    """

    def __init__(
        self, handler: str = "", *, log: Callable[[str], object] | None = None, **settings: Any
    ) -> None:
        """Prepare a function; nothing is started before it is entered and invoked."""
        settings = {_SHORT.get(name, name): value for name, value in settings.items()}
        self.config = FunctionConfig(handler, **settings)
        self._log = log or _to_standard_error
        self._lines: list[str] = []
        self._report: Report | None = None
        self._loop: BackgroundLoop
        self._host: LocalHost

    def __repr__(self) -> str:
        return f"<LambdaFunction {self.config.handler!r}>"

    @property
    def logs(self) -> list[str]:
        """Every line of the log so far, from all environments."""
        return list(self._lines)

    @property
    def report(self) -> Report:
        """The figures of the last invocation. Raises LookupError before there is one."""
        if self._report is None:
            raise LookupError(f"{self!r} has not been invoked yet, so there is no report")
        return self._report

    def __enter__(self) -> Self:
        """Open the host."""
        self._host = LocalHost(self.config, log=self._write)
        self._loop = BackgroundLoop()
        try:
            self._loop.run(self._host.__aenter__())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process."""
        try:
            self._loop.run(self._host.__aexit__(kind, exc, traceback))
        finally:
            self._loop.close()

    def invoke(self, payload: Any = None, **options: Any) -> Result:
        """Invoke the function and wait until it is done.

        `payload` is the event: bytes are sent as they are, anything else as its JSON. `options` are
        those of `LocalHost.invoke`, such as `client_context` and `tenant_id`. Raises InvokeError
        for what the Invoke API would refuse.
        """
        return self._finished(self._loop.run(self._host.invoke(payload, **options)))

    def stream(self, payload: Any = None, **options: Any) -> Stream:
        """Invoke the function, and return its response as it comes. Raises InvokeError."""

        async def begin() -> InProcessCaller:
            return self._host.stream(payload, **options)

        return Stream(self._loop, self._loop.run(begin()), self._finished)

    def _finished(self, result: InvokeResult) -> Result:
        self._report = result.report
        return Result(result.payload, result.function_error, result.logs, result.report)

    def _write(self, line: LogLine) -> None:
        self._lines.append(line.text)
        self._log(line.text)


class Stream:
    """A response as it comes: iterate over its pieces. `result` is how it ended, once it has.

    What the function returned whole is one piece. Of a streamed HTTP response (the functions that
    return `snapboot.HttpResponse`) the pieces are the body; `status`, `headers` and `cookies` wait
    for its beginning, and are None and empty for any other response.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        program: InProcessCaller,
        finished: Callable[[InvokeResult], Result],
    ) -> None:
        """Read what `program`, which lives in `loop`, receives."""
        self._loop = loop
        self._program = program
        self._pieces = program.pieces()
        self._finished = finished
        self._begun = False
        self._first: bytes | None = None
        self._result: Result | None = None

    def __repr__(self) -> str:
        return f"<Stream {'at its end' if self._result else 'open'}>"

    @property
    def content_type(self) -> str | None:
        """The content type that the function's stream has; None for what it returned whole."""
        self._await_beginning()
        return self._program.content_type

    @property
    def status(self) -> int | None:
        """The status of the HTTP response."""
        self._await_beginning()
        return self._program.http.status if self._program.http else None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the HTTP response, by their names in lower case, without cookies."""
        return {name: text for name, text in self._fields() if name != _COOKIE}

    @property
    def cookies(self) -> list[str]:
        """The cookies that the HTTP response sets, each as the value of `Set-Cookie`."""
        return [text for name, text in self._fields() if name == _COOKIE]

    @property
    def error(self) -> Any:
        """The document of the error that the response ended with; None if it ended well."""
        return self.result.json() if self.result.function_error else None

    @property
    def result(self) -> Result:
        """How the invocation ended; drops the pieces that were not read, and waits for it."""
        if self._result is None:
            for _ in self:
                pass
        assert self._result is not None
        return self._result

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces, each as soon as it is there."""
        try:
            while (piece := self._next_piece()) is not None:
                yield piece
        finally:
            # Drop what a caller that leaves early does not read: the function must not wait for it.
            self._loop.run(self._pieces.aclose())
        if self._result is None:
            self._result = self._finished(self._loop.run(self._program.outcome()))

    def _next_piece(self) -> bytes | None:
        self._await_beginning()
        piece, self._first = self._first, None
        return piece if piece is not None else self._loop.run(_next(self._pieces))

    def _fields(self) -> list[tuple[str, str]]:
        self._await_beginning()
        start = self._program.http
        pairs = start.headers if start else ()
        return [(name.decode(), text.decode()) for name, text in pairs]

    def _await_beginning(self) -> None:
        """Wait for the first piece, which stays to be read, or for the end."""
        if not self._begun:
            self._first = self._loop.run(_next(self._pieces))
            self._begun = True


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


def _to_standard_error(text: str) -> None:
    """Write a line where it is now: pytest exchanges the stream for every test."""
    # A runtime joins a record of several lines with carriage returns, to keep it one event.
    sys.stderr.write(text.replace("\r", "\n") + "\n")
