"""Events that no one waits for: queued, sent, and sent again when they fail.

As on Lambda an event keeps its request id over all attempts. A function error is retried a few
times; an event that is turned away, because all environments are taken or the service failed, goes
back to the queue until it is too old. `EventQueue` decides without I/O; `AsyncInvokeQueue` acts.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.terms import ServiceFailure
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from snapboot_devkit.host.callers.in_process import Caller, Sink
    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.rules import EventRules
    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation

# Of one function, waiting or at work: more than anybody sends by hand, and small in memory.
MAX_EVENTS: Final = 1_000
MAX_EVENTS_BYTES: Final = 64 * protocol.MIB
# An event that was turned away waits this long, then twice as long, up to the second figure.
FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 30.0

QUEUE_IS_FULL: Final = ServiceFailure(
    429,
    "TooManyRequestsException",
    f"Rate Exceeded: {MAX_EVENTS} events, or {MAX_EVENTS_BYTES} bytes of them, are waiting; "
    "let some of them end first",
    "ConcurrentInvocationLimitExceeded",
)


@dataclass(frozen=True, slots=True)
class Send:
    """Invoke the function, and report to `EventQueue.ended` what came of it, by `ticket`."""

    ticket: int
    invocation: Invocation


@dataclass(frozen=True, slots=True)
class LogText:
    """Write a line to the log."""

    text: str


Effect: TypeAlias = Send | LogText


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function has returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The function has failed, or the event can never be served; `problem` says how."""

    problem: str


@dataclass(frozen=True, slots=True)
class NotServed:
    """The event has not been served, and may be later."""

    problem: str


Outcome: TypeAlias = Succeeded | Failed | NotServed


def refused(failure: ServiceFailure) -> Outcome:
    """Return what a refusal by the service comes to."""
    passing = failure.status == 429 or failure.status >= 500
    return (NotServed if passing else Failed)(f"{failure.exception}: {failure.message}")


class _Event:
    """One event on its way; ordered by the instant its next attempt is due."""

    failures = turned_away = 0
    problem = "it had to wait"

    def __init__(self, due: float, ticket: int, invocation: Invocation, expires: float) -> None:
        self.due = due
        self.ticket = ticket
        self.invocation = invocation
        self.expires = expires

    def __lt__(self, other: _Event) -> bool:
        return (self.due, self.ticket) < (other.due, other.ticket)

    def __str__(self) -> str:
        return f"snapboot: event {self.invocation.request_id}"

    @property
    def size(self) -> int:
        return len(self.invocation.payload)


class EventQueue:
    """One function's events. Every method takes the present instant and returns what to do."""

    def __init__(self, rules: EventRules, at_once: int) -> None:
        """Send at most so many events `at_once`."""
        self._rules = rules
        self._at_once = at_once
        self._tickets = itertools.count(1)
        self._waiting: list[_Event] = []
        self._sent: dict[int, _Event] = {}
        self._size = 0

    def __repr__(self) -> str:
        return f"<EventQueue, {len(self._waiting)} waiting, {len(self._sent)} sent>"

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    @property
    def deadline(self) -> float | None:
        """The instant at which `time_passed` has something to do, if there is one."""
        if not self._waiting or len(self._sent) >= self._at_once:
            return None
        return self._waiting[0].due

    def has_room(self, invocation: Invocation) -> bool:
        """Return whether the queue has room for one more event."""
        fits = self._size + len(invocation.payload) <= MAX_EVENTS_BYTES
        return fits and len(self) < MAX_EVENTS

    def taken(self, invocation: Invocation, now: float) -> list[Effect]:
        """Take an event for which there is room."""
        event = _Event(now, next(self._tickets), invocation, now + self._rules.max_age_s)
        self._size += event.size
        heapq.heappush(self._waiting, event)
        return self.time_passed(now)

    def time_passed(self, now: float) -> list[Effect]:
        """Send what is due."""
        return list(self._due(now))

    def ended(self, ticket: int, outcome: Outcome, now: float) -> list[Effect]:
        """Take note of what came of an event that was sent."""
        settled = self._settle(self._sent.pop(ticket), outcome, now)
        return [*settled, *self._due(now)]

    def _due(self, now: float) -> Iterator[Effect]:
        while self._waiting and len(self._sent) < self._at_once and self._waiting[0].due <= now:
            event = heapq.heappop(self._waiting)
            if event.expires < now:
                yield self._dropped(event, event.problem)
            else:
                self._sent[event.ticket] = event
                yield Send(event.ticket, event.invocation)

    def _settle(self, event: _Event, outcome: Outcome, now: float) -> list[Effect]:
        match outcome:
            case Succeeded():
                self._size -= event.size
                return [LogText(f"{event} is done {_attempts(event)}")] if event.failures else []
            case NotServed(problem):
                event.turned_away += 1
                return [self._later(event, problem, backoff_s(event.turned_away), now)]
            case Failed(problem):
                return [self._failed(event, problem, now)]

    def _failed(self, event: _Event, problem: str, now: float) -> LogText:
        delays = self._rules.retry_delays_s
        event.failures += 1
        event.turned_away = 0
        if event.failures > len(delays):
            return self._dropped(event, problem)
        return self._later(event, problem, delays[event.failures - 1], now)

    def _later(self, event: _Event, problem: str, wait_s: float, now: float) -> LogText:
        if now + wait_s > event.expires:
            return self._dropped(event, problem)
        event.problem = problem
        event.due = now + wait_s
        heapq.heappush(self._waiting, event)
        return LogText(f"{event} retries in {wait_s:g} s{_real_wait(event)}: {problem}")

    def _dropped(self, event: _Event, problem: str) -> LogText:
        self._size -= event.size
        return LogText(f"{event} is dropped {_attempts(event)}: {problem}")


def backoff_s(turned_away: int) -> float:
    """Return how long an event waits that was turned away so often in a row; in seconds."""
    doublings = min(turned_away - 1, _MAX_DOUBLINGS)
    return min(FIRST_BACKOFF_S * 2.0**doublings, MAX_BACKOFF_S)


# More than it takes to get from the first pause to the longest.
_MAX_DOUBLINGS: Final = 16
# What Lambda waits after the first and the second function error, in minutes.
_LAMBDA_WAITS_MIN: Final = (1, 2)


def _attempts(event: _Event) -> str:
    """Say how often the function has failed."""
    if not event.failures:
        return "without delivery"
    return f"after {event.failures} failed attempt{'s' if event.failures > 1 else ''}"


def _real_wait(event: _Event) -> str:
    """Say how the pause differs from Lambda's, where it does by intent."""
    if event.turned_away or event.failures > len(_LAMBDA_WAITS_MIN):
        return ""
    return f" (on Lambda in about {_LAMBDA_WAITS_MIN[event.failures - 1]} min)"


class AsyncCaller:
    """The caller of an event: waits for its outcome, and for none of its bytes."""

    sink: Sink | None = None

    def __init__(self, ended: Callable[[Outcome], None]) -> None:
        """Report to `ended` how the invocation went, once."""
        self._ended = ended
        self._outcome: Outcome = Succeeded()

    def __repr__(self) -> str:
        return f"<AsyncCaller {self._outcome!r}>"

    def answered(self, result: FunctionResult) -> None:
        """Keep whether it went well."""
        if result.function_error:
            self._outcome = Failed(f"function error {result.function_error}")

    def finished(self, report: Report, lines: tuple[str, ...]) -> None:
        """Report the outcome."""
        del lines
        if report.error_type and isinstance(self._outcome, Failed):
            self._outcome = Failed(f"function error {report.error_type}")
        self._ended(self._outcome)

    def refused(self, failure: ServiceFailure) -> None:
        """Report that the function was not invoked."""
        self._ended(refused(failure))


class AsyncInvokeQueue:
    """One function's events."""

    def __init__(
        self,
        rules: EventRules,
        at_once: int,
        invoke: Callable[[Invocation, Caller], None],
        log: Callable[[str], None],
    ) -> None:
        """Send events by `invoke`, at most so many `at_once`; `log` their fates, line by line."""
        self._queue = EventQueue(rules, at_once)
        self._invoke = invoke
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<AsyncInvokeQueue {self._queue!r}>"

    def has_room(self, invocation: Invocation) -> bool:
        """Return whether there is room for one more event."""
        return not self._closed and self._queue.has_room(invocation)

    def post(self, invocation: Invocation) -> None:
        """Take an event for which there is room; it is sent as soon as possible."""
        self._perform(self._queue.taken(invocation, self._now()))

    def close(self) -> None:
        """Log how many events are given up, and send no more."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if count := len(self._queue):
            events = "event is" if count == 1 else "events are"
            self._log(f"snapboot: the host stops; {count} {events} not done")

    def _perform(self, effects: Iterable[Effect]) -> None:
        if self._closed:
            return
        for effect in effects:
            match effect:
                case LogText(text):
                    self._log(text)
                case Send(ticket, invocation):
                    self._invoke(invocation, AsyncCaller(partial(self._ended, ticket)))
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
