"""What is in /var/runtime of AWS's managed Python runtimes: its client, boto3, their packages."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Final

from oracles import awslambdaric, cache

if TYPE_CHECKING:
    from pathlib import Path

BOTO3: Final = "1.42.0"
PACKAGES: Final = (
    f"awslambdaric=={awslambdaric.VERSION}",
    f"boto3=={BOTO3}",
    "snapshot-restore-py",
)


def folder(python: str = sys.executable) -> Path:
    """Return a folder with the packages for an interpreter, with their bytecode, as pip makes it.

    Raises OracleUnavailable.
    """
    name = f"managed-runtime-{awslambdaric.VERSION}-{BOTO3}-{awslambdaric.abi(python)}"
    return cache.entry(name, functools.partial(_install, python))


def _install(python: str, target: Path) -> None:
    cache.pip(python, ["install", "--prefer-binary", "--target", str(target), *PACKAGES])
