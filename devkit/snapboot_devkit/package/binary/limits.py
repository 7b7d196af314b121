"""How much work foreign input may cause: counted in steps, so that it is the same everywhere.

A step is one turn of a loop over what others have written: a value, a row, a tag, a read of a few
bytes. Each reader also has limits of its own, beside the code that they are for.
"""

from __future__ import annotations

from typing import Final

# All readers of one package together. The largest packages take some 2 million; a step takes 1 to
# 5 µs, so that the worst package is given up after less than a minute.
MAX_STEPS: Final = 10_000_000


class TooMuchWorkError(ValueError):
    """Reading it would take more steps than any sound file does: it is not read any further."""


class Steps:
    """What is left of a number of steps."""

    def __init__(self, most: int = MAX_STEPS) -> None:
        self.most = most
        self.taken = 0

    def __repr__(self) -> str:
        return f"<Steps {self.taken} of {self.most}>"

    def take(self, count: int = 1) -> None:
        """Count steps before they are taken. Raises TooMuchWorkError."""
        if self.taken + count > self.most:
            raise TooMuchWorkError(
                f"reading it takes more than the {self.most} steps that are left"
            )
        self.taken += count
