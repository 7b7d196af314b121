"""Who waits for an invocation: a program, an HTTP client, or nobody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from snapboot_devkit.host import protocol
from snapboot_devkit.host.errors import InvokeError
from snapboot_devkit.host.routes import invoke as invoke_routes

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Response
    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.terms import FunctionResult, ServiceFailure


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """What an invocation came to. `logs` holds its lines, and those of an init before it."""

    payload: bytes
    function_error: str | None
    logs: tuple[str, ...]
    report: Report


class Caller(Protocol):
    """Someone who waits for an invocation."""

    def answered(self, result: FunctionResult) -> None:
        """Take the result; the runtime may still be at work."""

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Take the figures and the log; always after the result."""

    def refused(self, failure: ServiceFailure) -> None:
        """Learn that nothing more will come."""


class Program:
    """A coroutine in this process, which waits for everything."""

    def __init__(self) -> None:
        """Prepare to wait; to be made in the running loop."""
        self._outcome: asyncio.Future[InvokeResult] = asyncio.get_running_loop().create_future()
        self._result: FunctionResult

    def __repr__(self) -> str:
        return f"<Program {'served' if self._outcome.done() else 'waiting'}>"

    async def outcome(self) -> InvokeResult:
        """Wait for the end of the invocation. Raises InvokeError."""
        return await self._outcome

    def answered(self, result: FunctionResult) -> None:
        """Keep the result until the figures are there."""
        self._result = result

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """End the wait."""
        if not self._outcome.done():
            result = self._result
            self._outcome.set_result(
                InvokeResult(bytes(result.payload), result.function_error, lines, report)
            )

    def refused(self, failure: ServiceFailure) -> None:
        """End the wait with an InvokeError."""
        if not self._outcome.done():
            self._outcome.set_exception(InvokeError(failure))


class Answerable(Protocol):
    """A request that can be answered once; what comes later is ignored."""

    def answer(self, response: Response) -> None:
        """Answer it."""


class Nobody:
    """Invoked asynchronously: nobody waits but for the word that the event was taken."""

    def __init__(self, exchange: Answerable) -> None:
        """Tell `exchange` of a refusal."""
        self._exchange = exchange

    def answered(self, result: FunctionResult) -> None:
        """Let the result go."""

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Let the figures go."""

    def refused(self, failure: ServiceFailure) -> None:
        """Tell it, which is of no effect once the event was taken; then the log tells."""
        self._exchange.answer(invoke_routes.render_failure(failure))


class Client:
    """A client of the Invoke API, who has the result at once but a log tail only at the end."""

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
            self._answer("".join(f"{line}\n" for line in lines[-_TAIL_LINES:]).encode())

    def refused(self, failure: ServiceFailure) -> None:
        """Pass the refusal on."""
        self._exchange.answer(invoke_routes.render_failure(failure))

    def _answer(self, log: bytes | None) -> None:
        self._exchange.answer(invoke_routes.render(self._call, self._result, self._version, log))


# A line takes one byte at least, so that no more than this many can be in the tail.
_TAIL_LINES = protocol.LOG_TAIL_BYTES
