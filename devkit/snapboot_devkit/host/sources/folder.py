"""A folder as a layer, copied into the layer root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.host.errors import SourceError

if TYPE_CHECKING:
    from snapboot_devkit.host.sources.tree import Tree


def copy(folder: Path, tree: Tree) -> None:
    """Copy all of a folder, modes included. Raises SourceError."""
    _copy(folder, "", tree)
    tree.check()


def _copy(folder: Path, prefix: str, tree: Tree) -> None:
    for found in _listing(folder):
        entry = f"{prefix}{found.name}"
        if found.is_symlink():
            tree.add_link(entry, os.readlink(found))  # noqa: PTH115 - keeps a slash at its end
        elif found.is_dir():
            tree.add_folder(entry, found.stat().st_mode)
            _copy(Path(found.path), f"{entry}/", tree)
        elif found.is_file():
            with Path(found.path).open("rb") as content:
                tree.add_file(entry, content, found.stat().st_mode)
        else:
            raise tree.refusal(entry, "it is a device, a pipe or a socket; remove it")


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as exc:
        raise SourceError(f"cannot read {str(folder)!r}: {exc.strerror or exc}") from exc
