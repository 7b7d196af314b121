"""The functions that every contender runs.

`sys` is built in: a heavier import here would be counted as the contender's own.
"""

import sys
from time import perf_counter_ns, sleep

CHUNK = bytes(1 << 16)
WAIT_S = 0.02


def echo(event: object, _context: object) -> object:
    """Return the event."""
    return event


def echo_late(event: object, _context: object) -> object:
    """Return the event after a wait that takes no CPU time."""
    sleep(WAIT_S)
    return event


def count_blocks(event: object, _context: object) -> object:
    """Return the event, and how many blocks the interpreter holds while it is there."""
    return {"event": event, "blocks": sys.getallocatedblocks()}


async def echo_soon(event: object, _context: object) -> object:
    """Return the event."""
    return event


def stream(event: int, _context: object) -> object:
    """Yield the clock's time, and then so many chunks of 64 KB."""
    yield b"%020d" % perf_counter_ns()
    for _ in range(event):
        yield CHUNK
