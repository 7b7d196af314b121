"""Notices that a function's code has changed.

Files are looked at, again and again, in a thread: it works on every system and file system, mounts
of containers included, and needs nothing but patience.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host.streams import STDERR, STDOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

# Between two looks. When looking takes long it is done less often, a fiftieth of the time at most.
LOOK_S: Final = 0.3
_SHARE: Final = 50
# What is written within this time belongs to one change: editors and tools write several files.
QUIET_S: Final = 0.1
# A function has far fewer files of its own; what is beyond is not watched, which is told.
MAX_FILES: Final = 20_000

# What tools leave in a folder of code, and no function imports.
IGNORED_FOLDERS: Final = frozenset(
    {
        "__pycache__",
        ".git",
        ".hg",
        ".idea",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        ".venv",
        ".vscode",
        "node_modules",
    }
)
_IGNORED_ENDINGS: Final = (".pyc", ".pyo", ".swp", ".swx", "~", ".log")
# Every virtual environment has one, whatever it is called.
_VENV_MARK: Final = "pyvenv.cfg"

# Which file, and what of it changes with its content: number, size, and time in nanoseconds.
Stamp: TypeAlias = tuple[int, int, int]


def stamps(roots: Sequence[Path], limit: int = MAX_FILES) -> dict[str, Stamp]:
    """Return the stamp of every watched file in folders, or of files; of at most `limit` files."""
    found: dict[str, Stamp] = {}
    for root in roots:
        for path in _files(root):
            if len(found) >= limit:
                return found
            if stamp := _stamp(path):
                found[path] = stamp
    return found


def _files(root: Path) -> Iterator[str]:
    if not root.is_dir():
        yield str(root)
        return
    for folder, folders, names in os.walk(root):
        if _VENV_MARK in names and folder != str(root):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS)
        for name in sorted(names):
            if not name.endswith(_IGNORED_ENDINGS):
                yield os.path.join(folder, name)  # noqa: PTH118 - one of thousands, per look


def _stamp(path: str) -> Stamp | None:
    """Return the stamp of a file; none for what is no file, or has just gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - one of thousands, per look
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or _is_own_output(found):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_own_output(found: os.stat_result) -> bool:
    """Tell whether a file is where this process writes its log to: every line would be a change."""
    for number in (STDOUT, STDERR):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return True
    return False


class Watch:
    """Watches folders and files; `changed` is called once for every change that has settled."""

    def __init__(self, roots: Sequence[Path], changed: Callable[[], object]) -> None:
        """Prepare to watch; see `begin`."""
        self._roots = tuple(roots)
        self._changed = changed
        self._seen: Mapping[str, Stamp] = {}
        self._pause_s = LOOK_S
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Watch on {len(self._seen)} files>"

    @property
    def is_partial(self) -> bool:
        """Whether there are more files than are watched."""
        return len(self._seen) >= MAX_FILES

    async def begin(self) -> None:
        """Take note of the files as they are; what changes from now on is noticed."""
        self._seen = await self._look()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Watch no longer. One that was interrupted as it began has nothing to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            now = await self._look()
            if now != self._seen:
                self._seen = await self._settled(now)
                self._changed()

    async def _settled(self, last: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
        """Return the files once nothing has changed for a moment."""
        while True:
            await asyncio.sleep(QUIET_S)
            now = await self._look()
            if now == last:
                return now
            last = now

    async def _look(self) -> Mapping[str, Stamp]:
        began = time.monotonic()
        found = await asyncio.to_thread(stamps, self._roots)
        self._pause_s = max(LOOK_S, (time.monotonic() - began) * _SHARE)
        return found
