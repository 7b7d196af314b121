"""The freeze between invocations: an environment with nothing to do stands still.

Only after a moment: a client that sends one request after the other need not pay for stopping
and waking the processes each time, and on Lambda, too, the freeze takes a while to come.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snapboot_devkit.host.sandbox.sandbox import Sandbox
    from snapboot_devkit.host.telemetry.subscribers import Telemetry

FREEZE_AFTER_S: Final = 0.02


class Freezer:
    """Freezes an environment that rests, and thaws it when it is wanted."""

    def __init__(self, processes: Sandbox, telemetry: Telemetry) -> None:
        """Stop `processes`, and with them the delivery of `telemetry`, whose takers they are."""
        self._processes = processes
        self._telemetry = telemetry
        # The timer runs on while invocations follow on each other; only its ring looks at `due`.
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._frozen = False

    def __repr__(self) -> str:
        return f"<Freezer {'on' if self._frozen else 'off'}>"

    def freeze_soon(self) -> None:
        """Freeze soon, unless an invocation or a call comes first."""
        if self._due is None and not self._frozen:
            self._due = time.monotonic() + FREEZE_AFTER_S
            if self._timer is None:
                self._set_timer(self._due)

    def thaw(self) -> None:
        """Thaw at once."""
        self._due = None
        if self._frozen:
            self._frozen = False
            self._processes.thaw()
            self._telemetry.resume()

    def _set_timer(self, due: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._due is None:
            return
        if self._due > time.monotonic():
            self._set_timer(self._due)
            return
        self._due = None
        self._frozen = True
        self._telemetry.pause()
        self._processes.freeze()
