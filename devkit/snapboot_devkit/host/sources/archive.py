"""A zip file as Lambda takes it, unpacked without trust in anything it says about itself."""

from __future__ import annotations

import stat
import zipfile
import zlib
from typing import TYPE_CHECKING, Final, cast

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.sources.budget import MAX_UNPACKED_BYTES

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from snapboot_devkit.host.sources.tree import Tree

_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The longest path that Linux takes.
_MAX_TARGET_BYTES: Final = 4096
# What `zipfile` and `zlib` raise for content that is not what the directory promised.
_DAMAGES: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError)


def unpack(archive: Path, tree: Tree) -> None:
    """Unpack a zip file. Raises SourceError."""
    try:
        if archive.stat().st_size > MAX_UNPACKED_BYTES:
            raise SourceError(
                f"{str(archive)!r} alone is larger than the {MAX_UNPACKED_BYTES} bytes that code "
                "and layers may take unpacked; leave out what the function does not need"
            )
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                _add(opened, entry, tree)
    except _DAMAGES as exc:
        raise SourceError(
            f"cannot read {str(archive)!r} as a zip file: {exc}; pack it again"
        ) from exc
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(archive)!r}: {exc.strerror or exc}; give a zip that can be read"
        ) from exc
    tree.check()


def _add(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, tree: Tree) -> None:
    _check(entry, tree)
    mode = entry.external_attr >> 16 if entry.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if entry.is_dir() or kind == stat.S_IFDIR:
        # "./" stands for the root itself, which is there.
        if entry.filename.strip("./"):
            tree.add_folder(entry.filename, mode)
        return
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        raise tree.refusal(entry.filename, "it is a device or a pipe; pack it without")
    try:
        with archive.open(entry) as content:
            if kind == stat.S_IFLNK:
                tree.add_link(entry.filename, content.read(_MAX_TARGET_BYTES).decode())
            else:
                tree.add_file(entry.filename, cast("BinaryIO", content), mode)
    except _DAMAGES as exc:
        raise tree.refusal(entry.filename, f"it is damaged ({exc}); pack it again") from exc


def _check(entry: zipfile.ZipInfo, tree: Tree) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise tree.refusal(entry.filename, "it is encrypted; pack it without a password")
    if entry.compress_type not in _COMPRESSIONS:
        raise tree.refusal(
            entry.filename,
            f"Lambda does not know its compression method {entry.compress_type}; use deflate",
        )
