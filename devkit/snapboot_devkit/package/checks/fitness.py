"""Whether the compiled files of a package fit its target: architecture, glibc, shared libraries."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.checks import provided
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.formats import elf
from snapboot_devkit.package.target import MAX_GLIBC, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MAX_NAMED: Final = 5
# What an import loads; other code may be there for another platform on purpose.
_IMPORTED: Final = re.compile(r".*\.(?:cpython-\d+[^/]*|abi3)\.so")


@dataclass(frozen=True, slots=True)
class Fitness:
    """What does not fit: `problems` keep it from working, `doubts` may."""

    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise PackageError for the problems, if there are any."""
        if self.problems:
            raise PackageError("\n".join(self.problems))


def examine(roots: Iterable[Path], target: Target, *, newer_glibc: bool) -> Fitness:
    """Look at every ELF file below some folders. `newer_glibc` makes a doubt of that problem."""
    files = dict(_elf_files(roots))
    found = Fitness()
    _judge_machines(files, target, found)
    _judge_glibc(files, found.doubts if newer_glibc else found.problems)
    _judge_libraries(files, found.doubts)
    return found


def examine_machines(roots: Iterable[Path], target: Target) -> Fitness:
    """Look at the architecture of every ELF file below some folders, and at nothing else."""
    found = Fitness()
    _judge_machines(dict(_elf_files(roots)), target, found)
    return found


def _elf_files(roots: Iterable[Path]) -> Iterator[tuple[str, elf.Needs]]:
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.is_symlink() or not path.is_file() or not elf.is_elf(path):
                continue
            try:
                yield path.relative_to(root).as_posix(), elf.needs(path)
            except elf.ElfError as exc:
                raise PackageError(str(exc)) from exc


def _judge_machines(files: dict[str, elf.Needs], target: Target, found: Fitness) -> None:
    foreign: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for name, needed in files.items():
        if needed.machine != target.architecture:
            foreign[needed.machine, _IMPORTED.fullmatch(name) is not None].append(name)
    for (machine, imported), names in foreign.items():
        text = f"built for {machine}, not for {target.architecture}: {_some(names)}"
        if imported:
            found.problems.append(f"{text}; replace them, or choose by --arch")
        else:
            found.doubts.append(text)


def _judge_glibc(files: dict[str, elf.Needs], told: list[str]) -> None:
    needed = {name: needs.glibc for name, needs in files.items() if needs.glibc}
    if newer := {name: version for name, version in needed.items() if version > MAX_GLIBC}:
        most = max(newer.values())
        told.append(
            f"Amazon Linux 2023 has glibc {elf.dotted(MAX_GLIBC)}, which is too old (up to "
            f"{elf.dotted(most)} is needed) for {_some(newer)}; take ones built on an older system "
            "(uv's interpreters are), or go on at your own risk by --allow-newer-glibc"
        )


def _judge_libraries(files: dict[str, elf.Needs], told: list[str]) -> None:
    brought = {name.rpartition("/")[2] for name in files}
    users: dict[str, list[str]] = defaultdict(list)
    for name, needed in files.items():
        for library in needed.libraries:
            if library not in brought and not provided.has_library(library):
                users[library].append(name)
    for library, names in sorted(users.items()):
        other = provided.other_name(library)
        instead = f" (it has {other}; a build on Amazon Linux asks for that)" if other else ""
        told.append(f"{library} is not in provided.al2023{instead}, but needed by {_some(names)}")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
