"""Answers its first event once the Runtime API has ended the connection, or fails as the event says."""

import builtins
import os
import select
import stat

DEADLINE_MS = 20_000
waiting = True


def handler(event, _context):
    """Return the event; raise the exception that it names."""
    global waiting
    if waiting:
        waiting = False
        connections = select.poll()
        for name in os.listdir("/dev/fd"):
            if os.path.exists(f"/dev/fd/{name}") and stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                connections.register(int(name), select.POLLIN)
        assert connections.poll(DEADLINE_MS), "no connection has ended"
    if event.endswith("Error"):
        raise getattr(builtins, event)
    return event
