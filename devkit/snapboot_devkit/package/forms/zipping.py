"""A folder as a zip file whose bytes depend on nothing but names, contents and run bits."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# The oldest that a zip can tell.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FOLDER: Final = stat.S_IFDIR | 0o755
_PROGRAM: Final = stat.S_IFREG | 0o755
_FILE: Final = stat.S_IFREG | 0o644
_LINK: Final = stat.S_IFLNK | 0o777
_MSDOS_FOLDER: Final = 0x10
_UNIX: Final = 3
_LEVEL: Final = 6
_PIECE_BYTES: Final = 1024 * 1024


def write(folder: Path, target: Path) -> None:
    """Write all of a folder; links stay links. Raises OSError."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, path in _entries(folder):
            _add(archive, name, path)


def _entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and paths in the order of the names, whatever the file system's is."""
    found = []
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(parent, name)
            found.append((path.relative_to(folder).as_posix(), path))
    yield from sorted(found)


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    if path.is_symlink():
        archive.writestr(_head(name, _LINK), os.readlink(path))  # noqa: PTH115 - as it is
    elif path.is_dir():
        archive.writestr(_head(f"{name}/", _FOLDER), b"")
    else:
        _add_file(archive, name, path)


def _add_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    status = path.stat()
    head = _head(name, _PROGRAM if status.st_mode & stat.S_IXUSR else _FILE)
    head.file_size = status.st_size  # else a large file would need another form of entry
    with path.open("rb") as source, archive.open(head, "w") as target:
        while piece := source.read(_PIECE_BYTES):
            target.write(piece)


def _head(name: str, mode: int) -> zipfile.ZipInfo:
    head = zipfile.ZipInfo(name, _DATE)
    head.create_system = _UNIX
    head.external_attr = mode << 16 | (_MSDOS_FOLDER if stat.S_ISDIR(mode) else 0)
    head.compress_type = zipfile.ZIP_STORED if stat.S_ISDIR(mode) else zipfile.ZIP_DEFLATED
    return head
