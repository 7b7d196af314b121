"""The signals that ask the host's own process to end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def on_end(act: Callable[[], object]) -> None:
    """Call `act` in the running loop whenever a signal asks for the end.

    A closed terminal asks, too, but not under `nohup`, which has SIGHUP ignored from the start.
    """
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, act)
    loop.add_signal_handler(signal.SIGTERM, act)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, act)
