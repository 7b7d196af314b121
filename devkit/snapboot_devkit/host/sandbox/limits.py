"""What an environment may take, as Lambda measures it out, and how much memory it takes."""

from __future__ import annotations

import os
import re
import resource
import sys
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.sandbox.process_scan import read
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

# Lambda gives a whole CPU at this size, and proportionally less or more at others.
FULL_CPU_MB: Final = 1769
MAX_FILES: Final = 1024
# Processes and threads together.
MAX_PROCESSES: Final = 1024

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


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one environment; None leaves something unlimited.

    `memory_mb` is for all processes together, `cpus` a share such as 0.07 or 2.5, `processes` all
    processes and threads, `files` the open descriptors of each process.
    """

    memory_mb: int | None = None
    cpus: float | None = None
    processes: int | None = MAX_PROCESSES
    files: int | None = MAX_FILES


def of_lambda(memory_mb: int, *, cpu: bool = False) -> Limits:
    """Return what Lambda grants a function of that size; the CPU share only with `cpu`."""
    return Limits(memory_mb=memory_mb, cpus=cpu_share(memory_mb) if cpu else None)


def cpu_share(memory_mb: int) -> float:
    """Return how much of the CPUs a function of that size gets; 1.0 is one of them."""
    return memory_mb / FULL_CPU_MB


def limit_files(pid: int, files: int) -> None:
    """Limit the descriptors of a process that has just been started (Linux only).

    From outside, since the host has threads and must not run code between fork and exec.
    """
    if sys.platform == "linux":
        try:
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            lower = files if hard == resource.RLIM_INFINITY else min(files, hard)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (lower, lower))
        except (ProcessLookupError, PermissionError):
            # It has ended already, or has become another user's.
            return


def missing_memory_watch() -> str | None:
    """Return why the memory of processes cannot be watched here, or None where it can."""
    if os.path.isdir("/proc/self"):  # noqa: PTH112 - no path is needed
        return None
    return "memory is not limited: this system has no /proc to watch it by"


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
        fields = _again(self._stat).rpartition(b")")[2].split(None, _THREAD_COUNT + 1)
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
    if len(family) == 1:
        return True
    shares = (read(f"/proc/{member}/smaps_rollup", _READ_BYTES) for member, _ in family)
    return sum(_figure(_SHARE, share) for share in shares) > limit_kib


def _family(pids: Iterable[int]) -> list[tuple[int, int]]:
    """Return the processes of whole trees, each with its peak."""
    members = list(pids)
    found = []
    for member in members:
        status = read(f"/proc/{member}/status", _READ_BYTES)
        found.append((member, _figure(_PEAK, status)))
        if len(members) < _MAX_PROCESSES:
            members += _children(member, _figure(_THREADS, status))
    return found[:_MAX_PROCESSES]


def _children(pid: int, threads: int) -> list[int]:
    """Return the processes that a process has started and that still run (Linux only)."""
    # Each thread has children of its own; the folder of threads is dear to list.
    tasks = _tasks(pid) if threads > 1 else [str(pid)]
    listings = (read(f"/proc/{pid}/task/{task}/children", _READ_BYTES) for task in tasks)
    return [int(child) for listing in listings for child in listing.split()]


def _figure(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0


def _tasks(pid: int) -> list[str]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - at every invocation: see read
    except OSError:
        return []
    return tasks[:_MAX_PROCESSES]


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
