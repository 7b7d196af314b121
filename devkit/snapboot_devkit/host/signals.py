"""The signals that ask the host's own process to end."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


# These two Python itself ignores, and `subprocess` gives them back to a new process.
_PYTHONS_OWN: Final = frozenset({signal.SIGPIPE, getattr(signal, "SIGXFSZ", signal.SIGPIPE)})


def ignore(number: int, frame: object) -> None:
    """Do nothing. A handler and not SIG_IGN, which a function's processes would inherit."""
    del number, frame


def keep_ignored_to_ourselves() -> None:
    """Have what `nohup` or a shell made us ignore still be ignored here, but not by functions."""
    for number in signal.valid_signals() - _PYTHONS_OWN:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, ignore)


def on_end(act: Callable[[], object]) -> None:
    """Call `act` in the running loop whenever a signal asks for the end.

    A closed terminal asks, too, but not under `nohup`, which has SIGHUP ignored from the start.
    """
    import asyncio  # noqa: PLC0415 - not for a command that has no loop

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, act)
    loop.add_signal_handler(signal.SIGTERM, act)
    if signal.getsignal(signal.SIGHUP) not in (signal.SIG_IGN, ignore):
        loop.add_signal_handler(signal.SIGHUP, act)
