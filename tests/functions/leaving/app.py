"""Ends the process at a moment that `event` names."""

import atexit
import os
import sys
import threading

atexit.register(lambda: print("atexit ran"))


def leave_later(_context: object) -> str:
    """End the process after the response."""
    threading.Timer(0.05, os._exit, (6,)).start()
    return "soon"


def handler(event: str, context: object) -> object:
    """Leave, or stay."""
    if event == "exit":
        sys.exit(2)
    return leave_later(context) if event == "later" else event
