"""Who waits for an invocation at the other end of an HTTP connection, or does not wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import header_lines
from snapboot_devkit.host.http.response_stream import nothing
from snapboot_devkit.host.routes import http_result, invoke_stream
from snapboot_devkit.host.routes import invoke as invoke_routes
from snapboot_devkit.lazy_dataclass import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snapboot_devkit.host.callers.in_process import Sink
    from snapboot_devkit.host.http.exchange import Response
    from snapboot_devkit.host.http.response_stream import ResponseStream
    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure

# A line takes one byte at least, so that no more than this many can be in the tail.
_TAIL_LINES: Final = protocol.LOG_TAIL_BYTES


class Answerable(Protocol):
    """A request that can be answered once; what comes later is ignored."""

    def answer(self, response: Response) -> None:
        """Answer it."""

    def report(self, response: Response) -> None:
        """Have a refusal logged that comes too late to be the answer."""


class Streamable(Answerable, Protocol):
    """A request that can be answered by a stream, too."""

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> ResponseStream:
        """Begin to answer it."""


class Client:
    """A client of Invoke, who has the result at once but a log tail only at the end."""

    sink: Sink | None = None

    def __init__(self, exchange: Answerable, call: invoke_routes.InvokeCall, version: str) -> None:
        """Answer `exchange` when `call` has come to its end."""
        self._exchange = exchange
        self._call = call
        self._version = version
        self._result: FunctionResult

    def __repr__(self) -> str:
        return f"<Client {self._call.invocation.request_id}>"

    def answered(self, result: FunctionResult) -> None:
        """Pass the result on, unless the log is to go with it."""
        self._result = result
        if not self._call.with_log_tail:
            self._answer(None)

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Pass the result on with the end of the log."""
        del report
        if self._call.with_log_tail:
            self._answer(_log(lines))

    def refused(self, failure: ServiceFailure) -> None:
        """Pass the refusal on."""
        self._exchange.answer(invoke_routes.render_failure(failure))

    def _answer(self, log: bytes | None) -> None:
        self._exchange.answer(invoke_routes.render(self._call, self._result, self._version, log))


class StreamClient:
    """A client of InvokeWithResponseStream, who has each piece as a message of its own."""

    def __init__(self, exchange: Streamable, call: invoke_routes.InvokeCall, version: str) -> None:
        """Answer `exchange` with what `call` brings."""
        self.on_writable: Callable[[], None] = nothing
        self._exchange = exchange
        self._call = call
        self._version = version
        self._stream: ResponseStream | None = None
        self._result: FunctionResult

    def __repr__(self) -> str:
        return f"<StreamClient {self._call.invocation.request_id} {self._stream}>"

    @property
    def sink(self) -> Sink:
        """Itself."""
        return self

    @property
    def writable(self) -> bool:
        """Whether the client reads what is written."""
        return self._stream is None or self._stream.writable

    def begin(self, content_type: str) -> None:
        """Begin the response, whose own type this API does not tell."""
        del content_type
        self._begun()

    def write(self, data: bytes) -> None:
        """Pass a piece on."""
        self._write(data)

    def answered(self, result: FunctionResult) -> None:
        """Pass a whole result on by pieces; the end may have to wait for the log."""
        self._result = result
        if not result.failed:
            self._write(result.payload)
        if not self._call.with_log_tail:
            self._complete(None)

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """End the response with the end of the log."""
        del report
        if self._call.with_log_tail:
            self._complete(_log(lines))

    def refused(self, failure: ServiceFailure) -> None:
        """Pass the refusal on, as a response or, when one has begun, as its last message."""
        if self._stream is None:
            self._exchange.answer(invoke_routes.render_failure(failure))
        else:
            self._exchange.report(invoke_routes.render_failure(failure))
            self._stream.write(invoke_stream.broken_off(failure))
            self._stream.end()

    def _begun(self) -> ResponseStream:
        if self._stream is None:
            headers = invoke_stream.headers(self._call.invocation, self._version)
            self._stream = self._exchange.begin(200, headers)
            self._stream.on_writable = self._go_on
        return self._stream

    def _go_on(self) -> None:
        self.on_writable()

    def _write(self, payload: bytes | bytearray) -> None:
        stream = self._begun()
        for message in invoke_stream.chunks(payload):
            stream.write(message)

    def _complete(self, log: bytes | None) -> None:
        stream = self._begun()
        stream.write(invoke_stream.complete(self._result, log))
        stream.end()


class UrlClient:
    """A client of a function URL; one that is `streamed` has the response as it comes."""

    def __init__(
        self, exchange: Streamable, invocation: Invocation, *, streamed: bool = False
    ) -> None:
        """Answer `exchange` with what the function makes of `invocation`."""
        self.on_writable: Callable[[], None] = nothing
        self._exchange = exchange
        self._invocation = invocation
        self._streamed = streamed
        self._prelude: http_result.PreludeReader | None = None
        self._stream: ResponseStream | None = None

    def __repr__(self) -> str:
        return f"<UrlClient {self._invocation.request_id} {self._stream}>"

    @property
    def sink(self) -> Sink | None:
        """Itself, if the response is to come by pieces."""
        return self if self._streamed else None

    @property
    def writable(self) -> bool:
        """Whether the client reads what is written."""
        return self._stream is None or self._stream.writable

    def begin(self, content_type: str) -> None:
        """Begin the response, unless its own beginning is to tell how."""
        if content_type == protocol.HTTP_INTEGRATION:
            self._prelude = http_result.PreludeReader()
        else:
            kind = content_type.encode("utf-8", "replace")
            self._open(http_result.ResponseStart(200, ((protocol.CONTENT_TYPE, kind),)))

    def write(self, data: bytes) -> None:
        """Pass a piece on."""
        if self._prelude is not None:
            self._write_prelude(self._prelude, data)
        elif self._stream is not None:
            self._stream.write(data)

    def answered(self, result: FunctionResult) -> None:
        """Pass a whole result on, or end the stream."""
        if not self._streamed:
            self._answer(http_result.render(result))
        elif result.failed:
            self._break_off(http_result.bad_gateway(http_result.reason_of(result)))
        else:
            self._finish(result)

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Let the figures go."""

    def refused(self, failure: ServiceFailure) -> None:
        """Pass the refusal on."""
        self._break_off(http_result.render_failure(failure))

    def _finish(self, result: FunctionResult) -> None:
        if self._stream is None and self._prelude is None:
            self.begin(result.content_type)
        self.write(bytes(result.payload))
        if self._prelude is not None:
            self._answer(http_result.bad_gateway("the stream ended within its prelude"))
        elif self._stream is not None:
            self._stream.end()

    def _write_prelude(self, prelude: http_result.PreludeReader, data: bytes) -> None:
        try:
            read = prelude.feed(data)
        except http_result.InvalidResultError as exc:
            self._prelude = None
            self._answer(http_result.bad_gateway(str(exc)))
            return
        if read is not None:
            self._prelude = None
            start, content = read
            self._open(start).write(content)

    def _open(self, start: http_result.ResponseStart) -> ResponseStream:
        headers = (*start.headers, *invoke_routes.ids(self._invocation))
        self._stream = self._exchange.begin(start.status, headers)
        self._stream.on_writable = self._go_on
        return self._stream

    def _go_on(self) -> None:
        self.on_writable()

    def _break_off(self, response: Response) -> None:
        """Answer or, when a response has begun, let the client see that it is not whole."""
        if self._stream is None:
            self._answer(response)
        else:
            self._exchange.report(response)
            self._stream.abort()

    def _answer(self, response: Response) -> None:
        headers = response.headers + header_lines(*invoke_routes.ids(self._invocation))
        self._exchange.answer(changed(response, headers=headers))


def _log(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines[-_TAIL_LINES:]).encode()
