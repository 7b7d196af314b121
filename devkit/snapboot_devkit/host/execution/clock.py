"""The clock of one environment, which a debugger can stop."""

from __future__ import annotations

import time

from snapboot_devkit.host.lifecycle.terms import Instant


class Clock:
    """The time as a lifecycle sees it: while it is stopped, no deadline comes any nearer."""

    def __init__(self) -> None:
        self._lag_s = 0.0
        self._stopped_at: float | None = None

    def __repr__(self) -> str:
        return f"<Clock {'stopped' if self.stopped else 'running'}, {self._lag_s:.3f} s behind>"

    @property
    def stopped(self) -> bool:
        """Whether the time stands still."""
        return self._stopped_at is not None

    def now(self) -> Instant:
        """Return this moment."""
        real = time.monotonic() if self._stopped_at is None else self._stopped_at
        return Instant(real - self._lag_s, time.time())

    def real(self, deadline: float) -> float:
        """Return a deadline on the machine's monotonic clock, as long as this one runs."""
        return deadline + self._lag_s

    def stop(self) -> None:
        """Let the time stand still."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()

    def start(self) -> None:
        """Let the time go on from where it stood."""
        if self._stopped_at is not None:
            self._lag_s += time.monotonic() - self._stopped_at
            self._stopped_at = None
