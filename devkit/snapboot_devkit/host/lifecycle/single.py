"""The life of an environment that works on one invocation at a time.

Its state (see `states`) says which phase we are in, and with it which limit runs and whom a
failure concerns:

* an init that fails on its own has no caller yet. The processes go, and the first invoke runs
  a second, *suppressed* init, inside its own limit and on its own bill;
* an init for a snapshot has no second chance. Its failure is kept for the first caller;
* an invoke that fails is answered at once, before its processes are gone.

The runtime's state says which of its calls are legal; one that is not is answered with 403 and
changes nothing. A phase ends when runtime and extensions all wait for what comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.core import Environment
from snapboot_devkit.host.lifecycle.states import (
    ENVIRONMENT,
    FREE,
    IN_INIT,
    INVOKABLE,
    KEEPING,
    LIVE,
    SETTLING,
    WAITING,
    WORKING,
    EnvironmentMove,
    EnvironmentState,
    ProcessState,
    RuntimeMove,
    RuntimeState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.core import Answer, FailureOf
    from snapboot_devkit.host.lifecycle.in_flight import InFlight
    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import CallToken

# A runtime that has posted its last error is expected to leave by itself; it is given this long.
LEAVE_S: Final = 0.5


class SingleEnvironment(Environment):
    """One environment for one invocation at a time."""

    _TABLE = ENVIRONMENT

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh id for every delivery, extension and event."""
        super().__init__(rules, new_id)
        # The invocation that is under work, in the states of `WORKING` alone.
        self._in_flight: InFlight
        self._restore_began = 0.0
        # What is on the bill of the next invocation.
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        # The failure that a state of `KEEPING` has for the next caller.
        self._kept: FailureOf

    def __repr__(self) -> str:
        extensions = f", {self._extensions}" if len(self._extensions) else ""
        return f"<SingleEnvironment {self.state.value}, runtime {self.runtime.value}{extensions}>"

    @property
    def idle(self) -> bool:
        """Whether no invocation is at work, or waits."""
        return self.state not in WORKING and not self._waiting

    @property
    def settling(self) -> bool:
        """Whether it will be free in a moment, its callers having their answers."""
        return self.state in SETTLING and not self._waiting

    @property
    def capacity_left(self) -> int:
        """How many more events it would take at once."""
        return int(self.state in FREE and not self._waiting)

    @property
    def runtime(self) -> RuntimeState:
        """Where the runtime stands."""
        return self._runtime.state

    @property
    def kept_failure(self) -> failures.Failure | None:
        """The failure that the next caller has yet to learn of."""
        return self._kept("") if self.state in KEEPING else None

    # ---- the runtime's calls -----------------------------------------------------------------

    def _on_next(self, message: msg.NextCalled, now: terms.Instant) -> None:
        runtime = self._runtime
        before = runtime.state
        if not runtime.step(RuntimeMove.NEXT, message.call):
            return
        if before is RuntimeState.RUNNING:
            self._reply(message.call, self._in_flight.delivery)
            return
        if before is RuntimeState.RESTORING:
            self._ask(records.RestoreRuntimeDone())
        runtime.blocked.append(message.call)
        self._runtime_waits(now)

    def _runtime_waits(self, now: terms.Instant) -> None:
        state = self.state
        if state is EnvironmentState.ANSWERED:
            if self._in_flight.runtime_done is None:
                self._end_runtime(self._in_flight, now)
        elif state in IN_INIT:
            self._end_runtime_init()
        self._end_phase_if_all_wait(now)

    def _take_last_post(
        self, message: msg.InitErrorPosted | msg.RestoreErrorPosted, now: terms.Instant
    ) -> None:
        self._reply(message.call, effects.ACCEPTED)
        failure = failures.posted(message.error_type, message.body)
        self._fail(lambda _: failure, now, leave_s=LEAVE_S)

    def _claim(self, message: Answer, now: terms.Instant) -> InFlight | None:
        in_flight = self._in_flight if self.state in WORKING else None
        if in_flight is None or message.request_id != in_flight.delivery.invocation.request_id:
            self._reply(message.call, failures.INVALID_REQUEST_ID)
            return None
        if self._is_of_another_delivery(message, in_flight):
            self._reply(message.call, failures.INVALID_INVOCATION_ID)
            return None
        posted = isinstance(message, msg.ErrorBegun)
        move = RuntimeMove.ERROR if posted else RuntimeMove.RESPONSE
        if not self._runtime.step(move, message.call):
            return None
        in_flight.first = now
        return in_flight

    def _end_body(self, _begun: Answer, _in_flight: InFlight, _size: int) -> None:
        self._runtime.move(RuntimeMove.ANSWERED)

    def _break_off(
        self, call: CallToken, failure: failures.Failure, denial: effects.Denied, now: terms.Instant
    ) -> None:
        post = self._posts.pop(call, None)
        if post is not None:
            _, in_flight = post
            in_flight.last = now
            self._runtime.move(RuntimeMove.ANSWERED)
            self._finish(in_flight, failure, now)
            self._reply(call, denial)

    def _answer(
        self, in_flight: InFlight, result: terms.FunctionResult, _now: terms.Instant
    ) -> None:
        self._move(EnvironmentMove.ANSWER)
        self._ask(effects.Answer(in_flight.caller, result))

    # ---- the phases --------------------------------------------------------------------------

    def _advance(self, now: terms.Instant) -> None:
        if not self._waiting:
            return
        state = self.state
        if state is EnvironmentState.READY and self._runtime.state is RuntimeState.RESTORE_READY:
            self._begin_restore(now)
        elif state in INVOKABLE:
            self._begin_invoke(now)
        elif state is EnvironmentState.COLD:
            self._begin_init(now)
        elif state is EnvironmentState.INIT_FAILED:
            self._refuse_by_kept_failure()
            self._advance(now)

    def _end_phase_if_all_wait(self, now: terms.Instant) -> None:
        runtime, state = self._runtime, self.state
        waits = runtime.state in WAITING and runtime.process is ProcessState.RUNNING
        if not (waits and self._extensions.all_idle):
            return
        if state is EnvironmentState.ANSWERED:
            self._report_invoke(now)
            self._move(EnvironmentMove.READY)
        elif state is EnvironmentState.INITIALISING:
            self._init_ms = self._report_init(now)
            self.deadline = None
            self._move(EnvironmentMove.READY)
        elif runtime.state is RuntimeState.READY:
            if state is EnvironmentState.SUPPRESSED_INIT:
                self._report_init(now)
                self._move(EnvironmentMove.READY)
                self._deliver(self._in_flight.delivery)
            elif state is EnvironmentState.RESTORING:
                self._end_restore(now)
        if self._waiting:
            self._advance(now)

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
        in_flight = self._in_flight = self._start(self._waiting.popleft(), now)
        self.deadline = in_flight.ends
        if before is EnvironmentState.READY:
            self._deliver(in_flight.delivery)
        elif before is EnvironmentState.RESET:
            self._start_processes(now)
        else:
            self._fail(self._kept, now)

    def _deliver(self, delivery: terms.Delivery) -> None:
        if len(self._extensions):
            self._extensions.send_invoke(delivery)
        self._runtime.release(RuntimeMove.DELIVERED, delivery)

    def _end_runtime(self, in_flight: InFlight, now: terms.Instant) -> None:
        in_flight.runtime_done = now
        if not self._rules.text_log or self._extensions.any_subscribed:
            self._ask(in_flight.runtime_record(now))

    def _report_invoke(self, now: terms.Instant) -> None:
        in_flight = self._in_flight
        del self._in_flight
        self.deadline = None
        if in_flight.runtime_done is None:
            self._end_runtime(in_flight, now)
        spans = in_flight.extension_spans(now)
        self._ask(in_flight.report(now, spans, self._init_ms, self._restore_ms))
        self._init_ms = self._restore_ms = None

    # ---- failure -----------------------------------------------------------------------------

    def _reach_limit(self, now: terms.Instant) -> None:
        match self.state:
            case EnvironmentState.INITIALISING:
                self._fail(lambda _: failures.too_slow(), now)
            case EnvironmentState.RESTORING:
                self._fail(lambda _: failures.too_slow(protocol.RESTORE_TIMEOUT), now)
            case _:
                limit_s = self._rules.timeout_s
                self._fail(lambda request_id: failures.timed_out(request_id, limit_s), now)

    def _break(self, failure: FailureOf, now: terms.Instant) -> None:
        if self.state is EnvironmentState.READY:
            # The platform notices with the next invoke.
            self._move(EnvironmentMove.EXIT)
            self._kept = failure
        elif self.state in LIVE:
            self._fail(failure, now)

    def _drop_work(self, now: terms.Instant) -> None:
        if self.state is EnvironmentState.ANSWERED:
            self._report_invoke(now)
        elif self.state in WORKING:
            self._refuse(self._in_flight.caller, self._refusal)
            del self._in_flight

    def _fail(self, failure: FailureOf, now: terms.Instant, *, leave_s: float = 0.0) -> None:
        failed = failure(self._request_id)
        match self.state:
            case EnvironmentState.INITIALISING:
                self._report_init(now, failed)
                self._kept = failure
            case EnvironmentState.RESTORING:
                self._fail_restore(failed, now)
            case _:
                self._fail_invoke(failed, now)
        discard = self._rules.has_snapshot
        self._move(EnvironmentMove.DISCARD if discard else EnvironmentMove.FAIL)
        slow = failed.status is terms.Status.TIMEOUT
        reason = terms.ShutdownReason.TIMEOUT if slow else terms.ShutdownReason.FAILURE
        self._tear_down(reason, now, leave_s=leave_s)

    def _refuse_by_kept_failure(self) -> None:
        self._move(EnvironmentMove.REFUSE)
        text = f"The init before the snapshot failed: {self._kept('').text}"
        refusal = terms.ServiceFailure(400, "SnapStartException", text)
        self._refuse(self._waiting.popleft().caller, refusal)

    def _fail_restore(self, failure: failures.Failure, now: terms.Instant) -> None:
        status, error_type = failure.status, failure.error_type
        if self._runtime.state is not RuntimeState.READY:
            self._ask(records.RestoreRuntimeDone(status, error_type))
        self._ask(records.RestoreReport(self._restore_took_ms(now), status, error_type))
        slow = status is terms.Status.TIMEOUT
        code, name = (408, "SnapStartTimeoutException") if slow else (400, "SnapStartException")
        refusal = terms.ServiceFailure(code, name, f"The restore failed: {failure.text}")
        self._refuse(self._waiting.popleft().caller, refusal)

    def _fail_invoke(self, failure: failures.Failure, now: terms.Instant) -> None:
        in_flight = self._in_flight
        if self.state is EnvironmentState.SUPPRESSED_INIT:
            self._report_init(now, failure)
        in_flight.fail(failure)
        if self.state is not EnvironmentState.ANSWERED:
            self._ask(effects.Answer(in_flight.caller, failure.result))
        self._report_invoke(now)

    # ---- small moves -------------------------------------------------------------------------

    @property
    def _request_id(self) -> str:
        if self.state in WORKING:
            return self._in_flight.request_id
        restoring = self.state is EnvironmentState.RESTORING
        return self._waiting[0].invocation.request_id if restoring else ""

    def _restore_took_ms(self, now: terms.Instant) -> float:
        return (now.mono - self._restore_began) * protocol.MS_PER_S
