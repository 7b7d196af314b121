"""The life of one execution environment, without any I/O.

`Environment.feed` is told one thing that happened and returns what is to be done about it. It
decides first and acts never: clock, ids, processes and sockets belong to its owner. The owner
also watches `deadline` and feeds `TimePassed` when that instant has come.

Two machines run side by side (see `states`). The runtime's says which of its calls are legal; a
call that is not is answered with 403 and changes nothing. The environment's says which phase we
are in, and with it which limit runs and whom a failure concerns:

* an init that fails on its own concerns nobody yet. The processes go, and the first invoke runs
  a second, *suppressed* init, inside its own limit and on its own bill;
* an init for a snapshot has no second chance. Its failure is kept for the first caller;
* an invoke that fails is answered at once, before its processes are gone.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.states import (
    ASKED_FOR,
    ENVIRONMENT,
    LIVE,
    RUNTIME,
    EnvironmentMove,
    EnvironmentState,
    RuntimeMove,
    RuntimeState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A runtime that has posted its last error is expected to leave by itself; it is given this long.
LEAVE_S: Final = 0.5

_MS: Final = 1000.0


class IllegalMoveError(Exception):
    """The environment was told of something that cannot happen in its state: a bug of the host."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings the lifecycle depends on; limits in seconds."""

    timeout_s: float = 3.0
    init_limit_s: float = protocol.INIT_LIMIT_S
    restore_limit_s: float = protocol.RESTORE_LIMIT_S
    initialization: terms.InitializationType = terms.InitializationType.ON_DEMAND
    check_invocation_id: bool = True


@dataclass(slots=True)
class _Attempt:
    """The invocation that is being worked on, and how it has fared so far."""

    caller: int
    delivery: terms.Delivery
    began: float
    answered: bool = False
    status: terms.Status = terms.Status.SUCCESS
    error_type: str | None = None

    @property
    def request_id(self) -> str:
        return self.delivery.invocation.request_id


class Environment:
    """One execution environment: feed it what happens, perform what it returns."""

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh invocation id for every delivery."""
        self.state = EnvironmentState.COLD
        self.runtime = RuntimeState.STARTED
        self.deadline: float | None = None
        self._rules = rules
        self._new_id = new_id
        self._queue: deque[msg.InvokeRequested] = deque()
        self._blocked: list[int] = []
        self._attempt: _Attempt | None = None
        self._answering: msg.ResponseBegun | msg.ErrorBegun | None = None
        self._phase_began = 0.0
        self._init_ms: float | None = None
        self._restore_ms: float | None = None
        self._kept: failures.Failure | None = None
        self._exit_code = 0
        self._effects: list[effects.Effect] = []

    def __repr__(self) -> str:
        return f"<Environment {self.state.value}, runtime {self.runtime.value}>"

    def feed(self, message: msg.Message, now: terms.Instant) -> list[effects.Effect]:
        """Take note of one message and return what to do about it, in order.

        Raises IllegalMoveError, and changes nothing, when the message cannot be true.
        """
        self._REACTIONS[type(message)](self, message, now)
        wanted, self._effects = self._effects, []
        return wanted

    # ---- the runtime's calls -----------------------------------------------------------------

    def _on_next(self, message: msg.NextCalled, now: terms.Instant) -> None:
        before = self.runtime
        if not self._step(RuntimeMove.NEXT, message.call):
            return
        if before is RuntimeState.RUNNING:
            self._reply(message.call, self._current.delivery)
            return
        self._blocked.append(message.call)
        self._runtime_is_ready(now)

    def _runtime_is_ready(self, now: terms.Instant) -> None:
        match self.state:
            case EnvironmentState.INITIALISING:
                self._end_init(now)
            case EnvironmentState.RESTORING:
                self._end_restore(now)
            case EnvironmentState.INVOKING if self._current.answered:
                self._end_invoke(now)
            case EnvironmentState.INVOKING:
                self._deliver()
        self._advance(now)

    def _on_answer_begun(
        self, message: msg.ResponseBegun | msg.ErrorBegun, _now: terms.Instant
    ) -> None:
        if denial := self._stranger(message):
            self._reply(message.call, denial)
            return
        posted = isinstance(message, msg.ErrorBegun)
        if not self._step(RuntimeMove.ERROR if posted else RuntimeMove.RESPONSE, message.call):
            return
        if isinstance(message, msg.ResponseBegun) and not _mode_exists(message.mode):
            self._answer_failure(failures.invalid_response_mode(str(message.mode)))
            self._reply(message.call, failures.INVALID_RESPONSE_MODE)
            return
        self._answering = message

    def _stranger(self, message: msg.ResponseBegun | msg.ErrorBegun) -> effects.Denied | None:
        """Return why an answer does not belong to the current attempt, if it does not."""
        attempt = self._attempt
        if attempt is None or message.request_id != attempt.request_id:
            return failures.INVALID_REQUEST_ID
        if message.invocation_id in (None, attempt.delivery.invocation_id):
            return None
        return failures.INVALID_INVOCATION_ID if self._rules.check_invocation_id else None

    def _on_answer_ended(self, message: msg.AnswerEnded, _now: terms.Instant) -> None:
        begun = self._answering
        if begun is None or begun.call != message.call:
            return
        self._answered()
        if message.size > protocol.MAX_PAYLOAD_BYTES:
            self._answer_failure(failures.too_large(message.size))
            self._reply(message.call, failures.PAYLOAD_TOO_LARGE)
            return
        if isinstance(begun, msg.ErrorBegun):
            self._answer_error(begun, message)
        else:
            self._answer(terms.FunctionResult(message.body, message.content_type))
        self._reply(message.call, effects.Accepted())

    def _answer_error(self, begun: msg.ErrorBegun, ended: msg.AnswerEnded) -> None:
        error_type = failures.clean_error_type(begun.error_type)
        self._answer_failure(
            failures.Failure(terms.Status.ERROR, error_type, ended.body, ended.content_type)
        )

    def _on_init_error(self, message: msg.InitErrorPosted, now: terms.Instant) -> None:
        if self._step(RuntimeMove.INIT_ERROR, message.call):
            self._last_post(message, now)

    def _on_restore_error(self, message: msg.RestoreErrorPosted, now: terms.Instant) -> None:
        if self._step(RuntimeMove.RESTORE_ERROR, message.call):
            self._last_post(message, now)

    def _last_post(
        self, message: msg.InitErrorPosted | msg.RestoreErrorPosted, now: terms.Instant
    ) -> None:
        self._reply(message.call, effects.Accepted())
        self._fail(failures.posted(message.error_type, message.body), now)
        self.deadline = now.mono + LEAVE_S

    def _on_restore_next(self, message: msg.RestoreNextCalled, now: terms.Instant) -> None:
        if not self._step(RuntimeMove.RESTORE_NEXT, message.call):
            return
        self._blocked.append(message.call)
        if self.state is EnvironmentState.INITIALISING:
            self._end_init(now)
            self._advance(now)

    def _on_call_dropped(self, message: msg.CallDropped, _now: terms.Instant) -> None:
        if message.call in self._blocked:
            self._blocked.remove(message.call)
        begun = self._answering
        if begun is not None and begun.call == message.call:
            self._answered()
            self._answer_failure(failures.truncated())
            self._reply(message.call, failures.TRUNCATED_REQUEST)

    # ---- the platform's moments --------------------------------------------------------------

    def _on_init_requested(self, _message: msg.InitRequested, now: terms.Instant) -> None:
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)

    def _on_invoke_requested(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        if self.state in (EnvironmentState.STOPPING, EnvironmentState.DEAD):
            self._effects.append(effects.Refuse(message.caller, _GOING_DOWN))
        elif len(self._queue) >= protocol.MAX_WAITING:
            self._effects.append(effects.Refuse(message.caller, _TOO_MANY))
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
            case EnvironmentState.INVOKING:
                limit_s = self._rules.timeout_s
                self._fail(failures.timed_out(self._current.request_id, limit_s), now)
        self._effects.append(effects.Kill())

    def _on_process_exited(self, message: msg.ProcessExited, now: terms.Instant) -> None:
        self._exit_code = message.code
        self._ended(failures.exited(self._request_id, message.code), now)

    def _on_spawn_failed(self, message: msg.SpawnFailed, now: terms.Instant) -> None:
        self._ended(failures.not_started(self._request_id, message.reason), now)

    def _ended(self, failure: failures.Failure, now: terms.Instant) -> None:
        if self.state in LIVE and self.state is not EnvironmentState.READY:
            self._fail(failure, now)
        snapshot = self._rules.initialization is terms.InitializationType.SNAP_START
        discard = snapshot and self.state is EnvironmentState.RESETTING
        self._move(EnvironmentMove.DISCARD if discard else EnvironmentMove.EXIT)
        self._blocked.clear()
        self.deadline = None
        self._advance(now)

    def _on_stop_requested(self, _message: msg.StopRequested, now: terms.Instant) -> None:
        running = self.state in LIVE or self.state is EnvironmentState.RESETTING
        self._move(EnvironmentMove.STOP)
        self.deadline = None
        self._answering = None
        if self._attempt is not None and self._attempt.answered:
            self._report_invoke(self._attempt, now)
        self._refuse_all()
        if running:
            self._effects.append(effects.Kill())

    def _refuse_all(self) -> None:
        waiting = [request.caller for request in self._queue]
        if self._attempt is not None:
            waiting.insert(0, self._attempt.caller)
        self._effects += [effects.Refuse(caller, _GOING_DOWN) for caller in waiting]
        self._queue.clear()
        self._attempt = None

    # ---- the phases --------------------------------------------------------------------------

    def _advance(self, now: terms.Instant) -> None:
        """Begin whatever the first waiting caller needs, if the environment is free for it."""
        while self._queue and self._kept and self.state is EnvironmentState.COLD:
            self._tell_kept_failure()
        if not self._queue:
            return
        match self.state:
            case EnvironmentState.COLD:
                self._begin_init(now)
            case EnvironmentState.READY if self.runtime is RuntimeState.RESTORE_READY:
                self._begin_restore(now)
            case EnvironmentState.READY | EnvironmentState.RESET | EnvironmentState.ABANDONED:
                self._begin_invoke(now)

    def _begin_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.INIT)
        self._phase_began = now.mono
        self.deadline = now.mono + self._rules.init_limit_s
        self._spawn()

    def _end_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self.deadline = None
        self._init_ms = self._phase_ms(now)
        self._report_init(self._init_ms)

    def _report_init(self, duration_ms: float, failure: failures.Failure | None = None) -> None:
        phase = terms.Phase.INVOKE if self.state is EnvironmentState.INVOKING else terms.Phase.INIT
        status, error_type = _outcome(failure)
        kind = self._rules.initialization
        self._effects.append(records.InitReport(phase, kind, duration_ms, status, error_type))

    def _begin_restore(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.RESTORE)
        self._move_runtime(RuntimeMove.RESTORED)
        self._phase_began = now.mono
        self.deadline = now.mono + self._rules.restore_limit_s
        self._release(effects.Restored())

    def _end_restore(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.READY)
        self.deadline = None
        # The init was the snapshot's, made and reported long before this invoke.
        self._init_ms = None
        self._restore_ms = self._phase_ms(now)
        self._effects.append(records.RestoreReport(self._restore_ms))

    def _begin_invoke(self, now: terms.Instant) -> None:
        before = self.state
        self._move(EnvironmentMove.INVOKE)
        request = self._queue.popleft()
        deadline_ms = int((now.epoch + self._rules.timeout_s) * _MS)
        delivery = terms.Delivery(request.invocation, self._new_id(), deadline_ms)
        self._attempt = _Attempt(request.caller, delivery, now.mono)
        self.deadline = now.mono + self._rules.timeout_s
        self._effects.append(records.Start(self._request_id))
        match before:
            case EnvironmentState.READY:
                self._deliver()
            case EnvironmentState.RESET:
                self._spawn()
            case EnvironmentState.ABANDONED:
                self._ended(failures.exited(self._request_id, self._exit_code), now)

    def _deliver(self) -> None:
        self._move_runtime(RuntimeMove.DELIVERED)
        self._release(self._current.delivery)

    def _end_invoke(self, now: terms.Instant) -> None:
        attempt = self._current
        self._move(EnvironmentMove.READY)
        self._report_invoke(attempt, now)

    def _report_invoke(self, attempt: _Attempt, now: terms.Instant) -> None:
        self.deadline = None
        self._attempt = None
        duration_ms = (now.mono - attempt.began) * _MS
        outcome = attempt.status, attempt.error_type
        self._effects.append(records.RuntimeDone(attempt.request_id, *outcome))
        self._effects.append(
            records.Report(
                attempt.caller,
                attempt.request_id,
                duration_ms,
                # The init before a first invoke has been on the bill since August 2025.
                math.ceil(duration_ms + (self._init_ms or 0.0)),
                self._init_ms,
                self._restore_ms,
                *outcome,
            )
        )
        self._init_ms = self._restore_ms = None

    # ---- failure -----------------------------------------------------------------------------

    def _fail(self, failure: failures.Failure, now: terms.Instant) -> None:
        """End the present phase as a failure; the processes are left to end or to be killed."""
        match self.state:
            case EnvironmentState.INITIALISING:
                self._fail_init(failure, now)
            case EnvironmentState.RESTORING:
                self._fail_restore(failure, now)
            case EnvironmentState.INVOKING:
                self._fail_invoke(failure, now)
        self._move(EnvironmentMove.FAIL)
        self._answering = None
        self.deadline = None

    def _fail_init(self, failure: failures.Failure, now: terms.Instant) -> None:
        self._report_init(self._phase_ms(now), failure)
        if self._rules.initialization is terms.InitializationType.SNAP_START:
            self._kept = failure

    def _tell_kept_failure(self) -> None:
        failure, self._kept = self._kept, None
        if failure is not None:
            text = f"The init before the snapshot failed: {_describe(failure)}"
            refusal = terms.ServiceFailure(400, "SnapStartException", text)
            self._effects.append(effects.Refuse(self._queue.popleft().caller, refusal))

    def _fail_restore(self, failure: failures.Failure, now: terms.Instant) -> None:
        report = records.RestoreReport(self._phase_ms(now), failure.status, failure.error_type)
        slow = failure.status is terms.Status.TIMEOUT
        status, name = (408, "SnapStartTimeoutException") if slow else (400, "SnapStartException")
        refusal = terms.ServiceFailure(status, name, f"The restore failed: {_describe(failure)}")
        self._effects += [report, effects.Refuse(self._queue.popleft().caller, refusal)]

    def _fail_invoke(self, failure: failures.Failure, now: terms.Instant) -> None:
        attempt = self._current
        if self.runtime in (RuntimeState.STARTED, RuntimeState.INIT_ERROR):
            self._report_init((now.mono - attempt.began) * _MS, failure)
        if attempt.answered:
            attempt.status, attempt.error_type = failure.status, failure.error_type
        else:
            self._answer_failure(failure)
        self._report_invoke(attempt, now)

    # ---- small moves -------------------------------------------------------------------------

    @property
    def _current(self) -> _Attempt:
        if self._attempt is None:
            raise IllegalMoveError(f"there is no invocation to work on in {self!r}")
        return self._attempt

    @property
    def _request_id(self) -> str:
        return self._attempt.request_id if self._attempt else ""

    def _phase_ms(self, now: terms.Instant) -> float:
        return (now.mono - self._phase_began) * _MS

    def _move(self, move: EnvironmentMove) -> None:
        try:
            self.state = ENVIRONMENT[self.state, move]
        except KeyError:
            raise IllegalMoveError(f"{move.name} cannot happen in {self!r}") from None

    def _move_runtime(self, move: RuntimeMove) -> None:
        self.runtime = RUNTIME[self.runtime, move]

    def _step(self, move: RuntimeMove, call: int) -> bool:
        """Follow a call of the runtime, or refuse it and stay."""
        if self.state in LIVE and (self.runtime, move) in RUNTIME:
            self._move_runtime(move)
            return True
        self._reply(call, failures.illegal_transition(self.runtime, ASKED_FOR[move]))
        return False

    def _answered(self) -> None:
        self._answering = None
        self._move_runtime(RuntimeMove.ANSWERED)

    def _spawn(self) -> None:
        self.runtime = RuntimeState.STARTED
        self._effects.append(effects.Spawn())

    def _release(self, content: effects.Restored | terms.Delivery) -> None:
        self._effects += [effects.Reply(call, content) for call in self._blocked]
        self._blocked.clear()

    def _reply(
        self, call: int, content: effects.Accepted | effects.Denied | terms.Delivery
    ) -> None:
        self._effects.append(effects.Reply(call, content))

    def _answer(self, result: terms.FunctionResult) -> None:
        self._current.answered = True
        self._effects.append(effects.Answer(self._current.caller, result))

    def _answer_failure(self, failure: failures.Failure) -> None:
        attempt = self._current
        attempt.status, attempt.error_type = failure.status, failure.error_type
        self._answer(failure.result)

    _REACTIONS: ClassVar[Mapping[type, Callable[..., None]]] = {
        msg.InitRequested: _on_init_requested,
        msg.InvokeRequested: _on_invoke_requested,
        msg.TimePassed: _on_time_passed,
        msg.StopRequested: _on_stop_requested,
        msg.ProcessExited: _on_process_exited,
        msg.SpawnFailed: _on_spawn_failed,
        msg.NextCalled: _on_next,
        msg.ResponseBegun: _on_answer_begun,
        msg.ErrorBegun: _on_answer_begun,
        msg.AnswerEnded: _on_answer_ended,
        msg.InitErrorPosted: _on_init_error,
        msg.RestoreNextCalled: _on_restore_next,
        msg.RestoreErrorPosted: _on_restore_error,
        msg.CallDropped: _on_call_dropped,
    }


_GOING_DOWN: Final = terms.ServiceFailure(
    500, "ServiceException", "The local host is stopping; start it again to invoke the function"
)
_TOO_MANY: Final = terms.ServiceFailure(
    429,
    "TooManyRequestsException",
    f"Rate Exceeded: {protocol.MAX_WAITING} invocations are waiting; let some of them end first",
)


def _mode_exists(mode: str | None) -> bool:
    return mode is None or mode == protocol.RESPONSE_MODE_STREAMING


def _outcome(failure: failures.Failure | None) -> tuple[terms.Status, str | None]:
    return (failure.status, failure.error_type) if failure else (terms.Status.SUCCESS, None)


def _describe(failure: failures.Failure) -> str:
    return failure.document.decode(errors="replace") or failure.status.value
