"""Warnings about the figures, each with the flag that would help."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks.estimates import median, outliers
from benchmarks.figures import figures
from benchmarks.samples import FootprintSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figures import Figure
    from benchmarks.machine import Interpreter
    from benchmarks.recording import Recording

TIMED = {"init", "warm", "host", "image", "function_init", "web"}
ENOUGH_RUNS = 20
# One process in two at work besides ours is already seen in the tails.
BUSY_LOAD_PER_CPU = 0.5
OUTLIER_SHARE = 0.05
SLOW_START = 1.5
# What a sample may lack, and what would bring it.
UNTOLD = (
    ("cpu_ns", "run on Linux, which has a clock for each process"),
    ("resident_bytes", "run on Linux, which has /proc/<pid>/smaps_rollup"),
    ("system_calls", "install strace"),
)


def of_machine(interpreter: Interpreter, pinned: int | None) -> Iterator[str]:
    """Warn of what disturbs the samples to come."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    if load > BUSY_LOAD_PER_CPU:
        yield (
            f"the machine is busy (load {load:.2f} per CPU): run again when it is quiet, or with "
            "more --runs"
        )
    if pinned is None:
        yield (
            "server and contender may run on different CPUs, whose wake-ups drown a warm "
            "invocation: pin them with --cpu auto"
        )
    yield from _of_interpreter(interpreter)


def _of_interpreter(interpreter: Interpreter) -> Iterator[str]:
    if interpreter.debug or not interpreter.optimised:
        yield (
            "the interpreter is a debug build or was built without --enable-optimizations: "
            "compare with the one that ships, named with --python"
        )
    if interpreter.pth_files:
        yield (
            f"the interpreter's site-packages has {', '.join(interpreter.pth_files)}, which every "
            "start reads and may run: name an interpreter without any with --python"
        )


def of_samples(recording: Recording) -> Iterator[str]:
    """Warn of what the samples themselves show."""
    yield from _compiled(recording)
    yield from _untold(recording)
    if recording.scenario in TIMED:
        if (runs := recording.flags["runs"]) < ENOUGH_RUNS:
            yield f"only {runs!r} rounds, too few to rank by; give more --runs"
            return
        for figure in figures(recording):
            yield from _of_figure(figure)


def _of_figure(figure: Figure) -> Iterator[str]:
    for contender, values in figure.values.items():
        what = f"{figure.name} of {contender}"
        if (far := outliers(values)) > OUTLIER_SHARE * len(values):
            yield (
                f"{what}: {far} of {len(values)} samples are outliers; something else runs on "
                "this machine: choose a quieter CPU with --cpu, or give more --runs"
            )
        if values[0] > SLOW_START * median(values):
            yield f"{what}: the first round was slower than the rest; give more --warmup"


def _untold(recording: Recording) -> Iterator[str]:
    """Name what this system could not tell, so that nobody takes a gap for a nought."""
    for attribute, remedy in UNTOLD:
        if any(getattr(sample, attribute, "") is None for sample in recording.samples):
            yield f"{attribute} could not be measured here: {remedy}"


def _compiled(recording: Recording) -> Iterator[str]:
    rows = [sample for sample in recording.samples if isinstance(sample, FootprintSample)]
    for contender, group in groupby(sorted(rows, key=_contender), key=_contender):
        if count := max(sample.compiled_at_start for sample in group):
            yield (
                f"{contender} compiles {count} modules at each start; write their bytecode with "
                "`python -m compileall` on the standard library of --python"
            )


def _contender(sample: FootprintSample) -> str:
    return sample.contender
