"""Bytecode that is true: compiled ahead, and proven to be what a contender loads.

A contender that compiles its modules at every start, because the bytecode is missing or stale,
would be measured by its compiler.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from benchmarks.pinning import unpinned

if TYPE_CHECKING:
    from pathlib import Path

COMPILE_DEADLINE_S = 300
# The header after its magic number (PEP 552): compare with the source, made at 0 and of no size.
OF_ANOTHER_TIME = bytes(12)
# What -v (PYTHONVERBOSE) writes as a module's code is loaded: from its bytecode, or compiled.
LOADED = "# code object from "
IMPORTED = "import '"


def compile_folder(python: Path, folder: Path, *, mode: str = "unchecked-hash") -> None:
    """Write bytecode for all below `folder`, such as is never compared with its source.

    Nothing is measured meanwhile, and every CPU may help.
    """
    with unpinned():
        subprocess.run(
            [python, "-m", "compileall", "-q", "-f", "-j0", "--invalidation-mode", mode, folder],
            check=True,
            timeout=COMPILE_DEADLINE_S,
        )


def make_stale(folder: Path) -> None:
    """Make all bytecode below `folder` what it is beside sources whose times were set again.

    Packagers do that, for archives that come out the same, and leave the bytecode in.
    """
    for path in folder.rglob("*.pyc"):
        content = path.read_bytes()
        path.write_bytes(content[:4] + OF_ANOTHER_TIME + content[16:])


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
