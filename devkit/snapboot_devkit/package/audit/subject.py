"""What every check is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from snapboot_devkit.package.audit.compiling import CompileTimes
    from snapboot_devkit.package.audit.modules import State
    from snapboot_devkit.package.audit.pythons import Python
    from snapboot_devkit.package.audit.sealed import SealedArchive
    from snapboot_devkit.package.checks.binaries import Binaries
    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.distributions import Distribution, Owners
    from snapboot_devkit.package.checks.layout import Layout, Place


@dataclass(frozen=True, slots=True)
class Subject:
    """A package, and what has been found out about it before the checks.

    `place_is_known` says that the place was given, and not found out. `states` are those of the
    bytecode by the source's path; `architecture` is the one asked for, or else that of the
    interpreter or of most compiled files, `layers` are the ones that go with the package.
    """

    package: Package
    layout: Layout
    place: Place
    place_is_known: bool
    python: Python
    architecture: str | None
    distributions: tuple[Distribution, ...]
    owners: Owners
    binaries: Binaries
    states: Mapping[str, State]
    sealed: SealedArchive | None
    compiled: CompileTimes
    layers: tuple[Path, ...] = ()

    @property
    def owned(self) -> Mapping[str, str]:
        """The distribution of each recorded file."""
        return self.owners.files

    def owner(self, path: str) -> str:
        """Return the name that a file goes under in reports."""
        return self.owners.of(path)

    def grouped(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """Return the paths by their owners."""
        groups: dict[str, list[str]] = {}
        for path in paths:
            groups.setdefault(self.owner(path), []).append(path)
        return groups
