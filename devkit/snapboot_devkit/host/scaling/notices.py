"""The system's notices that something has happened in folders, by watchfiles."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import threading
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchfiles._rust_notify import RustNotify

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
