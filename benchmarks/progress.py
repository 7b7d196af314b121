"""How far a scenario is, on one line of the terminal; nothing where there is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

BAR_CHARACTERS = 30


class Progress:
    """Counts rounds. Leaving its `with` block ends the line."""

    __slots__ = ("_done", "_name", "_rounds", "_seen")

    def __init__(self, name: str, rounds: int) -> None:
        self._name = name
        self._rounds = rounds
        self._done = 0
        self._seen = sys.stderr.isatty()

    def __repr__(self) -> str:
        return f"<Progress {self._name} {self._done}/{self._rounds}>"

    def __enter__(self) -> Self:
        self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._seen:
            sys.stderr.write("\n")

    def advance(self) -> None:
        """Count one more round."""
        self._done += 1
        self._draw()

    def _draw(self) -> None:
        if not self._seen:
            return
        filled = BAR_CHARACTERS * self._done // self._rounds
        bar = "█" * filled + "·" * (BAR_CHARACTERS - filled)
        sys.stderr.write(f"\r{self._name:9} {bar} {self._done}/{self._rounds} rounds")
        sys.stderr.flush()
