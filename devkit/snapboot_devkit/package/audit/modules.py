"""The modules of a package, and what becomes of the bytecode of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary.bytecode import (
    HEADER_BYTES,
    BytecodeError,
    Header,
    Mode,
    header,
)
from snapboot_devkit.package.checks import wrappers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snapboot_devkit.package.audit.pythons import Python
    from snapboot_devkit.package.checks.contents import Package, PackageEntry
    from snapboot_devkit.package.checks.layout import Layout

CACHE: Final = "__pycache__/"
# Without a zip's or a folder's time there is nothing to compare: no bytecode has this one.
_NO_TIME: Final = -1


class State(StrEnum):
    """What becomes of a module's bytecode when the module is imported."""

    USED = "used"
    CHECKED = "used after its source is read and hashed"
    DATED = "used while the files keep their dates"
    OTHER_SOURCE = "used, though it was compiled from another source"
    MISSING = "missing"
    OTHER_VERSION = "of another Python version"
    STALE_TIME = "not used: the file's date is not the one it was compiled with"
    STALE_SOURCE = "not used: it was compiled from another source"
    DAMAGED = "not used: it is damaged"


# The states in which the import system has to compile.
COMPILED: Final = frozenset(
    {State.MISSING, State.OTHER_VERSION, State.STALE_TIME, State.STALE_SOURCE, State.DAMAGED}
)


@dataclass(frozen=True, slots=True)
class Bytecode:
    """A .pyc below `__pycache__`, and the source that it is of."""

    path: str
    source: str


def sources(package: Package, layout: Layout) -> Iterator[PackageEntry]:
    """Return the files that can be imported as modules."""
    for entry in package.files:
        if entry.path.endswith(".py") and module_name(entry.path, layout) is not None:
            yield entry


def module_name(path: str, layout: Layout) -> str | None:
    """Return the name a source is imported by; None if it is none that can be.

    A handler's need not be identifiers: Lambda imports `get-user/01_job.handler` by its name.
    """
    root = max((root for root in layout.roots if path.startswith(root)), key=len, default=None)
    if root is None:
        return None
    parts = path[len(root) :].removesuffix(".py").removesuffix("/__init__").split("/")
    return None if any(not part or "." in part for part in parts) else ".".join(parts)


def cached(path: str, tag: str) -> str:
    """Return where the bytecode of a source is looked for."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{CACHE}{name.removesuffix('.py')}.{tag}.pyc"


def states(package: Package, layout: Layout, python: Python) -> Mapping[str, State]:
    """Return what becomes of the bytecode of each module, by the path of its source."""
    foreign = {one.source for one in bytecode(package)}
    return {
        entry.path: _state(package, entry, python, foreign) for entry in sources(package, layout)
    }


def bytecode(package: Package) -> Iterator[Bytecode]:
    """Return the bytecode below `__pycache__`, of every version."""
    for entry in package.files:
        if entry.folder.endswith(CACHE) and entry.path.endswith(".pyc"):
            folder = entry.folder.removesuffix(CACHE)
            yield Bytecode(entry.path, f"{folder}{entry.name.partition('.')[0]}.py")


def useless(package: Package, python: Python) -> Iterator[str]:
    """Return the bytecode below `__pycache__` that is of another Python, or of no source.

    The wrapper layer is for several versions.
    """
    several = wrappers.LAYER_HOME if wrappers.script(package) == wrappers.LAYER_SCRIPT else None
    for found in bytecode(package):
        if several and found.path.startswith(several) and package.is_file(found.source):
            continue
        wanted = cached(found.source, python.tag)
        if found.path != wanted or not package.is_file(found.source):
            yield found.path


def _state(package: Package, source: PackageEntry, python: Python, foreign: set[str]) -> State:
    path = cached(source.path, python.tag)
    if not package.is_file(path):
        return State.OTHER_VERSION if source.path in foreign else State.MISSING
    head = package.head(path, HEADER_BYTES)
    try:
        return _judged(package, source, header(head or b""), python)
    except BytecodeError:
        return State.DAMAGED


def _judged(package: Package, source: PackageEntry, found: Header, python: Python) -> State:
    if python.magic and found.magic != python.magic:
        return State.OTHER_VERSION
    if found.mode is Mode.TIMESTAMP:
        return _dated(source, found)
    content = package.content(source.path)
    matches = content is not None and found.is_of(content)
    if found.mode is Mode.UNCHECKED_HASH:
        return State.USED if matches or content is None else State.OTHER_SOURCE
    return State.CHECKED if matches else State.STALE_SOURCE


def _dated(source: PackageEntry, found: Header) -> State:
    """Compare sizes first: with another size the date is not the reason."""
    if found.size != source.size & 0xFFFFFFFF:
        return State.STALE_SOURCE
    times = [time & 0xFFFFFFFF for time in source.times] or [_NO_TIME]
    return State.DATED if found.mtime in times else State.STALE_TIME
