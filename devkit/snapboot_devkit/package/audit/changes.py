"""What `--fix` does to one entry of a package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What is done to an entry."""

    COMPILED = "compiled"
    REWRITTEN = "rewritten"
    REMOVED = "removed"
    OPENED = "made readable"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an entry; `content` and `mode` are None where they stay as they are."""

    path: str
    act: Act
    content: bytes | None = None
    mode: int | None = None
