"""The time that passes for an environment: it stands still while the environment is frozen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ActiveTime:
    """A clock that can be stopped, and waiting that counts by it; in seconds.

    It belongs to one event loop.
    """

    def __init__(self) -> None:
        """Begin running."""
        self._frozen_s = 0.0
        self._frozen_at: float | None = None
        self._running = asyncio.Event()
        self._running.set()
        self._limits: dict[asyncio.Timeout, float] = {}

    def __repr__(self) -> str:
        state = "running" if self._frozen_at is None else "frozen"
        return f"<ActiveTime {state}, {len(self._limits)} limits>"

    def now(self) -> float:
        """Return the loop's time less all that passed while frozen."""
        at = _loop_time() if self._frozen_at is None else self._frozen_at
        return at - self._frozen_s

    def pause(self) -> None:
        """Stop; no limit runs out from now on."""
        if self._frozen_at is None:
            self._frozen_at = _loop_time()
            self._running.clear()
            self._arm_all()

    def resume(self) -> None:
        """Go on where the clock was stopped."""
        if self._frozen_at is not None:
            self._frozen_s += _loop_time() - self._frozen_at
            self._frozen_at = None
            self._running.set()
            self._arm_all()

    async def running(self) -> None:
        """Wait until the clock runs."""
        await self._running.wait()

    @asynccontextmanager
    async def limit(self, seconds: float | None) -> AsyncIterator[None]:
        """Bound what is done inside. Raises TimeoutError when the active time is over."""
        async with asyncio.timeout(None) as timeout:
            if seconds is not None:
                self._limits[timeout] = self.now() + seconds
                self._arm(timeout)
            try:
                yield
            finally:
                self._limits.pop(timeout, None)

    def _arm_all(self) -> None:
        for timeout in self._limits:
            self._arm(timeout)

    def _arm(self, timeout: asyncio.Timeout) -> None:
        if timeout.expired():
            return
        left = self._limits[timeout] - self.now()
        timeout.reschedule(None if self._frozen_at is not None else _loop_time() + left)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
