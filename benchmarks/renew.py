"""`python -m benchmarks renew`: record everything again, on each interpreter, from one commit.

Then the tables, the plots, and the blocks of the README and the docs are written. What is recorded
already on this commit, as this would record it, is kept: an interrupted run goes on where it was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import plots, tables
from benchmarks.bench import planned
from benchmarks.figures import figures
from benchmarks.machine import (
    RESULTS,
    ROOT,
    InterpreterError,
    interpreter_at,
    this_commit,
    this_machine,
)
from benchmarks.recording import SUFFIX, RecordingError, load, stem
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from benchmarks.machine import Interpreter
    from benchmarks.recording import Recording

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
DEBIANS: Final = Path("/usr/bin/python3")
OLDEST: Final = (3, 11)
# What of the interpreter is the same in the bare environment that a scenario makes of it.
KEPT_OF_INTERPRETER: Final = ("version", "builder", "compiler", "optimised", "debug")


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
    began = time.monotonic()
    try:
        failed = [
            f"{scenario} on Python {one.version}, {one.builder}'s build"
            for one in _checked(options)
            for scenario in options.scenario or SCENARIOS
            if not _renew(scenario, one, options)
        ]
    except (RenewError, InterpreterError) as error:
        _say(f"error: {error}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        _say("interrupted: what is recorded is kept, and the same command goes on from there")
        return EXIT_INTERRUPTED
    if failed:
        _say(
            f"error: not recorded, see above: {'; '.join(failed)}; all else is kept, and the same "
            "command goes on from there"
        )
        return EXIT_FAILED
    _say(f"all is recorded, {time.monotonic() - began:.0f} s after the start")
    if not (options.scenario or options.python):
        remove_others(options.output)
    return _written(options.output)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


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


def _renew(scenario: str, interpreter: Interpreter, options: Namespace) -> bool:
    """Record a scenario unless that is done; return whether there is a recording."""
    path = options.output / f"{stem(scenario, interpreter.public())}{SUFFIX}"
    try:
        found = load(path)
    except (OSError, RecordingError):
        found = None
    if not options.again and found and _as_it_would_be(found, interpreter, options):
        _say(f"kept: {_described(found)}")
        return True
    began = time.monotonic()
    if recorded := _record(scenario, interpreter, options):
        _say(f"recorded: {_described(load(path))}; {time.monotonic() - began:.0f} s in all")
    return recorded


def _as_it_would_be(found: Recording, interpreter: Interpreter, options: Namespace) -> bool:
    """Tell whether a recording is of this commit, machine and interpreter, and as long."""
    plan = planned(quick=options.quick, runs=options.runs)
    public = interpreter.public()
    return (
        found.commit == asdict(this_commit())
        and not found.commit["modified"]
        and found.machine == asdict(this_machine())
        and all(found.interpreter.get(name) == public[name] for name in KEPT_OF_INTERPRETER)
        and {**found.flags, "pinned": None}
        == {**asdict(plan), "quick": options.quick, "pinned": None}
    )


def _described(found: Recording) -> str:
    return f"{found.file_name}, {tables.rounds(*figures(found))} rounds, {found.seconds or 0:.0f} s"


def _record(scenario: str, interpreter: Interpreter, options: Namespace) -> bool:
    """Record in a process of its own, so that none inherits what another has left in memory."""
    command = [sys.executable, "-m", "benchmarks", scenario, "--python", str(interpreter.path)]
    command += ["--output", str(options.output.absolute()), "--no-tables"]
    command += ["--quick"] * options.quick
    if options.runs is not None:
        command += ["--runs", str(options.runs)]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if done.returncode == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    return not done.returncode


def remove_others(folder: Path) -> None:
    """Remove the recordings of earlier commits: all that is published is of one."""
    for path, found in _recordings(folder):
        if found.commit["id"] != this_commit().id:
            _say(f"removed: {path.name}, of commit {(found.commit['id'] or 'none')[:12]}")
            for plot in plots.of(found, folder):
                plot.unlink()
            path.unlink()


def _recordings(folder: Path) -> Iterator[tuple[Path, Recording]]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield path, load(path)
        except RecordingError as error:
            _say(f"left alone: {error}")


def _written(folder: Path) -> int:
    """Write the tables and plots, and what the docs take from them; return the exit status."""
    render = [sys.executable, "-m", "benchmarks", "render", "--output", str(folder.absolute())]
    commands = [render]
    if folder.resolve() == ROOT / RESULTS:
        commands.append([sys.executable, str(ROOT / ".ci/readme.py")])
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        if done.returncode:
            return done.returncode
    return 0


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
    parser.add_argument(
        "--again", action="store_true", help="record again what is there of this commit, too"
    )
    parser.add_argument(
        "--runs", type=int, help="rounds of each scenario, and not fewer where they suffice"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it works")
    parser.add_argument(
        "--modified", action="store_true", help="record although files differ from the commit"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / RESULTS, help="the folder of recordings"
    )
    return parser
