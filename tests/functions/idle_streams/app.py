"""Streams its first event once the Runtime API has ended the connection."""

from pathlib import Path
from runpy import run_path

FUNCTIONS = Path(__file__).parents[1]
wait = run_path(str(FUNCTIONS / "idle/app.py"))["handler"]
stream = run_path(str(FUNCTIONS / "streams/app.py"))["handler"]


def handler(event, context):
    """Return what yields the event's JSON."""
    return stream(wait(event, context), context)
