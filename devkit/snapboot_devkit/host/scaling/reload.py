"""Reload: notices that a function's code has changed, and removes bytecode that passes for new.

When something has happened in one of the folders, all files are looked at, in a thread: what has
changed is what differs from the last look, so that it does not matter which notices the system has
joined, repeated or dropped. Where there are no notices the files are looked at again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import stat
import threading
import time
from collections import defaultdict
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host.streams import STDERR, STDOUT
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watchfiles._rust_notify import RustNotify

# Between two looks without notices.
LOOK_S: Final = 0.3
# Looking may take this part of one CPU's time, by which the next look is put off: the clock on the
# wall would count what others do on a busy machine. With notices there is a reason for each look.
_SHARE: Final = 50
_SHARE_NOTICED: Final = 4
# What is written within this time belongs to one change: editors and tools write several files.
QUIET_S: Final = 0.1
# A function has far fewer files of its own; what is beyond is not watched, and the log says so.
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

# Which file, and what of it changes with its content: number, size, and times in nanoseconds. The
# second time is the system's own: tools that write files can set the first one back.
Stamp: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """What there is: every watched file, and the folders in which a change would show."""

    stamps: dict[str, Stamp]
    folders: frozenset[str]


def look(roots: Sequence[Path], limit: int = MAX_FILES) -> Look:
    """Look at folders and files, behind symbolic links, too; at most `limit` of each."""
    found: dict[str, Stamp] = {}
    folders: set[str] = set()
    for root in roots:
        for path in _files(root, folders, limit):
            if len(found) >= limit:
                break
            if stamp := _stamp(path):
                found[path] = stamp
    return Look(found, frozenset(filter(os.path.isdir, folders)))


def _files(root: Path, folders: set[str], limit: int) -> Iterator[str]:
    """Yield the files of a folder, or a file, and take note of the folders they are changed in."""
    if not root.is_dir():
        folders |= _homes(str(root))
        yield str(root)
        return
    # Links may lead round in a circle.
    known: set[tuple[int, int]] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        if _VENV_MARK in names and folder != str(root):
            below.clear()
            continue
        below[:] = _unknown(folder, below, known)
        if len(folders) >= limit:
            return
        folders.add(folder)
        for name in sorted(names):
            if not name.endswith(_IGNORED_ENDINGS):
                path = os.path.join(folder, name)  # noqa: PTH118 - one of thousands, per look
                if os.path.islink(path):  # noqa: PTH114
                    folders |= _homes(path)
                yield path


def _unknown(folder: str, below: Iterable[str], known: set[tuple[int, int]]) -> list[str]:
    """Return which folders are to be watched and have not been met before, in their order."""
    found = []
    for name in sorted(below):
        if name in IGNORED_FOLDERS:
            continue
        with contextlib.suppress(OSError):
            status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118
            if (key := (status.st_dev, status.st_ino)) not in known:
                known.add(key)
                found.append(name)
    return found


def _homes(path: str) -> set[str]:
    """Return the folders of a file and of what it links to: there it is replaced."""
    return {os.path.dirname(path) or ".", os.path.dirname(os.path.realpath(path))}  # noqa: PTH120


def _stamp(path: str) -> Stamp | None:
    """Return the stamp of a file; none for what is not a file, or has just gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - one of thousands, per look
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or _is_own_output(found):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_own_output(found: os.stat_result) -> bool:
    """Tell whether a file is where this process writes its log to: every line would be a change."""
    for number in (STDOUT, STDERR):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return True
    return False


class CodeWatch:
    """Watches folders and files; `changed` is called once for every change that has settled."""

    def __init__(self, roots: Sequence[Path], changed: Callable[[], object]) -> None:
        """Prepare to watch; see `begin`."""
        self._roots = tuple(roots)
        self._changed = changed
        self._seen: Mapping[str, Stamp] = {}
        self._folders: frozenset[str] = frozenset()
        self._notices: Notices | None = None
        self._pause_s = LOOK_S
        self._task: asyncio.Task[None] | None = None
        self.note: str | None = None

    def __repr__(self) -> str:
        return f"<Watch on {len(self._seen)} files, {self._notices or 'looking again and again'}>"

    @property
    def is_partial(self) -> bool:
        """Whether there are more files than are watched."""
        return len(self._seen) >= MAX_FILES

    async def begin(self) -> None:
        """Take note of the files as they are; what changes from now on is noticed.

        Bytecode that Python would take for that of a later version is removed. `note` says why the
        files are looked at again and again, if they are.
        """
        self._seen = await self._look()
        await asyncio.to_thread(forget_bytecode, self._seen, older_alone=True)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Watch no longer. One that was interrupted as it began has nothing to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._notices is not None:
            await asyncio.to_thread(self._notices.close)

    async def _run(self) -> None:
        while True:
            if self._notices is not None:
                await self._notices.wait()
            now = await self._look()
            if now != self._seen:
                now = await self._settled(now)
                before, self._seen = self._seen, now
                differing = [path for path in now if now[path] != before.get(path)]
                await asyncio.to_thread(forget_bytecode, differing)
                self._changed()
            await asyncio.sleep(self._pause_s)

    async def _settled(self, last: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
        """Return the files once nothing has changed for a moment."""
        while True:
            await asyncio.sleep(QUIET_S)
            now = await self._look()
            if now == last:
                return now
            last = now

    async def _look(self) -> Mapping[str, Stamp]:
        """Look at all files, and see to it that whatever changes from now on is noticed."""
        found, spent_s = await asyncio.to_thread(_timed_look, self._roots)
        while found.folders != self._folders and self.note is None:
            await self._move(found.folders)
            # What has changed before the notices began shows only now.
            found, spent_s = await asyncio.to_thread(_timed_look, self._roots)
        if self._notices is None:
            self._pause_s = max(LOOK_S, spent_s * _SHARE)
        else:
            self._pause_s = spent_s * _SHARE_NOTICED
        return found.stamps

    async def _move(self, folders: frozenset[str]) -> None:
        """Take the notices of these folders from now on."""
        before, self._notices = self._notices, None
        self._folders = folders
        try:
            self._notices = await asyncio.to_thread(
                Notices, sorted(folders), asyncio.get_running_loop()
            )
        except NoticesError as exc:
            self.note = (
                f"{exc}; its files are looked at every {LOOK_S:g} s instead, or less often when "
                "there are many"
            )
        if before is not None:
            await asyncio.to_thread(before.close)


def _timed_look(roots: Sequence[Path]) -> tuple[Look, float]:
    """Return a look, and the seconds of CPU time that it has taken."""
    began = time.thread_time()
    found = look(roots)
    return found, time.thread_time() - began


# ---- the system's notices --------------------------------------------------------------------

# What comes within this time of each other is one notice, but none is kept back for longer than
# the second one.
_STEP_MS: Final = 50
_LONGEST_MS: Final = 400
# watchfiles' own variable for file systems that send no notices, such as mounts from elsewhere.
FORCE_POLLING: Final = "WATCHFILES_FORCE_POLLING"
_NO: Final = frozenset({"", "0", "false", "disable", "disabled"})


class NoticesError(Exception):
    """There are no notices here: look at the files instead."""


class Notices:
    """Wakes who waits whenever something has happened in one of the folders, from now on."""

    def __init__(self, folders: Sequence[str], loop: asyncio.AbstractEventLoop) -> None:
        """Begin; what is in the folders' own folders is not noticed. Raises NoticesError."""
        self._loop = loop
        self._event = asyncio.Event()
        self._stopped = threading.Event()
        self._notify = _notify(folders)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Notices {'ended' if self._stopped.is_set() else 'awaited'}>"

    async def wait(self) -> None:
        """Wait until something has happened since the last call."""
        await self._event.wait()
        self._event.clear()

    def close(self) -> None:
        """Take no more notices. Blocks for a moment."""
        self._stopped.set()
        self._thread.join()
        self._notify.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                self._notify.watch(_LONGEST_MS, _STEP_MS, 0, self._stopped)
            except Exception:  # noqa: BLE001 - a look will show what there is, whatever this was
                self._stopped.wait(_LONGEST_MS / 1000)
            # The loop may be gone when the host's program is torn down without closing the host.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._event.set)


@functools.cache
def _notify_class() -> type[RustNotify]:
    """Return the part of watchfiles that is used. Raises ImportError.

    Not by the package, whose own import brings anyio and multiprocessing: an eighth of a start.
    """
    package = importlib.util.find_spec("watchfiles")
    folders = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec("_rust_notify", folders) if folders else None
    if spec is None or spec.loader is None:
        from watchfiles._rust_notify import RustNotify  # noqa: PLC0415 - laid out in another way

        return RustNotify
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[RustNotify] = module.RustNotify
    return found


def _notify(folders: Sequence[str]) -> RustNotify:
    if os.environ.get(FORCE_POLLING, "").lower() not in _NO:
        raise NoticesError(f"{FORCE_POLLING} is set")
    try:
        notify = _notify_class()
    except ImportError as exc:
        raise NoticesError(f"watchfiles is not available ({exc}): pip install watchfiles") from exc
    try:
        return notify(list(folders), False, False, 0, False, True)  # noqa: FBT003
    except Exception as exc:  # it has errors of its own beside those of the system
        raise NoticesError(f"the system sends no notices ({exc})") from exc


# ---- bytecode --------------------------------------------------------------------------------
#
# Python compares the time of a source in whole seconds, and its size: of two equally long saves in
# one second it runs the first, once something has compiled that. Only such files are removed;
# Python compiles them again.

# PEP 552: a magic number, flags, and without flags the time and the size of the source.
_HEADER_BYTES: Final = 16
_NO_FLAGS: Final = bytes(4)
_WORD: Final = 0xFFFFFFFF


def forget_bytecode(sources: Iterable[str], *, older_alone: bool = False) -> None:
    """Remove the bytecode that passes for that of sources which have just been written.

    With `older_alone` it is removed only where it is older than its source.
    """
    by_folder: dict[Path, set[str]] = defaultdict(set)
    for source in map(Path, sources):
        if source.suffix == ".py":
            by_folder[source.parent].add(source.stem)
    for folder, stems in by_folder.items():
        for compiled in _compiled(folder / "__pycache__"):
            stem = compiled.name.partition(".")[0]
            # It may be gone by now, or in a folder that only others may write to.
            with contextlib.suppress(OSError):
                if stem in stems and _passes(
                    folder / f"{stem}.py", compiled, older_alone=older_alone
                ):
                    compiled.unlink()


def _compiled(cache: Path) -> list[Path]:
    try:
        return [path for path in cache.iterdir() if path.suffix == ".pyc"]
    except OSError:
        return []


def _passes(source: Path, compiled: Path, *, older_alone: bool) -> bool:
    status = source.stat()
    with compiled.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if older_alone and os.fstat(file.fileno()).st_mtime_ns >= status.st_mtime_ns:
            return False
    words = (int(status.st_mtime) & _WORD, status.st_size & _WORD)
    expected = _NO_FLAGS + b"".join(word.to_bytes(4, "little") for word in words)
    return header[4:] == expected
