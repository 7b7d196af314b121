"""A package as the checks see it: entries, and their content where it is asked for.

What cannot be read is noted once, and told in the end; a check goes on without it.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.sources.budget import Budget
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from snapboot_devkit.package.checks.finding import Finding

# No sound file of a package is larger; of a zip that promises more nothing is unpacked.
MAX_FILE_BYTES: Final = 256 * MIB
# All that an audit reads, each file counted once: four times what Lambda takes unpacked.
MAX_READ_BYTES: Final = 1_024 * MIB
# Of what the checks read once: larger ones are read again when asked for again.
_KEPT_BYTES: Final = 4 * MIB


class AuditError(PackageError):
    """The package cannot be audited at all; the message says why and what to do."""


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    OTHER = "device, pipe or socket"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link, its path relative to the package with "/" between the parts.

    `mode` holds the permissions, None where the zip does not say; `times` are the modification
    times, in seconds, that it may have once it is unpacked; `size` is in bytes, unpacked.
    """

    path: str
    kind: Kind
    mode: int | None
    size: int
    times: tuple[int, ...]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path of its folder, with "/" at the end, or ""."""
        return self.path[: len(self.path) - len(self.name)]

    def others_may(self, permission: int) -> bool:
        """Tell whether somebody who is neither owner nor in the group has a permission."""
        return self.mode is None or bool(self.mode & permission)


class Store(Protocol):
    """Where entries and content come from. `read` raises OSError and ValueError."""

    path: Path
    packed_bytes: int | None

    def entries(self) -> Iterator[Entry]:
        """Return what there is. Raises AuditError."""

    def read(self, path: str, size: int) -> bytes:
        """Return at most `size` bytes of a file."""

    def oddities(self) -> Iterator[Finding]:
        """Return what is wrong with the container itself."""


@dataclass(slots=True)
class Package:
    """The entries by path, and their content. `unread` says why a file could not be read."""

    store: Store
    entries: Mapping[str, Entry]
    unread: dict[str, str] = field(default_factory=dict)
    _budget: Budget = field(default_factory=lambda: Budget(MAX_READ_BYTES))
    _kept: dict[str, bytes] = field(default_factory=dict)
    _counted: set[str] = field(default_factory=set)

    def __repr__(self) -> str:
        return f"<Package {str(self.store.path)!r} of {len(self.entries)} entries>"

    @property
    def files(self) -> Iterator[Entry]:
        """The files alone."""
        return (entry for entry in self.entries.values() if entry.kind is Kind.FILE)

    @property
    def size(self) -> int:
        """The sum of the files' sizes in bytes, unpacked."""
        return sum(entry.size for entry in self.files)

    def is_file(self, path: str) -> bool:
        """Tell whether there is a file, or a link, which may lead to one."""
        entry = self.entries.get(path)
        return entry is not None and entry.kind in {Kind.FILE, Kind.LINK}

    def content(self, path: str) -> bytes | None:
        """Return a file's content, None if it cannot be read."""
        if path in self._kept:
            return self._kept[path]
        entry = self.entries[path]
        if entry.size > MAX_FILE_BYTES:
            self.unread[path] = f"its {entry.size} bytes are more than is read"
            return None
        content = self._read(path, entry.size)
        if content is not None and len(content) <= _KEPT_BYTES:
            self._kept[path] = content
        return content

    def head(self, path: str, size: int) -> bytes | None:
        """Return the first bytes of a file, None if it cannot be read."""
        kept = self._kept.get(path)
        return kept[:size] if kept is not None else self._read(path, size)

    def text(self, path: str) -> str:
        """Return a file as text, with what is not UTF-8 replaced; "" if it cannot be read."""
        return (self.content(path) or b"").decode("utf-8", "replace")

    def _read(self, path: str, size: int) -> bytes | None:
        if path in self.unread or self.entries[path].kind is not Kind.FILE:
            return None
        try:
            self._count(path, size)
            return self.store.read(path, size)
        except OSError as exc:
            self.unread[path] = exc.strerror or str(exc)
        except (SourceError, ValueError) as exc:
            self.unread[path] = str(exc)
        return None

    def _count(self, path: str, size: int) -> None:
        if path not in self._counted:
            self._counted.add(path)
            self._budget.take_bytes(size, self.store.path, path)


def opened(store: Store) -> Package:
    """Return the package in a store. Raises AuditError."""
    return Package(store, {entry.path: entry for entry in store.entries()})


def kind_of(mode: int) -> Kind:
    """Return what a file's mode says it is; without a type it is a file."""
    types = {
        0: Kind.FILE,
        stat.S_IFREG: Kind.FILE,
        stat.S_IFDIR: Kind.FOLDER,
        stat.S_IFLNK: Kind.LINK,
    }
    return types.get(stat.S_IFMT(mode), Kind.OTHER)
