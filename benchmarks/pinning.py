"""Server and contender on one CPU: the cost of an invocation, without wake-ups across CPUs."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


class PinningError(Exception):
    """The CPU asked for is not one that this process may use; choose another with --cpu."""


CPUChoice = int | Literal["auto", "none"]


def pin(choice: CPUChoice) -> int | None:
    """Keep this process, and all it starts, on one CPU; return which, None if none was pinned.

    "auto" takes the last one allowed: the first serves most interrupts. Raises `PinningError`
    for a CPU that this process may not use.
    """
    if choice == "none" or sys.platform != "linux":
        return None
    allowed = os.sched_getaffinity(0)
    cpu = max(allowed) if choice == "auto" else choice
    if cpu not in allowed:
        msg = f"cannot pin to CPU {cpu!r}; --cpu takes one of {sorted(allowed)!r}, auto or none"
        raise PinningError(msg)
    os.sched_setaffinity(0, {cpu})
    return cpu


@contextmanager
def unpinned() -> Iterator[None]:
    """Let this process, and what it starts within, run on every CPU that there is."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
