"""Warnings about the figures, each with the flag that would help."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import psutil

from benchmarks.contenders import title
from benchmarks.estimates import median, outliers
from benchmarks.figures import figures
from benchmarks.samples import FootprintSample
from benchmarks.steadiness import flaw

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from benchmarks.machine import Interpreter
    from benchmarks.recording import Recording

TIMED = {
    *("init", "warm", "host", "image", "function_init", "managed_init", "libraries", "web"),
    *("stream", "async", "restore"),
}
ENOUGH_RUNS = 20
# Half a CPU of two at work besides ours is already seen in the tails. The load average would count
# what an earlier recording has done.
BUSY_PERCENT = 25
LOOK_S = 0.5
OUTLIER_SHARE = 0.05
SLOW_START = 1.5
# What a sample may lack, and what would bring it.
UNTOLD = (
    ("cpu_ns", "run on Linux, which has a clock for each process"),
    ("resident_bytes", "run on Linux, which has /proc/<pid>/smaps_rollup"),
    ("system_calls", "install strace"),
    ("init_instructions", "install valgrind"),
)


def of_machine(interpreter: Interpreter, pinned: int | None) -> Iterator[str]:
    """Warn of what disturbs the samples to come."""
    busy = psutil.cpu_percent(LOOK_S)
    if busy > BUSY_PERCENT:
        yield (
            f"the machine is busy ({busy:.0f} % of its CPUs, before this begins): run again when "
            "it is quiet, or with more --runs"
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


def of(recording: Recording) -> list[str]:
    """Return every warning: those written into the recording, and what its samples show."""
    return list(
        dict.fromkeys((*_of_commit(recording), *recording.warnings, *of_samples(recording)))
    )


def _of_commit(recording: Recording) -> Iterator[str]:
    if recording.commit["modified"]:
        yield (
            "files differed from the commit (modified): what was measured is in no commit; record "
            "again from a clean checkout, with `python -m benchmarks renew`"
        )


def of_samples(recording: Recording) -> Iterator[str]:
    """Warn of what the samples themselves show."""
    yield from _compiled(recording)
    yield from _untold(recording)
    if recording.scenario in TIMED:
        series = {
            f"{figure.name} of {title(contender)}": values
            for figure in figures(recording)
            for contender, values in figure.values.items()
            if figure.comparable
        }
        yield from _of_series(series)


def _of_series(series: dict[str, list[float]]) -> Iterator[str]:
    """Warn once of each kind, and name the worst: a warning for each row would not be read."""
    few = {what: len(values) for what, values in series.items() if len(values) < ENOUGH_RUNS}
    if few:
        what = min(few, key=few.__getitem__)
        yield (
            f"{_share(few, series)} fewer than {ENOUGH_RUNS} samples, {what} has {few[what]}: too "
            "few to rank by; give more --runs"
        )
    flaws = {what: found for what, values in series.items() if (found := flaw(values))}
    if flaws:
        what, found = next(iter(flaws.items()))
        yield (
            f"{_share(flaws, series)} no one median, their samples drift or fall into two groups, "
            f"{what} the first of them ({found}): only ratios of pairs are shown; measure again on "
            "a quiet machine"
        )
    far = {
        what: outside
        for what, values in series.items()
        if (outside := outliers(values)) > OUTLIER_SHARE * len(values)
    }
    if far:
        what = max(far, key=far.__getitem__)
        yield (
            f"{_share(far, series)} outliers, {what} has {far[what]} of {len(series[what])}: "
            "something else runs on this machine; choose a quieter CPU with --cpu, or give more "
            "--runs"
        )
    slow = [what for what, values in series.items() if values[0] > SLOW_START * median(values)]
    if slow:
        yield (
            f"{_share(slow, series)} a first round slower than the rest, {slow[0]} the first of "
            "them; give more --warmup"
        )


def _share(found: Collection[str], series: Collection[str]) -> str:
    return f"{len(found)} of {len(series)} series {'has' if len(found) == 1 else 'have'}"


def _untold(recording: Recording) -> Iterator[str]:
    """Name what this system could not measure, so that no gap is taken for a zero."""
    for attribute, remedy in UNTOLD:
        if any(getattr(sample, attribute, "") is None for sample in recording.samples):
            yield f"{attribute} could not be measured here: {remedy}"


def _compiled(recording: Recording) -> Iterator[str]:
    rows = [sample for sample in recording.samples if isinstance(sample, FootprintSample)]
    for contender, group in groupby(sorted(rows, key=_contender), key=_contender):
        if count := max(sample.compiled_at_start for sample in group):
            yield (
                f"{title(contender)} compiles {count} modules at each start; write their bytecode "
                "with `python -m compileall` on the standard library of --python"
            )


def _contender(sample: FootprintSample) -> str:
    return sample.contender
