"""A package in a zip file, read in place: nothing of it is unpacked to the disk."""

from __future__ import annotations

import calendar
import contextlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.sources.unpacking import MAX_ENTRIES
from snapboot_devkit.package.checks.contents import (
    MAX_READ_BYTES,
    AuditError,
    Kind,
    PackageEntry,
    kind_of,
)
from snapboot_devkit.package.checks.finding import Finding, error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO, Self

# What `zipfile` and `zlib` raise for content that is not what the directory promised.
DAMAGES: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
# What makes a path another one than its text; all usual names are without.
_ODD: Final = re.compile(r"//|/\.{1,2}(?:/|$)")
_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PERMISSIONS: Final = 0o777
# Info-ZIP's extra field with the times to the second; its first bit says that it has this one.
_TIMES_FIELD: Final = 0x5455
_HAS_MTIME: Final = 0x1
_FIELD_HEAD_BYTES: Final = 4
# The longest path that Linux takes, in bytes, and more folders in each other than anybody makes.
_MAX_PATH: Final = 4096
_MAX_DEPTH: Final = 100
# The zip's own directory, which is read whole: 100,000 entries of usual names take 15 MB.
MAX_DIRECTORY_BYTES: Final = 64 * MIB
# Of one entry, all its extra fields; usual are 28 bytes, and `zipfile` copies them for each field.
MAX_EXTRA_BYTES: Final = 1_024
# Of the zip itself, each read counted: entries may share the same bytes.
MAX_PACKED_READ_BYTES: Final = MAX_READ_BYTES
_ENTRY_HEAD: Final = struct.Struct("<4s24xHHH12x")
_ENTRY_MARK: Final = b"PK\x01\x02"


class _CountedFile(io.BufferedReader):
    """A zip file that ends in an error once too much was read of it."""

    left = MAX_PACKED_READ_BYTES
    opening = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes. Raises ValueError."""
        if self.opening and size is not None and size > MAX_DIRECTORY_BYTES:
            raise ValueError(f"its directory takes more than {MAX_DIRECTORY_BYTES} bytes")
        content = super().read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"more than {MAX_PACKED_READ_BYTES} bytes of the zip would be read")
        if self.opening and content.startswith(_ENTRY_MARK):
            _check_directory(content)
        return content


def _check_directory(content: bytes) -> None:
    """Raise ValueError for a directory that would keep `zipfile` busy."""
    at = 0
    for _ in range(MAX_ENTRIES):
        if at + _ENTRY_HEAD.size > len(content):
            return
        mark, name, extra, comment = _ENTRY_HEAD.unpack_from(content, at)
        if mark != _ENTRY_MARK:
            return  # which `zipfile` refuses
        if extra > MAX_EXTRA_BYTES:
            raise ValueError(f"an entry has {extra} bytes of extra fields")
        at += _ENTRY_HEAD.size + name + extra + comment
    if at < len(content):
        raise ValueError(
            f"it lists more than {MAX_ENTRIES} files; leave out what the function does not need"
        )


class ZipStore:
    """The entries of a zip file. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open a zip file. Raises AuditError."""
        self.path = path
        try:
            self.packed_bytes: int | None = path.stat().st_size
            self._file = _CountedFile(io.FileIO(path))
        except OSError as exc:
            raise AuditError(f"cannot read {str(path)!r}: {exc.strerror or exc}") from exc
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (*DAMAGES, OSError) as exc:
            self._file.close()
            raise AuditError(
                f"cannot read {str(path)!r} as a zip file: {exc}; pack it again"
            ) from exc
        self._file.opening = False
        self.infos = [info for info in self._zip.infolist() if info.filename.strip("./")]
        self.by_path = {_path(info): info for info in self.infos}

    def __repr__(self) -> str:
        return f"<ZipStore {str(self.path)!r}>"

    def __enter__(self) -> Self:
        """Return the store as it is."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def entries(self) -> Iterator[PackageEntry]:
        """Return what Lambda unpacks; of two entries of one name the last. Raises AuditError."""
        found = {path: _entry(info) for path, info in self.by_path.items() if not _leaves(info)}
        for count, folder in enumerate(_folders(found)):
            if count >= MAX_ENTRIES:
                raise AuditError(
                    f"cannot audit {str(self.path)!r}: its files are in more than {MAX_ENTRIES} "
                    "folders; leave out what the function does not need"
                )
            yield PackageEntry(folder, Kind.FOLDER, None, 0, ())
        yield from found.values()

    def read(self, path: str, size: int) -> bytes:
        """Return at most `size` bytes of a file. Raises OSError and ValueError."""
        try:
            with self._zip.open(self.by_path[path]) as content:
                return content.read(size)
        except DAMAGES as exc:
            raise ValueError(f"it is damaged or encrypted: {exc}") from exc

    def open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        """Return an entry's content as a stream."""
        return self._zip.open(info)

    def refused(self) -> Iterator[tuple[str, str]]:
        """Return the names of entries that Lambda refuses to unpack, and why it does."""
        for info in self.infos:
            if reason := _refusal(info):
                yield info.filename, reason

    def oddities(self) -> Iterator[Finding]:
        """Return what Lambda refuses to unpack, and names that are there twice."""
        for name, reason in self.refused():
            yield error("bad-entry", name, reason, "pack it again without")
        counts = Counter(_path(info) for info in self.infos if not info.is_dir())
        for path, count in counts.items():
            if count > 1:
                yield warning(
                    "duplicate-entry",
                    path,
                    f"the zip has {count} entries of this name, of which the last one wins",
                    "pack it again into a new file",
                )


def _refusal(info: zipfile.ZipInfo) -> str | None:
    if _leaves(info):
        return (
            "its name leads out of the package, or is longer or deeper than Linux or any tool takes"
        )
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted, which Lambda cannot unpack"
    if info.compress_type not in _COMPRESSIONS:
        return f"Lambda does not know its compression method {info.compress_type}"
    if "\\" in info.filename:
        return "it has backslashes in its name, which do not separate folders on Linux"
    if _kind(info) is Kind.OTHER:
        return "it is a device, pipe or socket"
    return None


def _leaves(info: zipfile.ZipInfo) -> bool:
    if len(info.filename) > _MAX_PATH:
        return True
    if not _ODD.search(f"/{info.filename}"):
        return info.filename.removesuffix("/").count("/") >= _MAX_DEPTH
    name = PurePosixPath(info.filename)
    return name.is_absolute() or ".." in name.parts or len(name.parts) > _MAX_DEPTH


def _path(info: zipfile.ZipInfo) -> str:
    if not _ODD.search(f"/{info.filename}"):
        return info.filename.removesuffix("/")
    return str(PurePosixPath(info.filename))


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16 if info.create_system == _UNIX else 0


def _kind(info: zipfile.ZipInfo) -> Kind:
    return Kind.FOLDER if info.is_dir() else kind_of(_mode(info))


def _entry(info: zipfile.ZipInfo) -> PackageEntry:
    kind, mode = _kind(info), _mode(info)
    size = info.file_size if kind is Kind.FILE else 0
    permissions = mode & _PERMISSIONS if stat.S_IMODE(mode) else None
    return PackageEntry(_path(info), kind, permissions, size, tuple(_times(info)))


def _folders(found: dict[str, PackageEntry]) -> Iterator[str]:
    """Return the folders that have no entry of their own: they get usual permissions."""
    named: set[str] = set()
    for path in found:
        folder = path.rpartition("/")[0]
        while folder and folder not in named:
            named.add(folder)
            if folder not in found:
                yield folder
            folder = folder.rpartition("/")[0]


def _times(info: zipfile.ZipInfo) -> Iterator[int]:
    """Return the times an entry may get: the exact one, and the zip's own of two seconds' grain.

    Which one it is on Lambda, where the time zone is UTC, AWS does not say.
    """
    at, extra = 0, info.extra[:MAX_EXTRA_BYTES]
    while at + _FIELD_HEAD_BYTES < len(extra):
        kind, size = (int.from_bytes(extra[at + skip : at + skip + 2], "little") for skip in (0, 2))
        at += _FIELD_HEAD_BYTES + size
        field = extra[at - size : at]
        if kind == _TIMES_FIELD and len(field) > _FIELD_HEAD_BYTES and field[0] & _HAS_MTIME:
            yield int.from_bytes(field[1:5], "little")
    with contextlib.suppress(ValueError):  # a month 0, say
        yield calendar.timegm((*info.date_time, 0, 0, 0))
