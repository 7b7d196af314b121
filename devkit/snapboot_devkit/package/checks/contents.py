"""A package as the checks see it: entries, and their content where it is asked for.

What cannot be read is noted once, and reported in the end; a check goes on without it.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.package.binary.limits import Steps, TooMuchWorkError
from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from snapboot_devkit.package.checks.finding import Finding

# No sound file of a package is larger; of a zip that promises more nothing is unpacked.
MAX_FILE_BYTES: Final = 256 * MIB
# All that is read of a package, each time counted: eight times what Lambda takes unpacked.
MAX_READ_BYTES: Final = 2_000 * MIB
# A text that is written by hand, or by an installer: a path, a tag, a command to a line.
MAX_TEXT_BYTES: Final = 256 * KIB
# Text is gone through line by line, at worst of a character each.
_CHARACTERS_A_STEP: Final = 16
# What has been read is kept, up to a file of this size and so much of all: the rest is read again
# when it is asked for again.
_KEPT_BYTES: Final = 32 * MIB
_ALL_KEPT_BYTES: Final = 128 * MIB


class AuditError(PackageError):
    """The package cannot be audited at all; the message says why and what to do."""


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    OTHER = "device, pipe or socket"


@dataclass(frozen=True, slots=True)
class PackageEntry:
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
        """Whether a user who is neither owner nor in the group has a permission."""
        return self.mode is None or bool(self.mode & permission)


class PackageContainer(Protocol):
    """Where entries and content come from. `read` raises OSError and ValueError."""

    path: Path
    packed_bytes: int | None

    def entries(self) -> Iterator[PackageEntry]:
        """Return what there is. Raises AuditError."""

    def read(self, path: str, size: int) -> bytes:
        """Return at most `size` bytes of a file."""

    def oddities(self) -> Iterator[Finding]:
        """Return what is wrong with the container itself."""


@dataclass(slots=True)
class Package:
    """The entries by path, and their content. `unread` says why a file could not be read.

    `facts` knows its ELF files, `steps` and `bytes_read` count the work of all who read in it, and
    end what would be too much.
    """

    store: PackageContainer
    entries: Mapping[str, PackageEntry]
    facts: ElfFacts = field(default_factory=ElfFacts)
    unread: dict[str, str] = field(default_factory=dict)
    steps: Steps = field(default_factory=Steps)
    bytes_read: Steps = field(default_factory=lambda: Steps(MAX_READ_BYTES))
    _kept: dict[str, bytes] = field(default_factory=dict)
    _kept_bytes: int = 0

    def __repr__(self) -> str:
        return f"<Package {str(self.store.path)!r} of {len(self.entries)} entries>"

    @property
    def files(self) -> Iterator[PackageEntry]:
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
            self._keep(path, content)
        return content

    def head(self, path: str, size: int) -> bytes | None:
        """Return the first bytes of a file, None if it cannot be read."""
        kept = self._kept.get(path)
        return kept[:size] if kept is not None else self._read(path, size)

    def text(self, path: str, most: int = MAX_TEXT_BYTES) -> str:
        """Return a file as text, with what is not UTF-8 replaced; "" if it cannot be read.

        It is not read if it has more than `most` bytes: then it is something else.
        """
        if self.entries[path].size > most:
            self.unread[path] = f"its {self.entries[path].size} bytes are more than {most}"
            return ""
        try:
            self.steps.take(self.entries[path].size // _CHARACTERS_A_STEP)
        except TooMuchWorkError as exc:
            self.unread[path] = str(exc)
            return ""
        return (self.content(path) or b"").decode("utf-8", "replace")

    def _keep(self, path: str, content: bytes) -> None:
        if self._kept_bytes + len(content) <= _ALL_KEPT_BYTES:
            self._kept_bytes += len(content)
            self._kept[path] = content

    def _read(self, path: str, size: int) -> bytes | None:
        if path in self.unread or self.entries[path].kind is not Kind.FILE:
            return None
        try:
            self.bytes_read.take(size)
            return self.store.read(path, size)
        except OSError as exc:
            self.unread[path] = exc.strerror or str(exc)
        except TooMuchWorkError:
            self.unread[path] = (
                f"more than {self.bytes_read.most} bytes would be read of the package"
            )
        except ValueError as exc:
            self.unread[path] = str(exc)
        return None


def opened(store: PackageContainer, facts: ElfFacts | None = None) -> Package:
    """Return the package in a store. Raises AuditError."""
    entries = {entry.path: entry for entry in store.entries()}
    return Package(store, entries, facts or ElfFacts())


def kind_of(mode: int) -> Kind:
    """Return what a file's mode says it is; without a type it is a file."""
    types = {
        0: Kind.FILE,
        stat.S_IFREG: Kind.FILE,
        stat.S_IFDIR: Kind.FOLDER,
        stat.S_IFLNK: Kind.LINK,
    }
    return types.get(stat.S_IFMT(mode), Kind.OTHER)
