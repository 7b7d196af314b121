"""What a host holds, and what it has left: descriptors, threads, processes, files, memory."""

from __future__ import annotations

import ctypes
import gc
import os
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds at one time. Of files those in its own temporary folder count."""

    descriptors: int
    threads: int
    processes: int
    files: int

    @classmethod
    def now(cls, mark: str) -> Held:
        """Look; `mark` is a variable, `NAME=value`, that all processes are given."""
        return cls(
            descriptors=len(list(Path("/proc/self/fd").iterdir())) - 1,
            threads=threading.active_count(),
            processes=len(bearing(mark)),
            files=len(list(Path(tempfile.gettempdir()).rglob("*"))),
        )


def bearing(mark: str) -> list[int]:
    """Return the processes with a variable, and this one's children that no one has awaited."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and _counts(folder, mark.encode()):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def resident_mb() -> float:
    """Return the memory that this process, host and clients, takes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * _PAGE_BYTES / 1024 / 1024, 1)


def held_mb() -> float:
    """Return what is left of that memory once all is given back that no one uses.

    The collector of cycles has gone by, and malloc (glibc's; others are not asked) has returned its
    free pages to the kernel. What objects live in stays, and so this grows with a leak, while
    `resident_mb` also grows with what malloc keeps for the next time.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return resident_mb()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have all temporary files of this process made in a folder of its own."""
    usual = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = usual


def _counts(folder: Path, mark: bytes) -> bool:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    is_zombie_of_ours = fields[0] == "Z" and int(fields[1]) == os.getpid()
    return is_zombie_of_ours or mark in (folder / "environ").read_bytes().split(b"\0")
