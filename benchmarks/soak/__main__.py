"""`python -m benchmarks soak`: soak the host, and record what came of it."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import interpreter_at, this_commit, this_machine
from benchmarks.soak.course import Plan, soak
from benchmarks.soak.summary import summary

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from benchmarks.soak.course import Outcome

RESULTS = Path("benchmarks/results/soak")
EXIT_NOT_CLEAN = 1


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    outcome = soak(
        Plan(
            options.invocations,
            options.seed,
            options.stretch,
            options.timeout,
            python=options.python,
        )
    )
    document = _save(outcome, started, options)
    sys.stdout.write(f"{summary(document)}\n")
    for fault in outcome.faults:
        sys.stderr.write(f"fault: {fault}\n")
    return 0 if outcome.clean else EXIT_NOT_CLEAN


def _save(outcome: Outcome, started: str, options: Namespace) -> dict[str, object]:
    interpreter = interpreter_at(Path(options.python))
    # No path of this machine is recorded.
    document = replace(outcome, plan=replace(outcome.plan, python=None)).document()
    document = {
        "started": started,
        "machine": asdict(this_machine()),
        "interpreter": interpreter.public(),
        "commit": asdict(this_commit()),
        **document,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"soak-{interpreter.version}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return document


def _program(given: str) -> str:
    """Return the whole path of a program: the function and its extension start it elsewhere."""
    found = shutil.which(given)
    if found is None:
        msg = f"there is no program {given!r}; give the path of an interpreter"
        raise ArgumentTypeError(msg)
    return str(Path(found).absolute())  # and not what a virtual environment's link leads to


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m benchmarks soak",
        description=__doc__,
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    plan = Plan()
    parser.add_argument("--invocations", type=int, default=plan.invocations, help="how many")
    parser.add_argument("--seed", type=int, default=plan.seed, help="of the mix")
    parser.add_argument(
        "--stretch", type=int, default=plan.stretch, help="multiplies the share of misfortunes"
    )
    parser.add_argument(
        "--timeout", type=float, default=plan.timeout_s, help="the function's, in seconds"
    )
    parser.add_argument(
        "--python",
        type=_program,
        default=sys.executable,
        help="the interpreter that runs the function",
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="the folder of what is recorded"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
