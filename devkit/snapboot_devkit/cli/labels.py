"""Which function and which environment a line of the log is from, shown where there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snapboot_devkit.host import LogLine

# Enough to tell environments apart; the rest of a log stream's name is the same for all, or noise.
_ID_CHARACTERS: Final = 8


class Labels:
    """Names lines: by their function when there are several, by their environment likewise."""

    def __init__(self, *, functions: int) -> None:
        """Name the lines of so many functions."""
        self._several = functions > 1
        self._first_stream = ""

    def __repr__(self) -> str:
        return f"<Labels, several functions: {self._several}>"

    def label(self, line: LogLine) -> str:
        """Return the label of a line, or nothing where it needs none."""
        if line.log_stream == self._first_stream and not self._several:
            return ""
        self._first_stream = self._first_stream or line.log_stream
        parts = [line.function] if self._several else []
        if line.log_stream and (self._several or line.log_stream != self._first_stream):
            parts.append(short(line.log_stream))
        return " ".join(filter(None, parts))


def short(log_stream: str) -> str:
    """Return the start of a log stream's own part: `2025/02/04/[$LATEST]3fb1c2d4…` → `3fb1c2d4`."""
    return log_stream.rpartition("]")[2][:_ID_CHARACTERS]
