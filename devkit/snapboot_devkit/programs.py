"""Programs on the PATH: all of a name, for the first need not work.

pyenv puts scripts there for every version that it has, which fail for those that are not active.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def named(name: str) -> Iterator[str]:
    """Give the programs that a name or a path stands for, as `shutil.which` finds the first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders if os.path.dirname(name) == "" else folders[:1]:  # noqa: PTH120
        if found := shutil.which(name, path=folder):
            yield found
