"""The life of one execution environment, without any I/O.

`Environment.feed` takes one thing that happened and returns what is to be done about it. It
decides first and acts never: clock, ids, processes and sockets belong to its owner. The owner
also watches `deadline` and feeds `TimePassed` when that instant has come.

Here is what all environments have in common: the init, the extensions' part, how an answer is
taken, how processes end. Two kinds are built on it, each with a state table of its own: `single`
works on one invocation at a time, `managed` on many.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.endings import failure_of
from snapboot_devkit.host.lifecycle.extensions import Extensions
from snapboot_devkit.host.lifecycle.in_flight import InFlight
from snapboot_devkit.host.lifecycle.runtime import Runtime
from snapboot_devkit.host.lifecycle.states import (
    ENDING,
    IN_INIT,
    RUNTIME,
    EnvironmentMove,
    EnvironmentState,
    IllegalMoveError,
    RuntimeMove,
    RuntimeState,
)
from snapboot_devkit.host.lifecycle.teardown import Teardown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import CallerToken, CallToken

    # The failure as the caller of the invocation with this request id gets it.
    FailureOf: TypeAlias = Callable[[str], failures.Failure]
    Answer: TypeAlias = msg.ResponseBegun | msg.ErrorBegun

GOING_DOWN: Final = terms.ServiceFailure(
    500, "ServiceException", "The local host is stopping; start it again to invoke the function"
)
_TOO_MANY: Final = terms.ServiceFailure(
    429,
    "TooManyRequestsException",
    f"Rate Exceeded: {protocol.MAX_WAITING} invocations are waiting; let some of them end first",
)


class Environment(ABC):
    """One execution environment: feed it what happens, perform what it returns."""

    # What a kind of environment has of its own: its states, those of its runtime, what extensions
    # may register for, the runtime's time after SIGTERM if it is a fixed one.
    _TABLE: ClassVar[Mapping[tuple[EnvironmentState, EnvironmentMove], EnvironmentState]]
    _RUNTIME_TABLE: ClassVar[Mapping[tuple[RuntimeState, RuntimeMove], RuntimeState]] = RUNTIME
    _EVENTS: ClassVar[frozenset[str]] = frozenset({terms.INVOKE, terms.SHUTDOWN})
    _GRACE_S: ClassVar[float | None] = None

    _reactions: ClassVar[Mapping[type, Callable[..., None]]]

    def __init_subclass__(cls) -> None:
        """Let each kind react by its own methods."""
        cls._reactions = {
            kind: getattr(cls, reaction.__name__) for kind, reaction in cls._REACTIONS.items()
        }

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh id for every delivery, extension and event."""
        self.state = EnvironmentState.COLD
        self.deadline: float | None = None
        self._rules = rules
        self._new_id = new_id
        self._effects: list[effects.Effect] = []
        # What is to be done, in the order in which it is decided.
        self._ask: Callable[[effects.Effect], None] = self._effects.append
        self._runtime = Runtime(self._RUNTIME_TABLE, self._ask)
        self._extensions = Extensions(rules.extensions, new_id, self._ask, self._EVENTS)
        self._waiting: deque[msg.InvokeRequested] = deque()
        # The answers whose bodies are being read, and what they are for.
        self._posts: dict[CallToken, tuple[Answer, InFlight]] = {}
        self._init_began = 0.0
        self._teardown: Teardown | None = None
        # What callers are answered in a state of `ENDING`.
        self._refusal = GOING_DOWN

    def feed(self, message: msg.Message, now: terms.Instant) -> list[effects.Effect]:
        """Take note of one message and return what to do about it, in order.

        Raises IllegalMoveError, and changes nothing, when the message cannot be true.
        """
        self._effects.clear()
        self._reactions[type(message)](self, message, now)
        return self._effects.copy()

    @property
    @abstractmethod
    def idle(self) -> bool:
        """Whether no invocation is at work, or waits."""

    @property
    @abstractmethod
    def settling(self) -> bool:
        """Whether it will be free in a moment, callers having their answers."""

    @property
    @abstractmethod
    def capacity_left(self) -> int:
        """How many more events it would take at once, or as soon as its init has ended."""

    @property
    def kept_failure(self) -> failures.Failure | None:
        """The failure that the next caller has yet to learn of."""
        return None

    # ---- the platform's moments --------------------------------------------------------------

    def _on_init_requested(self, _message: msg.InitRequested, now: terms.Instant) -> None:
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)

    def _on_invoke_requested(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        if self.state in ENDING:
            self._refuse(message.caller, self._refusal)
        elif len(self._waiting) >= protocol.MAX_WAITING:
            self._refuse(message.caller, _TOO_MANY)
        else:
            self._waiting.append(message)
            self._advance(now)

    def _on_time_passed(self, _message: msg.TimePassed, now: terms.Instant) -> None:
        if self.deadline is None or now.mono < self.deadline:
            return
        self.deadline = None
        if self._teardown is not None:
            self._teardown.time_passed(now)
            self._go_on_tearing_down(now)
        else:
            self._reach_limit(now)

    def _on_process_ended(
        self, message: msg.ProcessExited | msg.SpawnFailed, now: terms.Instant
    ) -> None:
        name = message.extension
        if not (self._runtime.alive if name is None else self._extensions.is_alive(name)):
            raise self._illegal(message)
        if name is None:
            self._runtime.exited()
            if self._teardown is not None:
                self._teardown.runtime_exited()
        failure = failure_of(message, self._extensions)
        if self._teardown is not None:
            self._go_on_tearing_down(now)
        else:
            self._break(failure, now)

    def _on_stop_requested(self, _message: msg.StopRequested, now: terms.Instant) -> None:
        self._drop_work(now)
        self._refuse_waiting(self._refusal)
        self._move(EnvironmentMove.STOP)
        if self._teardown is None and self.state is EnvironmentState.STOPPING:
            self._tear_down(terms.ShutdownReason.SPINDOWN, now)

    @abstractmethod
    def _advance(self, now: terms.Instant) -> None:
        """Begin whatever the first waiting caller needs, if the environment is free for it."""

    @abstractmethod
    def _reach_limit(self, now: terms.Instant) -> None:
        """Fail what has come to its limit; no teardown is under way."""

    @abstractmethod
    def _break(self, failure: FailureOf, now: terms.Instant) -> None:
        """Go on after a process has ended that was not meant to."""

    @abstractmethod
    def _drop_work(self, now: terms.Instant) -> None:
        """Refuse the callers whose invocations are under work: the environment is stopped."""

    @abstractmethod
    def _fail(self, failure: FailureOf, now: terms.Instant, *, leave_s: float = 0.0) -> None:
        """End the present phase as a failure, and the processes with it.

        A runtime that leaves by itself is given `leave_s` seconds.
        """

    # ---- the init ----------------------------------------------------------------------------

    def _begin_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.INIT)
        self.deadline = now.mono + self._rules.init_limit_s
        self._start_processes(now)

    def _start_processes(self, now: terms.Instant) -> None:
        self._init_began = now.mono
        self._ask(records.InitStart(self._phase, self._rules.initialization))
        failure = self._extensions.start()
        if failure is not None:
            self._fail(failure, now)
        else:
            self._start_runtime()

    def _start_runtime(self) -> None:
        """Start the runtime, once every external extension has registered."""
        if self.state in IN_INIT and not self._runtime.alive and self._extensions.all_registered:
            self._runtime.spawn()

    def _end_runtime_init(self, failure: failures.Failure | None = None) -> None:
        """Record that the runtime is done with the init, if that has not been recorded."""
        if self._extensions.close_registration():
            kind, outcome = self._rules.initialization, _outcome(failure)
            self._ask(records.InitRuntimeDone(self._phase, kind, *outcome))

    def _report_init(self, now: terms.Instant, failure: failures.Failure | None = None) -> float:
        """Record the end, and return what the init took in milliseconds."""
        duration_ms = (now.mono - self._init_began) * protocol.MS_PER_S
        self._end_runtime_init(failure)
        self._extensions.close_subscription()
        if failure is None:
            self._extensions.report()
        kind, outcome = self._rules.initialization, _outcome(failure)
        self._ask(records.InitReport(self._phase, kind, duration_ms, *outcome))
        return duration_ms

    @property
    def _phase(self) -> terms.Phase:
        if self.state is EnvironmentState.SUPPRESSED_INIT:
            return terms.Phase.INVOKE
        return terms.Phase.SNAP_START if self._rules.has_snapshot else terms.Phase.INIT

    @abstractmethod
    def _end_phase_if_all_wait(self, now: terms.Instant) -> None:
        """End the phase if runtime and extensions all wait for what comes next."""

    # ---- the runtime's calls -----------------------------------------------------------------

    @abstractmethod
    def _on_next(self, message: msg.NextCalled, now: terms.Instant) -> None:
        """Let the runtime wait for an event."""

    def _on_restore_next(self, message: msg.RestoreNextCalled, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.RESTORE_NEXT, message.call):
            self._runtime.blocked.append(message.call)
            self._runtime_waits(now)

    def _on_init_error(self, message: msg.InitErrorPosted, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.INIT_ERROR, message.call):
            self._take_last_post(message, now)

    def _on_restore_error(self, message: msg.RestoreErrorPosted, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.RESTORE_ERROR, message.call):
            self._take_last_post(message, now)

    @abstractmethod
    def _runtime_waits(self, now: terms.Instant) -> None:
        """Record that the runtime has done its part of the phase, and see whether all have."""

    @abstractmethod
    def _take_last_post(
        self, message: msg.InitErrorPosted | msg.RestoreErrorPosted, now: terms.Instant
    ) -> None:
        """Take an error after which the runtime is expected to leave by itself."""

    # ---- answers -----------------------------------------------------------------------------

    def _on_response_begun(self, message: msg.ResponseBegun, now: terms.Instant) -> None:
        in_flight = self._claim(message, now)
        if in_flight is None:
            return
        if message.mode is not None:
            if message.mode != protocol.RESPONSE_MODE_STREAMING:
                self._finish(in_flight, failures.invalid_response_mode(message.mode), now)
                self._reply(message.call, failures.INVALID_RESPONSE_MODE)
                return
            self._ask(effects.BeginStream(in_flight.caller, message.call, message.content_type))
        self._posts[message.call] = message, in_flight

    def _on_error_begun(self, message: msg.ErrorBegun, now: terms.Instant) -> None:
        in_flight = self._claim(message, now)
        if in_flight is not None:
            self._posts[message.call] = message, in_flight

    def _on_answer_ended(self, message: msg.AnswerEnded, now: terms.Instant) -> None:
        post = self._posts.pop(message.call, None)
        if post is None:
            return
        begun, in_flight = post
        denial = self._end_body(begun, in_flight, message.size)
        if denial is not None:
            self._reply(message.call, denial)
            return
        in_flight.last = now
        in_flight.produced_bytes = message.size
        content: effects.Content = effects.ACCEPTED
        if message.size > protocol.MAX_PAYLOAD_BYTES and not _is_streamed(begun):
            self._finish(in_flight, failures.too_large(message.size), now)
            content = failures.PAYLOAD_TOO_LARGE
        elif isinstance(begun, msg.ErrorBegun):
            self._finish(in_flight, failures.of_invocation(begun, message), now)
        elif message.trailing_error_type:
            self._end_stream_in_error(in_flight, message, now)
        else:
            result = terms.FunctionResult(message.body, message.content_type)
            self._answer(in_flight, result, now)
        self._ask(effects.Reply(message.call, content))

    def _on_stream_overrun(self, message: msg.StreamOverrun, now: terms.Instant) -> None:
        failure = failures.stream_too_large(message.limit)
        self._break_off(message.call, failure, failures.PAYLOAD_TOO_LARGE, now)

    def _on_call_dropped(self, message: msg.CallDropped, now: terms.Instant) -> None:
        if not self._extensions.drop(message.call):
            self._runtime.drop(message.call)
            self._break_off(message.call, failures.truncated(), failures.TRUNCATED_REQUEST, now)

    def _end_stream_in_error(
        self, in_flight: InFlight, ended: msg.AnswerEnded, now: terms.Instant
    ) -> None:
        """Answer by the error that stands in a stream's trailers."""
        result = failures.streamed(ended.trailing_error_type, ended.trailing_error_body)
        self._answer(in_flight, result, now)

    def _is_of_another_delivery(self, message: Answer, in_flight: InFlight) -> bool:
        asked_for = message.invocation_id
        if asked_for is None or asked_for == in_flight.delivery.invocation_id:
            return False
        return self._rules.check_invocation_id

    def _finish(self, in_flight: InFlight, failure: failures.Failure, now: terms.Instant) -> None:
        """Answer by a failure."""
        in_flight.fail(failure)
        self._answer(in_flight, failure.result, now)

    @abstractmethod
    def _claim(self, message: Answer, now: terms.Instant) -> InFlight | None:
        """Return the invocation that an answer is for, or refuse the answer."""

    @abstractmethod
    def _end_body(self, begun: Answer, in_flight: InFlight, size: int) -> effects.Denied | None:
        """Take note that an answer has been read, or return why it counts no more."""

    @abstractmethod
    def _break_off(
        self, call: CallToken, failure: failures.Failure, denial: effects.Denied, now: terms.Instant
    ) -> None:
        """Refuse an answer, if the call is one, whose end will not come."""

    @abstractmethod
    def _answer(
        self, in_flight: InFlight, result: terms.FunctionResult, now: terms.Instant
    ) -> None:
        """Hand the result to the caller."""

    # ---- the extensions' calls ---------------------------------------------------------------

    def _on_register(self, message: msg.RegisterCalled, _now: terms.Instant) -> None:
        self._extensions.register(message)
        self._start_runtime()

    def _on_extension_next(self, message: msg.ExtensionNextCalled, now: terms.Instant) -> None:
        self._extensions.next(message)
        self._end_phase_if_all_wait(now)

    def _on_extension_error(self, message: msg.ExtensionErrorPosted, _now: terms.Instant) -> None:
        self._extensions.post_error(message)

    def _on_subscribe(self, message: msg.SubscribeCalled, _now: terms.Instant) -> None:
        self._extensions.subscribe(message)

    # ---- the end of the processes ------------------------------------------------------------

    def _tear_down(
        self, reason: terms.ShutdownReason, now: terms.Instant, *, leave_s: float = 0.0
    ) -> None:
        self._posts.clear()
        self._runtime.dismiss()
        self._teardown = Teardown(
            self._runtime, self._extensions, reason, self._ask, grace_s=self._GRACE_S
        )
        self._teardown.begin(now, leave_s=leave_s)
        self._go_on_tearing_down(now)

    def _go_on_tearing_down(self, now: terms.Instant) -> None:
        teardown = self._teardown
        if teardown is None or not teardown.done:
            self.deadline = teardown.deadline if teardown else None
            return
        self._teardown = self.deadline = None
        self._extensions.clear()
        self._move(EnvironmentMove.EXIT)
        self._advance(now)

    # ---- small moves -------------------------------------------------------------------------

    def _start(self, request: msg.InvokeRequested, now: terms.Instant) -> InFlight:
        """Begin the first delivery of an invocation, whose limit begins to run."""
        invocation, limit_s = request.invocation, self._rules.timeout_s
        delivery = terms.Delivery(
            invocation, self._new_id(), int((now.epoch + limit_s) * protocol.MS_PER_S)
        )
        self._ask(records.Start(invocation.request_id, invocation.trace_id, invocation.tenant_id))
        return InFlight(request.caller, delivery, now, now.mono + limit_s)

    def _illegal(self, what: object) -> IllegalMoveError:
        return IllegalMoveError(f"{what} cannot happen in {self!r}")

    def _move(self, move: EnvironmentMove) -> None:
        try:
            self.state = self._TABLE[self.state, move]
        except KeyError:
            raise self._illegal(move.name) from None

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))

    def _refuse(self, caller: CallerToken, failure: terms.ServiceFailure) -> None:
        self._ask(effects.Refuse(caller, failure))

    def _refuse_waiting(self, failure: terms.ServiceFailure) -> None:
        for request in self._waiting:
            self._refuse(request.caller, failure)
        self._waiting.clear()

    _REACTIONS: ClassVar[Mapping[type, Callable[..., None]]] = {
        msg.InitRequested: _on_init_requested,
        msg.InvokeRequested: _on_invoke_requested,
        msg.TimePassed: _on_time_passed,
        msg.StopRequested: _on_stop_requested,
        msg.ProcessExited: _on_process_ended,
        msg.SpawnFailed: _on_process_ended,
        msg.NextCalled: _on_next,
        msg.ResponseBegun: _on_response_begun,
        msg.ErrorBegun: _on_error_begun,
        msg.AnswerEnded: _on_answer_ended,
        msg.StreamOverrun: _on_stream_overrun,
        msg.InitErrorPosted: _on_init_error,
        msg.RestoreNextCalled: _on_restore_next,
        msg.RestoreErrorPosted: _on_restore_error,
        msg.RegisterCalled: _on_register,
        msg.ExtensionNextCalled: _on_extension_next,
        msg.ExtensionErrorPosted: _on_extension_error,
        msg.SubscribeCalled: _on_subscribe,
        msg.CallDropped: _on_call_dropped,
    }


def _outcome(failure: failures.Failure | None) -> tuple[terms.Status, str | None]:
    return (failure.status, failure.error_type) if failure else (terms.Status.SUCCESS, None)


def _is_streamed(begun: Answer) -> bool:
    return isinstance(begun, msg.ResponseBegun) and begun.mode is not None
