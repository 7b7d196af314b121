"""The lifecycle as literal tables: the runtime and its process, an extension, the environment.

A pair that is missing from a table *is* the rule that forbids it. What a transition brings about
is decided in `lifecycle`, never here.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class IllegalMoveError(Exception):
    """The environment was fed something that cannot happen in its state: a bug of the host."""


class RuntimeState(Enum):
    """Where the runtime stands; the values are the names that a 403 message shows."""

    # As of any object: the one of Enum is written in Python, and each move looks up two.
    __hash__ = object.__hash__

    STARTED = "Started"
    INIT_ERROR = "InitError"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"
    READY = "Ready"
    RUNNING = "Running"
    INVOCATION_RESPONSE = "InvocationResponse"
    INVOCATION_ERROR_RESPONSE = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"


class RuntimeMove(Enum):
    """What changes the runtime's state: its own calls, and three moments of the platform."""

    __hash__ = object.__hash__

    NEXT = auto()
    RESPONSE = auto()
    ERROR = auto()
    INIT_ERROR = auto()
    RESTORE_NEXT = auto()
    RESTORE_ERROR = auto()
    # The platform's: an event is delivered, an answer has been read, the snapshot is resumed.
    DELIVERED = auto()
    ANSWERED = auto()
    RESTORED = auto()


_S = RuntimeState
_M = RuntimeMove

RUNTIME: Final = {
    (_S.STARTED, _M.NEXT): _S.READY,
    (_S.STARTED, _M.RESTORE_NEXT): _S.RESTORE_READY,
    (_S.STARTED, _M.INIT_ERROR): _S.INIT_ERROR,
    (_S.RESTORE_READY, _M.RESTORED): _S.RESTORING,
    (_S.RESTORING, _M.NEXT): _S.READY,
    (_S.RESTORING, _M.RESTORE_ERROR): _S.RESTORE_ERROR,
    # Runtimes older than `restore/error` report a failed hook this way.
    (_S.RESTORING, _M.INIT_ERROR): _S.RESTORE_ERROR,
    # A second `next` blocks beside the first.
    (_S.READY, _M.NEXT): _S.READY,
    (_S.READY, _M.DELIVERED): _S.RUNNING,
    # `next` before an answer is no error: the same event is sent again.
    (_S.RUNNING, _M.NEXT): _S.RUNNING,
    (_S.RUNNING, _M.RESPONSE): _S.INVOCATION_RESPONSE,
    (_S.RUNNING, _M.ERROR): _S.INVOCATION_ERROR_RESPONSE,
    (_S.INVOCATION_RESPONSE, _M.ANSWERED): _S.RESPONSE_SENT,
    (_S.INVOCATION_ERROR_RESPONSE, _M.ANSWERED): _S.RESPONSE_SENT,
    (_S.RESPONSE_SENT, _M.NEXT): _S.READY,
}

# The runtime has done its part, and waits for an event, or for its restore.
WAITING: Final = frozenset({_S.READY, _S.RESTORE_READY})

# The state that each call asks for, as a refusal names it, whatever the state it was made in.
ASKED_FOR: Final = {
    _M.NEXT: _S.READY,
    _M.RESPONSE: _S.INVOCATION_RESPONSE,
    _M.ERROR: _S.INVOCATION_ERROR_RESPONSE,
    _M.INIT_ERROR: _S.INIT_ERROR,
    _M.RESTORE_NEXT: _S.RESTORE_READY,
    _M.RESTORE_ERROR: _S.RESTORE_ERROR,
}


class ProcessState(Enum):
    """Where the runtime's process stands."""

    __hash__ = object.__hash__

    ABSENT = "absent"
    RUNNING = "running"
    # It is about to end, and none of its calls is served any more.
    DISMISSED = "dismissed"


class ProcessMove(Enum):
    """What changes the state of the runtime's process."""

    __hash__ = object.__hash__

    SPAWN = auto()
    DISMISS = auto()
    EXIT = auto()


PROCESS: Final = {
    (ProcessState.ABSENT, ProcessMove.SPAWN): ProcessState.RUNNING,
    # An environment may fail before its runtime has started.
    (ProcessState.ABSENT, ProcessMove.DISMISS): ProcessState.ABSENT,
    (ProcessState.RUNNING, ProcessMove.DISMISS): ProcessState.DISMISSED,
    (ProcessState.RUNNING, ProcessMove.EXIT): ProcessState.ABSENT,
    (ProcessState.DISMISSED, ProcessMove.EXIT): ProcessState.ABSENT,
}


class ExtensionState(Enum):
    """Where an extension stands; the values are the names that messages and records show."""

    __hash__ = object.__hash__

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    RUNNING = "Running"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    LAUNCH_ERROR = "LaunchError"
    EXITED = "Exited"


class ExtensionMove(Enum):
    """What changes an extension's state: its own calls, and what happens to it."""

    __hash__ = object.__hash__

    REGISTER = auto()
    NEXT = auto()
    INIT_ERROR = auto()
    EXIT_ERROR = auto()
    # The platform's: an event is sent, a blocked call is lost, the process ends or never began.
    NOTIFIED = auto()
    INTERRUPTED = auto()
    EXITED = auto()
    NOT_STARTED = auto()


_X = ExtensionState
_T = ExtensionMove

EXTENSION: Final = {
    (_X.STARTED, _T.REGISTER): _X.REGISTERED,
    (_X.STARTED, _T.NOT_STARTED): _X.LAUNCH_ERROR,
    (_X.STARTED, _T.EXITED): _X.EXITED,
    (_X.REGISTERED, _T.NEXT): _X.READY,
    (_X.REGISTERED, _T.INIT_ERROR): _X.INIT_ERROR,
    (_X.REGISTERED, _T.EXIT_ERROR): _X.EXIT_ERROR,
    (_X.REGISTERED, _T.EXITED): _X.EXITED,
    (_X.READY, _T.NOTIFIED): _X.RUNNING,
    # Its `next` broke off before there was an event; it may ask again.
    (_X.READY, _T.INTERRUPTED): _X.RUNNING,
    (_X.READY, _T.EXIT_ERROR): _X.EXIT_ERROR,
    (_X.READY, _T.EXITED): _X.EXITED,
    (_X.RUNNING, _T.NEXT): _X.READY,
    (_X.RUNNING, _T.INIT_ERROR): _X.INIT_ERROR,
    (_X.RUNNING, _T.EXIT_ERROR): _X.EXIT_ERROR,
    (_X.RUNNING, _T.EXITED): _X.EXITED,
    (_X.INIT_ERROR, _T.EXITED): _X.EXITED,
    (_X.EXIT_ERROR, _T.EXITED): _X.EXITED,
}

# What each call of an extension asks for, as a refusal names it (so AWS's emulator, to the last).
EXTENSION_ASKED_FOR: Final = {
    _T.REGISTER: "Registered",
    _T.NEXT: "Ready",
    _T.INIT_ERROR: "InitError",
    _T.EXIT_ERROR: "Exited",
}


class EnvironmentState(Enum):
    """Where the execution environment stands."""

    __hash__ = object.__hash__

    COLD = "cold"
    INITIALISING = "initialising"
    READY = "ready"
    RESTORING = "restoring"
    INVOKING = "invoking"
    # The caller has its result; the runtime or an extension is not done with the invocation.
    ANSWERED = "answered"
    # A process ended between two invokes; the platform notices with the next one.
    CRASHED_IDLE = "crashed idle"
    # A phase failed and the processes are going away.
    RESETTING = "resetting"
    # Nothing runs; the next invoke brings its own, suppressed init.
    RESET = "reset"
    SUPPRESSED_INIT = "suppressed init"
    # The processes of a restored snapshot are going away; nothing of what they were survives.
    DISCARDING = "discarding"
    # The init for a snapshot failed: its processes are going away, then one caller is refused.
    INIT_FAILING = "init failing"
    INIT_FAILED = "init failed"
    STOPPING = "stopping"
    DEAD = "dead"


class EnvironmentMove(Enum):
    """What changes the environment's state."""

    __hash__ = object.__hash__

    INIT = auto()
    READY = auto()
    RESTORE = auto()
    INVOKE = auto()
    ANSWER = auto()
    FAIL = auto()
    # A failure of a snapshot, which has no suppressed init; and that its caller has been refused.
    DISCARD = auto()
    REFUSE = auto()
    EXIT = auto()
    STOP = auto()


_E = EnvironmentState
_V = EnvironmentMove

ENVIRONMENT: Final = {
    (_E.COLD, _V.INIT): _E.INITIALISING,
    (_E.COLD, _V.STOP): _E.DEAD,
    (_E.INITIALISING, _V.READY): _E.READY,
    (_E.INITIALISING, _V.FAIL): _E.RESETTING,
    (_E.INITIALISING, _V.DISCARD): _E.INIT_FAILING,
    (_E.INITIALISING, _V.STOP): _E.STOPPING,
    (_E.READY, _V.RESTORE): _E.RESTORING,
    (_E.READY, _V.INVOKE): _E.INVOKING,
    (_E.READY, _V.EXIT): _E.CRASHED_IDLE,
    (_E.READY, _V.STOP): _E.STOPPING,
    (_E.RESTORING, _V.READY): _E.READY,
    # One that was never meant to have a snapshot may ask for its restore all the same.
    (_E.RESTORING, _V.FAIL): _E.RESETTING,
    (_E.RESTORING, _V.DISCARD): _E.DISCARDING,
    (_E.RESTORING, _V.STOP): _E.STOPPING,
    (_E.INVOKING, _V.ANSWER): _E.ANSWERED,
    (_E.INVOKING, _V.FAIL): _E.RESETTING,
    (_E.INVOKING, _V.DISCARD): _E.DISCARDING,
    (_E.INVOKING, _V.STOP): _E.STOPPING,
    (_E.ANSWERED, _V.READY): _E.READY,
    (_E.ANSWERED, _V.FAIL): _E.RESETTING,
    (_E.ANSWERED, _V.DISCARD): _E.DISCARDING,
    (_E.ANSWERED, _V.STOP): _E.STOPPING,
    (_E.CRASHED_IDLE, _V.INVOKE): _E.INVOKING,
    (_E.CRASHED_IDLE, _V.STOP): _E.STOPPING,
    (_E.RESETTING, _V.EXIT): _E.RESET,
    (_E.RESETTING, _V.STOP): _E.STOPPING,
    (_E.RESET, _V.INVOKE): _E.SUPPRESSED_INIT,
    (_E.RESET, _V.STOP): _E.DEAD,
    (_E.SUPPRESSED_INIT, _V.READY): _E.INVOKING,
    (_E.SUPPRESSED_INIT, _V.FAIL): _E.RESETTING,
    (_E.SUPPRESSED_INIT, _V.STOP): _E.STOPPING,
    (_E.DISCARDING, _V.EXIT): _E.COLD,
    (_E.DISCARDING, _V.STOP): _E.STOPPING,
    (_E.INIT_FAILING, _V.EXIT): _E.INIT_FAILED,
    (_E.INIT_FAILING, _V.STOP): _E.STOPPING,
    (_E.INIT_FAILED, _V.REFUSE): _E.COLD,
    (_E.INIT_FAILED, _V.STOP): _E.DEAD,
    (_E.STOPPING, _V.EXIT): _E.DEAD,
    # Stopping twice is stopping.
    (_E.STOPPING, _V.STOP): _E.STOPPING,
    (_E.DEAD, _V.STOP): _E.DEAD,
}

# Those in which processes start and nothing is delivered before all of them wait.
IN_INIT: Final = frozenset({_E.INITIALISING, _E.SUPPRESSED_INIT})
# Those in which an invocation is under work.
WORKING: Final = frozenset({_E.SUPPRESSED_INIT, _E.INVOKING, _E.ANSWERED})
# The states in which a runtime is running and may call.
LIVE: Final = IN_INIT | {_E.READY, _E.RESTORING, _E.INVOKING, _E.ANSWERED}
# Those in which an event is begun at once.
INVOKABLE: Final = frozenset({_E.READY, _E.RESET, _E.CRASHED_IDLE})
# The same, and those in which it is begun when an init that runs ahead of it has ended.
FREE: Final = INVOKABLE | {_E.COLD, _E.INITIALISING, _E.INIT_FAILED}
# Those that lead to a free one without a caller's doing.
SETTLING: Final = frozenset({_E.ANSWERED, _E.RESETTING, _E.DISCARDING, _E.INIT_FAILING})
# Those that have a failure for the next caller.
KEEPING: Final = frozenset({_E.CRASHED_IDLE, _E.INIT_FAILING, _E.INIT_FAILED})
ENDING: Final = frozenset({_E.STOPPING, _E.DEAD})
