"""A folder as a zip file whose bytes depend on nothing but names, contents and run bits."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.store import NOTHING, Store, digest

if TYPE_CHECKING:
    from collections.abc import Iterator
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
_MAX_KEPT_BYTES: Final = 64 * 1024 * 1024
_PACKED: Final = struct.Struct("<IQ")


def write(folder: Path, target: Path, store: Store = NOTHING) -> None:
    """Write all of a folder; links stay links. What was compressed before is in the store.

    Raises OSError.
    """
    entries = sorted(_entries(os.fspath(folder), ""))
    keys = {path: _key(path) for _, path, mode in entries if stat.S_ISREG(mode)}
    kept = store.find(keys.values())
    fresh = {key: path for path, key in keys.items() if key not in kept}
    with ThreadPoolExecutor(_THREADS) as pool:
        made = dict(zip(fresh, pool.map(_packed, fresh.values()), strict=True))
    store.keep({key: body for key, body in made.items() if len(body) <= _MAX_KEPT_BYTES}, kept)
    kept |= made
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, path, mode in entries:
            if path in keys:
                _add_file(archive, name, mode, kept[keys[path]])
            elif stat.S_ISLNK(mode):
                archive.writestr(_head(name, _LINK), os.readlink(path))  # noqa: PTH115 - as it is
            else:
                archive.writestr(_head(f"{name}/", _FOLDER), b"")


def _key(path: str) -> bytes:
    return digest(b"deflate", bytes([_LEVEL]), zlib.ZLIB_RUNTIME_VERSION.encode(), _content(path))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - of thousands, a Path each would be slow
        return file.read()


def _packed(path: str) -> bytes:
    """Return a file's check sum, its size and its content as `zipfile` would have compressed it."""
    content = _content(path)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    head = _PACKED.pack(zlib.crc32(content), len(content))
    return head + packer.compress(content) + packer.flush()


def _entries(folder: str, prefix: str) -> Iterator[tuple[str, str, int]]:
    """Yield the names, paths and modes of all that is below a folder."""
    with os.scandir(folder) as found:
        for entry in found:
            name = f"{prefix}{entry.name}"
            yield name, entry.path, entry.stat(follow_symlinks=False).st_mode
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path, f"{name}/")


def _add_file(archive: zipfile.ZipFile, name: str, mode: int, packed: bytes) -> None:
    """Add an entry whose content is compressed, as `ZipFile.open` does in the end."""
    head = _head(name, _PROGRAM if mode & stat.S_IXUSR else _FILE)
    head.CRC, head.file_size = _PACKED.unpack_from(packed)
    head.compress_size = len(packed) - _PACKED.size
    file = archive.fp
    assert file is not None
    head.header_offset = file.tell()
    file.write(head.FileHeader(zip64=False))
    file.write(memoryview(packed)[_PACKED.size :])
    archive.filelist.append(head)
    archive.NameToInfo[head.filename] = head
    archive.start_dir = file.tell()
    archive._didModify = True  # type: ignore[attr-defined]  # noqa: SLF001


def _head(name: str, mode: int) -> zipfile.ZipInfo:
    head = zipfile.ZipInfo(name, _DATE)
    head.create_system = _UNIX
    head.external_attr = mode << 16 | (_MSDOS_FOLDER if stat.S_ISDIR(mode) else 0)
    head.compress_type = zipfile.ZIP_STORED if stat.S_ISDIR(mode) else zipfile.ZIP_DEFLATED
    return head
