"""Whatever happens, in whatever order: what must hold for every course of events."""

import contextlib
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from snapboot_devkit.host.lifecycle.effects import Answer, Refuse, Reply
from snapboot_devkit.host.lifecycle.messages import (
    AnswerEnded,
    CallDropped,
    ErrorBegun,
    ExtensionErrorPosted,
    ExtensionNextCalled,
    InitErrorPosted,
    InitRequested,
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
    InitReport,
    InitRuntimeDone,
    InitStart,
    Report,
    RestoreReport,
    RestoreRuntimeDone,
    RestoreStart,
    Start,
)
from snapboot_devkit.host.lifecycle.states import EnvironmentState, IllegalMoveError
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.plays import Play, invoked

MODES = st.sampled_from([None, "streaming", "chunky"])
# Extensions get their identifiers from the same source as deliveries.
IDENTIFIERS = st.integers(1, 4).map("attempt-{}".format)
# Every maker takes a number of its own, which becomes the call's or the caller's.
MAKERS = st.one_of(
    st.sampled_from(
        [
            NextCalled,
            RestoreNextCalled,
            invoked,
            lambda number: InitErrorPosted(number, "", b"{}"),
            lambda number: RestoreErrorPosted(number, "", b"{}"),
            lambda number: CallDropped(number - 1),
            lambda number: AnswerEnded(number - 1, b"1", 1),
            lambda number: AnswerEnded(number - 1, b"", MAX_PAYLOAD_BYTES + 1),
            lambda _: InitRequested(),
            lambda _: ProcessExited(1),
            lambda _: ProcessExited(1, "a"),
            lambda _: SpawnFailed("no such file"),
            lambda _: SpawnFailed("PermissionDenied", "a"),
            lambda number: RegisterCalled(number, "a", ("INVOKE", "SHUTDOWN")),
            lambda number: RegisterCalled(number, "inside", ("INVOKE",)),
            lambda number: StreamOverrun(number - 1, MAX_PAYLOAD_BYTES),
            lambda _: TimePassed(),
            lambda _: StopRequested(),
        ]
    ),
    st.builds(
        lambda back, mode: lambda number: ResponseBegun(number, f"request-{number - back}", None, mode),
        st.integers(1, 4),
        MODES,
    ),
    st.builds(lambda who: lambda number: ExtensionNextCalled(number, who), IDENTIFIERS),
    st.builds(
        lambda who, exiting: lambda number: ExtensionErrorPosted(number, who, "Extension.X", exiting=exiting),
        IDENTIFIERS,
        st.booleans(),
    ),
    st.builds(lambda back: lambda number: ErrorBegun(number, f"request-{number - back}"), st.integers(1, 4)),
)  # fmt: skip
COURSES = st.lists(st.tuples(MAKERS, st.floats(0, 5)), max_size=40)


@settings(deadline=None)
@given(COURSES, st.sampled_from(InitializationType), st.sampled_from([(), ("a",)]))
def test_every_course_of_events_keeps_its_promises(course, initialization, extensions):
    play = Play(initialization=initialization, extensions=extensions)
    callers, effects = set(), []
    for number, (make, seconds) in enumerate(course, 1):
        message = make(number)
        before = play.environment.state
        try:
            effects += play.after(seconds).feed(message)
        except IllegalMoveError:
            assert isinstance(message, ProcessExited | SpawnFailed)
            assert play.environment.state is before
            continue
        if make is invoked:
            callers.add(number)
    effects += play.feed(StopRequested())
    effects += all_processes_end(play)
    assert play.environment.state is EnvironmentState.DEAD
    assert play.environment.deadline is None
    every_caller_is_served_once(callers, effects)
    every_call_is_answered_once_at_most(effects)
    every_report_follows_its_start(effects)
    every_init_and_restore_ends_once(effects)


def all_processes_end(play):
    """Let every process that is left come to its end."""
    effects = []
    for name in (None, "a"):
        with contextlib.suppress(IllegalMoveError):
            effects += play.feed(ProcessExited(-9, name))
    return effects


def every_caller_is_served_once(callers, effects):
    served = Counter(effect.caller for effect in effects if isinstance(effect, Answer | Refuse))
    assert served == Counter(callers)


def every_call_is_answered_once_at_most(effects):
    answered = Counter(effect.call for effect in effects if isinstance(effect, Reply))
    assert all(count == 1 for count in answered.values())


def every_report_follows_its_start(effects):
    open_request = None
    for effect in effects:
        match effect:
            case Start():
                assert open_request is None
                open_request = effect.request_id
            case Report():
                assert effect.request_id == open_request
                assert effect.duration_ms >= 0
                assert effect.billed_ms >= effect.duration_ms
                open_request = None


def every_init_and_restore_ends_once(effects):
    """The runtime's part and the whole end once at most: a host that stops waits for neither."""
    ends = Counter()
    for effect in effects:
        match effect:
            case InitStart() | RestoreStart():
                ends.clear()
            case InitRuntimeDone() | InitReport() | RestoreRuntimeDone() | RestoreReport():
                ends[type(effect)] += 1
                assert ends[type(effect)] == 1
