"""Who waits for an invocation: what every caller takes, and the caller in this process.

A caller with a sink has a streamed response piece by piece; for one without it is collected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from snapboot_devkit.host import protocol
from snapboot_devkit.host.errors import InvokeError
from snapboot_devkit.host.http.response_stream import nothing
from snapboot_devkit.host.routes import http_result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.terms import FunctionResult, ServiceFailure

# A program that reads a stream more slowly than it comes is so far behind at most.
_BEHIND_BYTES: Final = protocol.MIB


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """What an invocation came to. `logs` holds its lines, and those of an init before it.

    The payload of a result that was streamed is empty, but for the document of an error.
    """

    payload: bytes
    function_error: str | None
    logs: tuple[str, ...]
    report: Report


class Sink(Protocol):
    """Takes a response piece by piece; its end is reported by `Caller.answered` or `refused`.

    `on_writable`, which the writer sets, is called when it makes sense to write again.
    """

    on_writable: Callable[[], None]

    @property
    def writable(self) -> bool:
        """Whether more may be written without piling up; of one who has gone it may."""

    def begin(self, content_type: str) -> None:
        """Learn that a streamed response begins."""

    def write(self, data: bytes) -> None:
        """Take a piece."""


class Caller(Protocol):
    """Someone who waits for an invocation."""

    @property
    def sink(self) -> Sink | None:
        """What takes the pieces of a streamed response; without it the response comes whole."""

    def answered(self, result: FunctionResult) -> None:
        """Take the result; the runtime may still be at work.

        After a stream the payload is empty, unless it failed: then it is the error's document.
        """

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Take the figures and the log; always after the result."""

    def refused(self, failure: ServiceFailure) -> None:
        """Learn that nothing more will come."""


class InProcessCaller:
    """A coroutine in this process, which waits for everything.

    One that is `streamed` must read `pieces()` to their end, or leave that iterator; what the
    function returned whole is one piece. `content_type` is that of a stream that has begun, else
    None. `http` is status and headers of an HTTP response: they are no part of the pieces, and
    there from the first piece on. A stream without a valid prelude comes as it is, and `invalid`
    says what is wrong with it.
    """

    def __init__(self, *, streamed: bool = False) -> None:
        """Prepare to wait; to be made in the running loop."""
        self.on_writable: Callable[[], None] = nothing
        self.content_type: str | None = None
        self.http: http_result.ResponseStart | None = None
        self.invalid: str | None = None
        self._prelude: http_result.PreludeReader | None = None
        self._streamed = streamed
        self._outcome: asyncio.Future[InvokeResult] = asyncio.get_running_loop().create_future()
        self._result: FunctionResult
        self._pieces: deque[bytes] = deque()
        self._behind = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<InProcessCaller {'served' if self._outcome.done() else 'waiting'}>"

    @property
    def sink(self) -> Sink | None:
        """Itself, if it reads by pieces."""
        return self if self._streamed else None

    @property
    def writable(self) -> bool:
        """Whether the program keeps up."""
        return self._behind < _BEHIND_BYTES

    async def outcome(self) -> InvokeResult:
        """Wait for the end of the invocation. Raises InvokeError."""
        return await self._outcome

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the response as it comes; `outcome` says whether it is whole."""
        try:
            while True:
                while self._pieces:
                    yield self._next_piece()
                if self._ended:
                    return
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._leave()

    def begin(self, content_type: str) -> None:
        """Learn the type, and whether status and headers come ahead."""
        self.content_type = content_type
        if content_type == protocol.HTTP_INTEGRATION:
            self._prelude = http_result.PreludeReader()

    def write(self, data: bytes) -> None:
        """Keep a piece until it is read."""
        if self._prelude is not None:
            data = self._behind_prelude(self._prelude, data)
        self._keep(data)

    def _behind_prelude(self, prelude: http_result.PreludeReader, data: bytes) -> bytes:
        try:
            read = prelude.feed(data)
        except http_result.InvalidResultError as exc:
            return self._without_prelude(prelude, str(exc))
        if read is None:
            return b""
        self._prelude = None
        self.http, content = read
        return content

    def _without_prelude(self, prelude: http_result.PreludeReader, reason: str) -> bytes:
        self._prelude = None
        self.invalid = reason
        return prelude.taken

    def _keep(self, data: bytes) -> None:
        if data and not self._ended:
            self._pieces.append(data)
            self._behind += len(data)
            self._changed.set()

    def answered(self, result: FunctionResult) -> None:
        """Keep the result until the figures are there."""
        self._result = result
        if self._streamed and result.payload and not result.failed:
            self.write(bytes(result.payload))
        if self._prelude is not None:
            self._keep(self._without_prelude(self._prelude, "the stream ended within its prelude"))
        self._end()

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """End the wait."""
        if not self._outcome.done():
            result = self._result
            error = result.function_error or result.error_type
            self._outcome.set_result(InvokeResult(bytes(result.payload), error, lines, report))

    def refused(self, failure: ServiceFailure) -> None:
        """End the wait with an InvokeError."""
        self._end()
        if not self._outcome.done():
            self._outcome.set_exception(InvokeError(failure))

    def _next_piece(self) -> bytes:
        piece = self._pieces.popleft()
        was_writable = self.writable
        self._behind -= len(piece)
        if self.writable and not was_writable:
            self.on_writable()
        return piece

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    def _leave(self) -> None:
        """Hold no one back for a reader that has gone."""
        self._end()
        self._pieces.clear()
        self._behind = 0
        self.on_writable()
