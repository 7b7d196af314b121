"""How much memory processes and their descendants take, and have taken at most (Linux only)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_PEAK: Final = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_THREADS: Final = re.compile(rb"^Threads:\s+(\d+)", re.MULTILINE)
# The proportional set: of pages that processes share each one has its part.
_SHARE: Final = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
# Of /proc/…/stat, counted from behind the name: what it and its ended children have faulted in.
_FAULTS: Final = slice(7, 11)
_THREAD_COUNT: Final = 17
_READ_BYTES: Final = 16 * 1024
# A function that starts more, or more threads, must not keep the host busy with counting.
_MAX_PROCESSES: Final = 100


class Peak:
    """The most memory that a process tree has taken, read again only when it can have changed.

    The kernel keeps each process's own peak, and these are summed up: exact for one process, an
    upper bound for several, whose peaks need not have fallen together and who may share pages.
    Its files in /proc stay open, since opening them takes longer than reading them.
    """

    def __init__(self, pid: int) -> None:
        """Look at a process that runs; to be closed."""
        self._pid = pid
        self._stat, self._status = _opened(f"/proc/{pid}/stat"), _opened(f"/proc/{pid}/status")
        self._listing = _opened(f"/proc/{pid}/task/{pid}/children")
        self._faults: list[bytes] = []
        self._own_kib = 0

    def __repr__(self) -> str:
        return f"<Peak of {self._pid}, {self._own_kib} KiB>"

    def kib(self) -> int:
        """Return it in KiB, or 0 where unknown."""
        fields = _again(self._stat).rpartition(b")")[2].split()
        if len(fields) <= _THREAD_COUNT:
            return self._own_kib
        # A process takes a page by a fault. Whose descendants ended has theirs in its own figures.
        faults = fields[_FAULTS]
        if faults != self._faults:
            self._faults = faults
            self._own_kib = _figure(_PEAK, _again(self._status))
        if int(fields[_THREAD_COUNT]) == 1:
            children = [int(child) for child in _again(self._listing).split()]
        else:
            children = _children(self._pid, int(fields[_THREAD_COUNT]))
        return (
            self._own_kib + sum(peak for _, peak in _family(children))
            if children
            else self._own_kib
        )

    def close(self) -> None:
        """Close its files."""
        for fd in (self._stat, self._status, self._listing):
            if fd is not None:
                os.close(fd)
        self._stat = self._status = self._listing = None


def exceeds(pids: Iterable[int], limit_kib: int) -> bool:
    """Tell whether process trees take more than that, all together.

    The sum of the peaks is cheap and never too small. Where it is above the limit, and several
    processes may share pages, the kernel is asked to count those once, which takes it a while.
    """
    family = _family(pids)
    if sum(peak for _, peak in family) <= limit_kib:
        return False
    return len(family) == 1 or sum(_share_of(member) for member, _ in family) > limit_kib


def _family(pids: Iterable[int]) -> list[tuple[int, int]]:
    """Return the processes of whole trees, each with its peak."""
    members = list(pids)
    found = []
    for member in members:
        status = _read(f"/proc/{member}/status")
        found.append((member, _figure(_PEAK, status)))
        if len(members) < _MAX_PROCESSES:
            members += _children(member, _figure(_THREADS, status))
    return found[:_MAX_PROCESSES]


def _children(pid: int, threads: int) -> list[int]:
    """Return the processes that a process has started and that still run (Linux only)."""
    # Each thread has children of its own; the folder of threads is dear to list.
    tasks = _tasks(pid) if threads > 1 else [str(pid)]
    listings = (_read(f"/proc/{pid}/task/{task}/children") for task in tasks)
    return [int(child) for listing in listings for child in listing.split()]


def _share_of(pid: int) -> int:
    return _figure(_SHARE, _read(f"/proc/{pid}/smaps_rollup"))


def _figure(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
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


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _again(fd: int | None) -> bytes:
    """Return a small file from its beginning; nothing where there is none, or no process more."""
    try:
        return b"" if fd is None else os.pread(fd, _READ_BYTES, 0)
    except OSError:
        return b""
