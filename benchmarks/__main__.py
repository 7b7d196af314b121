"""`python -m benchmarks`: measure, record every sample, and render what was recorded."""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError, Namespace
from contextlib import chdir
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import compare, contenders, enough, plots, tables, warn
from benchmarks.bench import FULL, QUICK, Bench, Plan, never, planned
from benchmarks.endpoints import ContenderError
from benchmarks.machine import (
    RESULTS,
    InterpreterError,
    bare,
    interpreter_at,
    this_commit,
    this_machine,
)
from benchmarks.pinning import CPUChoice, PinningError, pin
from benchmarks.progress import Progress
from benchmarks.recording import Recording, RecordingError, load_all
from benchmarks.scenarios import SCENARIOS
from oracles import OracleUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.machine import Interpreter

ALL = "all"
RENDER = "render"
# Has options of its own, and asserts.
SOAK = "soak"
# Has options of its own, and a gate.
COMPARE = "compare"
# Has options of its own, and measures everything.
RENEW = "renew"
TABLES_FILE = "tables.md"

# Each says what was tried and what to do; a traceback would add nothing.
EXPECTED = (ContenderError, InterpreterError, OracleUnavailable, PinningError, RecordingError)
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Do what the command line asks; return the exit code."""
    if arguments[:1] == [SOAK]:
        from benchmarks.soak.__main__ import main as soak  # noqa: PLC0415 - it needs the host

        return soak(arguments[1:])
    if arguments[:1] == [COMPARE]:
        return compare.main(arguments[1:])
    if arguments[:1] == [RENEW]:
        from benchmarks import renew  # noqa: PLC0415 - it runs this

        return renew.main(arguments[1:])
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        if options.what != RENDER:
            _measure(options)
        if options.tables:
            sys.stdout.write(_render(options.output))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except EXPECTED as error:
        notes = getattr(error, "__notes__", ())
        sys.stderr.write("\n".join((f"error: {error}", *notes)) + "\n")
        return EXIT_FAILED
    return 0


def _measure(options: Namespace) -> None:
    output = options.output.resolve()
    asked = {name: getattr(options, name) for name in ("runs", "warmup", "invocations", "seed")}
    plan = planned(quick=options.quick, **asked)
    named = interpreter_at(Path(options.python).absolute())
    pinned = pin(options.cpu)
    flags = {**asdict(plan), "quick": options.quick, "pinned": pinned}
    with tempfile.TemporaryDirectory(prefix="snapboot-benchmarks-") as folder:
        interpreter = bare(named, Path(folder) / "python")
        warnings = list(warn.of_machine(interpreter, pinned))
        bench = _bench(plan, interpreter, Path(folder), options.contenders)
        with chdir(bench.task_root):
            for scenario in SCENARIOS if options.what == ALL else (options.what,):
                recording = _recording(scenario, bench, flags, warnings)
                # Who names a number of rounds gets it.
                known = never if options.runs else partial(enough.known, recording)
                _record(recording, replace(bench, known=known), output)


def _bench(plan: Plan, interpreter: Interpreter, folder: Path, names: Sequence[str]) -> Bench:
    task_root = contenders.stage_functions(interpreter, folder)
    staged = contenders.stage(interpreter, folder, names)
    return Bench(plan, interpreter, staged, task_root, scratch=folder)


def _recording(
    scenario: str, bench: Bench, flags: dict[str, object], warnings: list[str]
) -> Recording:
    return Recording(
        scenario=scenario,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=asdict(this_machine()),
        interpreter=bench.interpreter.public(),
        commit=asdict(this_commit()),
        flags=flags,
        contenders=[
            {"name": entry.name, "version": entry.version, "command": entry.shown}
            for entry in SCENARIOS[scenario].entrants(bench)
        ],
        warnings=warnings.copy(),
    )


def _record(recording: Recording, bench: Bench, output: Path) -> None:
    """Measure round after round, and save after each.

    The collector waits: a collection in this process would fall into a contender's time.
    """
    scenario = SCENARIOS[recording.scenario]
    began = time.monotonic()
    with Progress(recording.scenario, scenario.rounds(bench)) as progress:
        gc.disable()
        for samples in scenario.measure(bench):
            recording.samples += samples
            recording.save_unfinished(output)
            gc.collect()
            progress.advance()
        gc.enable()
    recording.seconds = round(time.monotonic() - began, 1)
    path = recording.save(output)
    for warning in warn.of(recording):
        sys.stderr.write(f"warning: {recording.scenario}: {warning}\n")
    sys.stderr.write(
        f"{len(recording.samples)} samples in {path}, taken in {recording.seconds:.0f} s\n"
    )


def _render(folder: Path) -> str:
    recordings = load_all(folder)
    plots.write_all(recordings, folder)
    text = tables.render(recordings)
    (folder / TABLES_FILE).write_text(text, encoding="utf-8")
    return text


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="`python -m benchmarks compare --help` says how two recordings are compared, "
        "`python -m benchmarks renew --help` how all are recorded again, and "
        "`python -m benchmarks soak --help` of the host's soak.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=(*SCENARIOS, ALL, RENDER),
        default=ALL,
        help="a scenario, all of them, or only the tables and plots of what was recorded",
    )
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter that runs every contender"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(RESULTS),
        help="the folder of recordings, tables and plots",
    )
    parser.add_argument(
        "--contenders",
        type=_contender_names,
        default=",".join(contenders.LAYOUTS),
        help="whom to measure, by name, with commas between",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, to see that it works; no figures to keep"
    )
    parser.add_argument(
        "--no-tables",
        dest="tables",
        action="store_false",
        help="leave the tables and plots as they are",
    )
    parser.add_argument(
        "--cpu", type=_cpu, default="auto", help="the CPU to pin to: a number, auto or none"
    )
    for name, meaning in (
        ("runs", "rounds of each scenario, and not fewer where the ratios are known before"),
        ("warmup", "rounds before the first that is recorded"),
        ("invocations", "invocations in the memory scenario's long runs"),
    ):
        parser.add_argument(
            f"--{name}",
            type=_count,
            help=f"{meaning} (default: {getattr(FULL, name)}, quick {getattr(QUICK, name)})",
        )
    parser.add_argument("--seed", type=int, help="of the order of the contenders")
    return parser


def _contender_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(contenders.LAYOUTS):
        msg = f"unknown {sorted(unknown)!r}; choose among {list(contenders.LAYOUTS)!r}"
        raise ArgumentTypeError(msg)
    return names


def _cpu(text: str) -> CPUChoice:
    match text:
        case "auto" | "none":
            return text
        case _ if text.isdigit():
            return int(text)
        case _:
            msg = f"not a CPU: {text!r}; give its number, auto or none"
            raise ArgumentTypeError(msg)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        msg = f"not a count: {text!r}; give a whole number from 1 on"
        raise ArgumentTypeError(msg)
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
