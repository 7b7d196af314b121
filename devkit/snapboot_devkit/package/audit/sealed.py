"""The module archive: whether the runtime will use it, and whether it is of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from snapboot_devkit.package.audit.subject import Subject
from snapboot_devkit.package.binary.bytecode import magic_bytes
from snapboot_devkit.package.binary.modules import (
    NAME,
    ModuleArchive,
    ModuleArchiveError,
    SealedModule,
    read,
)
from snapboot_devkit.package.checks.finding import Finding, counted, error, listed, note, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.pythons import Python
    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.layout import Layout

_AGAIN = "package the function again: snapboot package"


@dataclass(frozen=True, slots=True)
class SealedArchive:
    """The archive at `path`, or why it is refused; `loaded` are the sources that it replaces."""

    path: str
    archive: ModuleArchive | None
    refusal: str | None
    loaded: frozenset[str]


def sealed(package: Package, layout: Layout, python: Python) -> SealedArchive | None:
    """Return what is known of the package's module archive, None if it has none."""
    path = f"{layout.task}{NAME}"
    if not package.is_file(path):
        return None
    content = package.content(path)
    if content is None:
        return SealedArchive(path, None, "it cannot be read", frozenset())
    try:
        archive = read(content)
    except ModuleArchiveError as exc:
        return SealedArchive(path, None, str(exc), frozenset())
    refusal = _refusal(archive, python)
    loaded = () if refusal else (source_path(one, layout) for one in archive.modules)
    return SealedArchive(path, archive, refusal, frozenset(filter(None, loaded)))


def source_path(module: SealedModule, layout: Layout) -> str | None:
    """Return the file of a sealed module in the package, None for one that is elsewhere."""
    separator = "/" if len(module.home) > 1 else ""
    return path_of(f"{module.home}{separator}{module.tail}", layout)


def path_of(place: str, layout: Layout) -> str | None:
    """Return the path in the package of what begins with a home, None if it is elsewhere."""
    kind = place[:1]
    if kind == "/":
        return layout.in_package(place)
    base = {"t": layout.task, "s": layout.stdlib, "r": layout.runtime}.get(kind)
    # What is listed at the top of a home begins with a slash, as what is in a folder does not.
    return None if base is None else f"{base}{place[1:].removeprefix('/')}"


def check(subject: Subject) -> Iterator[Finding]:
    """Find an archive that is refused, or that is of other modules than the package has."""
    found = subject.sealed
    if found is None:
        return
    if found.refusal is not None or found.archive is None:
        yield warning(
            "archive-refused",
            found.path,
            f"the runtime will not use the module archive: {found.refusal}",
            _AGAIN,
        )
        return
    yield from _changed(subject, found, found.archive)
    if subject.python.hexversion is None:
        yield note(
            "archive-version",
            found.path,
            f"the module archive is for Python {found.archive.version}; any other release refuses "
            "it",
            "name the interpreter of the target by --python to have it compared",
        )


def _changed(subject: Subject, found: SealedArchive, archive: ModuleArchive) -> Iterator[Finding]:
    def source_of(module: SealedModule) -> bytes | None:
        path = source_path(module, subject.layout)
        if path is None or path not in subject.package.entries:
            return None
        return subject.package.content(path)

    if changed := archive.changed(source_of):
        yield error(
            "archive-stale",
            found.path,
            f"{counted(len(changed), 'module')} changed after the archive was made, which still "
            f"runs the old code: {listed(changed)}",
            _AGAIN,
        )
    yield from _changed_data(subject, found, archive)
    paths = ((one.name, source_path(one, subject.layout)) for one in archive.modules)
    gone = [name for name, path in paths if path and path not in subject.package.entries]
    if gone:
        yield error(
            "archive-foreign",
            found.path,
            f"{counted(len(gone), 'module')} of the archive are not in the package: {listed(gone)}",
            _AGAIN,
        )


def _changed_data(
    subject: Subject, found: SealedArchive, archive: ModuleArchive
) -> Iterator[Finding]:
    package = subject.package

    def content_of(place: str) -> bytes | None:
        path = path_of(place, subject.layout)
        if path is None:
            return None
        return package.content(path) if path in package.entries else b""  # it is gone

    def names_of(place: str) -> list[str] | None:
        pattern = path_of(place, subject.layout)
        if pattern is None:
            return None
        folder = f"{pattern.partition('*')[0].rpartition('/')[0]}/".removeprefix("/")
        halves = [part.partition("*") for part in pattern.removeprefix(folder).split("/")]
        names = (path.removeprefix(folder) for path in package.entries if path.startswith(folder))
        return sorted(name for name in names if _suits(name, halves))

    if changed := archive.changed_files(content_of, names_of):
        names = [path_of(place, subject.layout) or place for place in changed]
        yield error(
            "archive-stale",
            found.path,
            f"{counted(len(names), 'file')} with data changed after the archive was made, which "
            f"still gives what was in them: {listed(names)}",
            _AGAIN,
        )


def _suits(name: str, halves: list[tuple[str, str, str]]) -> bool:
    """Whether each part of a name is as a pattern has it, where the first "*" is any text."""
    if name.count("/") + 1 != len(halves):
        return False
    return all(
        part.startswith(start) and part.endswith(end) and len(part) >= len(start) + len(end)
        if star
        else part == start
        for part, (start, star, end) in zip(name.split("/"), halves, strict=True)
    )


def _refusal(archive: ModuleArchive, python: Python) -> str | None:
    own = (magic_bytes(python.magic), python.hexversion or archive.hexversion)
    version = (archive.hexversion >> 24, archive.hexversion >> 16 & 0xFF)
    if version != python.version or (python.magic and not archive.suits(*own)):
        return f"it was made for Python {archive.version}, and the package is for {python}"
    if damaged := archive.damaged():
        return f"the code of {listed(damaged)} in it is damaged"
    return None
