"""The interpreter in a package: which release it is, and what of it no function needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.checks.finding import Finding, counted, listed, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject
    from snapboot_devkit.package.checks.contents import Package, PackageEntry
    from snapboot_devkit.package.checks.layout import Layout

_PROGRAM: Final = re.compile(r"bin/python3\.\d+t?|lib(?:64)?/libpython3\.\d+t?\.so[\d.]*")
_SHARED: Final = re.compile(r"lib(?:64)?/.*\.so(?:\.[\d.]+)?")
# Less is not worth a word.
_MIN_DEBUG_BYTES: Final = MIB


def release(package: Package, layout: Layout) -> int | None:
    """Return `sys.hexversion` of the interpreter in the package, None where it is not known."""
    for entry, inner in _files(package, layout):
        if not _PROGRAM.fullmatch(inner):
            continue
        content = package.content(entry.path) or b""
        try:
            version = package.facts.hexversion(content, entry.path, package.steps)
        except elf.ElfError:
            continue  # reported where binaries are checked
        if version is not None:
            return version
    return None


def check(subject: Subject) -> Iterator[Finding]:
    """Find an interpreter that ships with what only a debugger reads."""
    found = dict(_debugged(subject))
    total = sum(found.values())
    if total >= _MIN_DEBUG_BYTES:
        yield note(
            "debug-sections",
            next(iter(found)) if len(found) == 1 else "",
            f"{total / MIB:.1f} MB of the interpreter are for debuggers alone, in "
            f"{counted(len(found), 'file')}: {listed(found)}",
            "strip --strip-debug a copy of the interpreter, and package with that: --python FOLDER",
        )


def _debugged(subject: Subject) -> Iterator[tuple[str, int]]:
    for entry, inner in _files(subject.package, subject.layout):
        if not (_PROGRAM.fullmatch(inner) or _SHARED.fullmatch(inner)):
            continue
        content = subject.package.content(entry.path) or b""
        try:
            package = subject.package
            size = package.facts.debug_bytes(content, entry.path, package.steps)
        except elf.ElfError:
            continue
        if size:
            yield entry.path, min(size, entry.size)


def _files(package: Package, layout: Layout) -> Iterator[tuple[PackageEntry, str]]:
    """Return the files of the interpreter, and their paths from its folder on."""
    if layout.stdlib is None:
        return
    # The standard library is in lib/python3.X/ of it.
    prefix = "".join(f"{part}/" for part in layout.stdlib.split("/")[:-3])
    for entry in package.files:
        if entry.path.startswith(prefix):
            yield entry, entry.path.removeprefix(prefix)
