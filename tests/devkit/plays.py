"""An environment's core on a stage: messages with their times, with no process and no clock."""

from __future__ import annotations

import itertools
from typing import ClassVar

from snapboot_devkit.host.lifecycle.effects import Reply
from snapboot_devkit.host.lifecycle.messages import (
    AnswerEnded,
    ErrorBegun,
    InitErrorPosted,
    InitRequested,
    InvokeRequested,
    NextCalled,
    ProcessExited,
    ResponseBegun,
    RestoreErrorPosted,
    RestoreNextCalled,
    StopRequested,
    TimePassed,
)
from snapboot_devkit.host.lifecycle.rules import Rules
from snapboot_devkit.host.lifecycle.single import SingleEnvironment
from snapboot_devkit.host.lifecycle.states import EnvironmentState, RuntimeState
from snapboot_devkit.host.lifecycle.terms import InitializationType, Instant, Invocation

EPOCH = 1_790_000_000.0
SNAPSTART = InitializationType.SNAP_START


def invocation(number=1):
    """Return the event of the caller with this number."""
    return Invocation(f"request-{number}", b'{"n":%d}' % number, "arn:aws:lambda:function:f")


def invoked(number=1):
    return InvokeRequested(number, invocation(number))


def answer(call, body=b"1", request=1, size=None):
    """Return the two messages of a response."""
    ended = AnswerEnded(call, body, len(body) if size is None else size)
    return ResponseBegun(call, f"request-{request}"), ended


class Play:
    """One environment; `feed` returns what it asks for."""

    core = SingleEnvironment
    rules: ClassVar = {}

    def __init__(self, **rules):
        ids = itertools.count(1)
        settings = Rules(**{**self.rules, **rules})
        self.environment = self.core(settings, lambda: f"attempt-{next(ids)}")
        self.now = 0.0

    def feed(self, *messages):
        now = Instant(self.now, EPOCH + self.now)
        return [effect for message in messages for effect in self.environment.feed(message, now)]

    def after(self, seconds):
        """Let time pass; deadlines are noticed by the next `TimePassed`."""
        self.now += seconds
        return self

    def replies(self, *messages):
        """Return the answers to the runtime's calls, by call."""
        effects = self.feed(*messages)
        return {effect.call: effect.content for effect in effects if isinstance(effect, Reply)}


# How each state of the runtime is reached; call numbers 1 to 9 are used up on the way.
TO_RUNTIME_STATE = {
    RuntimeState.STARTED: (InitRequested(),),
    RuntimeState.INIT_ERROR: (InitRequested(), InitErrorPosted(1, "Runtime.Broken", b"{}")),
    RuntimeState.RESTORE_READY: (InitRequested(), RestoreNextCalled(1)),
    RuntimeState.RESTORING: (InitRequested(), RestoreNextCalled(1), invoked()),
    RuntimeState.RESTORE_ERROR: (
        InitRequested(),
        RestoreNextCalled(1),
        invoked(),
        RestoreErrorPosted(2, "Runtime.AfterRestoreError", b"{}"),
    ),
    RuntimeState.READY: (InitRequested(), NextCalled(1)),
    RuntimeState.RUNNING: (InitRequested(), NextCalled(1), invoked()),
    RuntimeState.INVOCATION_RESPONSE: (
        InitRequested(),
        NextCalled(1),
        invoked(),
        ResponseBegun(2, "request-1"),
    ),
    RuntimeState.INVOCATION_ERROR_RESPONSE: (
        InitRequested(),
        NextCalled(1),
        invoked(),
        ErrorBegun(2, "request-1"),
    ),
    RuntimeState.RESPONSE_SENT: (
        InitRequested(),
        NextCalled(1),
        invoked(),
        ResponseBegun(2, "request-1"),
        AnswerEnded(2, b"1", 1),
    ),
}

# How each state of the environment is reached.
TO_ENVIRONMENT_STATE = {
    EnvironmentState.COLD: (),
    EnvironmentState.INITIALISING: (InitRequested(),),
    EnvironmentState.READY: (InitRequested(), NextCalled(1)),
    EnvironmentState.RESTORING: (InitRequested(), RestoreNextCalled(1), invoked(9)),
    EnvironmentState.INVOKING: (InitRequested(), NextCalled(1), invoked(9)),
    EnvironmentState.ANSWERED: (InitRequested(), NextCalled(1), invoked(9), *answer(2, request=9)),
    EnvironmentState.CRASHED_IDLE: (InitRequested(), NextCalled(1), ProcessExited(1)),
    EnvironmentState.RESETTING: (InitRequested(), InitErrorPosted(1, "", b"{}")),
    EnvironmentState.RESET: (InitRequested(), ProcessExited(1)),
    EnvironmentState.SUPPRESSED_INIT: (InitRequested(), ProcessExited(1), invoked(9)),
    EnvironmentState.DISCARDING: (
        InitRequested(),
        RestoreNextCalled(1),
        invoked(9),
        RestoreErrorPosted(2, "", b"{}"),
    ),
    EnvironmentState.INIT_FAILING: (InitRequested(), InitErrorPosted(1, "", b"{}")),
    EnvironmentState.INIT_FAILED: (InitRequested(), ProcessExited(1)),
    EnvironmentState.STOPPING: (InitRequested(), StopRequested()),
    EnvironmentState.DEAD: (StopRequested(),),
}

# The states that only an environment with a snapshot can be in.
OF_A_SNAPSHOT = {
    RuntimeState.RESTORE_READY,
    RuntimeState.RESTORING,
    RuntimeState.RESTORE_ERROR,
    EnvironmentState.RESTORING,
    EnvironmentState.DISCARDING,
    EnvironmentState.INIT_FAILING,
    EnvironmentState.INIT_FAILED,
}


def play_at(state, **rules):
    """Return a play whose runtime, or environment, is in a state."""
    if state in OF_A_SNAPSHOT:
        rules["initialization"] = SNAPSTART
    play = Play(**rules)
    paths = TO_RUNTIME_STATE if isinstance(state, RuntimeState) else TO_ENVIRONMENT_STATE
    play.feed(*paths[state])
    return play


def ready(**rules):
    """Return a play that has initialised without an invocation waiting."""
    return play_at(EnvironmentState.READY, **rules)


def running(**rules):
    """Return a play in which the runtime works on `request-1`."""
    return play_at(RuntimeState.RUNNING, **rules)


def deadline_of(play):
    """Let time pass to the play's deadline and say so."""
    play.now = play.environment.deadline
    return TimePassed()
