"""How much memory a process and its descendants have taken at most."""

from __future__ import annotations

import os
import re
from typing import Final

_PEAK: Final = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_READ_BYTES: Final = 16 * 1024
# A function that starts more, or more threads, must not keep the host busy with counting.
_MAX_PROCESSES: Final = 100


def peak_kib(pid: int) -> int:
    """Return the peak resident memory of a running process tree in KiB, or 0 where unknown.

    The kernel keeps each process's own peak, and these are summed up: exact for one process, an
    upper bound for several, whose peaks need not have fallen together and who may share pages.
    """
    family = [pid]
    for parent in family:
        if len(family) >= _MAX_PROCESSES:
            break
        family += _children(parent)
    return sum(_peak_of(member) for member in family[:_MAX_PROCESSES])


def _children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run (Linux only)."""
    listings = (_read(f"/proc/{pid}/task/{task}/children") for task in _tasks(pid))
    return [int(child) for listing in listings for child in listing.split()]


def _peak_of(pid: int) -> int:
    found = _PEAK.search(_read(f"/proc/{pid}/status"))
    return int(found[1]) if found else 0


def _tasks(pid: int) -> list[str]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - at every invocation: see _read
    except OSError:
        return []
    return tasks[:_MAX_PROCESSES]


def _read(path: str) -> bytes:
    """Return a small file of /proc; a process that has just ended has none, and reads as empty.

    Without a file object, which would cost three times as much at every invocation.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, _READ_BYTES)
    except OSError:
        return b""
    finally:
        os.close(fd)
