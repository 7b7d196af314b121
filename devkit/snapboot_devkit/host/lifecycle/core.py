"""The life of one execution environment, without any I/O.

`Environment.feed` is told one thing that happened and returns what is to be done about it. It
decides first and acts never: clock, ids, processes and sockets belong to its owner. The owner
also watches `deadline` and feeds `TimePassed` when that instant has come.

Three kinds of machine run side by side (see `states`). The runtime's and each extension's say
which of their calls are legal; one that is not is answered with 403 and changes nothing. The
environment's says which phase we are in, and with it which limit runs and whom a failure concerns:

* an init that fails on its own concerns nobody yet. The processes go, and the first invoke runs
  a second, *suppressed* init, inside its own limit and on its own bill;
* an init for a snapshot has no second chance. Its failure is kept for the first caller;
* an invoke that fails is answered at once, before its processes are gone.

A phase ends when runtime and extensions all wait for what comes next (`_end_phase_if_all_wait`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.answers import Answers
from snapboot_devkit.host.lifecycle.endings import failure_of
from snapboot_devkit.host.lifecycle.extensions import Extensions
from snapboot_devkit.host.lifecycle.in_flight import InFlight
from snapboot_devkit.host.lifecycle.init import Init
from snapboot_devkit.host.lifecycle.runtime import Runtime
from snapboot_devkit.host.lifecycle.states import (
    ENDING,
    ENVIRONMENT,
    FREE,
    IN_INIT,
    INVOKABLE,
    KEEPING,
    LIVE,
    SETTLING,
    WORKING,
    EnvironmentMove,
    EnvironmentState,
    RuntimeMove,
    RuntimeState,
)
from snapboot_devkit.host.lifecycle.teardown import Teardown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import CallToken

# A runtime that has posted its last error is expected to leave by itself; it is given this long.
LEAVE_S: Final = 0.5

_MS: Final = 1000.0


class IllegalMoveError(Exception):
    """The environment was told of something that cannot happen in its state: a bug of the host."""


class Environment:
    """One execution environment: feed it what happens, perform what it returns."""

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh id for every delivery, extension and event."""
        self.state = EnvironmentState.COLD
        self.deadline: float | None = None
        self._rules = rules
        self._new_id = new_id
        self._effects: list[effects.Effect] = []
        # What is to be done, in the order in which it is decided.
        self._ask: Callable[[effects.Effect], None] = self._effects.append
        self._runtime = Runtime(self._ask)
        self._extensions = Extensions(rules.extensions, new_id, self._ask)
        self._queue: deque[msg.InvokeRequested] = deque()
        self._in_flight: InFlight | None = None
        self._init = Init(self._runtime, self._extensions, rules.initialization, self._ask)
        self._answers = Answers(
            self._runtime, self._ask, self._answer, check_invocation_id=rules.check_invocation_id
        )
        self._restore_began = 0.0
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self._teardown: Teardown | None = None
        # The failure that a state of `KEEPING` has for the next caller.
        self._kept: Callable[[str], failures.Failure]

    def __repr__(self) -> str:
        extensions = f", {self._extensions}" if len(self._extensions) else ""
        return f"<Environment {self.state.value}, runtime {self.runtime.value}{extensions}>"

    @property
    def idle(self) -> bool:
        """Whether no invocation is at work, or waits."""
        return self._in_flight is None and not self._queue

    @property
    def settling(self) -> bool:
        """Whether it will be free in a moment, its callers having their answers."""
        return self.state in SETTLING and not self._queue

    @property
    def capacity_left(self) -> int:
        """How many more events it would take at once."""
        return int(self.state in FREE and not self._queue)

    @property
    def runtime(self) -> RuntimeState:
        """Where the runtime stands."""
        return self._runtime.state

    @property
    def kept_failure(self) -> failures.Failure | None:
        """The failure that the next caller has yet to learn of."""
        return self._kept("") if self.state in KEEPING else None

    def feed(self, message: msg.Message, now: terms.Instant) -> list[effects.Effect]:
        """Take note of one message and return what to do about it, in order.

        Raises IllegalMoveError, and changes nothing, when the message cannot be true.
        """
        self._effects.clear()
        self._REACTIONS[type(message)](self, message, now)
        return self._effects.copy()

    # ---- the runtime's calls -----------------------------------------------------------------

    def _on_next(self, message: msg.NextCalled, now: terms.Instant) -> None:
        runtime = self._runtime
        before = runtime.state
        if not runtime.step(RuntimeMove.NEXT, message.call):
            return
        if before is RuntimeState.RUNNING:
            self._reply(message.call, self._current.delivery)
            return
        runtime.block(message.call)
        self._runtime_waits(now)

    def _on_restore_next(self, message: msg.RestoreNextCalled, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.RESTORE_NEXT, message.call):
            self._runtime.block(message.call)
            self._runtime_waits(now)

    def _runtime_waits(self, now: terms.Instant) -> None:
        """Record that the runtime has done its part of the phase, and see whether all have."""
        if self.state is EnvironmentState.ANSWERED:
            self._end_runtime(self._current, now)
        elif self.state in IN_INIT:
            self._init.end_runtime()
        elif self.state is EnvironmentState.RESTORING:
            self._ask(records.RestoreRuntimeDone())
        self._end_phase_if_all_wait(now)

    def _on_answer_begun(
        self, message: msg.ResponseBegun | msg.ErrorBegun, now: terms.Instant
    ) -> None:
        self._answers.begin(message, self._in_flight, now)

    def _on_answer_ended(self, message: msg.AnswerEnded, now: terms.Instant) -> None:
        self._answers.end(message, self._in_flight, now)

    def _on_stream_overrun(self, message: msg.StreamOverrun, now: terms.Instant) -> None:
        self._answers.cut(message, self._in_flight, now)

    def _on_init_error(self, message: msg.InitErrorPosted, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.INIT_ERROR, message.call):
            self._last_post(message, now)

    def _on_restore_error(self, message: msg.RestoreErrorPosted, now: terms.Instant) -> None:
        if self._runtime.step(RuntimeMove.RESTORE_ERROR, message.call):
            self._last_post(message, now)

    def _last_post(
        self, message: msg.InitErrorPosted | msg.RestoreErrorPosted, now: terms.Instant
    ) -> None:
        self._reply(message.call, effects.ACCEPTED)
        self._fail(failures.posted(message.error_type, message.body), now, leave_s=LEAVE_S)

    def _on_call_dropped(self, message: msg.CallDropped, now: terms.Instant) -> None:
        if not self._extensions.drop(message.call):
            self._answers.break_off(message.call, self._in_flight, now)

    # ---- the extensions' calls ---------------------------------------------------------------

    def _on_register(self, message: msg.RegisterCalled, _now: terms.Instant) -> None:
        self._extensions.register(message)
        self._init.go_on()

    def _on_extension_next(self, message: msg.ExtensionNextCalled, now: terms.Instant) -> None:
        self._extensions.next(message)
        self._end_phase_if_all_wait(now)

    def _on_extension_error(self, message: msg.ExtensionErrorPosted, _now: terms.Instant) -> None:
        self._extensions.post_error(message)

    def _on_subscribe(self, message: msg.SubscribeCalled, _now: terms.Instant) -> None:
        self._extensions.subscribe(message)

    # ---- the platform's moments --------------------------------------------------------------

    def _on_init_requested(self, _message: msg.InitRequested, now: terms.Instant) -> None:
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)

    def _on_invoke_requested(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        if self.state in ENDING:
            self._ask(effects.Refuse(message.caller, GOING_DOWN))
        elif len(self._queue) >= protocol.MAX_WAITING:
            self._ask(effects.Refuse(message.caller, _TOO_MANY))
        else:
            self._queue.append(message)
            self._advance(now)

    def _on_time_passed(self, _message: msg.TimePassed, now: terms.Instant) -> None:
        if self.deadline is None or now.mono < self.deadline:
            return
        self.deadline = None
        match self.state:
            case EnvironmentState.INITIALISING:
                self._fail(failures.too_slow(), now)
            case EnvironmentState.RESTORING:
                self._fail(failures.too_slow(protocol.RESTORE_TIMEOUT), now)
            case state if state in WORKING:
                limit_s = self._rules.timeout_s
                self._fail(failures.timed_out(self._current.request_id, limit_s), now)
            case _ if self._teardown is not None:
                self._teardown.time_passed(now)
                self._go_on_tearing_down(now)

    def _on_process_ended(
        self, message: msg.ProcessExited | msg.SpawnFailed, now: terms.Instant
    ) -> None:
        if message.extension is None:
            self._forget_runtime(message)
        elif not self._extensions.is_alive(message.extension):
            raise self._illegal(message)
        self._break(failure_of(message, self._extensions), now)

    def _forget_runtime(self, message: msg.ProcessExited | msg.SpawnFailed) -> None:
        if not self._runtime.alive:
            raise self._illegal(message)
        self._runtime.exited()
        if self._teardown is not None:
            self._teardown.runtime_exited()

    def _break(self, failure: Callable[[str], failures.Failure], now: terms.Instant) -> None:
        """Go on after a process has gone, or is about to: a failure, unless it was meant to go."""
        if self._teardown is not None:
            self._go_on_tearing_down(now)
        elif self.state is EnvironmentState.READY:
            # The platform notices with the next invoke.
            self._move(EnvironmentMove.EXIT)
            self._kept = failure
            self._advance(now)
        elif self.state in LIVE:
            self._fail(failure(self._request_id), now)

    def _on_stop_requested(self, _message: msg.StopRequested, now: terms.Instant) -> None:
        if self.state is EnvironmentState.ANSWERED:
            self._report_invoke(self._current, now)
        self._move(EnvironmentMove.STOP)
        self._refuse_all()
        if self._teardown is None and self.state is EnvironmentState.STOPPING:
            self._tear_down(terms.ShutdownReason.SPINDOWN, now)

    def _refuse_all(self) -> None:
        waiting = [request.caller for request in self._queue]
        if self._in_flight is not None:
            waiting.insert(0, self._in_flight.caller)
        for caller in waiting:
            self._ask(effects.Refuse(caller, GOING_DOWN))
        self._queue.clear()
        self._in_flight = None
        self._init.abandon()

    # ---- the phases --------------------------------------------------------------------------

    def _advance(self, now: terms.Instant) -> None:
        """Begin whatever the first waiting caller needs, if the environment is free for it."""
        if self._queue and self.state is EnvironmentState.INIT_FAILED:
            self._tell_kept_failure()
        if not self._queue:
            return
        state = self.state
        if state is EnvironmentState.COLD:
            self._begin_init(now)
        elif state is EnvironmentState.READY and self.runtime is RuntimeState.RESTORE_READY:
            self._begin_restore(now)
        elif state in INVOKABLE:
            self._begin_invoke(now)

    def _end_phase_if_all_wait(self, now: terms.Instant) -> None:
        """End the phase if runtime and extensions all wait for what comes next."""
        if not (self._runtime.waiting and self._extensions.all_idle):
            return
        state = self.state
        if state is EnvironmentState.ANSWERED:
            self._end_invoke(self._current, now)
        elif state is EnvironmentState.INITIALISING:
            self._end_init(now)
        elif self.runtime is RuntimeState.READY:
            if state is EnvironmentState.SUPPRESSED_INIT:
                self._end_suppressed_init(now)
            elif state is EnvironmentState.RESTORING:
                self._end_restore(now)
        if self._queue:
            self._advance(now)

    def _begin_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.INIT)
        self.deadline = now.mono + self._rules.init_limit_s
        snapshot = self._rules.has_snapshot
        self._start_processes(terms.Phase.SNAP_START if snapshot else terms.Phase.INIT, now)

    def _start_processes(self, phase: terms.Phase, now: terms.Instant) -> None:
        failure = self._init.begin(phase, self._request_id, now)
        if failure is not None:
            self._fail(failure, now)

    def _end_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self.deadline = None
        self._init_ms = self._init.end(now)

    def _end_suppressed_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self._init.end(now)
        self._deliver(self._current.delivery)

    def _begin_restore(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.RESTORE)
        self._restore_began = now.mono
        self.deadline = now.mono + self._rules.restore_limit_s
        self._ask(records.RestoreStart())
        self._runtime.release(RuntimeMove.RESTORED, effects.Restored())

    def _end_restore(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self.deadline = None
        # The init was the snapshot's, made and reported long before this invoke.
        self._init_ms = None
        self._restore_ms = self._restore_took_ms(now)
        self._ask(records.RestoreReport(self._restore_ms))

    def _begin_invoke(self, now: terms.Instant) -> None:
        before = self.state
        self._move(EnvironmentMove.INVOKE)
        request = self._queue.popleft()
        invocation = request.invocation
        deadline_ms = int((now.epoch + self._rules.timeout_s) * _MS)
        delivery = terms.Delivery(invocation, self._new_id(), deadline_ms)
        self._in_flight = InFlight(request.caller, delivery, now)
        self.deadline = now.mono + self._rules.timeout_s
        started = invocation.request_id, invocation.trace_id, invocation.tenant_id
        self._ask(records.Start(*started))
        if before is EnvironmentState.READY:
            self._deliver(delivery)
        elif before is EnvironmentState.RESET:
            self._start_processes(terms.Phase.INVOKE, now)
        elif before is EnvironmentState.CRASHED_IDLE:
            self._fail(self._kept(self._request_id), now)

    def _answer(self, in_flight: InFlight, result: terms.FunctionResult) -> None:
        self._move(EnvironmentMove.ANSWER)
        self._ask(effects.Answer(in_flight.caller, result))

    def _deliver(self, delivery: terms.Delivery) -> None:
        if len(self._extensions):
            self._extensions.tell_invoke(delivery)
        self._runtime.release(RuntimeMove.DELIVERED, delivery)

    def _end_invoke(self, in_flight: InFlight, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self._report_invoke(in_flight, now)

    def _end_runtime(self, in_flight: InFlight, now: terms.Instant) -> None:
        if in_flight.runtime_done is None:
            in_flight.runtime_done = now
            if not self._rules.text_log or self._extensions.any_subscribed:
                self._ask(in_flight.runtime_record(now))

    def _report_invoke(self, in_flight: InFlight, now: terms.Instant) -> None:
        self.deadline = None
        self._in_flight = None
        self._end_runtime(in_flight, now)
        self._ask(in_flight.report(now, self._init_ms, self._restore_ms))
        self._init_ms = self._restore_ms = None

    # ---- failure -----------------------------------------------------------------------------

    def _fail(self, failure: failures.Failure, now: terms.Instant, *, leave_s: float = 0.0) -> None:
        """End the present phase as a failure, and the processes with it."""
        match self.state:
            case EnvironmentState.INITIALISING:
                self._fail_init(failure, now)
            case EnvironmentState.RESTORING:
                self._fail_restore(failure, now)
            case state if state in WORKING:
                self._fail_invoke(failure, now)
        discard = self._rules.has_snapshot
        self._move(EnvironmentMove.DISCARD if discard else EnvironmentMove.FAIL)
        slow = failure.status is terms.Status.TIMEOUT
        reason = terms.ShutdownReason.TIMEOUT if slow else terms.ShutdownReason.FAILURE
        self._tear_down(reason, now, leave_s=leave_s)

    def _fail_init(self, failure: failures.Failure, now: terms.Instant) -> None:
        self._init.end(now, failure)
        self._kept = lambda _: failure

    def _tell_kept_failure(self) -> None:
        self._move(EnvironmentMove.TELL)
        text = f"The init before the snapshot failed: {_describe(self._kept(''))}"
        refusal = terms.ServiceFailure(400, "SnapStartException", text)
        self._ask(effects.Refuse(self._queue.popleft().caller, refusal))

    def _fail_restore(self, failure: failures.Failure, now: terms.Instant) -> None:
        status, error_type = failure.status, failure.error_type
        self._ask(records.RestoreRuntimeDone(status, error_type))
        self._ask(records.RestoreReport(self._restore_took_ms(now), status, error_type))
        slow = status is terms.Status.TIMEOUT
        code, name = (408, "SnapStartTimeoutException") if slow else (400, "SnapStartException")
        text = f"The restore failed: {_describe(failure)}"
        refusal = terms.ServiceFailure(code, name, text)
        self._ask(effects.Refuse(self._queue.popleft().caller, refusal))

    def _fail_invoke(self, failure: failures.Failure, now: terms.Instant) -> None:
        in_flight = self._current
        in_flight.fail(failure)
        if self.state is EnvironmentState.SUPPRESSED_INIT:
            self._init.end(now, failure)
        if self.state is not EnvironmentState.ANSWERED:
            self._ask(effects.Answer(in_flight.caller, failure.result))
        self._report_invoke(in_flight, now)

    # ---- the end of the processes ------------------------------------------------------------

    def _tear_down(
        self, reason: terms.ShutdownReason, now: terms.Instant, *, leave_s: float = 0.0
    ) -> None:
        alive = self._runtime.alive
        self._runtime.dismiss()
        self._teardown = Teardown(self._extensions, reason, self._ask, runtime_alive=alive)
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

    @property
    def _current(self) -> InFlight:
        if self._in_flight is None:
            raise IllegalMoveError(f"there is no invocation to work on in {self!r}")
        return self._in_flight

    @property
    def _request_id(self) -> str:
        if self._in_flight is not None:
            return self._in_flight.request_id
        restoring = self.state is EnvironmentState.RESTORING
        return self._queue[0].invocation.request_id if restoring else ""

    def _restore_took_ms(self, now: terms.Instant) -> float:
        return (now.mono - self._restore_began) * _MS

    def _illegal(self, what: object) -> IllegalMoveError:
        return IllegalMoveError(f"{what} cannot happen in {self!r}")

    def _move(self, move: EnvironmentMove) -> None:
        try:
            self.state = ENVIRONMENT[self.state, move]
        except KeyError:
            raise self._illegal(move.name) from None

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))

    _REACTIONS: ClassVar[Mapping[type, Callable[..., None]]] = {
        msg.InitRequested: _on_init_requested,
        msg.InvokeRequested: _on_invoke_requested,
        msg.TimePassed: _on_time_passed,
        msg.StopRequested: _on_stop_requested,
        msg.ProcessExited: _on_process_ended,
        msg.SpawnFailed: _on_process_ended,
        msg.NextCalled: _on_next,
        msg.ResponseBegun: _on_answer_begun,
        msg.ErrorBegun: _on_answer_begun,
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


GOING_DOWN: Final = terms.ServiceFailure(
    500, "ServiceException", "The local host is stopping; start it again to invoke the function"
)
_TOO_MANY: Final = terms.ServiceFailure(
    429,
    "TooManyRequestsException",
    f"Rate Exceeded: {protocol.MAX_WAITING} invocations are waiting; let some of them end first",
)


def _describe(failure: failures.Failure) -> str:
    return failure.document.decode(errors="replace") or failure.status.value
