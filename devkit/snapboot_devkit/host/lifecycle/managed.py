"""The life of an environment that works on many invocations at once (managed instances).

The rules are simpler than those of `single` (those of AWS's emulator, `lambda-managed-instances`):

* the runtime's only state is whether it has failed to initialise. Each of its `next` calls is a
  *slot* that waits for an event; an invocation takes one, or is refused at once;
* an invocation is over when its answer is: there is no barrier behind it, and what the runtime
  does until its next `next` is not billed;
* a timeout concerns one invocation. Its code goes on and keeps its worker; its late answer is
  refused with 410, once;
* nothing is repaired. When the runtime or an extension has ended, all that was under way fails,
  the rest is torn down, and the owner makes another environment.

One rule is the local host's own. Who invokes before the init has ended is not refused but waits
for a slot, at most until the init's limit: on Lambda no request reaches an environment so early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.core import Environment
from snapboot_devkit.host.lifecycle.states import (
    EnvironmentMove,
    EnvironmentState,
    RuntimeMove,
    RuntimeState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.core import Answer, FailureOf
    from snapboot_devkit.host.lifecycle.in_flight import InFlight
    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import CallToken

# What the runtime is given after SIGTERM, whatever kind of extension there is; none, no SIGTERM.
RUNTIME_GRACE_S: Final = 0.6

_E = EnvironmentState
_V = EnvironmentMove

# A ready environment stays so while it works: `INVOKING` is no state of one that does many things.
MANAGED: Final = {
    (_E.COLD, _V.INIT): _E.INITIALISING,
    (_E.COLD, _V.STOP): _E.DEAD,
    (_E.INITIALISING, _V.READY): _E.READY,
    (_E.INITIALISING, _V.FAIL): _E.STOPPING,
    (_E.INITIALISING, _V.STOP): _E.STOPPING,
    (_E.READY, _V.FAIL): _E.STOPPING,
    (_E.READY, _V.STOP): _E.STOPPING,
    (_E.STOPPING, _V.STOP): _E.STOPPING,
    (_E.STOPPING, _V.EXIT): _E.DEAD,
    (_E.DEAD, _V.STOP): _E.DEAD,
}
# The first `init/error` counts, whichever worker it comes from; the others may do better.
MANAGED_RUNTIME: Final = {
    (RuntimeState.STARTED, RuntimeMove.INIT_ERROR): RuntimeState.INIT_ERROR,
}
_LIVE: Final = frozenset({_E.INITIALISING, _E.READY})

NO_IDLE_RUNTIME: Final = terms.ServiceFailure(
    400,
    "Runtime.Unavailable",
    "no idle runtimes: every worker has an event to work on; try again when one has answered",
)
DUPLICATE: Final = terms.ServiceFailure(
    400,
    "Client.DuplicatedInvokeId",
    "invoke ID already exists: an invocation with this request id is under way; use another one",
)
GONE: Final = terms.ServiceFailure(
    500,
    "Client.ExecutionEnvironmentShutDown",
    "The execution environment is shutting down; invoke again to get another one",
)

_INTERNAL_ERROR: Final = effects.Denied(500, "InternalServerError", "Internal Server Error")
_INVOKE_TIMEOUT: Final = effects.Denied(410, "InvokeTimeout", "Invoke timeout")
_ERROR_TOO_LARGE: Final = effects.Denied(
    413,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({protocol.MAX_ERROR_BYTES} bytes).",
)


class _TimedOut:
    """The ids of the last invocations that ran into their limit, each good for one late answer."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<_TimedOut {len(self._ids)} of {protocol.MAX_TIMED_OUT_IDS}>"

    def add(self, request_id: str) -> None:
        """Remember an id as the latest, and forget the oldest beyond the limit."""
        self._ids.pop(request_id, None)
        self._ids[request_id] = None
        if len(self._ids) > protocol.MAX_TIMED_OUT_IDS:
            del self._ids[next(iter(self._ids))]

    def consume(self, request_id: str) -> bool:
        """Forget an id, and return whether it was known."""
        known = request_id in self._ids
        self._ids.pop(request_id, None)
        return known


class ManagedEnvironment(Environment):
    """One multi-concurrent environment."""

    _TABLE = MANAGED
    _RUNTIME_TABLE = MANAGED_RUNTIME
    _EVENTS = frozenset({terms.SHUTDOWN})
    _GRACE_S = RUNTIME_GRACE_S

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh id for every delivery and extension."""
        super().__init__(rules, new_id)
        self._refusal = GONE
        # What the runtime has posted, in its state `INIT_ERROR`.
        self._init_error: failures.Failure
        self._slots = self._runtime.blocked
        # Workers whose answer was taken, or came too late: they will ask for an event next.
        self._returning = 0
        # By request id, the oldest first. All have the same limit.
        self._working: dict[str, InFlight] = {}
        self._timed_out = _TimedOut()

    def __repr__(self) -> str:
        return (
            f"<ManagedEnvironment {self.state.value}, {len(self._working)} working, "
            f"{len(self._slots)} idle, {self._extensions}>"
        )

    def feed(self, message: msg.Message, now: terms.Instant) -> list[effects.Effect]:
        """Take note of one message and return what to do about it, in order.

        Raises IllegalMoveError, and changes nothing, when the message cannot be true.
        """
        wanted = super().feed(message, now)
        if self._teardown is None:
            self.deadline = self._first_limit()
        return wanted

    @property
    def capacity_left(self) -> int:
        """How many more events would be worked on at once, or as soon as the init has ended."""
        left = (self._rules.max_concurrency or 1) - len(self._working) - len(self._waiting)
        match self.state:
            case EnvironmentState.COLD | EnvironmentState.INITIALISING:
                return max(left, 0)
            case EnvironmentState.READY:
                return max(min(left, len(self._slots)), 0)
        return 0

    @property
    def idle(self) -> bool:
        """Whether no invocation is at work, or waits."""
        return not (self._working or self._waiting)

    @property
    def settling(self) -> bool:
        """Whether a worker will be free in a moment, its caller having the answer."""
        return self.state is EnvironmentState.READY and self._returning > 0

    # ---- slots and invocations ---------------------------------------------------------------

    @property
    def _has_room(self) -> bool:
        limit = self._rules.max_concurrency
        return bool(self._slots) and (limit is None or len(self._working) < limit)

    def _on_next(self, message: msg.NextCalled, now: terms.Instant) -> None:
        if self.state not in _LIVE or len(self._slots) >= protocol.MAX_IDLE_RUNTIMES:
            self._reply(message.call, _INTERNAL_ERROR)
            return
        self._slots.append(message.call)
        self._returning = max(self._returning - 1, 0)
        self._runtime_waits(now)

    def _runtime_waits(self, now: terms.Instant) -> None:
        self._end_runtime_init()
        self._end_phase_if_all_wait(now)
        self._advance(now)

    def _end_phase_if_all_wait(self, now: terms.Instant) -> None:
        """End the init if one worker is ready, and all extensions are."""
        extensions = self._extensions
        initialising = self.state is EnvironmentState.INITIALISING
        if initialising and extensions.all_idle and not extensions.registration_open:
            self._report_init(now)
            self._move(EnvironmentMove.READY)
            self._advance(now)

    def _on_invoke_requested(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        ready = self.state is EnvironmentState.READY
        if ready and (self._waiting or not self._has_room):
            known = message.invocation.request_id in self._working
            self._refuse(message.caller, DUPLICATE if known else NO_IDLE_RUNTIME)
        else:
            super()._on_invoke_requested(message, now)

    def _advance(self, now: terms.Instant) -> None:
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)
        while self.state is EnvironmentState.READY and self._waiting and self._has_room:
            self._begin_invoke(self._waiting.popleft(), now)

    def _begin_invoke(self, request: msg.InvokeRequested, now: terms.Instant) -> None:
        request_id = request.invocation.request_id
        if request_id in self._working:
            self._refuse(request.caller, DUPLICATE)
            return
        in_flight = self._working[request_id] = self._start(request, now)
        self._reply(self._slots.popleft(), in_flight.delivery)

    # ---- answers -----------------------------------------------------------------------------

    def _claim(self, message: Answer, now: terms.Instant) -> InFlight | None:
        in_flight = self._working.get(message.request_id)
        is_response = isinstance(message, msg.ResponseBegun)
        if in_flight is None:
            denial = self._too_late(message.request_id)
        elif self._is_of_another_delivery(message, in_flight):
            denial = failures.INVALID_INVOCATION_ID
        elif is_response and self._response_of(in_flight) is not None:
            denial = failures.INVALID_REQUEST_ID
        else:
            # An error does not count before it has been read: a response may still come first.
            if is_response:
                in_flight.first = now
            return in_flight
        self._reply(message.call, denial)
        return None

    def _too_late(self, request_id: str) -> effects.Denied:
        timed_out = self._timed_out.consume(request_id)
        self._returning += timed_out
        return _INVOKE_TIMEOUT if timed_out else failures.INVALID_REQUEST_ID

    def _end_body(self, begun: Answer, in_flight: InFlight, size: int) -> effects.Denied | None:
        if isinstance(begun, msg.ErrorBegun):
            if self._working.get(begun.request_id) is not in_flight:
                return self._too_late(begun.request_id)
            if size > protocol.MAX_ERROR_BYTES:
                return _ERROR_TOO_LARGE
        self._returning += 1
        return None

    def _end_stream_in_error(
        self, in_flight: InFlight, ended: msg.AnswerEnded, now: terms.Instant
    ) -> None:
        in_flight.status = terms.Status.ERROR
        in_flight.error_type = failures.clean_error_type(ended.trailing_error_type)
        super()._end_stream_in_error(in_flight, ended, now)

    def _break_off(
        self, call: CallToken, failure: failures.Failure, denial: effects.Denied, now: terms.Instant
    ) -> None:
        post = self._posts.pop(call, None)
        if post is None:
            return
        begun, in_flight = post
        # Half an error is no answer; the invocation may still be answered.
        if isinstance(begun, msg.ResponseBegun):
            self._finish(in_flight, failure, now)
        self._reply(call, denial)

    def _answer(
        self, in_flight: InFlight, result: terms.FunctionResult, now: terms.Instant
    ) -> None:
        """Hand the result to the caller and, at the same moment, end the invocation."""
        del self._working[in_flight.request_id]
        self._ask(effects.Answer(in_flight.caller, result))
        response = self._response_of(in_flight)
        if response is not None:
            del self._posts[response]
            self._reply(response, _INTERNAL_ERROR)
        self._ask(in_flight.report(now, in_flight.response_spans()))
        self._advance(now)

    def _response_of(self, in_flight: InFlight) -> CallToken | None:
        """Return the call by which a response to an invocation is being read."""
        for call, (begun, of) in self._posts.items():
            if of is in_flight and isinstance(begun, msg.ResponseBegun):
                return call
        return None

    # ---- limits ------------------------------------------------------------------------------

    @property
    def _init_ends(self) -> float | None:
        """The init's limit, for as long as anybody waits because of the init."""
        if self.state is EnvironmentState.INITIALISING or self._waiting:
            return self._init_began + self._rules.init_limit_s
        return None

    def _first_limit(self) -> float | None:
        oldest = next(iter(self._working.values()), None)
        limits = (self._init_ends, oldest.ends if oldest else None)
        return min((limit for limit in limits if limit is not None), default=None)

    def _reach_limit(self, now: terms.Instant) -> None:
        for in_flight in list(self._working.values()):
            if now.mono >= in_flight.ends:
                self._time_out(in_flight, now)
        if self._init_ends is None or now.mono < self._init_ends:
            return
        if self.state is EnvironmentState.INITIALISING:
            self._fail(lambda _: failures.too_slow(), now)
        else:
            self._refuse_waiting(NO_IDLE_RUNTIME)

    def _time_out(self, in_flight: InFlight, now: terms.Instant) -> None:
        """Fail one invocation at its limit. Who is just answering learns it at once, not later."""
        request_id = in_flight.request_id
        response = self._response_of(in_flight)
        failure = failures.timed_out(request_id, self._rules.timeout_s)
        if response is not None:
            self._break_off(response, failure, _INVOKE_TIMEOUT, now)
        else:
            self._timed_out.add(request_id)
            self._finish(in_flight, failure, now)

    # ---- ends --------------------------------------------------------------------------------

    def _take_last_post(
        self, message: msg.InitErrorPosted | msg.RestoreErrorPosted, _now: terms.Instant
    ) -> None:
        """Keep the first worker's error for the end of the process, which may not come."""
        self._init_error = failures.posted(message.error_type, message.body)
        self._reply(message.call, effects.ACCEPTED)

    def _break(self, failure: FailureOf, now: terms.Instant) -> None:
        self._fail(failure, now)

    def _drop_work(self, _now: terms.Instant) -> None:
        for in_flight in self._working.values():
            self._refuse(in_flight.caller, self._refusal)
        self._working.clear()

    def _fail(self, failure: FailureOf, now: terms.Instant, *, leave_s: float = 0.0) -> None:
        """End the environment: all that is under way fails, and it will not be used again."""
        if self.state is EnvironmentState.INITIALISING:
            self._fail_init(failure(""), now)
        self._move(EnvironmentMove.FAIL)
        self._refuse_waiting(self._refusal)
        for in_flight in list(self._working.values()):
            self._finish(in_flight, failure(in_flight.request_id), now)
        self._tear_down(terms.ShutdownReason.FAILURE, now, leave_s=leave_s)

    def _fail_init(self, failure: failures.Failure, now: terms.Instant) -> None:
        """Keep the failure for every caller: there is no second init."""
        if self._runtime.state is RuntimeState.INIT_ERROR:
            failure = self._init_error
        self._report_init(now, failure)
        text = f"The init of the execution environment failed: {failure.text}"
        self._refusal = terms.ServiceFailure(502, "ResourceNotReadyException", text)

    def _tear_down(
        self, reason: terms.ShutdownReason, now: terms.Instant, *, leave_s: float = 0.0
    ) -> None:
        for call in (*self._slots, *self._posts):
            self._reply(call, _INTERNAL_ERROR)
        self._slots.clear()
        super()._tear_down(reason, now, leave_s=leave_s)
