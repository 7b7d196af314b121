"""The rules of an environment's life, one scenario each."""

import json
from typing import get_args

import pytest

from snapboot_devkit.host.execution.environment import LocalEnvironment
from snapboot_devkit.host.lifecycle import effects, messages, records
from snapboot_devkit.host.lifecycle.effects import (
    Accepted,
    Answer,
    Kill,
    Refuse,
    Reply,
    Restored,
    Spawn,
)
from snapboot_devkit.host.lifecycle.managed import ManagedEnvironment
from snapboot_devkit.host.lifecycle.messages import (
    AnswerEnded,
    CallDropped,
    ErrorBegun,
    InitErrorPosted,
    InitRequested,
    NextCalled,
    ProcessExited,
    ResponseBegun,
    RestoreErrorPosted,
    SpawnFailed,
    StopRequested,
    TimePassed,
)
from snapboot_devkit.host.lifecycle.records import (
    InitReport,
    InitRuntimeDone,
    InitStart,
    Report,
    RestoreReport,
    RestoreStart,
    RuntimeDone,
    Start,
)
from snapboot_devkit.host.lifecycle.single import SingleEnvironment
from snapboot_devkit.host.lifecycle.states import EnvironmentState, RuntimeState
from snapboot_devkit.host.lifecycle.terms import (
    Delivery,
    FunctionResult,
    InitializationType,
    Phase,
    Status,
)
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.plays import (
    EPOCH,
    SNAPSTART,
    Play,
    answer,
    deadline_of,
    invocation,
    invoked,
    play_at,
    ready,
    running,
)

ON_DEMAND = InitializationType.ON_DEMAND
SUPPRESSED_INIT = [InitStart(Phase.INVOKE, ON_DEMAND), Spawn()]


def only(kind, effects):
    """Return the one effect of a kind."""
    (found,) = [effect for effect in effects if isinstance(effect, kind)]
    return found


def document(effects):
    """Return the error document that a caller receives."""
    result = only(Answer, effects).result
    assert result.function_error == "Unhandled"
    return json.loads(result.payload)


# ---- the plain course ------------------------------------------------------------------------


def test_a_cold_invocation_runs_from_spawn_to_report_in_order():
    play = Play()
    assert play.feed(invoked()) == [InitStart(Phase.INIT, ON_DEMAND), Spawn()]
    runtime_done, init, start, delivered = play.after(0.25).feed(NextCalled(1))
    assert runtime_done == InitRuntimeDone(Phase.INIT, ON_DEMAND)
    assert init == InitReport(Phase.INIT, ON_DEMAND, 250.0)
    assert start == Start("request-1")
    assert delivered == Reply(
        1, Delivery(invocation(1), "attempt-1", int((EPOCH + 0.25 + 3.0) * 1000))
    )
    answered, accepted = play.after(0.5).feed(*answer(2, b'{"ok":true}'))
    assert answered == Answer(1, FunctionResult(b'{"ok":true}'))
    assert accepted == Reply(2, Accepted())
    done, report = play.after(0.125).feed(NextCalled(3))
    assert (done.request_id, done.status) == ("request-1", Status.SUCCESS)
    assert (done.duration_ms, done.produced_bytes) == (625.0, 11)
    assert [(span.name, span.duration_ms) for span in done.spans] == [
        ("responseLatency", 500.0),
        ("responseDuration", 0.0),
        ("runtimeOverhead", 125.0),
    ]
    assert report == Report(1, "request-1", 625.0, 875, init_ms=250.0)


def test_a_warm_invocation_has_no_init_on_its_bill():
    play = running()
    play.feed(*answer(2), NextCalled(3))
    play.feed(invoked(2))
    report = only(Report, play.after(0.0101).feed(*answer(4, request=2), NextCalled(5)))
    assert report.init_ms is None
    assert report.billed_ms == 11


def test_the_caller_is_answered_before_the_runtime_is_done():
    play = running()
    assert only(Answer, play.feed(*answer(2))).caller == 1
    assert play.environment.state is EnvironmentState.ANSWERED


def test_invocations_queue_up_and_run_in_order():
    play = running()
    play.feed(invoked(2), invoked(3))
    effects = play.feed(*answer(2), NextCalled(3))
    assert only(Start, effects).request_id == "request-2"
    effects = play.feed(*answer(4, request=2), NextCalled(5))
    assert only(Start, effects).request_id == "request-3"


def test_an_invocation_that_comes_during_the_init_waits_for_it():
    play = play_at(EnvironmentState.INITIALISING)
    assert play.feed(invoked()) == []
    assert only(Start, play.feed(NextCalled(1))).request_id == "request-1"


def test_every_delivery_has_an_id_of_its_own_even_of_the_same_request():
    play = running()
    play.feed(*answer(2), NextCalled(3))
    assert play.replies(invoked(1))[3].invocation_id == "attempt-2"


def test_next_before_an_answer_delivers_the_same_event_again():
    again = running().replies(NextCalled(2))
    assert again[2].invocation_id == "attempt-1"


def test_two_waiting_calls_get_an_event_each():
    play = ready()
    play.feed(NextCalled(2))
    assert set(play.replies(invoked())) == {1}
    play.feed(*answer(3), NextCalled(4))
    assert set(play.replies(invoked(2))) == {2}


def test_a_call_that_was_dropped_is_not_answered():
    play = ready()
    play.feed(CallDropped(1), NextCalled(2))
    assert set(play.replies(invoked())) == {2}


# ---- answers the platform refuses ------------------------------------------------------------


def test_an_answer_to_another_request_is_refused_and_the_right_one_still_counts():
    play = running()
    assert play.replies(ResponseBegun(2, "request-9"))[2].error_type == "InvalidRequestID"
    assert play.replies(*answer(3))[3] == Accepted()


def test_an_answer_of_an_earlier_attempt_is_refused_and_the_right_one_still_counts():
    play = running()
    late = ResponseBegun(2, "request-1", invocation_id="attempt-0")
    assert play.replies(late)[2].error_type == "InvalidInvocationId"
    assert play.replies(*answer(3))[3] == Accepted()


def test_the_check_of_invocation_ids_can_be_switched_off():
    play = running(check_invocation_id=False)
    late = ResponseBegun(2, "request-1", invocation_id="attempt-0")
    assert play.replies(late, AnswerEnded(2, b"1", 1))[2] == Accepted()


def test_a_second_answer_beside_the_first_is_refused_and_its_body_ignored():
    play = running()
    play.feed(ResponseBegun(2, "request-1"))
    assert play.replies(ResponseBegun(3, "request-1"))[3].status == 403
    assert play.feed(AnswerEnded(3, b"second", 6)) == []
    assert only(Answer, play.feed(AnswerEnded(2, b"first", 5))).result.payload == b"first"


def test_a_second_answer_is_refused():
    play = running()
    play.feed(*answer(2))
    assert play.replies(*answer(3))[3].status == 403


def test_an_answer_of_exactly_the_limit_is_taken():
    effects = running().feed(*answer(2, b"", size=MAX_PAYLOAD_BYTES))
    assert only(Answer, effects).result.function_error is None


def test_an_answer_beyond_the_limit_fails_the_invocation_and_the_runtime_goes_on():
    play = running()
    effects = play.feed(*answer(2, b"", size=7_000_000))
    assert only(Reply, effects).content.status == 413
    assert document(effects) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size (7000000 bytes) exceeded maximum allowed "
        "payload size (6291556 bytes).",
    }
    report = only(Report, play.feed(NextCalled(3)))
    assert (report.status, report.error_type) == (Status.ERROR, "Function.ResponseSizeTooLarge")
    assert play.environment.state is EnvironmentState.READY


def test_an_unknown_response_mode_fails_the_invocation_and_sticks_until_the_timeout():
    play = running()
    effects = play.feed(ResponseBegun(2, "request-1", mode="chunky"))
    assert only(Reply, effects).content.error_type == "InvalidFunctionResponseMode"
    assert document(effects)["errorType"] == "Runtime.InvalidResponseModeHeader"
    assert play.replies(NextCalled(3))[3].status == 403
    assert only(Kill, play.feed(deadline_of(play)))


def test_the_streaming_mode_is_known():
    begun = ResponseBegun(2, "request-1", mode="streaming")
    assert running().replies(begun, AnswerEnded(2, b"1", 1))[2] == Accepted()


def test_a_response_that_breaks_off_fails_the_invocation_and_the_runtime_goes_on():
    play = running()
    play.feed(ResponseBegun(2, "request-1"))
    effects = play.feed(CallDropped(2))
    assert document(effects)["errorType"] == "Runtime.TruncatedResponse"
    assert only(Reply, effects).content.error_type == "TruncatedHTTPRequest"
    assert only(Report, play.feed(NextCalled(3))).error_type == "Runtime.TruncatedResponse"


@pytest.mark.parametrize(
    ("posted", "reported"),
    [
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.Broken", "Function.Broken"),
        ("see Function.Broken", "see Function.Broken"),
        ("Function.1", "Function.Unknown"),
        ("ValueError", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ],
)
def test_an_error_type_is_cleaned_for_the_record_and_the_document_left_alone(posted, reported):
    play = running()
    effects = play.feed(ErrorBegun(2, "request-1", None, posted), AnswerEnded(2, b'{"a":1}', 7))
    assert only(Answer, effects).result.payload == b'{"a":1}'
    assert only(Report, play.feed(NextCalled(3))).error_type == reported


# ---- the invoke's limit ----------------------------------------------------------------------


def test_an_invocation_at_its_limit_is_answered_reported_and_killed():
    play = running(timeout_s=1.5)
    effects = play.feed(deadline_of(play))
    assert document(effects) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: request-1 Error: Task timed out after 1.50 seconds",
    }
    report = only(Report, effects)
    assert (report.duration_ms, report.status) == (1500.0, Status.TIMEOUT)
    assert effects[-1] == Kill()
    assert play.environment.state is EnvironmentState.RESETTING


def test_a_timer_that_rings_too_early_does_nothing():
    play = running(timeout_s=1.5)
    assert play.after(1.49).feed(TimePassed()) == []


def test_the_next_invocation_after_a_timeout_brings_its_own_init():
    play = running()
    play.feed(deadline_of(play), invoked(2))
    assert play.feed(ProcessExited(-9)) == [Start("request-2"), *SUPPRESSED_INIT]
    delivered = play.after(0.25).replies(NextCalled(4))
    assert delivered[4].invocation.request_id == "request-2"
    report = only(Report, play.feed(*answer(5, request=2), NextCalled(6)))
    assert (report.duration_ms, report.init_ms) == (250.0, None)


def test_an_answer_after_the_limit_is_refused():
    play = running()
    play.feed(deadline_of(play))
    assert play.replies(ResponseBegun(2, "request-1"))[2].status == 400


def test_a_body_that_ends_after_the_limit_is_ignored():
    play = running()
    play.feed(ResponseBegun(2, "request-1"), deadline_of(play))
    assert play.feed(AnswerEnded(2, b"1", 1)) == []


def test_a_runtime_that_has_answered_but_is_not_done_by_the_limit_is_reset():
    play = running()
    play.feed(*answer(2))
    effects = play.feed(deadline_of(play))
    assert not [effect for effect in effects if isinstance(effect, Answer)]
    assert only(Report, effects).status is Status.TIMEOUT


# ---- the end of the process ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-64, "Runtime exited with error: signal: signal 64"),
    ],
)
def test_a_runtime_that_ends_during_an_invocation_fails_it(code, text):
    play = running()
    effects = play.feed(ProcessExited(code))
    assert document(effects) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: request-1 Error: {text}",
    }
    assert only(Report, effects).error_type == "Runtime.ExitError"
    assert play.environment.state is EnvironmentState.RESET


def test_a_runtime_that_ends_between_invocations_fails_the_next_one():
    play = ready()
    assert play.feed(ProcessExited(1)) == []
    effects = play.feed(invoked())
    assert document(effects)["errorType"] == "Runtime.ExitError"
    assert play.feed(invoked(2)) == [Start("request-2"), *SUPPRESSED_INIT]


def test_a_runtime_that_ends_after_its_answer_leaves_the_caller_the_answer():
    play = running()
    play.feed(*answer(2))
    effects = play.feed(ProcessExited(1))
    assert not [effect for effect in effects if isinstance(effect, Answer)]
    assert only(Report, effects).status is Status.ERROR


def test_the_calls_of_a_runtime_that_has_ended_are_forgotten():
    play = ready()
    play.feed(ProcessExited(1), invoked(1), invoked(2))
    assert set(play.replies(NextCalled(4))) == {4}


# ---- failed inits ----------------------------------------------------------------------------


def test_an_init_that_fails_is_run_again_inside_the_first_invocation():
    play = Play()
    play.feed(invoked())
    effects = play.after(0.2).feed(InitErrorPosted(1, "Runtime.ImportModuleError", b'{"try":1}'))
    report = only(InitReport, effects)
    assert (report.phase, report.duration_ms) == (Phase.INIT, 200.0)
    assert report.error_type == "Runtime.ImportModuleError"
    assert play.feed(ProcessExited(1)) == [Start("request-1"), *SUPPRESSED_INIT]
    effects = play.feed(InitErrorPosted(2, "Runtime.ImportModuleError", b'{"try":2}'))
    assert document(effects) == {"try": 2}
    assert only(InitReport, effects).phase is Phase.INVOKE
    assert only(Report, effects).error_type == "Runtime.ImportModuleError"


def test_the_init_runs_again_for_every_invocation_as_long_as_it_fails():
    play = Play()
    play.feed(invoked(1), ProcessExited(1), ProcessExited(1))
    assert play.feed(invoked(2)) == [Start("request-2"), *SUPPRESSED_INIT]


def test_a_runtime_that_stays_after_its_init_error_is_killed():
    play = play_at(EnvironmentState.INITIALISING)
    assert Kill() not in play.feed(InitErrorPosted(1, "", b"{}"))
    assert play.feed(deadline_of(play)) == [Kill()]


def test_an_error_document_that_is_not_json_is_passed_on_as_bytes():
    play = Play()
    play.feed(invoked(), ProcessExited(1))
    result = only(Answer, play.feed(InitErrorPosted(2, "", b"oh no"))).result
    assert (result.payload, result.content_type) == (b"oh no", "application/octet-stream")


def test_an_init_at_its_limit_is_killed_and_run_again_under_the_function_timeout():
    play = Play(init_limit_s=10.0, timeout_s=3.0)
    play.feed(invoked())
    effects = play.feed(deadline_of(play))
    assert play.now == 10.0
    assert only(InitReport, effects).status is Status.TIMEOUT
    assert effects[-1] == Kill()
    play.feed(ProcessExited(-9))
    assert play.environment.deadline == 13.0
    assert document(play.feed(deadline_of(play)))["errorType"] == "Sandbox.Timedout"


def test_an_answer_before_the_first_next_of_a_suppressed_init_is_out_of_order():
    play = Play()
    play.feed(invoked(), ProcessExited(1))
    assert play.replies(ResponseBegun(2, "request-1"))[2].status == 403


def test_a_runtime_that_cannot_be_started_is_an_invalid_entrypoint():
    play = Play()
    play.feed(invoked())
    effects = play.feed(SpawnFailed("no such file"))
    assert only(InitReport, effects).error_type == "Runtime.InvalidEntrypoint"
    assert document(play.feed(SpawnFailed("no such file"))) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: request-1 Error: no such file",
    }


# ---- snapshots -------------------------------------------------------------------------------


def snapshot():
    return play_at(RuntimeState.RESTORE_READY)


def test_a_snapshot_is_restored_by_the_first_invocation():
    play = snapshot()
    assert play.feed(invoked()) == [RestoreStart(), Reply(1, Restored())]
    effects = play.after(0.05).feed(NextCalled(2))
    assert only(RestoreReport, effects).duration_ms == pytest.approx(50.0)
    assert only(Start, effects)
    report = only(Report, play.feed(*answer(3), NextCalled(4)))
    assert report.init_ms is None
    assert report.restore_ms == pytest.approx(50.0)


def test_a_runtime_may_skip_the_restore():
    play = Play(initialization=SNAPSTART)
    play.feed(InitRequested(), NextCalled(1))
    assert only(Start, play.feed(invoked())).request_id == "request-1"


def test_a_failed_restore_is_reported_to_the_caller_and_ends_the_environment():
    play = snapshot()
    play.feed(invoked())
    effects = play.feed(RestoreErrorPosted(2, "Runtime.AfterRestoreError", b'{"a":1}'))
    failure = only(Refuse, effects).failure
    assert (failure.status, failure.exception) == (400, "SnapStartException")
    assert '{"a":1}' in failure.message
    assert only(RestoreReport, effects).error_type == "Runtime.AfterRestoreError"
    play.feed(ProcessExited(65))
    assert play.feed(invoked(2)) == [InitStart(Phase.SNAP_START, SNAPSTART), Spawn()]


def test_a_restore_at_its_limit_is_reported_to_the_caller():
    play = snapshot()
    play.feed(invoked())
    effects = play.feed(deadline_of(play))
    failure = only(Refuse, effects).failure
    assert (failure.status, failure.exception) == (408, "SnapStartTimeoutException")
    assert only(RestoreReport, effects).error_type == "Runtime.RestoreHookUserTimeout"
    assert effects[-1] == Kill()


def test_a_failed_init_of_a_snapshot_is_kept_for_the_first_caller_alone():
    play = Play(initialization=SNAPSTART)
    play.feed(InitRequested(), InitErrorPosted(1, "Runtime.BeforeSnapshotError", b'{"a":1}'))
    play.feed(ProcessExited(64))
    failure = only(Refuse, play.feed(invoked())).failure
    assert '{"a":1}' in failure.message
    assert play.feed(invoked(2)) == [InitStart(Phase.SNAP_START, SNAPSTART), Spawn()]


def test_the_kept_failure_of_a_snapshot_outlasts_a_request_for_an_init():
    play = play_at(EnvironmentState.INIT_FAILED)
    assert play.feed(InitRequested()) == []
    assert only(Refuse, play.feed(invoked())).failure.exception == "SnapStartException"
    assert play.environment.kept_failure is None


# ---- the end ---------------------------------------------------------------------------------


def test_stopping_refuses_waiting_callers_and_kills():
    play = running()
    play.feed(invoked(2))
    effects = play.feed(StopRequested())
    assert [effect.caller for effect in effects if isinstance(effect, Refuse)] == [1, 2]
    assert effects[-1] == Kill()
    assert play.environment.deadline is None
    play.feed(ProcessExited(-9))
    assert repr(play.environment) == "<SingleEnvironment dead, runtime Running>"


def test_an_invocation_that_is_answered_when_the_host_stops_is_still_reported():
    play = running()
    play.feed(*answer(2))
    done, report, kill = play.after(0.5).feed(StopRequested())
    assert (type(done), kill) == (RuntimeDone, Kill())
    assert report == Report(1, "request-1", 500.0, 500, init_ms=0.0)


def test_stopping_in_the_middle_of_a_body_is_safe():
    play = running()
    play.feed(ResponseBegun(2, "request-1"), StopRequested())
    assert play.feed(AnswerEnded(2, b"1", 1)) == []


def test_an_invocation_after_the_stop_is_refused():
    play = ready()
    play.feed(StopRequested())
    assert only(Refuse, play.feed(invoked())).failure.exception == "ServiceException"


@pytest.mark.parametrize("kind", [SingleEnvironment, ManagedEnvironment])
def test_every_message_has_its_reaction_and_a_kind_of_environment_uses_its_own(kind):
    assert set(kind._reactions) == set(get_args(messages.Message))
    for reaction in kind._reactions.values():
        assert reaction is getattr(kind, reaction.__name__)


def test_every_effect_and_every_record_is_performed_by_someone():
    performed = set(LocalEnvironment._ACTS)
    assert set(get_args(effects.Effect)) | set(get_args(records.Record)) == performed
