"""`python -m benchmarks renew`: record everything again, on each interpreter, from one commit.

Then the tables, the plots, and the blocks of the README and the docs are written anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.machine import RESULTS, ROOT, InterpreterError, interpreter_at, this_commit
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from benchmarks.machine import Interpreter

EXIT_FAILED: Final = 1
DEBIANS: Final = Path("/usr/bin/python3")
OLDEST: Final = (3, 11)


def interpreters() -> list[Path]:
    """Return pyenv's newest interpreter and the distribution's own, where there are such."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    ours = sorted(root.glob("versions/3.*/bin/python"), key=_version)
    return [*ours[-1:], *([DEBIANS] if DEBIANS.exists() else [])]


def _version(python: Path) -> list[int]:
    name = python.parents[1].name
    return [int(part) for part in name.split(".") if part.isdigit()]


class RenewError(Exception):
    """The recordings cannot be renewed as asked; it says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Renew the recordings as the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        for one in _checked(options):
            sys.stderr.write(f"recording on Python {one.version}, {one.builder}'s build\n")
            for scenario in options.scenario or SCENARIOS:
                _record(scenario, one, options)
    except (RenewError, InterpreterError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    if options.output.resolve() == ROOT / RESULTS:
        return subprocess.run([sys.executable, ROOT / ".ci/readme.py"], check=False).returncode
    return 0


def _checked(options: Namespace) -> list[Interpreter]:
    """Return the interpreters to record on, all of which can be. Raises RenewError."""
    if this_commit().modified and not options.modified:
        raise RenewError(
            "files differ from the commit, so that no one could measure the same again: commit "
            "them first, or give --modified and have each recording say so"
        )
    pythons = options.python or interpreters()
    if not pythons:
        raise RenewError("found no interpreter of pyenv's or the system's; name one with --python")
    found = [interpreter_at(python.absolute()) for python in pythons]
    for one in found:
        if tuple(map(int, one.feature_version.rstrip("t").split("."))) < OLDEST:
            raise RenewError(f"Python {one.version} is too old; name 3.11 or later with --python")
    return found


def _record(scenario: str, interpreter: Interpreter, options: Namespace) -> None:
    """Record in a process of its own, so that none inherits what another has left in memory."""
    command = [sys.executable, "-m", "benchmarks", scenario, "--python", str(interpreter.path)]
    command += ["--output", str(options.output.absolute()), *["--quick"] * options.quick]
    if options.runs is not None:
        command += ["--runs", str(options.runs)]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise RenewError(
            f"{scenario!r} failed on Python {interpreter.version}, see above; what was recorded "
            "before is kept: renew the rest with --scenario"
        )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m benchmarks renew", description=__doc__)
    parser.add_argument(
        "--python",
        type=Path,
        action="append",
        help="an interpreter to record on; may be repeated (default: pyenv's newest and the "
        "system's)",
    )
    parser.add_argument(
        "--scenario",
        choices=tuple(SCENARIOS),
        action="append",
        help="one to record; may be repeated (default: all)",
    )
    parser.add_argument("--runs", type=int, help="rounds of each scenario")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument(
        "--modified", action="store_true", help="record although files differ from the commit"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / RESULTS, help="the folder of recordings"
    )
    return parser
