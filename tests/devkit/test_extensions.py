"""Extensions in an environment's life: who waits for whom, who gets what, and how all end."""

import json

import pytest

from snapboot_devkit.host.lifecycle.effects import (
    Accepted,
    Answer,
    Denied,
    InvokeEvent,
    Kill,
    Registered,
    Reply,
    ShutdownEvent,
    Spawn,
    Subscribe,
    SubscriptionAccepted,
    Terminate,
)
from snapboot_devkit.host.lifecycle.messages import (
    CallDropped,
    ExtensionErrorPosted,
    ExtensionNextCalled,
    InitRequested,
    NextCalled,
    ProcessExited,
    RegisterCalled,
    RestoreNextCalled,
    SpawnFailed,
    StopRequested,
    SubscribeCalled,
)
from snapboot_devkit.host.lifecycle.records import (
    ExtensionReport,
    InitReport,
    InitRuntimeDone,
    Report,
    RestoreReport,
    RestoreRuntimeDone,
    RuntimeDone,
    Subscribed,
)
from snapboot_devkit.host.lifecycle.states import (
    EXTENSION,
    EXTENSION_ASKED_FOR,
    EnvironmentState,
    ExtensionMove,
    ExtensionState,
    IllegalMoveError,
)
from snapboot_devkit.host.lifecycle.terms import (
    Delivery,
    InitializationType,
    ShutdownReason,
    Status,
    Subscription,
    TelemetryApi,
)
from tests.devkit.plays import EPOCH, Play, answer, deadline_of, invoked

BOTH = ("INVOKE", "SHUTDOWN")


class Cast(Play):
    """A play with external extensions; calls of extensions have numbers from 100 up."""

    def __init__(self, *names, **rules):
        super().__init__(extensions=names, **rules)
        self.calls = 100
        self.identifiers = {}

    def call(self, make, *arguments, **named):
        """Make a call and return its number and what followed."""
        self.calls += 1
        return self.calls, self.feed(make(self.calls, *arguments, **named))

    def answered(self, make, *arguments, **named):
        """Make a call and return its reply, None while it blocks."""
        number, effects = self.call(make, *arguments, **named)
        return reply_to(number, effects)

    def register(self, name, events=BOTH):
        """Register, and keep the identifier."""
        reply = self.answered(RegisterCalled, name, events)
        if isinstance(reply, Registered):
            self.identifiers[name] = reply.identifier
        return reply

    def next(self, name):
        """Let an extension call `next`; return the call's number and what followed."""
        return self.call(ExtensionNextCalled, self.identifiers[name])

    def ready(self):
        """Go through an init in which every extension does its part."""
        self.feed(InitRequested())
        names = self.environment._rules.extensions
        for name in names:
            self.register(name)
        waiting = {name: self.next(name)[0] for name in names}
        self.feed(NextCalled(1))
        assert self.environment.state is EnvironmentState.READY
        return waiting


def of(kind, effects):
    """Return the effects of a kind."""
    return [effect for effect in effects if isinstance(effect, kind)]


def reply_to(call, effects):
    """Return the answer to a call, None while it blocks."""
    found = [effect.content for effect in of(Reply, effects) if effect.call == call]
    assert len(found) <= 1
    return found[0] if found else None


def document(effects):
    (sent,) = of(Answer, effects)
    return json.loads(sent.result.payload)


# ---- the init --------------------------------------------------------------------------------


def test_the_runtime_starts_when_every_external_extension_has_registered():
    play = Cast("a", "b")
    assert of(Spawn, play.feed(InitRequested())) == [Spawn("a"), Spawn("b")]
    assert of(Spawn, play.call(RegisterCalled, "a", BOTH)[1]) == []
    assert of(Spawn, play.call(RegisterCalled, "b", ())[1]) == [Spawn()]


def test_the_init_ends_when_runtime_and_extensions_all_wait():
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    assert of(InitReport, play.feed(NextCalled(1))) == []
    _, effects = play.next("a")
    assert of(ExtensionReport, effects) == [ExtensionReport("a", "Ready", BOTH)]
    assert [report.status for report in of(InitReport, effects)] == [Status.SUCCESS]
    assert play.environment.state is EnvironmentState.READY


def test_an_internal_extension_is_waited_for_like_the_runtime():
    play = Cast()
    play.feed(InitRequested())
    play.register("inside", ("INVOKE",))
    play.feed(NextCalled(1))
    assert play.environment.state is EnvironmentState.INITIALISING
    play.next("inside")
    assert play.environment.state is EnvironmentState.READY


def test_an_extension_that_never_waits_runs_the_init_into_its_limit():
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    play.feed(NextCalled(1))
    (report,) = of(InitReport, play.feed(deadline_of(play)))
    assert report.status is Status.TIMEOUT


def test_what_cannot_be_had_is_refused_and_leaves_everything_as_it_was():
    play = Cast("a")
    play.feed(InitRequested())
    assert play.register("a", ("SING",)).error_type == "Extension.InvalidEventType"
    assert play.register("inside", ("SHUTDOWN",)).message == (
        "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
    )
    assert isinstance(play.register("a"), Registered)
    assert play.register("a").message == (
        "State transition from Registered to Registered failed for extension a. "
        "Error: State transition is not allowed"
    )
    assert isinstance(play.register("inside", ()), Registered)
    assert play.register("inside", ()).message == "Extension with this name already registered"
    play.feed(NextCalled(1))
    assert play.register("late", ()).error_type == "Extension.RegistrationClosed"
    stranger = play.answered(ExtensionNextCalled, "who")
    assert stranger == Denied(403, "Extension.UnknownExtensionIdentifier", "Unknown extension who")


def test_an_eleventh_extension_is_refused_and_the_function_works_on():
    play = Cast(*"abcdefghij")
    play.feed(InitRequested())
    for name in "abcdefghij":
        play.register(name)
    assert play.register("inside", ()).message == "Extension limit (10) reached"
    for name in "abcdefghij":
        play.next(name)
    play.feed(NextCalled(1))
    assert play.environment.state is EnvironmentState.READY


def test_eleven_external_extensions_cannot_be_launched():
    play = Cast(*"abcdefghijk")
    effects = play.feed(InitRequested())
    assert of(Spawn, effects) == []
    assert of(ExtensionReport, effects) == [
        ExtensionReport("k", "LaunchError", (), "TooManyExtensions")
    ]
    (report,) = of(InitReport, effects)
    assert report.error_type == "Extension.LaunchError"


def test_an_extension_that_cannot_be_started_fails_the_init():
    play = Cast("a", "b")
    play.feed(InitRequested())
    effects = play.feed(SpawnFailed("PermissionDenied", "b"))
    assert of(ExtensionReport, effects)[0] == (
        ExtensionReport("b", "LaunchError", (), "PermissionDenied")
    )
    assert of(InitReport, effects)[0].error_type == "Extension.LaunchError"
    assert of(Kill, effects) == [Kill("a")]


@pytest.mark.parametrize("name", ["a", "nobody"])
def test_what_has_started_or_is_unknown_cannot_fail_to_start(name):
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    before = repr(play.environment)
    with pytest.raises(IllegalMoveError):
        play.feed(SpawnFailed("PermissionDenied", name))
    assert repr(play.environment) == before


@pytest.mark.parametrize("calls", [1, 2])
def test_that_the_runtime_is_done_with_an_init_is_recorded_once_however_the_init_ends(calls):
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    effects = play.feed(*(NextCalled(number) for number in range(calls)))
    effects += play.feed(deadline_of(play))
    assert [record.status for record in of(InitRuntimeDone, effects)] == [Status.SUCCESS]
    assert [record.status for record in of(InitReport, effects)] == [Status.TIMEOUT]


@pytest.mark.parametrize("calls", [1, 2])
def test_that_the_runtime_is_done_with_a_restore_is_recorded_once_however_the_restore_ends(calls):
    play = Cast("a", initialization=InitializationType.SNAP_START)
    play.feed(InitRequested())
    play.register("a")
    waiting, _ = play.next("a")
    play.feed(RestoreNextCalled(1), CallDropped(waiting), invoked())
    effects = play.feed(*(NextCalled(number) for number in range(2, 2 + calls)))
    effects += play.feed(deadline_of(play))
    assert [record.status for record in of(RestoreRuntimeDone, effects)] == [Status.SUCCESS]
    assert [record.status for record in of(RestoreReport, effects)] == [Status.TIMEOUT]


# ---- invocations -----------------------------------------------------------------------------


def test_runtime_and_extensions_get_an_invocation_at_the_same_moment():
    play = Cast("a", "b", "deaf")
    play.feed(InitRequested())
    for name, events in (("a", BOTH), ("b", ("INVOKE",)), ("deaf", ("SHUTDOWN",))):
        play.register(name, events)
    waiting = {name: play.next(name)[0] for name in ("a", "b", "deaf")}
    play.feed(NextCalled(1))
    effects = play.feed(invoked())
    assert isinstance(reply_to(1, effects), Delivery)
    sent = reply_to(waiting["a"], effects)
    assert isinstance(sent, InvokeEvent)
    assert sent.delivery == reply_to(1, effects)
    assert isinstance(reply_to(waiting["b"], effects), InvokeEvent)
    assert reply_to(waiting["deaf"], effects) is None


def test_an_invocation_ends_when_its_extensions_are_done_and_the_caller_need_not_wait():
    play = Cast("a")
    play.ready()
    play.feed(invoked())
    assert of(Answer, play.after(0.1).feed(*answer(2)))
    effects = play.after(0.1).feed(NextCalled(3))
    assert of(RuntimeDone, effects)[0].duration_ms == pytest.approx(200.0)
    assert of(Report, effects) == []
    _, effects = play.after(0.3).next("a")
    (report,) = of(Report, effects)
    assert report.duration_ms == pytest.approx(500.0)
    assert [span.name for span in report.spans] == ["extensionOverhead"]


def test_an_extension_that_broke_off_its_wait_gets_the_event_when_it_asks_again():
    play = Cast("a")
    waiting = play.ready()
    play.feed(CallDropped(waiting["a"]))
    play.feed(invoked())
    number, effects = play.next("a")
    assert isinstance(reply_to(number, effects), InvokeEvent)
    play.feed(*answer(2), NextCalled(3))
    assert of(Report, play.next("a")[1])


def test_the_timeout_covers_the_extensions():
    play = Cast("a")
    play.ready()
    play.feed(invoked(), *answer(2), NextCalled(3))
    (report,) = of(Report, play.feed(deadline_of(play)))
    assert report.status is Status.TIMEOUT


# ---- failure ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("post", "error_type"),
    [
        (None, "Extension.Crash"),
        (False, "Extension.InitError"),
        (True, "Extension.ExitError"),
    ],
)
def test_the_end_of_an_extension_fails_the_invocation_and_its_last_post_names_the_error(
    post, error_type
):
    play = Cast("a")
    play.ready()
    play.feed(invoked())
    if post is not None:
        identifier = play.identifiers["a"]
        reply = play.answered(ExtensionErrorPosted, identifier, "Extension.Mine", exiting=post)
        assert reply == Accepted()
    effects = play.feed(ProcessExited(2, "a"))
    assert document(effects) == {
        "errorType": error_type,
        "errorMessage": "RequestId: request-1 Error: exit status 2",
    }


def test_an_extension_that_has_posted_its_last_word_cannot_go_on():
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    identifier = play.identifiers["a"]
    play.answered(ExtensionErrorPosted, identifier, "Extension.Mine")
    assert play.answered(ExtensionNextCalled, identifier).message == (
        f"State transition from InitError to Ready failed for extension {identifier}. "
        "Error: State transition is not allowed"
    )


def test_an_extension_that_posts_its_last_word_beside_its_wait_disturbs_nothing():
    play = Cast("a")
    waiting = play.ready()["a"]
    reply = play.answered(
        ExtensionErrorPosted, play.identifiers["a"], "Extension.Mine", exiting=True
    )
    assert reply == Accepted()
    effects = play.feed(invoked())
    assert [type(effect.content) for effect in of(Reply, effects)] == [Delivery]
    assert play.feed(CallDropped(waiting)) == []
    assert document(play.feed(ProcessExited(2, "a")))["errorType"] == "Extension.ExitError"


def test_an_extension_that_ends_between_invocations_fails_the_next_one_alone():
    play = Cast("a")
    play.ready()
    assert of(Answer, play.feed(ProcessExited(2, "a"))) == []
    effects = play.feed(invoked())
    assert document(effects)["errorType"] == "Extension.Crash"
    assert of(Terminate, effects) == [Terminate()]
    play.feed(ProcessExited(-15))
    assert play.environment.state is EnvironmentState.RESET
    assert of(Spawn, play.feed(invoked(2))) == [Spawn("a")]


def test_a_suppressed_init_starts_the_extensions_again():
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    play.feed(ProcessExited(1), ProcessExited(0, "a"))
    assert of(Spawn, play.feed(invoked())) == [Spawn("a")]
    play.register("a")
    _, effects = play.next("a")
    assert of(Reply, effects) == []
    effects = play.feed(NextCalled(2))
    assert isinstance(reply_to(2, effects), Delivery)


# ---- the end ---------------------------------------------------------------------------------


def test_the_runtime_is_asked_then_killed_and_the_extensions_outlive_it():
    play = Cast("a", "deaf")
    play.feed(InitRequested())
    play.register("a")
    play.register("deaf", ("INVOKE",))
    waiting = {name: play.next(name)[0] for name in ("a", "deaf")}
    play.feed(NextCalled(1))
    assert play.feed(StopRequested()) == [Terminate()]
    assert play.feed(deadline_of(play)) == [Kill()]
    assert play.now == pytest.approx(0.6)
    effects = play.feed(ProcessExited(-9))
    event = ShutdownEvent(int((EPOCH + 2.0) * 1000), ShutdownReason.SPINDOWN)
    assert effects == [Reply(waiting["a"], event), Kill("deaf")]
    play.feed(ProcessExited(-9, "deaf"))
    assert play.feed(deadline_of(play)) == [Kill("a")]
    assert play.now == pytest.approx(2.0)
    play.feed(ProcessExited(-9, "a"))
    assert play.environment.state is EnvironmentState.DEAD


def test_without_extensions_the_runtime_is_killed_at_once():
    play = Cast()
    play.ready()
    assert play.feed(StopRequested()) == [Kill()]


def test_with_an_internal_extension_alone_the_runtime_gets_a_part_of_half_a_second():
    play = Cast()
    play.feed(InitRequested())
    play.register("inside", ())
    play.feed(NextCalled(1))
    play.next("inside")
    assert play.feed(StopRequested()) == [Terminate()]
    assert play.feed(deadline_of(play)) == [Kill()]
    assert play.now == pytest.approx(0.15)


def test_an_extension_at_work_gets_the_shutdown_when_it_asks():
    play = Cast("a")
    play.ready()
    play.feed(invoked())
    play.feed(deadline_of(play), ProcessExited(-15))
    number, effects = play.next("a")
    sent = reply_to(number, effects)
    assert isinstance(sent, ShutdownEvent)
    assert sent.reason is ShutdownReason.TIMEOUT


def test_a_failure_is_the_reason_of_a_reset():
    play = Cast("a")
    waiting = play.ready()
    play.feed(invoked())
    play.next("a")
    effects = play.feed(ProcessExited(1))
    (sent,) = [one.content for one in of(Reply, effects)]
    assert sent.reason is ShutdownReason.FAILURE
    assert waiting["a"] != of(Reply, effects)[0].call


# ---- telemetry -------------------------------------------------------------------------------

WANTED = Subscription(TelemetryApi.TELEMETRY, "2022-12-13", ("platform",), "http://sandbox:1/")


def test_a_registered_extension_may_subscribe_until_the_init_ends():
    play = Cast("a")
    play.feed(InitRequested())
    play.register("a")
    identifier = play.identifiers["a"]
    number, effects = play.call(SubscribeCalled, identifier, WANTED)
    assert effects == [
        Subscribe("a", WANTED),
        Reply(number, SubscriptionAccepted()),
        Subscribed("a", ("platform",)),
    ]
    logs = Subscription(TelemetryApi.LOGS, "2021-03-18", ("platform",), "http://sandbox:1/")
    assert play.answered(SubscribeCalled, identifier, logs).status == 400
    assert play.answered(SubscribeCalled, "who", WANTED).status == 403
    play.feed(NextCalled(1))
    play.next("a")
    closed = play.answered(SubscribeCalled, identifier, WANTED)
    assert closed == Denied(
        403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"
    )


@pytest.mark.parametrize("subscribes", [True, False])
def test_with_a_text_log_the_end_of_the_runtimes_part_is_recorded_for_subscribers_alone(subscribes):
    play = Cast("a", text_log=True)
    play.feed(InitRequested())
    play.register("a")
    if subscribes:
        play.call(SubscribeCalled, play.identifiers["a"], WANTED)
    play.next("a")
    play.feed(NextCalled(1), invoked(), *answer(2))
    assert len(of(RuntimeDone, play.after(0.1).feed(NextCalled(3)))) == subscribes
    (report,) = of(Report, play.after(0.1).next("a")[1])
    assert [span.name for span in report.spans] == ["extensionOverhead"]


# ---- the table -------------------------------------------------------------------------------

TO_STATE = {
    ExtensionState.STARTED: (),
    ExtensionState.REGISTERED: ("register",),
    ExtensionState.READY: ("register", "next"),
    ExtensionState.RUNNING: ("register", "next", "invoke"),
    ExtensionState.INIT_ERROR: ("register", "init error"),
    ExtensionState.EXIT_ERROR: ("register", "exit error"),
}
CALLS = {
    ExtensionMove.NEXT: (ExtensionNextCalled, {}),
    ExtensionMove.INIT_ERROR: (ExtensionErrorPosted, {"error_type": "Extension.X"}),
    ExtensionMove.EXIT_ERROR: (
        ExtensionErrorPosted,
        {"error_type": "Extension.X", "exiting": True},
    ),
}


def cast_at(state):
    """Return a cast whose extension `a` is in a state."""
    play = Cast("a")
    play.feed(InitRequested())
    for step in TO_STATE[state]:
        match step:
            case "register":
                play.register("a")
            case "next":
                play.next("a")
            case "invoke":
                play.feed(NextCalled(1), invoked())
            case _:
                exiting = step == "exit error"
                identifier = play.identifiers["a"]
                play.answered(ExtensionErrorPosted, identifier, "Extension.X", exiting=exiting)
    (member,) = play.environment._extensions
    assert member.state is state
    return play


@pytest.mark.parametrize("move", CALLS)
@pytest.mark.parametrize(
    "state", [state for state in TO_STATE if state is not ExtensionState.STARTED]
)
def test_every_call_of_an_extension_in_every_state_is_answered_as_the_table_says(state, move):
    play = cast_at(state)
    make, arguments = CALLS[move]
    reply = play.answered(make, play.identifiers["a"], **arguments)
    if (state, move) not in EXTENSION:
        assert reply.status == 403
        assert f"from {state.value} to {EXTENSION_ASKED_FOR[move]}" in reply.message
    elif move is ExtensionMove.NEXT:
        assert reply is None
    else:
        assert reply == Accepted()


def test_the_states_above_are_all_in_which_an_extension_can_call():
    gone = {ExtensionState.EXITED, ExtensionState.LAUNCH_ERROR}
    assert set(TO_STATE) == set(ExtensionState) - gone
    assert not gone & {state for state, _ in EXTENSION}
