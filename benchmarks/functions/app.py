"""The functions that every contender runs.

`sys` is built in: a heavier import here would be counted as the contender's own.
"""

import sys


def echo(event: object, _context: object) -> object:
    """Return the event."""
    return event


def count_blocks(event: object, _context: object) -> object:
    """Return the event, and how many blocks the interpreter holds while it is there."""
    return {"event": event, "blocks": sys.getallocatedblocks()}
