"""Whether a debugged process runs, as its debug adapter reports; sans-IO.

debugpy holds a process until its first debugger has attached and is configured. Later it stops at
breakpoints and after steps, and runs on when the debugger says so or leaves.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final


class Progress(Enum):
    """What a debugged process does."""

    WAITING = "waiting for a debugger"
    RUNNING = "running"
    STOPPED = "stopped by the debugger"


# (kind of message, its event or command) → what the process does from then on. Any other message
# changes nothing. Threads stop and go on together, as debugpy has it unless asked otherwise.
_TURNS: Final = {
    ("event", "stopped"): Progress.STOPPED,
    ("event", "continued"): Progress.RUNNING,
    **{
        ("response", command): Progress.RUNNING
        for command in (
            "configurationDone",
            "continue",
            "disconnect",
            "goto",
            "next",
            "restartFrame",
            "reverseContinue",
            "stepBack",
            "stepIn",
            "stepOut",
            "terminate",
        )
    },
}


def after(present: Progress, message: dict[str, Any]) -> Progress:
    """Return what the process does after a message of its adapter. A refused request is no turn."""
    kind = message.get("type")
    if kind == "response" and not message.get("success"):
        return present
    name = message.get("event" if kind == "event" else "command")
    return _TURNS.get((str(kind), str(name)), present)


def after_hanging_up(present: Progress) -> Progress:
    """Return what the process does when the debugger has left without a word."""
    return present if present is Progress.WAITING else Progress.RUNNING
