"""A line on the terminal that says that an init takes its time, for as long as it does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from snapboot_devkit.cli import printing
from snapboot_devkit.host.lifecycle.states import EnvironmentState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from snapboot_devkit.host import LocalHost

# What takes no longer needs no word.
PATIENCE_S: Final = 1.0
_STEP_S: Final = 0.16

_INITIALISING: Final = EnvironmentState.INITIALISING.value

_ERASE: Final = "\r\x1b[2K"


def initialising(host: LocalHost) -> list[str]:
    """Return the functions of which an environment is in its init."""
    return [
        name
        for name, one in host.health()["functions"].items()
        if _INITIALISING in one["environments"]
    ]


class Stages:
    """Writes a line for each stage of a long run once it is over, with the time that it took."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._stage = ""
        self._since = 0.0

    def __repr__(self) -> str:
        return f"<Stages {self._stage!r}>"

    def begin(self, stage: str) -> None:
        """End the stage before, if there is one, and begin the next."""
        self.close()
        self._stage, self._since = stage, time.monotonic()

    def close(self) -> None:
        """End the last stage."""
        if self._stage:
            self._write(f"{time.monotonic() - self._since:5.1f} s  {self._stage}")
        self._stage = ""


class InitProgress:
    """Writes a log, and at its end the line."""

    def __init__(self, write: Callable[[str], object], *, shown: bool) -> None:
        """Write by `write`; with `shown` off, which it is without a terminal, the log alone."""
        self._write = write
        self.shown = shown
        self._line = ""
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<InitProgress {self._line!r}>"

    def write(self, text: str) -> None:
        """Write lines of the log in place of the line, which comes back if it is still due."""
        self._write(f"{_ERASE}{text}" if self._line else text)
        self._line = ""

    @contextlib.asynccontextmanager
    async def watching(self, names: Callable[[], Sequence[str]]) -> AsyncIterator[None]:
        """Show the line while it is due: for the functions whose inits go on, by their names."""
        task = asyncio.ensure_future(self._watch(names)) if self.shown else None
        try:
            yield
        finally:
            if task:
                task.cancel()
            self._show("")

    async def _watch(self, names: Callable[[], Sequence[str]]) -> None:
        while True:
            self.look(names(), time.monotonic())
            await asyncio.sleep(_STEP_S)

    def look(self, names: Sequence[str], now: float) -> None:
        """Show what is due at this moment, in seconds of a monotonic clock."""
        if not names:
            self._since = None
        elif self._since is None:
            self._since = now
        elapsed_s = 0.0 if self._since is None else now - self._since
        text = f"initialising {', '.join(names)} … {elapsed_s:.0f} s"
        self._show(printing.spinner(text, elapsed_s) if elapsed_s >= PATIENCE_S else "")

    def _show(self, line: str) -> None:
        if line != self._line:
            self._write(f"{_ERASE}{line}")
            self._line = line
