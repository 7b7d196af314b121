"""Where events are left that nobody waits for: performs what their queue decides."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from snapboot_devkit.host.scaling.events import (
    Effect,
    EventQueue,
    Failed,
    Outcome,
    Send,
    Succeeded,
    Tell,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snapboot_devkit.host.front.callers import Caller, Sink
    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.rules import EventRules
    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure


class Sender:
    """The caller of an event: waits for its outcome, and for none of its bytes."""

    sink: Sink | None = None

    def __init__(self, ended: Callable[[Outcome], None]) -> None:
        """Tell `ended` how the invocation went, once."""
        self._ended = ended
        self._outcome: Outcome = Succeeded()

    def __repr__(self) -> str:
        return f"<Sender {self._outcome!r}>"

    def answered(self, result: FunctionResult) -> None:
        """Keep whether it went well."""
        if result.function_error:
            self._outcome = Failed(f"function error {result.function_error}")

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Tell the outcome."""
        del lines
        if report.error_type and isinstance(self._outcome, Failed):
            self._outcome = Failed(f"function error {report.error_type}")
        self._ended(self._outcome)

    def refused(self, failure: ServiceFailure) -> None:
        """Tell that the function was not invoked."""
        self._ended(refused(failure))


class Postbox:
    """One function's events."""

    def __init__(
        self,
        rules: EventRules,
        at_once: int,
        invoke: Callable[[Invocation, Caller], None],
        tell: Callable[[str], None],
    ) -> None:
        """Send events by `invoke`, at most so many `at_once`; `tell` their fates, line by line."""
        self._queue = EventQueue(rules, at_once)
        self._invoke = invoke
        self._tell = tell
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Postbox {self._queue!r}>"

    def has_room(self, invocation: Invocation) -> bool:
        """Tell whether one more event can be taken."""
        return not self._closed and self._queue.has_room(invocation)

    def post(self, invocation: Invocation) -> None:
        """Take an event for which there is room; it is sent as soon as possible."""
        self._perform(self._queue.taken(invocation, self._now()))

    def close(self) -> None:
        """Tell how many events are given up, and send no more."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if count := len(self._queue):
            self._tell(f"snapboot: the host stops; {count} {_events(count)} not done")

    def _perform(self, effects: Iterable[Effect]) -> None:
        if self._closed:
            return
        for effect in effects:
            match effect:
                case Tell(text):
                    self._tell(text)
                case Send(ticket, invocation):
                    self._invoke(invocation, Sender(partial(self._ended, ticket)))
        self._set_timer()

    def _ended(self, ticket: int, outcome: Outcome) -> None:
        # Not from within the call that has just sent it, and whose turn may not be over.
        loop = asyncio.get_running_loop()
        loop.call_soon(self._settle, ticket, outcome)

    def _settle(self, ticket: int, outcome: Outcome) -> None:
        self._perform(self._queue.ended(ticket, outcome, self._now()))

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        deadline = self._queue.deadline
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(deadline, self._ring) if deadline is not None else None

    def _ring(self) -> None:
        self._timer = None
        self._perform(self._queue.time_passed(self._now()))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _events(count: int) -> str:
    return "event is" if count == 1 else "events are"
