"""awslambdaric, Amazon's own Python runtime client, as the oracle for behaviour."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from oracles import cache

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = "4.2.2"

_ASK_ABI: Final = (
    "import sys, sysconfig;"
    "print(sys.implementation.cache_tag + getattr(sys, 'abiflags', ''), sysconfig.get_platform(),"
    " sep='-')"
)


def folder(python: str = sys.executable) -> Path:
    """Return the folder that serves as PYTHONPATH for `command(python)`; install it at first need.

    Raises OracleUnavailable.
    """
    return cache.entry(f"awslambdaric-{VERSION}-{abi(python)}", functools.partial(_install, python))


def command(python: str = sys.executable) -> list[str]:
    """Return the command that starts it; append the handler, set PYTHONPATH to `folder(python)`."""
    return [python, "-m", "awslambdaric"]


@functools.cache
def abi(python: str) -> str:
    """Return what an interpreter's extension modules are named by. Raises OracleUnavailable."""
    try:
        answer = subprocess.run(
            [python, "-c", _ASK_ABI], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError) as exc:
        message = f"cannot ask {python!r} for its ABI: {exc}. Name a working Python interpreter"
        raise cache.OracleUnavailable(message) from exc
    return answer.stdout.strip()


def _install(python: str, target: Path) -> None:
    requirement = f"awslambdaric=={VERSION}"
    cache.pip(python, ["install", "--prefer-binary", "--target", str(target), requirement])
