"""A package in a folder. No link is followed, no pipe opened, nothing outside is read."""

from __future__ import annotations

import os
import stat
from itertools import islice
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.sources.unpacking import MAX_ENTRIES
from snapboot_devkit.package.checks.contents import AuditError, Kind, PackageEntry, kind_of
from snapboot_devkit.package.checks.finding import Finding, error, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PERMISSIONS: Final = 0o777
# Deeper than any path that Linux takes.
_MAX_DEPTH: Final = 256


class FolderStore:
    """The files below a folder; of an image only the parts that a function runs from."""

    def __init__(self, path: Path, parts: Iterable[str] = ("",)) -> None:
        """Read below `path`, in `parts`: folders relative to it, with "/" at the end, or ""."""
        self.path = path
        self.packed_bytes: int | None = None
        self._parts = tuple(parts)
        self._closed: list[str] = []

    def __repr__(self) -> str:
        return f"<FolderStore {str(self.path)!r}>"

    def entries(self) -> Iterator[PackageEntry]:
        """Return what there is, sorted. Raises AuditError."""
        yield from self._walk()

    def read(self, path: str, size: int) -> bytes:
        """Return at most `size` bytes of a file, which may have become something else meanwhile."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self.path / path, flags)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("it is not a file any more")
            return file.read(size)

    def oddities(self) -> Iterator[Finding]:
        """Return what Lambda cannot take, and the folders that could not be listed."""
        for path in self._closed:
            yield error(
                "unreadable", path, "the folder cannot be listed", "make it readable: chmod a+rx"
            )
        for entry in self._walk():
            if entry.kind is Kind.OTHER:
                yield error("no-file", entry.path, f"it is a {entry.kind.value}", "remove it")
            elif entry.kind is Kind.LINK and not self._leads_inside(entry.path):
                yield warning(
                    "link-outside",
                    entry.path,
                    f"it links to {self._target(entry.path)!r}, outside of the package or to "
                    "nothing",
                    "put the file itself in its place",
                )

    def _walk(self) -> Iterator[PackageEntry]:
        self._closed.clear()
        below = (entry for part in self._parts for entry in self._below(part))
        for count, entry in enumerate(below):
            if count >= MAX_ENTRIES:
                raise AuditError(
                    f"cannot audit {str(self.path)!r}: it holds more than {MAX_ENTRIES} files; "
                    "give the folder that is packaged"
                )
            yield entry

    def _below(self, start: str) -> Iterator[PackageEntry]:
        waiting = [start]
        while waiting:
            prefix = waiting.pop()
            for found in self._listing(prefix):
                entry = _entry(found, f"{prefix}{found.name}")
                if entry.kind is Kind.FOLDER and prefix.count("/") < _MAX_DEPTH:
                    waiting.append(f"{entry.path}/")
                yield entry

    def _listing(self, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path / prefix) as entries:
                return sorted(islice(entries, MAX_ENTRIES + 1), key=lambda entry: entry.name)
        except OSError as exc:
            if not prefix:
                raise AuditError(
                    f"cannot list {str(self.path)!r}: {exc.strerror}; make it readable"
                ) from exc
            self._closed.append(prefix.rstrip("/"))
            return []

    def _target(self, path: str) -> str:
        try:
            return os.readlink(self.path / path)  # noqa: PTH115 - keeps a slash at its end
        except OSError:
            return ""

    def _leads_inside(self, path: str) -> bool:
        # In an image absolute links are those of the image.
        target = self._target(path)
        if self._parts != ("",):
            return True
        place = os.path.normpath(os.path.join((self.path / path).parent, target))  # noqa: PTH118
        root = os.path.realpath(self.path)
        return os.path.realpath(place).startswith(f"{root}{os.sep}") and os.path.exists(place)  # noqa: PTH110


def _entry(found: os.DirEntry[str], path: str) -> PackageEntry:
    try:
        state = found.stat(follow_symlinks=False)
    except OSError:
        return PackageEntry(path, Kind.OTHER, None, 0, ())
    kind = kind_of(state.st_mode)
    size = state.st_size if kind is Kind.FILE else 0
    return PackageEntry(path, kind, state.st_mode & _PERMISSIONS, size, (int(state.st_mtime),))
