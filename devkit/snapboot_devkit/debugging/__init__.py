"""A function under the user's own debugpy, with the host's clock at rest while it is paused.

An editor attaches to a port of ours. Behind it, every process of the function brings its own
debugpy along: `launcher` starts it and reports to the `session`, which passes the Debug Adapter
Protocol on, in both directions and unchanged, and reads along (`messages`) to learn when the
function stands still (`progress`).
"""

from snapboot_devkit.debugging.command import debugged
from snapboot_devkit.debugging.session import DebugSession, PausableClock

__all__ = ["DebugSession", "PausableClock", "debugged"]
