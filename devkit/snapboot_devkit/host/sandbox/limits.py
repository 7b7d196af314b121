"""What an environment may take, as Lambda measures it out. Values only."""

from __future__ import annotations

import os
import resource
import sys
from typing import Final

from snapboot_devkit.lazy_dataclass import dataclass

# Lambda gives a whole CPU at this size, and proportionally less or more at others.
FULL_CPU_MB: Final = 1769
MAX_FILES: Final = 1024
# Processes and threads together.
MAX_PROCESSES: Final = 1024


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
