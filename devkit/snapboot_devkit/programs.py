"""Programs on the PATH: all of a name, for the first need not work.

pyenv puts scripts there for every version that it has, which fail for those that are not active.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def named(name: str) -> Iterator[str]:
    """Give the programs that a name or a path stands for, as `shutil.which` finds the first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders if os.path.dirname(name) == "" else folders[:1]:  # noqa: PTH120
        if found := first(name, folder):
            yield found


def first(name: str, path: str) -> str | None:
    """Return a program by its path, or by its name in folders; `shutil` takes long to import."""
    folders = [""] if os.path.dirname(name) else filter(None, path.split(os.pathsep))  # noqa: PTH120
    for folder in folders:
        found = os.path.join(folder, name)  # noqa: PTH118
        if os.access(found, os.X_OK) and not os.path.isdir(found):  # noqa: PTH112
            return found
    return None
