"""The AWS CLI, version 1, as a client that users have; in a folder of its own.

It brings botocore along, which must not meet the one of the project's environment.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from oracles import cache

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = "1.46.3"
# With PYTHONPATH set to `folder()`.
COMMAND: Final = (sys.executable, "-m", "awscli")


def folder() -> Path:
    """Return the folder that serves as PYTHONPATH for `COMMAND`; install it at first need.

    Raises OracleUnavailable.
    """
    return cache.entry(f"awscli-{VERSION}-{sys.implementation.cache_tag}", _install)


def _install(target: Path) -> None:
    cache.pip(sys.executable, ["install", "--target", str(target), f"awscli=={VERSION}"])
