"""A package in a zip file, read where it lies: nothing of it is unpacked to the disk."""

from __future__ import annotations

import calendar
import contextlib
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.sources.budget import MAX_ENTRIES
from snapboot_devkit.package.checks.contents import AuditError, Entry, Kind, kind_of
from snapboot_devkit.package.checks.finding import Finding, error, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO, Self

# What `zipfile` and `zlib` raise for content that is not what the directory promised.
DAMAGES: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PERMISSIONS: Final = 0o777
# Info-ZIP's extra field with the times to the second; its first bit says that it has this one.
_TIMES_FIELD: Final = 0x5455
_HAS_MTIME: Final = 0x1
_FIELD_HEAD_BYTES: Final = 4
# The longest path that Linux takes, in bytes.
_MAX_PATH: Final = 4096


class ZipStore:
    """The entries of a zip file. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open a zip file. Raises AuditError."""
        self.path = path
        try:
            self.packed_bytes: int | None = path.stat().st_size
            self._zip = zipfile.ZipFile(path)
        except DAMAGES as exc:
            raise AuditError(
                f"cannot read {str(path)!r} as a zip file: {exc}; pack it again"
            ) from exc
        except OSError as exc:
            raise AuditError(f"cannot read {str(path)!r}: {exc.strerror or exc}") from exc
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

    def entries(self) -> Iterator[Entry]:
        """Return what Lambda unpacks; of two entries of one name the last. Raises AuditError."""
        if len(self.infos) > MAX_ENTRIES:
            raise AuditError(
                f"cannot audit {str(self.path)!r}: it promises {len(self.infos)} files, more than "
                f"{MAX_ENTRIES}; leave out what the function does not need"
            )
        found = {path: _entry(info) for path, info in self.by_path.items() if not _leaves(info)}
        yield from _folders(found)
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
        return "its name leads out of the package, or is longer than Linux takes"
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted, which Lambda cannot unpack"
    if info.compress_type not in _COMPRESSIONS:
        return f"Lambda does not know its compression method {info.compress_type}"
    if "\\" in info.filename:
        return "it has backslashes in its name, which are no folders on Linux"
    if _kind(info) is Kind.OTHER:
        return "it is a device, pipe or socket"
    return None


def _leaves(info: zipfile.ZipInfo) -> bool:
    if len(info.filename) > _MAX_PATH:
        return True
    name = PurePosixPath(info.filename)
    return name.is_absolute() or ".." in name.parts


def _path(info: zipfile.ZipInfo) -> str:
    return str(PurePosixPath(info.filename))


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16 if info.create_system == _UNIX else 0


def _kind(info: zipfile.ZipInfo) -> Kind:
    return Kind.FOLDER if info.is_dir() else kind_of(_mode(info))


def _entry(info: zipfile.ZipInfo) -> Entry:
    kind, mode = _kind(info), _mode(info)
    size = info.file_size if kind is Kind.FILE else 0
    permissions = mode & _PERMISSIONS if stat.S_IMODE(mode) else None
    return Entry(_path(info), kind, permissions, size, tuple(_times(info)))


def _folders(found: dict[str, Entry]) -> Iterator[Entry]:
    """Return the folders that have no entry of their own: they get usual permissions."""
    named: set[str] = set()
    for path in found:
        named.update(str(parent) for parent in PurePosixPath(path).parents)
    for path in sorted(named - found.keys() - {"."}):
        yield Entry(path, Kind.FOLDER, None, 0, ())


def _times(info: zipfile.ZipInfo) -> Iterator[int]:
    """Return the times an entry may get: the exact one, and the zip's own of two seconds' grain.

    Which one it is on Lambda, where the time zone is UTC, AWS does not say.
    """
    extra = info.extra
    while len(extra) > _FIELD_HEAD_BYTES:
        kind, size = (int.from_bytes(extra[at : at + 2], "little") for at in (0, 2))
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _TIMES_FIELD and len(field) > _FIELD_HEAD_BYTES and field[0] & _HAS_MTIME:
            yield int.from_bytes(field[1:5], "little")
    with contextlib.suppress(ValueError):  # a month 0, say
        yield calendar.timegm((*info.date_time, 0, 0, 0))
