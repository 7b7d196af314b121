"""What every check is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapboot_devkit.package.checks.distributions import owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snapboot_devkit.package.audit.compiling import Compiled
    from snapboot_devkit.package.audit.modules import State
    from snapboot_devkit.package.audit.pythons import Python
    from snapboot_devkit.package.audit.sealed import Sealed
    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.distributions import Distribution
    from snapboot_devkit.package.checks.layout import Layout, Place


@dataclass(frozen=True, slots=True)
class Subject:
    """A package, and what has been found out about it before the checks.

    `states` are those of the bytecode by the source's path; `owned` names the distribution of each
    recorded file; `architecture` is the one asked for, or else that of most ELF files.
    """

    package: Package
    layout: Layout
    place: Place
    python: Python
    architecture: str | None
    distributions: tuple[Distribution, ...]
    owned: Mapping[str, str]
    states: Mapping[str, State]
    sealed: Sealed | None
    compiled: Compiled

    def owner(self, path: str) -> str:
        """Return the name that a file goes under in reports."""
        return owner(path, self.owned, self.layout)

    def grouped(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """Return the paths by their owners."""
        groups: dict[str, list[str]] = {}
        for path in paths:
            groups.setdefault(self.owner(path), []).append(path)
        return groups


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, which gets an s for more than one."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Return the first names, and how many there are besides."""
    every = list(names)
    shown = ", ".join(map(repr, every[:most]))
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
