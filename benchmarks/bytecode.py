"""Bytecode that is true: compiled ahead, and proven to be what a contender loads.

A contender that compiles its modules at every start, because the bytecode is missing or stale,
would be measured by its compiler.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

COMPILE_DEADLINE_S = 300
# What -v (PYTHONVERBOSE) writes as a module's code is loaded: from its bytecode, or compiled.
LOADED = "# code object from "
IMPORTED = "import '"


def compile_folder(python: Path, folder: Path) -> None:
    """Write bytecode for all below `folder` that is used without looking at the sources' times."""
    subprocess.run(
        [
            *(python, "-m", "compileall", "-q", "-f"),
            *("--invalidation-mode", "unchecked-hash", folder),
        ],
        check=True,
        timeout=COMPILE_DEADLINE_S,
    )


def compiled_at_start(verbose: str) -> tuple[str, ...]:
    """Return the sources that had to be compiled, as the output of a `python -v` run shows."""
    loaded = (
        line.removeprefix(LOADED).strip("'")
        for line in verbose.splitlines()
        if line.startswith(LOADED)
    )
    return tuple(path for path in loaded if not path.endswith(".pyc"))


def imported(verbose: str) -> tuple[str, ...]:
    """Return the names of the modules imported, in order, from the output of a `python -v` run."""
    return tuple(
        line.removeprefix(IMPORTED).partition("'")[0]
        for line in verbose.splitlines()
        if line.startswith(IMPORTED)
    )
