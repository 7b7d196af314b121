"""Takes its time: `event` says how much, in seconds."""

import threading


def handler(event: float, _context: object) -> str:
    """Return after `event` seconds."""
    print("begins")
    threading.Event().wait(event)
    return "done"
