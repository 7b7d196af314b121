"""A folder as a layer, copied into the layer root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.host.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from snapboot_devkit.host.sources.tree import Tree

    # Tells of an entry, named relative to the folder with slashes, whether it is taken.
    Selection = Callable[[str, os.DirEntry[str]], bool]


def _everything(entry: str, found: os.DirEntry[str]) -> bool:
    del entry, found
    return True


def copy(folder: Path, tree: Tree, takes: Selection = _everything) -> None:
    """Copy a folder, modes included: what is taken of it. Raises SourceError."""
    _copy(folder, "", tree, takes)
    tree.check()


def _copy(folder: Path, prefix: str, tree: Tree, takes: Selection) -> None:
    for found in _listing(folder):
        entry = f"{prefix}{found.name}"
        if not takes(entry, found):
            continue
        if found.is_symlink():
            tree.add_link(entry, os.readlink(found))  # noqa: PTH115 - keeps a slash at its end
        elif found.is_dir():
            tree.add_folder(entry, found.stat().st_mode)
            _copy(Path(found.path), f"{entry}/", tree, takes)
        elif found.is_file():
            with _opened(Path(found.path)) as content:
                tree.add_file(entry, content, found.stat().st_mode)
        else:
            raise tree.refusal(entry, "it is a device, a pipe or a socket; remove it")


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(file)!r}: {exc.strerror or exc}; make it readable, or remove it"
        ) from exc


def _listing(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as exc:
        raise SourceError(
            f"cannot read {str(folder)!r}: {exc.strerror or exc}; give a folder that can be read"
        ) from exc
