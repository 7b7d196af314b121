"""The page cache, cold: what was read before has to come from storage again."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

DROP = Path("/proc/sys/vm/drop_caches")
PAGES_INODES_AND_NAMES = "3"


class PageCache(Enum):
    """What a start finds in memory of the files that it reads."""

    WARM = "warm"
    # Nothing, but for what other processes have mapped (the C library, say); takes root.
    DROPPED = "dropped"
    # None of the files of the interpreter, the runtime and the function; the system's own stay.
    ADVISED = "advised"


def settle() -> None:
    """Have everything written: what is not stays in the page cache."""
    os.sync()


def emptied(*folders: Path, drop: Path = DROP) -> PageCache:
    """Empty the page cache, at least of the files below `folders`; return which was done."""
    try:
        drop.write_text(PAGES_INODES_AND_NAMES, encoding="ascii")
    except OSError:
        for folder in folders:
            _advise(folder)
        return PageCache.ADVISED
    return PageCache.DROPPED


def _advise(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
