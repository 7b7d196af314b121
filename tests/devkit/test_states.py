"""Each cell of the platform's two tables, sent to the core and compared with its answer."""

import pytest

from snapboot_devkit.host.lifecycle.effects import Accepted, Denied
from snapboot_devkit.host.lifecycle.messages import (
    ErrorBegun,
    InitErrorPosted,
    InitRequested,
    NextCalled,
    ProcessExited,
    ResponseBegun,
    RestoreErrorPosted,
    RestoreNextCalled,
    SpawnFailed,
    StopRequested,
    TimePassed,
)
from snapboot_devkit.host.lifecycle.states import (
    ASKED_FOR,
    ENVIRONMENT,
    RUNTIME,
    EnvironmentMove,
    EnvironmentState,
    IllegalMoveError,
    RuntimeMove,
    RuntimeState,
)
from snapboot_devkit.host.lifecycle.terms import Delivery
from tests.devkit.plays import invoked, play_at

CALLS = {
    "next": NextCalled(10),
    "response": ResponseBegun(10, "request-1"),
    "error": ErrorBegun(10, "request-1"),
    "init/error": InitErrorPosted(10, "Runtime.Broken", b"{}"),
    "restore/next": RestoreNextCalled(10),
    "restore/error": RestoreErrorPosted(10, "Runtime.Broken", b"{}"),
}

# What the Runtime API answers in each state: a status, the event, or nothing yet. The body
# of an answer is taken before that is answered. The table is the platform's, not ours.
# To be restored, an invocation has to wait, so that the `next` after it gets its event at once.
BLOCKS, TAKES, EVENT = "blocks", "takes the body", "tells the event"
ANSWERS = {
    #                           next    response error  init/error restore/next restore/error
    "Started":                  (BLOCKS, 400,    400,   202,       BLOCKS,      403),
    "InitError":                (403,    400,    400,   403,       403,         403),
    "RestoreReady":             (403,    400,    400,   403,       403,         403),
    "Restoring":                (EVENT,  400,    400,   202,       403,         202),
    "RuntimeRestoreErrorState": (403,    400,    400,   403,       403,         403),
    "Ready":                    (BLOCKS, 400,    400,   403,       403,         403),
    "Running":                  (EVENT,  TAKES,  TAKES, 403,       403,         403),
    "InvocationResponse":       (403,    403,    403,   403,       403,         403),
    "InvocationErrorResponse":  (403,    403,    403,   403,       403,         403),
    "RuntimeResponseSentState": (BLOCKS, 403,    403,   403,       403,         403),
}  # fmt: skip
CELLS = [
    (RuntimeState(state), call, expected)
    for state, row in ANSWERS.items()
    for call, expected in zip(CALLS, row, strict=True)
]


@pytest.mark.parametrize(("state", "call", "expected"), CELLS)
def test_every_call_in_every_state_is_answered_as_the_platform_answers(state, call, expected):
    play = play_at(state)
    reply = play.replies(CALLS[call]).get(10)
    match expected:
        case 202:
            assert reply == Accepted()
        case int():
            assert isinstance(reply, Denied)
            assert reply.status == expected
        case "tells the event":
            assert isinstance(reply, Delivery)
        case _:
            assert reply is None


@pytest.mark.parametrize(
    ("state", "call"), [(state, call) for state, call, answer in CELLS if answer in (400, 403)]
)
def test_a_refused_call_changes_nothing(state, call):
    play = play_at(state)
    before = repr(play.environment), play.environment.deadline
    play.feed(CALLS[call])
    assert (repr(play.environment), play.environment.deadline) == before


def test_a_refusal_names_the_state_and_the_one_that_was_asked_for():
    refusal = play_at(RuntimeState.READY).replies(CALLS["init/error"])[10]
    assert refusal.error_type == "InvalidStateTransition"
    assert refusal.message == (
        "State transition from Ready to InitError failed for runtime. "
        "Error: State transition is not allowed"
    )


def test_every_state_of_the_platform_is_in_the_table_above():
    assert {RuntimeState(name) for name in ANSWERS} == set(RuntimeState)


def test_every_move_of_a_runtime_is_a_call_or_a_moment_of_the_platform():
    moments = {RuntimeMove.DELIVERED, RuntimeMove.ANSWERED, RuntimeMove.RESTORED}
    assert {move for _, move in RUNTIME} == set(RuntimeMove)
    assert set(ASKED_FOR) == set(RuntimeMove) - moments


def test_nothing_leads_out_of_the_ends():
    ends = {RuntimeState.INIT_ERROR, RuntimeState.RESTORE_ERROR}
    assert not ends & {state for state, _ in RUNTIME}
    assert {move for state, move in ENVIRONMENT if state is EnvironmentState.DEAD} == {
        EnvironmentMove.STOP
    }


MOMENTS = {
    "init": InitRequested(),
    "invoke": invoked(1),
    "time": TimePassed(),
    "exit": ProcessExited(1),
    "no start": SpawnFailed("no such file"),
    "stop": StopRequested(),
}
NEVER = None
# Where each moment of the platform leads; NEVER is a moment that cannot come in that state.
LEADS_TO = {
    #               init            invoke          time            exit         no start     stop
    "cold":         ("initialising", "initialising", "cold",         NEVER,       NEVER,       "dead"),
    "initialising": ("initialising", "initialising", "initialising", "reset",     "reset",     "stopping"),
    "ready":        ("ready",        "invoking",     "ready",        "crashed idle", "crashed idle", "stopping"),
    "restoring":    ("restoring",    "restoring",    "restoring",    "cold",      "cold",      "stopping"),
    "invoking":     ("invoking",     "invoking",     "invoking",     "reset",     "reset",     "stopping"),
    "answered":     ("answered",     "answered",     "answered",     "reset",     "reset",     "stopping"),
    "crashed idle": ("crashed idle", "reset",        "crashed idle", NEVER,       NEVER,       "dead"),
    "resetting":    ("resetting",    "resetting",    "resetting",    "reset",     "reset",     "stopping"),
    "reset":        ("reset",        "suppressed init", "reset",     NEVER,       NEVER,       "dead"),
    "suppressed init": ("suppressed init", "suppressed init", "suppressed init", "reset", "reset", "stopping"),
    "discarding":   ("discarding",   "discarding",   "discarding",   "cold",      "cold",      "stopping"),
    "init failing": ("init failing", "init failing", "init failing", "init failed", "init failed", "stopping"),
    "init failed":  ("init failed",  "cold",         "init failed",  NEVER,       NEVER,       "dead"),
    "stopping":     ("stopping",     "stopping",     "stopping",     "dead",      "dead",      "stopping"),
    "dead":         ("dead",         "dead",         "dead",         NEVER,       NEVER,       "dead"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "moment", "expected"),
    [
        (EnvironmentState(state), moment, expected)
        for state, row in LEADS_TO.items()
        for moment, expected in zip(MOMENTS, row, strict=True)
    ],
)
def test_every_moment_in_every_state_leads_where_it_should(state, moment, expected):
    play = play_at(state)
    assert play.environment.state is state
    if expected is NEVER:
        with pytest.raises(IllegalMoveError, match=state.value):
            play.feed(MOMENTS[moment])
        assert play.environment.state is state
    else:
        play.feed(MOMENTS[moment])
        assert play.environment.state is EnvironmentState(expected)


def test_every_state_of_the_environment_is_in_the_table_above():
    assert {EnvironmentState(name) for name in LEADS_TO} == set(EnvironmentState)
