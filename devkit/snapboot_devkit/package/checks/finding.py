"""One thing that is wrong with a package, or worth knowing of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(StrEnum):
    """How bad it is: worth knowing; slower, larger or fragile; the function fails."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """The order, the worst one highest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and what to do about it.

    `code` is stable and names the kind; `path` is relative to what was audited, "" for all of it;
    `cost_s` is what it costs each cold start in seconds, where that was measured.
    """

    code: str
    severity: Severity
    path: str
    message: str
    remedy: str
    cost_s: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.message}; {self.remedy}"
            if self.path
            else f"{self.message}; {self.remedy}"
        )

    @property
    def order(self) -> tuple[float, ...]:
        """The order in reports: the worst first, then the most expensive."""
        return -self.severity.rank, -(self.cost_s or 0.0)


def note(code: str, path: str, message: str, remedy: str) -> Finding:
    """Return what is worth knowing."""
    return Finding(code, Severity.NOTE, path, message, remedy)


def warning(code: str, path: str, message: str, remedy: str) -> Finding:
    """Return what makes the function slower, larger or fragile."""
    return Finding(code, Severity.WARNING, path, message, remedy)


def error(code: str, path: str, message: str, remedy: str) -> Finding:
    """Return what makes the function, or a part of it, fail."""
    return Finding(code, Severity.ERROR, path, message, remedy)


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, which gets an s for more than one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Return the first names, and how many there are besides."""
    every = list(names)
    shown = ", ".join(map(repr, every[:most]))
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
