"""The rules of an environment that works on many invocations at once, one scenario each."""

import json
from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapboot_devkit.host.lifecycle import managed
from snapboot_devkit.host.lifecycle.effects import (
    Accepted,
    Answer,
    BeginStream,
    Kill,
    Refuse,
    Registered,
    Reply,
    ShutdownEvent,
    Spawn,
    Terminate,
)
from snapboot_devkit.host.lifecycle.managed import MANAGED, ManagedEnvironment
from snapboot_devkit.host.lifecycle.messages import (
    AnswerEnded,
    CallDropped,
    ErrorBegun,
    ExtensionErrorPosted,
    ExtensionNextCalled,
    InitErrorPosted,
    InitRequested,
    InvokeRequested,
    NextCalled,
    ProcessExited,
    RegisterCalled,
    ResponseBegun,
    RestoreErrorPosted,
    RestoreNextCalled,
    SpawnFailed,
    StopRequested,
    StreamOverrun,
    TimePassed,
)
from snapboot_devkit.host.lifecycle.records import (
    ExtensionReport,
    InitReport,
    InitRuntimeDone,
    InitStart,
    Report,
    Span,
    Start,
)
from snapboot_devkit.host.lifecycle.states import (
    EnvironmentMove,
    EnvironmentState,
    IllegalMoveError,
)
from snapboot_devkit.host.lifecycle.terms import (
    Delivery,
    FunctionResult,
    InitializationType,
    Invocation,
    Phase,
    ShutdownReason,
    Status,
)
from snapboot_devkit.host.protocol import (
    MAX_ERROR_BYTES,
    MAX_IDLE_RUNTIMES,
    MAX_PAYLOAD_BYTES,
    MAX_TIMED_OUT_IDS,
    MAX_WAITING,
)
from tests.devkit import plays
from tests.devkit.plays import EPOCH, invocation, invoked

KIND = InitializationType.MANAGED_INSTANCES


def answer(call, request=1, body=b"1", size=None):
    """Return the two messages of a response."""
    ended = AnswerEnded(call, body, len(body) if size is None else size)
    return ResponseBegun(call, f"request-{request}"), ended


def error(call, request=1, body=b'{"errorType":"Bad"}', size=None):
    """Return the two messages of an invocation's error."""
    ended = AnswerEnded(call, body, len(body) if size is None else size)
    return ErrorBegun(call, f"request-{request}", None, "Function.Bad"), ended


class Play(plays.Play):
    """One environment of managed instances."""

    core = ManagedEnvironment
    rules: ClassVar = {"initialization": KIND, "init_limit_s": 130.0}

    def at_deadline(self):
        """Let time pass until the environment's deadline, and report it."""
        self.now = self.environment.deadline
        return self.feed(TimePassed())

    @property
    def state(self):
        return self.environment.state


def ready(slots=1, **rules):
    """Return a play that has initialised, with slots 1, 2 and so on waiting."""
    play = Play(**rules)
    play.feed(InitRequested(), *(NextCalled(number) for number in range(1, slots + 1)))
    return play


def running(*requests, **rules):
    """Return a play that works on these requests, the calls of whose `next` have their numbers."""
    play = ready(len(requests), **rules)
    play.feed(*(invoked(number) for number in requests))
    return play


def extended(*names, ready=True, **rules):
    """Return a play with extensions that have registered for SHUTDOWN, and their identifiers."""
    play = Play(extensions=names, **rules)
    play.feed(InitRequested())
    identifiers = {}
    for call, name in enumerate(names, 100):
        registered = play.replies(RegisterCalled(call, name, ("SHUTDOWN",)))[call]
        identifiers[name] = registered.identifier
        if ready:
            play.feed(ExtensionNextCalled(call + 100, registered.identifier))
    if ready:
        play.feed(NextCalled(1))
    return play, identifiers


def every(kind, effects):
    return [effect for effect in effects if isinstance(effect, kind)]


def only(kind, effects):
    """Return the one effect of a kind."""
    (found,) = every(kind, effects)
    return found


def refusal(effects):
    return only(Refuse, effects).failure


def failure_of(answered):
    """Return the error document that a caller receives."""
    assert answered.result.function_error == "Unhandled"
    return json.loads(answered.result.payload)


# ---- init ------------------------------------------------------------------------------------


def test_the_first_worker_ends_the_init():
    play = Play()
    assert play.feed(InitRequested()) == [InitStart(Phase.INIT, KIND), Spawn()]
    assert play.state is EnvironmentState.INITIALISING
    assert play.after(0.25).feed(NextCalled(1)) == [
        InitRuntimeDone(Phase.INIT, KIND),
        InitReport(Phase.INIT, KIND, 250.0),
    ]
    assert play.state is EnvironmentState.READY
    assert play.environment.deadline is None
    assert play.feed(NextCalled(2)) == []


def test_who_invokes_during_the_init_waits_for_a_worker_each():
    play = Play()
    assert only(Spawn, play.feed(invoked(1), invoked(2))) == Spawn()
    assert only(Start, play.feed(NextCalled(1))).request_id == "request-1"
    assert only(Start, play.feed(NextCalled(2))).request_id == "request-2"


def test_who_waits_since_the_init_comes_before_who_invokes_after_it():
    play = Play()
    play.feed(invoked(1), invoked(2), NextCalled(1))
    assert refusal(play.feed(invoked(3))) is managed.NO_IDLE_RUNTIME
    assert only(Start, play.feed(NextCalled(2))).request_id == "request-2"


def test_who_waits_since_the_init_does_so_until_its_limit():
    play = Play(init_limit_s=10.0, timeout_s=60.0)
    play.feed(invoked(1), invoked(2), NextCalled(1))
    assert play.environment.deadline == 10.0
    refused = only(Refuse, play.at_deadline())
    assert (refused.caller, refused.failure) == (2, managed.NO_IDLE_RUNTIME)
    assert play.environment.deadline == 60.0


def test_no_more_than_so_many_wait_for_the_init():
    play = Play()
    play.feed(*(invoked(number) for number in range(MAX_WAITING)))
    assert refusal(play.feed(invoked(MAX_WAITING))).status == 429


def test_the_first_init_error_is_taken_and_those_of_other_workers_are_not():
    play = Play()
    play.feed(InitRequested())
    assert play.replies(InitErrorPosted(1, "Runtime.Broken", b"{}")) == {1: Accepted()}
    second = play.replies(InitErrorPosted(2, "Runtime.Broken", b"{}"))[2]
    assert (second.status, second.error_type) == (403, "InvalidStateTransition")
    assert "from InitError to InitError" in second.message


def test_a_worker_that_failed_does_not_keep_another_from_ending_the_init():
    play = Play()
    play.feed(InitRequested(), InitErrorPosted(1, "Runtime.Broken", b"{}"))
    assert only(InitReport, play.feed(NextCalled(2))).status is Status.SUCCESS
    assert 2 in play.replies(invoked())


def test_a_runtime_that_ends_after_an_init_error_is_reported_with_that_error():
    play = Play()
    play.feed(invoked(), InitErrorPosted(1, "Runtime.Broken", b'{"errorMessage":"no module"}'))
    effects = play.feed(ProcessExited(1))
    done, report = only(InitRuntimeDone, effects), only(InitReport, effects)
    assert (done.status, done.error_type) == (Status.ERROR, "Runtime.Broken")
    assert (report.status, report.error_type) == (Status.ERROR, "Runtime.Broken")
    assert "no module" in refusal(effects).message
    assert play.state is EnvironmentState.DEAD


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (ProcessExited(3), "exit status 3"),
        (SpawnFailed("no such file: 'bootstrap'"), "no such file: 'bootstrap'"),
    ],
)
def test_a_failed_init_is_kept_for_every_caller_that_comes(end, expected):
    play = Play()
    play.feed(InitRequested(), end)
    assert play.state is EnvironmentState.DEAD
    for number in (1, 2):
        refused = refusal(play.feed(invoked(number)))
        assert (refused.status, refused.exception) == (502, "ResourceNotReadyException")
        assert expected in refused.message


def test_an_init_that_takes_too_long_is_ended_and_kept():
    play = Play(init_limit_s=130.0)
    play.feed(invoked())
    effects = play.at_deadline()
    assert play.now == 130.0
    assert only(InitReport, effects).status is Status.TIMEOUT
    assert "timeout" in refusal(effects).message
    assert only(Kill, effects) == Kill()
    play.feed(ProcessExited(-9))
    assert "timeout" in refusal(play.feed(invoked(2))).message


@pytest.mark.parametrize("call", [RestoreNextCalled(1), RestoreErrorPosted(1, "Runtime.X", b"")])
def test_there_is_nothing_to_restore(call):
    play = Play()
    play.feed(InitRequested())
    assert play.replies(call)[1].status == 403


# ---- slots -----------------------------------------------------------------------------------


def test_every_slot_gets_an_invocation_of_its_own():
    play = ready(3)
    replies = play.replies(invoked(1), invoked(2), invoked(3))
    assert [replies[call].invocation.request_id for call in (1, 2, 3)] == [
        "request-1",
        "request-2",
        "request-3",
    ]


def test_a_delivery_has_its_own_deadline():
    play = ready(timeout_s=3.0)
    delivery = play.after(1.0).replies(invoked())[1]
    assert delivery == Delivery(invocation(), "attempt-1", int((EPOCH + 4.0) * 1000))


def test_without_an_idle_slot_an_invocation_is_refused_at_once():
    refused = refusal(running(1).feed(invoked(2)))
    assert (refused.status, refused.exception) == (400, "Runtime.Unavailable")
    assert refused.message.startswith("no idle runtimes")


def test_a_slot_comes_back_with_the_next_call_and_not_with_the_answer():
    play = running(1)
    play.feed(*answer(10))
    assert refusal(play.feed(invoked(2))) is managed.NO_IDLE_RUNTIME
    play.feed(NextCalled(11))
    assert set(play.replies(invoked(3))) == {11}


@pytest.mark.parametrize("post", [answer, error])
def test_a_worker_that_has_answered_is_about_to_be_free(post):
    play = running(1)
    assert not play.environment.settling
    play.feed(*post(10))
    assert play.environment.settling
    play.feed(NextCalled(11))
    assert not play.environment.settling


def test_a_worker_that_answers_too_late_is_about_to_be_free():
    play = running(1)
    play.at_deadline()
    assert not play.environment.settling
    play.feed(*answer(10))
    assert play.environment.settling


def test_no_more_are_worked_on_than_the_function_allows():
    play = ready(3, max_concurrency=2)
    play.feed(invoked(1), invoked(2))
    assert play.environment.capacity_left == 0
    assert refusal(play.feed(invoked(3))) is managed.NO_IDLE_RUNTIME
    play.feed(*answer(10, request=2))
    assert play.environment.capacity_left == 1
    assert set(play.replies(invoked(4))) == {3}


def test_a_slot_whose_connection_is_gone_is_not_used():
    play = ready(2)
    play.feed(CallDropped(1))
    assert set(play.replies(invoked())) == {2}


def test_no_more_slots_wait_than_the_queue_holds():
    play = ready(MAX_IDLE_RUNTIMES)
    refused = play.replies(NextCalled(MAX_IDLE_RUNTIMES + 1))[MAX_IDLE_RUNTIMES + 1]
    assert (refused.status, refused.error_type) == (500, "InternalServerError")


def test_a_request_that_is_under_way_is_not_begun_again():
    play = running(1)
    again = InvokeRequested(2, invocation(1))
    play.feed(NextCalled(2))
    refused = refusal(play.feed(again))
    assert (refused.status, refused.exception) == (400, "Client.DuplicatedInvokeId")
    play.feed(*answer(10))
    assert set(play.replies(again)) == {2}


def test_capacity_is_what_the_function_allows_and_then_what_workers_there_are():
    play = Play(max_concurrency=3)
    assert play.environment.capacity_left == 3
    play.feed(invoked(1))
    assert play.environment.capacity_left == 2
    play.feed(NextCalled(1))
    assert play.environment.capacity_left == 0
    play.feed(NextCalled(2))
    assert play.environment.capacity_left == 1
    play.feed(NextCalled(3), NextCalled(4), NextCalled(5))
    assert play.environment.capacity_left == 2
    play.feed(StopRequested())
    assert play.environment.capacity_left == 0


# ---- answers ---------------------------------------------------------------------------------


def test_an_answer_is_the_end_of_its_invocation():
    play = running(1)
    begun, ended = answer(10, body=b'{"ok":true}')
    assert play.after(0.25).feed(begun) == []
    answered, report, accepted = play.after(0.5).feed(ended)
    assert answered == Answer(1, FunctionResult(b'{"ok":true}'))
    assert accepted == Reply(10, Accepted())
    assert report == Report(
        1,
        "request-1",
        750.0,
        750,
        spans=(
            Span("responseLatency", EPOCH, 250.0),
            Span("responseDuration", EPOCH + 0.25, 500.0),
        ),
    )
    assert play.state is EnvironmentState.READY
    assert play.environment.deadline is None


def test_answers_come_in_any_order():
    play = running(1, 2, 3)
    callers = [
        only(Answer, play.feed(*answer(10 + request, request))).caller for request in (2, 3, 1)
    ]
    assert callers == [2, 3, 1]


def test_two_bodies_may_be_read_at_once():
    play = running(1, 2)
    (first, first_end), (second, second_end) = answer(10, 1, b"1"), answer(11, 2, b"2")
    assert play.feed(first, second) == []
    assert only(Answer, play.feed(second_end)).result.payload == b"2"
    assert only(Answer, play.feed(first_end)).result.payload == b"1"


def test_an_error_is_reported_to_its_caller_unchanged():
    effects = running(1).feed(*error(10, body=b'{"errorMessage":"no"}'))
    answered = only(Answer, effects)
    assert answered.result == FunctionResult(
        b'{"errorMessage":"no"}', "application/json", "Unhandled", "Function.Bad"
    )
    report = only(Report, effects)
    assert (report.status, report.error_type) == (Status.ERROR, "Function.Bad")


def test_an_answer_to_a_request_that_was_never_made_is_refused():
    play = running(1)
    for begun, _ in (answer(10, 9), error(11, 9)):
        refused = play.replies(begun)[begun.call]
        assert (refused.status, refused.error_type) == (400, "InvalidRequestID")
    assert play.replies(*answer(12))[12] == Accepted()


def test_an_answer_of_another_attempt_is_refused():
    play = running(1)
    wrong = ResponseBegun(10, "request-1", "attempt-0")
    assert play.replies(wrong)[10].error_type == "InvalidInvocationId"
    right = ResponseBegun(11, "request-1", "attempt-1")
    assert play.replies(right, AnswerEnded(11, b"1", 1))[11] == Accepted()


def test_an_answer_of_another_attempt_may_be_let_through():
    play = running(1, check_invocation_id=False)
    assert play.replies(ResponseBegun(10, "request-1", "attempt-0")) == {}


def test_a_second_response_is_refused_while_the_first_is_read_and_afterwards():
    play = running(1)
    begun, ended = answer(10)
    play.feed(begun)
    assert play.replies(*answer(11))[11].error_type == "InvalidRequestID"
    assert play.replies(ended) == {10: Accepted()}
    assert play.replies(*answer(12))[12].error_type == "InvalidRequestID"


def test_an_error_after_the_response_is_refused():
    play = running(1)
    play.feed(*answer(10))
    assert play.replies(*error(11))[11].error_type == "InvalidRequestID"


def test_an_error_that_was_being_read_when_the_response_came_is_refused():
    play = running(1)
    begun, ended = error(10)
    play.feed(begun)
    assert only(Answer, play.feed(*answer(11))).result.function_error is None
    assert play.replies(ended)[10].error_type == "InvalidRequestID"


def test_an_error_during_a_stream_cuts_it():
    play = running(1)
    stream = ResponseBegun(10, "request-1", None, "streaming", "text/plain")
    assert play.feed(stream) == [BeginStream(1, 10, "text/plain")]
    effects = play.feed(*error(11))
    cut, accepted = every(Reply, effects)
    assert (cut.call, cut.content.status) == (10, 500)
    assert accepted == Reply(11, Accepted())
    assert only(Answer, effects).result.error_type == "Function.Bad"
    assert play.feed(AnswerEnded(10, b"", 5)) == []


def test_a_stream_ends_with_an_empty_result():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1", None, "streaming"))
    effects = play.feed(AnswerEnded(10, b"", MAX_PAYLOAD_BYTES + 1))
    assert only(Answer, effects).result == FunctionResult(b"")
    assert only(Report, effects).status is Status.SUCCESS


def test_a_stream_may_end_with_an_error_in_its_trailers():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1", None, "streaming"))
    ended = AnswerEnded(10, b"", 5, trailing_error_type="Function.Bad", trailing_error_body=b"{}")
    effects = play.feed(ended)
    assert only(Answer, effects).result.error_type == "Function.Bad"
    assert only(Reply, effects).content == Accepted()
    assert only(Report, effects).error_type == "Function.Bad"


def test_a_stream_that_is_too_long_is_cut():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1", None, "streaming"))
    effects = play.feed(StreamOverrun(10, 200))
    assert only(Reply, effects).content.status == 413
    assert "(200 bytes)" in failure_of(only(Answer, effects))["errorMessage"]


def test_a_response_that_is_too_large_fails_and_the_runtime_learns_it():
    effects = running(1).feed(*answer(10, size=MAX_PAYLOAD_BYTES + 1))
    assert only(Reply, effects).content.status == 413
    assert failure_of(only(Answer, effects))["errorType"] == "Function.ResponseSizeTooLarge"
    assert only(Report, effects).status is Status.ERROR


def test_an_error_that_is_too_large_is_no_answer():
    play = running(1)
    effects = play.feed(*error(10, size=MAX_ERROR_BYTES + 1))
    assert only(Reply, effects).content.status == 413
    assert every(Answer, effects) == []
    assert play.replies(*answer(11)) == {11: Accepted()}


def test_a_response_in_an_unknown_mode_fails_and_the_runtime_is_not_stuck():
    play = running(1)
    effects = play.feed(ResponseBegun(10, "request-1", None, "chunky"))
    assert only(Reply, effects).content.error_type == "InvalidFunctionResponseMode"
    assert failure_of(only(Answer, effects))["errorType"] == "Runtime.InvalidResponseModeHeader"
    assert set(play.feed(NextCalled(11))) == set()
    assert set(play.replies(invoked(2))) == {11}


def test_a_response_that_breaks_off_fails():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1"))
    effects = play.feed(CallDropped(10))
    assert only(Reply, effects).content.error_type == "TruncatedHTTPRequest"
    assert failure_of(only(Answer, effects))["errorType"] == "Runtime.TruncatedResponse"


def test_an_error_that_breaks_off_leaves_the_invocation_open():
    play = running(1)
    play.feed(ErrorBegun(10, "request-1"))
    assert every(Answer, play.feed(CallDropped(10))) == []
    assert play.replies(*answer(11)) == {11: Accepted()}


# ---- timeouts --------------------------------------------------------------------------------


def test_a_timeout_fails_one_invocation_and_leaves_the_others_alone():
    play = ready(2, timeout_s=3.0)
    play.feed(invoked(1))
    play.after(1.0).feed(invoked(2))
    assert play.environment.deadline == 3.0
    effects = play.at_deadline()
    answered = only(Answer, effects)
    assert answered.caller == 1
    assert failure_of(answered) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 3.00 seconds",
    }
    report = only(Report, effects)
    assert (report.status, report.duration_ms) == (Status.TIMEOUT, 3000.0)
    assert every(Kill, effects) == []
    assert play.environment.deadline == 4.0
    assert play.replies(*answer(10, 2)) == {10: Accepted()}


def test_a_bell_that_rings_too_early_is_no_harm():
    play = running(1, timeout_s=3.0)
    assert play.after(2.9).feed(TimePassed()) == []


@pytest.mark.parametrize("late", [answer, error])
def test_a_late_answer_is_gone_once_and_then_unknown(late):
    play = running(1)
    play.at_deadline()
    first = play.replies(*late(10))[10]
    assert (first.status, first.error_type, first.message) == (
        410,
        "InvokeTimeout",
        "Invoke timeout",
    )
    assert play.replies(*late(11))[11].error_type == "InvalidRequestID"


def test_a_worker_keeps_its_slot_from_others_until_it_asks_for_the_next_event():
    play = running(1)
    play.at_deadline()
    assert refusal(play.feed(invoked(2))) is managed.NO_IDLE_RUNTIME
    play.feed(*answer(10), NextCalled(11))
    assert set(play.replies(invoked(3))) == {11}


def test_a_response_that_is_being_read_at_the_limit_is_reported_at_once():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1"))
    assert only(Reply, play.at_deadline()).content.error_type == "InvokeTimeout"
    assert play.feed(AnswerEnded(10, b"1", 1)) == []
    assert play.replies(*answer(11))[11].error_type == "InvalidRequestID"


def test_an_error_that_is_being_read_at_the_limit_is_reported_at_its_end():
    play = running(1)
    begun, ended = error(10)
    play.feed(begun)
    assert every(Reply, play.at_deadline()) == []
    assert play.replies(ended)[10].error_type == "InvokeTimeout"


def test_an_error_of_an_attempt_that_timed_out_does_not_answer_the_next_one():
    play = running(1)
    begun, ended = error(10)
    play.feed(begun)
    play.at_deadline()
    play.feed(NextCalled(2), invoked(1))
    assert play.replies(ended)[10].error_type == "InvokeTimeout"
    assert play.replies(*answer(11)) == {11: Accepted()}


def test_only_the_last_timeouts_are_remembered():
    play = ready(MAX_TIMED_OUT_IDS + 1)
    play.feed(*(invoked(number) for number in range(MAX_TIMED_OUT_IDS + 1)))
    assert len(every(Answer, play.at_deadline())) == MAX_TIMED_OUT_IDS + 1
    assert play.replies(*answer(1, 0))[1].error_type == "InvalidRequestID"
    assert play.replies(*answer(2, 1))[2].error_type == "InvokeTimeout"
    last = MAX_TIMED_OUT_IDS
    assert play.replies(*answer(3, last))[3].error_type == "InvokeTimeout"


# ---- ends ------------------------------------------------------------------------------------


def test_the_end_of_the_runtime_fails_all_it_worked_on_and_the_environment():
    play = running(1, 2)
    play.feed(NextCalled(3))
    effects = play.feed(ProcessExited(1))
    for answered in every(Answer, effects):
        assert failure_of(answered) == {
            "errorType": "Runtime.ExitError",
            "errorMessage": f"RequestId: request-{answered.caller} "
            "Error: Runtime exited with error: exit status 1",
        }
    assert [report.caller for report in every(Report, effects)] == [1, 2]
    aborted = only(Reply, effects)
    assert (aborted.call, aborted.content.status) == (3, 500)
    assert play.state is EnvironmentState.DEAD
    assert refusal(play.feed(invoked(4))) is managed.GONE


def test_the_end_of_an_idle_runtime_ends_the_environment_too():
    play = ready()
    assert every(Answer, play.feed(ProcessExited(0))) == []
    assert play.state is EnvironmentState.DEAD
    assert play.environment.capacity_left == 0


def test_without_extensions_the_runtime_is_killed_at_once():
    play = running(1)
    play.feed(NextCalled(2))
    effects = play.feed(StopRequested())
    assert refusal(effects) is managed.GONE
    assert only(Reply, effects).content.status == 500
    assert only(Kill, effects) == Kill()
    assert every(Terminate, effects) == []
    assert play.state is EnvironmentState.STOPPING
    play.feed(ProcessExited(-9))
    assert play.state is EnvironmentState.DEAD


def test_a_response_that_is_being_read_when_all_ends_is_refused():
    play = running(1)
    play.feed(ResponseBegun(10, "request-1"))
    assert play.replies(StopRequested())[10].status == 500
    assert play.feed(AnswerEnded(10, b"1", 1)) == []


def test_a_worker_that_cannot_initialise_while_all_ends_is_refused():
    play, _ = extended("a", ready=False)
    play.feed(StopRequested())
    assert play.replies(InitErrorPosted(9, "Runtime.Broken", b"{}"))[9].status == 403


def test_a_worker_that_asks_while_all_ends_is_refused():
    play = ready()
    play.feed(StopRequested())
    assert play.replies(NextCalled(9))[9].status == 500


def test_what_never_began_ends_at_once():
    play = Play()
    assert play.feed(StopRequested()) == []
    assert play.state is EnvironmentState.DEAD


def test_who_waits_for_the_init_is_refused_when_all_ends():
    play = Play()
    play.feed(invoked(1), invoked(2))
    assert [refused.caller for refused in every(Refuse, play.feed(StopRequested()))] == [1, 2]


@pytest.mark.parametrize(
    "end", [ProcessExited(1), SpawnFailed("no"), ProcessExited(1, "x"), SpawnFailed("no", "x")]
)
def test_what_does_not_run_cannot_end(end):
    play = Play()
    with pytest.raises(IllegalMoveError, match="cold"):
        play.feed(end)
    assert play.state is EnvironmentState.COLD


def test_nothing_leads_out_of_the_end_and_every_state_can_be_stopped():
    states = {state for state, _ in MANAGED}
    assert all((state, EnvironmentMove.STOP) in MANAGED for state in states)
    assert [move for state, move in MANAGED if state is EnvironmentState.DEAD] == [
        EnvironmentMove.STOP
    ]


# ---- extensions ------------------------------------------------------------------------------


def test_the_runtime_starts_when_every_extension_has_registered():
    play = Play(extensions=("a", "b"))
    assert every(Spawn, play.feed(InitRequested())) == [Spawn("a"), Spawn("b")]
    assert every(Spawn, play.feed(RegisterCalled(1, "a"))) == []
    assert every(Spawn, play.feed(RegisterCalled(2, "b"))) == [Spawn()]


def test_the_init_ends_when_a_worker_and_all_extensions_wait():
    play, identifiers = extended("a", "b", ready=False)
    assert every(InitReport, play.feed(NextCalled(1))) == []
    assert every(InitReport, play.feed(ExtensionNextCalled(2, identifiers["a"]))) == []
    effects = play.feed(ExtensionNextCalled(3, identifiers["b"]))
    assert [report.name for report in every(ExtensionReport, effects)] == ["a", "b"]
    assert only(InitReport, effects).status is Status.SUCCESS
    assert set(play.replies(invoked())) == {1}


@pytest.mark.parametrize("name", ["a", "internal"])
def test_no_extension_gets_invocations(name):
    play = Play(extensions=("a",))
    play.feed(InitRequested())
    refused = play.replies(RegisterCalled(1, name, ("INVOKE",)))[1]
    assert refused.error_type == "Extension.InvalidEventType"
    assert refused.message.startswith("INVOKE: ")


def test_registration_is_closed_by_the_first_worker():
    play = ready()
    refused = play.replies(RegisterCalled(9, "internal"))[9]
    assert refused.error_type == "Extension.RegistrationClosed"


def test_an_internal_extension_may_register_before_and_is_waited_for():
    play = Play()
    play.feed(InitRequested())
    registered = play.replies(RegisterCalled(1, "internal"))[1]
    assert isinstance(registered, Registered)
    assert every(InitReport, play.feed(NextCalled(2))) == []
    waited = ExtensionNextCalled(3, registered.identifier)
    assert only(InitReport, play.feed(waited)).status is Status.SUCCESS


def test_with_extensions_the_runtime_is_asked_before_it_is_killed():
    play, _ = extended("a")
    effects = play.feed(StopRequested())
    assert only(Terminate, effects) == Terminate()
    assert every(Kill, effects) == []
    assert play.environment.deadline == 0.6
    assert only(Kill, play.at_deadline()) == Kill()
    event = only(Reply, play.feed(ProcessExited(-9)))
    assert event.content == ShutdownEvent(int((EPOCH + 2.0) * 1000), ShutdownReason.SPINDOWN)
    assert play.environment.deadline == 2.0
    assert only(Kill, play.at_deadline()) == Kill("a")
    play.feed(ProcessExited(-9, "a"))
    assert play.state is EnvironmentState.DEAD


def test_a_runtime_with_an_internal_extension_has_as_much_time():
    play = Play()
    play.feed(InitRequested(), RegisterCalled(1, "internal"), NextCalled(2))
    assert only(Terminate, play.feed(StopRequested())) == Terminate()
    assert play.environment.deadline == 0.6


def test_extensions_outlive_a_runtime_that_ended_and_learn_why_they_go():
    play, _ = extended("a")
    effects = play.feed(invoked(), ProcessExited(1))
    assert only(Answer, effects).caller == 1
    replies = [effect.content for effect in every(Reply, effects)]
    assert ShutdownReason.FAILURE in [
        content.reason for content in replies if isinstance(content, ShutdownEvent)
    ]
    assert play.state is EnvironmentState.STOPPING
    play.feed(ProcessExited(0, "a"))
    assert play.state is EnvironmentState.DEAD


def test_the_end_of_an_extension_ends_the_environment():
    play, _ = extended("a")
    play.feed(invoked())
    effects = play.feed(ProcessExited(2, "a"))
    assert failure_of(only(Answer, effects)) == {
        "errorType": "Extension.Crash",
        "errorMessage": "RequestId: request-1 Error: exit status 2",
    }
    assert only(Terminate, effects) == Terminate()
    play.feed(ProcessExited(-15))
    assert play.state is EnvironmentState.DEAD


def test_what_an_extension_posted_names_its_end():
    play, identifiers = extended("a")
    posted = ExtensionErrorPosted(9, identifiers["a"], "Extension.Tired", exiting=True)
    assert play.feed(invoked(), posted)[-1] == Reply(9, Accepted())
    answered = only(Answer, play.feed(ProcessExited(2, "a")))
    assert failure_of(answered)["errorType"] == "Extension.ExitError"


def test_an_extension_that_cannot_start_fails_the_init():
    play = Play(extensions=("a", "b"))
    play.feed(invoked())
    effects = play.feed(SpawnFailed("PermissionDenied", "a"))
    assert only(InitReport, effects).error_type == "Extension.LaunchError"
    assert refusal(effects).exception == "ResourceNotReadyException"
    assert only(Kill, effects) == Kill("b")
    play.feed(ProcessExited(-9, "b"))
    assert play.state is EnvironmentState.DEAD


def test_too_many_extensions_fail_the_init_before_anything_runs():
    play = Play(extensions=tuple("abcdefghijk"))
    effects = play.feed(invoked())
    assert every(Spawn, effects) == []
    assert only(InitReport, effects).error_type == "Extension.LaunchError"
    assert play.state is EnvironmentState.DEAD


# ---- any course ------------------------------------------------------------------------------


class Seen:
    """What has been going on so far, so that a course can go on with it."""

    def __init__(self):
        self.identifiers, self.requests, self.posts, self.calls = ["nobody"], [0], [0], [0]

    def note(self, message, effects):
        if hasattr(message, "call") and not isinstance(message, CallDropped | AnswerEnded):
            self.calls.append(message.call)
        if isinstance(message, ResponseBegun | ErrorBegun):
            self.posts.append(message.call)
        for content in contents(effects):
            if isinstance(content, Registered):
                self.identifiers.append(content.identifier)
            elif isinstance(content, Delivery):
                self.requests.append(content.invocation.request_id)


def recent(values, which):
    """Return one of the last values."""
    return values[-1 - which % min(len(values), 4)]


# A message of each kind, whose own number is `n`, about what was `seen` some time `w` ago.
USUAL = [
    lambda n, seen, w: NextCalled(n),
    lambda n, seen, w: invoked(n),
    lambda n, seen, w: ResponseBegun(n, recent(seen.requests, w)),
    lambda n, seen, w: ResponseBegun(n, recent(seen.requests, w), None, "streaming"),
    lambda n, seen, w: ErrorBegun(n, recent(seen.requests, w)),
    lambda n, seen, w: AnswerEnded(recent(seen.posts, w), b"1", 1),
    lambda n, seen, w: TimePassed(),
]
UNUSUAL = [
    lambda n, seen, w: InvokeRequested(n, Invocation(recent(seen.requests, w), b"{}", "arn:f")),
    lambda n, seen, w: ResponseBegun(n, recent(seen.requests, w), None, "chunky"),
    lambda n, seen, w: AnswerEnded(recent(seen.posts, w), b"1", MAX_ERROR_BYTES + 1),
    lambda n, seen, w: AnswerEnded(recent(seen.posts, w), b"1", MAX_PAYLOAD_BYTES + 1),
    lambda n, seen, w: AnswerEnded(recent(seen.posts, w), b"", 1, trailing_error_type="Bad"),
    lambda n, seen, w: StreamOverrun(recent(seen.posts, w), 9),
    lambda n, seen, w: CallDropped(recent(seen.calls, w)),
    lambda n, seen, w: CallDropped(recent(seen.posts, w)),
    lambda n, seen, w: InitErrorPosted(n, "", b"{}"),
    lambda n, seen, w: RestoreNextCalled(n),
    lambda n, seen, w: RegisterCalled(n, ("a", "internal")[w % 2], ("SHUTDOWN",)[w % 2 :]),
    lambda n, seen, w: ExtensionNextCalled(n, recent(seen.identifiers, w)),
    lambda n, seen, w: ExtensionErrorPosted(n, recent(seen.identifiers, w), "Extension.Tired"),
]
ENDS = [
    lambda n, seen, w: InitRequested(),
    lambda n, seen, w: ProcessExited(1),
    lambda n, seen, w: ProcessExited(1, "a"),
    lambda n, seen, w: SpawnFailed("no such file"),
    lambda n, seen, w: StopRequested(),
]
# An end in every course would make most of them short.
MAKERS = st.sampled_from([*USUAL * 6, *UNUSUAL * 2, *ENDS])
COURSES = st.lists(st.tuples(MAKERS, st.integers(0, 3), st.floats(0, 1)), max_size=60)


@settings(deadline=None, max_examples=300)
@given(COURSES, st.sampled_from([(), ("a",)]), st.sampled_from([None, 2]), st.integers(0, 3))
def test_every_course_of_events_keeps_its_promises(course, extensions, max_concurrency, slots):
    play = Play(extensions=extensions, max_concurrency=max_concurrency, init_limit_s=10.0)
    seen, callers, effects = Seen(), set(), []
    beginning = [lambda n, seen, w: InitRequested()]
    for name in extensions:
        beginning.append(lambda n, seen, w, name=name: RegisterCalled(n, name, ("SHUTDOWN",)))
        beginning.append(lambda n, seen, w: ExtensionNextCalled(n, seen.identifiers[-1]))
    beginning += [USUAL[0]] * slots
    steps = [(make, 0, 0.0) for make in beginning if slots] + course
    for number, (make, which, seconds) in enumerate(steps, 1):
        message = make(number, seen, which)
        before = repr(play.environment)
        try:
            asked = play.after(seconds).feed(message)
        except IllegalMoveError:
            assert isinstance(message, ProcessExited | SpawnFailed)
            assert repr(play.environment) == before
            continue
        seen.note(message, asked)
        effects += asked
        if isinstance(message, InvokeRequested):
            callers.add(number)
    effects += the_end(play)
    every_caller_is_served_once(callers, effects)
    every_call_is_answered_once_at_most(effects)
    every_start_has_its_end(effects)
    every_init_ends_once(effects)


def contents(effects):
    return [effect.content for effect in every(Reply, effects)]


def the_end(play):
    """Stop the environment, and let every process end that is still there."""
    effects = play.feed(StopRequested())
    for process in (None, "a"):
        if play.state is EnvironmentState.STOPPING:
            try:
                effects += play.feed(ProcessExited(-9, process))
            except IllegalMoveError:
                continue
    assert play.state is EnvironmentState.DEAD
    assert play.environment.deadline is None
    return effects


def every_caller_is_served_once(callers, effects):
    served = Counter(effect.caller for effect in every((Answer, Refuse), effects))
    assert served == Counter(callers)


def every_call_is_answered_once_at_most(effects):
    answered = Counter(effect.call for effect in every(Reply, effects))
    assert all(count == 1 for count in answered.values())


def every_init_ends_once(effects):
    done, reports = every(InitRuntimeDone, effects), every(InitReport, effects)
    assert len(reports) <= len(every(InitStart, effects)) <= 1
    assert len(done) <= 1


def every_start_has_its_end(effects):
    """A request is begun again only when its last attempt is over; an answer has its report."""
    under_way, answered = Counter(), []
    for effect in effects:
        match effect:
            case Start():
                assert under_way[effect.request_id] == 0
                under_way[effect.request_id] += 1
            case Answer():
                answered.append(effect.caller)
            case Report():
                under_way[effect.request_id] -= 1
                assert effect.caller in answered
    assert [report.caller for report in every(Report, effects)] == answered
