"""The freeze between invocations: an environment with nothing to do stands still.

Only after a moment: a client that sends one request after the other need not pay for stopping
and waking the processes each time, and on Lambda, too, the freeze takes a while to come.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from snapboot_devkit.host.telemetry.broadcast import Telemetry

FREEZE_AFTER_S: Final = 0.02


class Freezable(Protocol):
    """The processes of an environment."""

    def freeze(self) -> None:
        """Stop them all."""

    def thaw(self) -> None:
        """Let them all go on."""


class Frost:
    """Freezes an environment that rests, and thaws it when it is wanted."""

    def __init__(self, processes: Freezable, telemetry: Telemetry) -> None:
        """Stop `processes`, and with them the delivery of `telemetry`, whose takers they are."""
        self._processes = processes
        self._telemetry = telemetry
        self._coming: asyncio.TimerHandle | None = None
        self._frozen = False

    def __repr__(self) -> str:
        return f"<Frost {'on' if self._frozen else 'off'}>"

    def set_in(self) -> None:
        """Freeze soon, unless somebody comes."""
        if self._coming is None and not self._frozen:
            loop = asyncio.get_running_loop()
            self._coming = loop.call_later(FREEZE_AFTER_S, self._freeze)

    def lift(self) -> None:
        """Thaw at once."""
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None
        if self._frozen:
            self._frozen = False
            self._processes.thaw()
            self._telemetry.resume()

    def _freeze(self) -> None:
        self._coming = None
        self._frozen = True
        self._telemetry.pause()
        self._processes.freeze()
