"""The life of an environment that works on many invocations at once (managed instances).

The shape is that of `core.Environment`: told what happens, it returns what is to be done. The
rules are others, and simpler (those of AWS's emulator, `lambda-managed-instances`):

* the runtime has no state of its own. Each of its `next` calls is a *slot* that waits for an
  event; whoever invokes takes one, or is refused at once;
* an invocation is over when its answer is: there is no barrier behind it, and what the runtime
  does until its next `next` is on nobody's bill;
* a timeout concerns one invocation. Its code goes on and keeps its worker; its late answer is
  refused with 410, once;
* nothing is repaired. When the runtime or an extension has ended, all that was under way fails,
  the rest is torn down, and the owner makes another environment.

One rule is the local host's own. Who invokes before the init has ended is not refused but waits
for a slot, at most until the init's limit: on Lambda no request reaches an environment so early.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects, failures, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.core import IllegalMoveError
from snapboot_devkit.host.lifecycle.endings import failure_of
from snapboot_devkit.host.lifecycle.extensions import Extensions
from snapboot_devkit.host.lifecycle.in_flight import InFlight
from snapboot_devkit.host.lifecycle.states import EnvironmentMove, EnvironmentState, RuntimeState
from snapboot_devkit.host.lifecycle.teardown import Teardown
from snapboot_devkit.lazy_dataclass import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.lifecycle.rules import Rules
    from snapboot_devkit.host.lifecycle.terms import CallerToken, CallToken

# What the runtime is given after SIGTERM, whatever kind of extension there is; none, no SIGTERM.
RUNTIME_GRACE_S: Final = 0.6

_MS: Final = 1000.0

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
_TOO_MANY: Final = terms.ServiceFailure(
    429,
    "TooManyRequestsException",
    f"Rate Exceeded: {protocol.MAX_WAITING} invocations wait for the init; let it end first",
)

_INTERNAL_ERROR: Final = effects.Denied(500, "InternalServerError", "Internal Server Error")
_INVOKE_TIMEOUT: Final = effects.Denied(410, "InvokeTimeout", "Invoke timeout")
_ERROR_TOO_LARGE: Final = effects.Denied(
    413,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({protocol.MAX_ERROR_BYTES} bytes).",
)


@dataclass(slots=True)
class _Work:
    """An invocation under way: `ends` is its limit, `response` the one that is being read."""

    in_flight: InFlight
    ends: float
    response: msg.ResponseBegun | None = None


@dataclass(frozen=True, slots=True)
class _Post:
    """An answer whose body is being read, and the invocation it was for when it began."""

    begun: msg.ResponseBegun | msg.ErrorBegun
    work: _Work


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


class ManagedEnvironment:
    """One multi-concurrent environment: feed it what happens, perform what it returns."""

    def __init__(self, rules: Rules, new_id: Callable[[], str]) -> None:
        """Begin cold; `new_id` returns a fresh id for every delivery and extension."""
        self._rules = rules
        self._new_id = new_id
        self._effects: list[effects.Effect] = []
        self.state = EnvironmentState.COLD
        self._extensions = Extensions(
            rules.extensions, new_id, self._ask, frozenset({terms.SHUTDOWN})
        )
        self._runtime_alive = False
        # The first `next` and the first `init/error` count, whichever worker they come from.
        self._runtime_ready = False
        self._init_error: failures.Failure | None = None
        self._init_began: terms.Instant | None = None
        self._slots: deque[CallToken] = deque()
        # Workers whose answer was taken, or came too late: they will ask for an event next.
        self._returning = 0
        self._waiting: deque[msg.InvokeRequested] = deque()
        self._working: dict[str, _Work] = {}
        self._posts: dict[CallToken, _Post] = {}
        self._timed_out = _TimedOut()
        self._teardown: Teardown | None = None
        self._refusal = GONE

    def __repr__(self) -> str:
        return (
            f"<ManagedEnvironment {self.state.value}, {len(self._working)} working, "
            f"{len(self._slots)} idle, {self._extensions}>"
        )

    @property
    def deadline(self) -> float | None:
        """The next instant at which the environment wants to be told of the time."""
        if self._teardown is not None:
            return self._teardown.deadline
        limits = [work.ends for work in self._working.values()]
        if self._init_ends is not None:
            limits.append(self._init_ends)
        return min(limits, default=None)

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

    def feed(self, message: msg.Message, now: terms.Instant) -> list[effects.Effect]:
        """Take note of one message and return what to do about it, in order.

        Raises IllegalMoveError, and changes nothing, when the message cannot be true.
        """
        self._REACTIONS[type(message)](self, message, now)
        wanted, self._effects = self._effects, []
        return wanted

    # ---- init --------------------------------------------------------------------------------

    @property
    def _init_ends(self) -> float | None:
        """The init's limit, for as long as anybody waits because of the init."""
        if self._init_began is None:
            return None
        initialising = self.state is EnvironmentState.INITIALISING
        waiting = initialising or self._waiting
        return self._init_began.mono + self._rules.init_limit_s if waiting else None

    def _on_init_requested(self, _message: msg.InitRequested, now: terms.Instant) -> None:
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)

    def _begin_init(self, now: terms.Instant) -> None:
        self._move(EnvironmentMove.INIT)
        self._init_began = now
        self._ask(records.InitStart(terms.Phase.INIT, self._rules.initialization))
        failure = self._extensions.start()
        if failure is not None:
            self._fail(lambda _: failure, now)
        else:
            self._start_runtime()

    def _start_runtime(self) -> None:
        """Start the runtime, once every external extension has registered."""
        initialising = self.state is EnvironmentState.INITIALISING
        if initialising and not self._runtime_alive and self._extensions.all_registered:
            self._runtime_alive = True
            self._ask(effects.Spawn())

    def _end_phase_if_all_wait(self, now: terms.Instant) -> None:
        """End the init if one worker is ready, and all extensions are."""
        initialising = self.state is EnvironmentState.INITIALISING
        if initialising and self._runtime_ready and self._extensions.all_idle:
            self._move(EnvironmentMove.READY)
            self._extensions.close_subscription()
            self._extensions.report()
            self._report_init(now)
            self._serve_waiting(now)

    def _report_init(self, now: terms.Instant, failure: failures.Failure | None = None) -> None:
        status, error_type = _outcome(failure)
        began = self._init_began or now
        figures = (now.mono - began.mono) * _MS, status, error_type
        kind = self._rules.initialization
        if not self._runtime_ready:
            self._ask(records.InitRuntimeDone(terms.Phase.INIT, kind, status, error_type))
        self._ask(records.InitReport(terms.Phase.INIT, kind, *figures))

    def _on_init_error(self, message: msg.InitErrorPosted, _now: terms.Instant) -> None:
        """Take the first worker's; the others may do better, so that the init goes on."""
        if self._init_error is not None or not self._runtime_alive:
            self._reply(message.call, self._refused_move(RuntimeState.INIT_ERROR))
            return
        self._init_error = failures.posted(message.error_type, message.body)
        self._reply(message.call, effects.ACCEPTED)

    def _refused_move(self, asked_for: RuntimeState) -> effects.Denied:
        state = RuntimeState.INIT_ERROR if self._init_error else RuntimeState.STARTED
        return failures.illegal_transition(state, asked_for)

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
        if not self._runtime_ready:
            self._runtime_ready = True
            self._extensions.close_registration()
            kind = self._rules.initialization
            self._ask(records.InitRuntimeDone(terms.Phase.INIT, kind))
            self._end_phase_if_all_wait(now)
        self._serve_waiting(now)

    def _on_invoke_requested(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        match self.state:
            case EnvironmentState.COLD | EnvironmentState.INITIALISING:
                self._wait(message, now)
            case EnvironmentState.READY if self._has_room and not self._waiting:
                self._begin_invoke(message, now)
            case EnvironmentState.READY:
                self._refuse(message.caller, self._why_not(message))
            case _:
                self._refuse(message.caller, self._refusal)

    def _why_not(self, message: msg.InvokeRequested) -> terms.ServiceFailure:
        known = message.invocation.request_id in self._working
        return DUPLICATE if known else NO_IDLE_RUNTIME

    def _wait(self, message: msg.InvokeRequested, now: terms.Instant) -> None:
        if len(self._waiting) >= protocol.MAX_WAITING:
            self._refuse(message.caller, _TOO_MANY)
            return
        self._waiting.append(message)
        if self.state is EnvironmentState.COLD:
            self._begin_init(now)

    def _serve_waiting(self, now: terms.Instant) -> None:
        while self.state is EnvironmentState.READY and self._waiting and self._has_room:
            self._begin_invoke(self._waiting.popleft(), now)

    def _begin_invoke(self, request: msg.InvokeRequested, now: terms.Instant) -> None:
        invocation = request.invocation
        if invocation.request_id in self._working:
            self._refuse(request.caller, DUPLICATE)
            return
        limit_s = self._rules.timeout_s
        delivery = terms.Delivery(invocation, self._new_id(), int((now.epoch + limit_s) * _MS))
        work = _Work(InFlight(request.caller, delivery, now), now.mono + limit_s)
        self._working[invocation.request_id] = work
        self._ask(records.Start(invocation.request_id, invocation.trace_id, invocation.tenant_id))
        self._reply(self._slots.popleft(), delivery)

    # ---- answers -----------------------------------------------------------------------------

    def _on_response_begun(self, message: msg.ResponseBegun, now: terms.Instant) -> None:
        work = self._work_of(message)
        if work is None:
            return
        if work.response is not None:
            self._reply(message.call, failures.INVALID_REQUEST_ID)
            return
        work.response = message
        work.in_flight.first = now
        self._posts[message.call] = _Post(message, work)
        match message.mode:
            case None:
                pass
            case protocol.RESPONSE_MODE_STREAMING:
                caller = work.in_flight.caller
                self._ask(effects.BeginStream(caller, message.call, message.content_type))
            case mode:
                failure = failures.invalid_response_mode(mode)
                self._finish(work, failure, now, to_response=failures.INVALID_RESPONSE_MODE)

    def _on_error_begun(self, message: msg.ErrorBegun, _now: terms.Instant) -> None:
        """Wait for the body: until that is there, a response may still come first."""
        work = self._work_of(message)
        if work is not None:
            self._posts[message.call] = _Post(message, work)

    def _work_of(self, message: msg.ResponseBegun | msg.ErrorBegun) -> _Work | None:
        """Return the invocation that an answer is for, or refuse the answer."""
        work = self._working.get(message.request_id)
        if work is None:
            self._reply(message.call, self._too_late(message.request_id))
            return None
        asked_for = message.invocation_id
        known = asked_for in (None, work.in_flight.delivery.invocation_id)
        if known or not self._rules.check_invocation_id:
            return work
        self._reply(message.call, failures.INVALID_INVOCATION_ID)
        return None

    def _too_late(self, request_id: str) -> effects.Denied:
        timed_out = self._timed_out.consume(request_id)
        self._returning += timed_out
        return _INVOKE_TIMEOUT if timed_out else failures.INVALID_REQUEST_ID

    def _on_answer_ended(self, message: msg.AnswerEnded, now: terms.Instant) -> None:
        post = self._posts.pop(message.call, None)
        if post is None:
            return
        if isinstance(post.begun, msg.ErrorBegun):
            self._end_error(post.begun, post.work, message, now)
        else:
            self._end_response(post.begun, post.work, message, now)

    def _end_response(
        self, begun: msg.ResponseBegun, work: _Work, ended: msg.AnswerEnded, now: terms.Instant
    ) -> None:
        work.in_flight.last = now
        work.in_flight.produced_bytes = ended.size
        work.response = None
        if ended.size > protocol.MAX_PAYLOAD_BYTES and begun.mode is None:
            self._finish(work, failures.too_large(ended.size), now)
            self._reply(begun.call, failures.PAYLOAD_TOO_LARGE)
            self._returning += 1
            return
        if ended.trailing_error_type:
            work.in_flight.status = terms.Status.ERROR
            work.in_flight.error_type = failures.clean_error_type(ended.trailing_error_type)
            result = failures.streamed(ended.trailing_error_type, ended.trailing_error_body)
        else:
            result = terms.FunctionResult(ended.body, ended.content_type)
        self._answer(work, result, now)
        self._accept(begun)

    def _end_error(
        self, begun: msg.ErrorBegun, work: _Work, ended: msg.AnswerEnded, now: terms.Instant
    ) -> None:
        if self._working.get(begun.request_id) is not work:
            self._reply(begun.call, self._too_late(begun.request_id))
        elif ended.size > protocol.MAX_ERROR_BYTES:
            self._reply(begun.call, _ERROR_TOO_LARGE)
        else:
            # A response that was under way is cut: what became of it is an error now.
            work.in_flight.last = now
            error_type = failures.clean_error_type(begun.error_type)
            failure = failures.Failure(
                terms.Status.ERROR, error_type, ended.body, ended.content_type
            )
            self._finish(work, failure, now)
            self._accept(begun)

    def _accept(self, begun: msg.ResponseBegun | msg.ErrorBegun) -> None:
        self._reply(begun.call, effects.ACCEPTED)
        self._returning += 1

    def _on_stream_overrun(self, message: msg.StreamOverrun, now: terms.Instant) -> None:
        post = self._posts.get(message.call)
        if post is not None and isinstance(post.begun, msg.ResponseBegun):
            failure = failures.stream_too_large(message.limit)
            self._finish(post.work, failure, now, to_response=failures.PAYLOAD_TOO_LARGE)

    def _on_call_dropped(self, message: msg.CallDropped, now: terms.Instant) -> None:
        if self._extensions.drop(message.call):
            return
        if message.call in self._slots:
            self._slots.remove(message.call)
        post = self._posts.get(message.call)
        if post is not None and isinstance(post.begun, msg.ResponseBegun):
            failure = failures.truncated()
            self._finish(post.work, failure, now, to_response=failures.TRUNCATED_REQUEST)
        elif post is not None:
            # Half an error tells nothing; the invocation may still be answered.
            del self._posts[message.call]
            self._reply(message.call, failures.TRUNCATED_REQUEST)

    def _finish(
        self,
        work: _Work,
        failure: failures.Failure,
        now: terms.Instant,
        *,
        to_response: effects.Denied = _INTERNAL_ERROR,
    ) -> None:
        """Fail an invocation; a response that was under way is refused with `to_response`."""
        work.in_flight.fail(failure)
        self._answer(work, failure.result, now, to_response=to_response)

    def _answer(
        self,
        work: _Work,
        result: terms.FunctionResult,
        now: terms.Instant,
        *,
        to_response: effects.Denied = _INTERNAL_ERROR,
    ) -> None:
        """Hand the result to the caller and, at the same moment, end the invocation."""
        del self._working[work.in_flight.request_id]
        self._ask(effects.Answer(work.in_flight.caller, result))
        self._cut_response(work, to_response)
        self._ask(changed(work.in_flight.report(now), spans=_spans(work.in_flight)))
        self._serve_waiting(now)

    def _cut_response(self, work: _Work, denial: effects.Denied) -> None:
        if work.response is not None:
            del self._posts[work.response.call]
            self._reply(work.response.call, denial)
            work.response = None

    # ---- extensions --------------------------------------------------------------------------

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

    # ---- the platform's moments --------------------------------------------------------------

    def _on_time_passed(self, _message: msg.TimePassed, now: terms.Instant) -> None:
        if self._teardown is not None:
            self._teardown.time_passed(now)
            self._go_on_tearing_down()
            return
        for work in list(self._working.values()):
            if now.mono >= work.ends:
                self._time_out(work, now)
        if self._init_ends is None or now.mono < self._init_ends:
            return
        if self.state is EnvironmentState.INITIALISING:
            self._fail(lambda _: failures.too_slow(), now)
        else:
            self._refuse_waiting(NO_IDLE_RUNTIME)

    def _time_out(self, work: _Work, now: terms.Instant) -> None:
        """Fail one invocation at its limit. Who is just answering learns it at once, not later."""
        request_id = work.in_flight.request_id
        if work.response is None:
            self._timed_out.add(request_id)
        failure = failures.timed_out(request_id, self._rules.timeout_s)
        self._finish(work, failure, now, to_response=_INVOKE_TIMEOUT)

    def _on_process_ended(
        self, message: msg.ProcessExited | msg.SpawnFailed, now: terms.Instant
    ) -> None:
        if message.extension is None:
            self._forget_runtime(message)
        elif not self._extensions.is_alive(message.extension):
            raise self._illegal(message)
        self._break(failure_of(message, self._extensions), now)

    def _forget_runtime(self, message: msg.ProcessExited | msg.SpawnFailed) -> None:
        if not self._runtime_alive:
            raise self._illegal(message)
        self._runtime_alive = False
        if self._teardown is not None:
            self._teardown.runtime_exited()

    def _break(self, failure: Callable[[str], failures.Failure], now: terms.Instant) -> None:
        """Go on after a process has ended, which nothing but a teardown survives."""
        if self._teardown is not None:
            self._go_on_tearing_down()
        else:
            self._fail(failure, now)

    def _on_stop_requested(self, _message: msg.StopRequested, now: terms.Instant) -> None:
        self._move(EnvironmentMove.STOP)
        for work in list(self._working.values()):
            self._cut_response(work, _INTERNAL_ERROR)
            self._refuse(work.in_flight.caller, GONE)
        self._working.clear()
        self._refuse_waiting(GONE)
        if self.state is EnvironmentState.STOPPING and self._teardown is None:
            self._tear_down(terms.ShutdownReason.SPINDOWN, now)

    def _fail(self, failure: Callable[[str], failures.Failure], now: terms.Instant) -> None:
        """End the environment: all that is under way fails, and it will not be used again."""
        if self.state is EnvironmentState.INITIALISING:
            self._fail_init(self._init_error or failure(""), now)
        self._move(EnvironmentMove.FAIL)
        self._refuse_waiting(self._refusal)
        for work in list(self._working.values()):
            self._finish(work, failure(work.in_flight.request_id), now)
        self._tear_down(terms.ShutdownReason.FAILURE, now)

    def _fail_init(self, failure: failures.Failure, now: terms.Instant) -> None:
        """Keep the failure for whoever invokes: there is no second init."""
        self._extensions.close_registration()
        self._extensions.close_subscription()
        self._report_init(now, failure)
        detail = failure.document.decode(errors="replace") or failure.status.value
        text = f"The init of the execution environment failed: {detail}"
        self._refusal = terms.ServiceFailure(502, "ResourceNotReadyException", text)

    def _refuse_waiting(self, refusal: terms.ServiceFailure) -> None:
        for request in self._waiting:
            self._refuse(request.caller, refusal)
        self._waiting.clear()

    def _tear_down(self, reason: terms.ShutdownReason, now: terms.Instant) -> None:
        for call in (*self._slots, *self._posts):
            self._reply(call, _INTERNAL_ERROR)
        self._slots.clear()
        self._posts.clear()
        alive = self._runtime_alive
        self._teardown = Teardown(
            self._extensions,
            reason,
            self._ask,
            runtime_alive=alive,
            grace_s=RUNTIME_GRACE_S,
        )
        self._teardown.begin(now)
        self._go_on_tearing_down()

    def _go_on_tearing_down(self) -> None:
        if self._teardown is not None and self._teardown.done:
            self._teardown = None
            self._extensions.clear()
            self._move(EnvironmentMove.EXIT)

    # ---- small moves -------------------------------------------------------------------------

    def _on_restore_call(
        self, message: msg.RestoreNextCalled | msg.RestoreErrorPosted, _now: terms.Instant
    ) -> None:
        """Refuse: there are no snapshots here."""
        nexts = isinstance(message, msg.RestoreNextCalled)
        asked_for = RuntimeState.RESTORE_READY if nexts else RuntimeState.RESTORE_ERROR
        self._reply(message.call, self._refused_move(asked_for))

    def _illegal(self, what: object) -> IllegalMoveError:
        return IllegalMoveError(f"{what} cannot happen in {self!r}")

    def _move(self, move: EnvironmentMove) -> None:
        try:
            self.state = MANAGED[self.state, move]
        except KeyError:
            raise self._illegal(move.name) from None

    def _ask(self, effect: effects.Effect) -> None:
        self._effects.append(effect)

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))

    def _refuse(self, caller: CallerToken, failure: terms.ServiceFailure) -> None:
        self._ask(effects.Refuse(caller, failure))

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
        msg.RestoreNextCalled: _on_restore_call,
        msg.RestoreErrorPosted: _on_restore_call,
        msg.RegisterCalled: _on_register,
        msg.ExtensionNextCalled: _on_extension_next,
        msg.ExtensionErrorPosted: _on_extension_error,
        msg.SubscribeCalled: _on_subscribe,
        msg.CallDropped: _on_call_dropped,
    }


def _outcome(failure: failures.Failure | None) -> tuple[terms.Status, str | None]:
    return (failure.status, failure.error_type) if failure else (terms.Status.SUCCESS, None)


def _spans(in_flight: InFlight) -> tuple[records.Span, ...]:
    """Return the parts of an invocation that are told here: to the first byte, and to the last."""
    began, first, last = in_flight.began, in_flight.first, in_flight.last
    if first is None or last is None:
        return ()
    return (
        records.Span("responseLatency", began.epoch, (first.mono - began.mono) * _MS),
        records.Span("responseDuration", first.epoch, (last.mono - first.mono) * _MS),
    )
