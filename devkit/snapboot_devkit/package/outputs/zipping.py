"""A folder as a zip file whose bytes depend on nothing but names, contents and run bits."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.package.store import NOTHING, Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

# The oldest that a zip can tell.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FOLDER: Final = stat.S_IFDIR | 0o755
_PROGRAM: Final = stat.S_IFREG | 0o755
_FILE: Final = stat.S_IFREG | 0o644
_LINK: Final = stat.S_IFLNK | 0o777
_MSDOS_FOLDER: Final = 0x10
_UNIX: Final = 3
_LEVEL: Final = 6
# Two at the most run at once here anyway, and the rest of the work is one.
_THREADS: Final = 4
_MAX_KEPT_BYTES: Final = 64 * MIB
# Of most files one read is all of it.
_READ_BYTES: Final = 256 * KIB
_PACKED: Final = struct.Struct("<IQ")


class ZipEntry(NamedTuple):
    """What is below a folder: its name relative to that, its place, its mode, its size in bytes.

    `written` is when its content was last written, in nanoseconds since 1970.
    """

    name: str
    path: str
    mode: int
    size: int
    written: int


def _entry(name: str, path: str, status: os.stat_result) -> ZipEntry:
    return ZipEntry(name, path, status.st_mode, status.st_size, status.st_mtime_ns)


def entries(folder: Path) -> list[ZipEntry]:
    """Return all that is below a folder, sorted; links are not followed. Raises OSError."""
    found = []
    waiting = [("", os.fspath(folder))]
    while waiting:
        prefix, place = waiting.pop()
        with os.scandir(place) as inner:
            for one in inner:
                status = one.stat(follow_symlinks=False)
                entry = _entry(f"{prefix}{one.name}", one.path, status)
                found.append(entry)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((f"{entry.name}/", entry.path))
    return sorted(found)


def changed(before: Iterable[ZipEntry], now: Iterable[ZipEntry]) -> list[str]:
    """Return the names of the files that were added, removed or written between two looks."""
    return sorted({entry.name for entry in {*before} ^ {*now} if not stat.S_ISDIR(entry.mode)})


def entry_of(path: Path) -> ZipEntry | None:
    """Return a file as what is at the top of its folder; None if it is not there."""
    if not path.exists():
        return None
    return _entry(path.name, os.fspath(path), path.lstat())


def content_of(path: str) -> bytes:
    """Return a file's content; of thousands, by fewer system calls than a file object makes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _READ_BYTES)
        if len(content) < _READ_BYTES and not os.read(descriptor, 1):
            return content
        with open(descriptor, "rb", closefd=False) as file:  # large: into one buffer of its size
            file.seek(0)
            return file.read()
    finally:
        os.close(descriptor)


def write(folder: Path, target: Path, store: Store = NOTHING) -> None:
    """Write all of a folder; links stay links. Raises OSError."""
    write_entries(entries(folder), target, store)


def write_entries(
    found: Iterable[ZipEntry],
    target: Path,
    store: Store = NOTHING,
    late: Mapping[str, Callable[[], ZipEntry | None]] = MappingProxyType({}),
) -> None:
    """Write what `entries` has found; what was compressed before is in the store. Raises OSError.

    `late` are files, by their names, that come to be meanwhile: each is called when it is its turn,
    and returns None if there is no such file after all.
    """
    there = {entry.name: entry for entry in found if entry.name not in late}
    kept = _compressed(there.values(), store)
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name in sorted([*there, *late]):
            entry = there[name] if name in there else late[name]()
            if entry is None:
                continue
            if stat.S_ISREG(entry.mode):
                packed = kept.get(name) or _compressed([entry], store)[name]
                _add_file(archive, name, entry.mode, packed)
            elif stat.S_ISLNK(entry.mode):
                content = os.readlink(entry.path)  # noqa: PTH115 - as it is
                archive.writestr(_head(name, _LINK), content)
            else:
                archive.writestr(_head(f"{name}/", _FOLDER), b"")


def _compressed(found: Iterable[ZipEntry], store: Store) -> dict[str, bytes]:
    """Return the files among these, compressed, by their names."""
    files = {entry.name: entry.path for entry in found if stat.S_ISREG(entry.mode)}
    keys = {name: _key(content_of(path)) for name, path in files.items()}
    kept = store.find(keys.values())
    fresh = {key: files[name] for name, key in keys.items() if key not in kept}
    with ThreadPoolExecutor(_THREADS) as pool:
        made = list(pool.map(_packed, fresh.values()))
    # By what was compressed, not by what was looked up: a file may change in between.
    store.keep({key: body for key, body in made if len(body) <= _MAX_KEPT_BYTES}, kept)
    kept |= {key: body for key, (_, body) in zip(fresh, made, strict=True)}
    return {name: kept[key] for name, key in keys.items()}


def _key(content: bytes) -> bytes:
    version = zlib.ZLIB_RUNTIME_VERSION.encode()
    return digest(b"deflate", bytes([_LEVEL]), version, content)


def _packed(path: str) -> tuple[bytes, bytes]:
    """Return a content's key, and its check sum, size and itself compressed as by `zipfile`."""
    content = content_of(path)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    head = _PACKED.pack(zlib.crc32(content), len(content))
    return _key(content), head + packer.compress(content) + packer.flush()


def _add_file(archive: zipfile.ZipFile, name: str, mode: int, packed: bytes) -> None:
    """Add an entry whose content is compressed, as `ZipFile.open` does in the end."""
    head = _head(name, _PROGRAM if mode & stat.S_IXUSR else _FILE)
    head.CRC, head.file_size = _PACKED.unpack_from(packed)
    head.compress_size = len(packed) - _PACKED.size
    file = archive.fp
    assert file is not None
    head.header_offset = archive.start_dir  # where the last one ends
    header = head.FileHeader(zip64=False)
    file.write(header)
    file.write(memoryview(packed)[_PACKED.size :])
    archive.filelist.append(head)
    archive.NameToInfo[head.filename] = head
    archive.start_dir += len(header) + head.compress_size
    archive._didModify = True  # type: ignore[attr-defined]  # noqa: SLF001


def _head(name: str, mode: int) -> zipfile.ZipInfo:
    head = zipfile.ZipInfo(name, _DATE)
    head.create_system = _UNIX
    head.external_attr = mode << 16 | (_MSDOS_FOLDER if stat.S_ISDIR(mode) else 0)
    head.compress_type = zipfile.ZIP_STORED if stat.S_ISDIR(mode) else zipfile.ZIP_DEFLATED
    return head
