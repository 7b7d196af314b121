"""What happened before an extension subscribed: kept for it, within bounds, while it still may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.records import LogsDropped
from snapboot_devkit.host.telemetry.logs import LogLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.host.telemetry.documents import Told

# In characters of text; what a record takes is a rough figure.
MAX_CHARACTERS: Final = protocol.MIB
_RECORD_CHARACTERS: Final = 256


class History:
    """The early records and lines of an environment, the oldest of them at any rate."""

    def __init__(self) -> None:
        """Begin empty, and take what comes."""
        self._kept: list[tuple[Told, float]] = []
        self._size = 0
        self._left_out = 0
        self._left_out_size = 0
        self._open = True

    def __repr__(self) -> str:
        return f"<History {'open' if self._open else 'closed'}, {len(self._kept)} kept>"

    def add(self, told: Told, epoch: float) -> None:
        """Keep one more; once it is closed or full nothing more is kept."""
        if not self._open:
            return
        size = len(told.text) if isinstance(told, LogLine) else _RECORD_CHARACTERS
        if self._left_out or self._size + size > MAX_CHARACTERS:
            self._left_out += 1
            self._left_out_size += size
            return
        self._size += size
        self._kept.append((told, epoch))

    def replay(self, now: float) -> Iterator[tuple[Told, float]]:
        """Yield all that was kept with its time, and at the end, as of `now`, what was not."""
        yield from self._kept
        if self._left_out:
            reason = "More was logged before the subscription than is kept"
            yield LogsDropped(self._left_out_size, self._left_out, reason), now

    def open(self) -> None:
        """Begin anew: a new init has begun, whose extensions may subscribe."""
        self.close()
        self._open = True

    def close(self) -> None:
        """Forget everything: nobody can subscribe any more."""
        self._kept.clear()
        self._size = self._left_out = self._left_out_size = 0
        self._open = False
