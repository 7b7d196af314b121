"""Markdown tables of recordings: medians, the spread from the 10th to the 90th percentile, ratios.

A ratio is ours over theirs, pair by pair, with its 95 % interval. Samples that drift or fall into
two groups have no median to show: their cell says so, and the ratio of pairs is what remains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import warn
from benchmarks.contenders import FLOOR, OURS, title
from benchmarks.estimates import median, quantile
from benchmarks.figures import figures, shown
from benchmarks.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.estimates import Estimate
    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

NOTHING = "-"
DASH = "\N{EN DASH}"


def render(recordings: Iterable[Recording]) -> str:
    """Return a Markdown document: each recording's table, where it was taken, its warnings."""
    return "\n".join(_section(recording) for recording in recordings)


def _section(recording: Recording) -> str:
    implementation = recording.interpreter["implementation"]
    return f"### {recording.scenario}, {implementation} {recording.version}\n\n{whole(recording)}"


def whole(recording: Recording) -> str:
    """Return a recording's table, where and how it was taken, and every warning."""
    return f"{table(recording)}\n{sources([recording])}"


def table(recording: Recording) -> str:
    """Return the recording's table: a row for each figure, a column for each contender."""
    names = [contender["name"] for contender in recording.contenders]
    scenario = SCENARIOS[recording.scenario]
    against = [name for name in scenario.references if {scenario.ours, name} <= set(names)]
    titles = [f"{title(row['name'])} {row['version']}" for row in recording.contenders]
    head = ["", *titles, *(f"{scenario.ours} : {title(name)}" for name in against), "rounds"]
    rows = []
    for each in figures(recording):
        figure = each.readable()
        rows.append(_row(figure, names, scenario.ours, against))
        if recording.scenario == "init" and FLOOR in figure.values:
            rows.append(_overhead(figure, names, against))
    return "".join(map(line, [head, ["---", *["---:"] * (len(head) - 1)], *rows]))


def _row(figure: Figure, names: Sequence[str], ours: str, against: Sequence[str]) -> list[str]:
    named = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
    cells = [_cell(figure, name) for name in names]
    return [named, *cells, *(ratio(figure, ours, name) for name in against), rounds(figure)]


def _cell(figure: Figure, name: str) -> str:
    if name not in figure.values:
        return NOTHING
    return figure.flaw(name) or _spread(figure.values[name])


def ratio(figure: Figure, ours: str, other: str) -> str:
    """Return the ratio of pairs with its interval, or why there is none."""
    if not figure.comparable or not {ours, other} <= figure.values.keys():
        return NOTHING
    return figure.flaw_of_ratio(ours, other) or interval(figure.ratio(ours, other))


def _overhead(figure: Figure, names: Sequence[str], against: Sequence[str]) -> list[str]:
    cells = [NOTHING if name == FLOOR else overhead(figure, name) for name in names]
    ratios = [overhead_ratio(figure, name) for name in against]
    named = f"the same, less the {FLOOR}'s, {figure.unit}"
    return [named, *cells, *ratios, rounds(figure)]


def overhead(figure: Figure, name: str) -> str:
    """Return what a contender's median exceeds the bare interpreter's by, or why it is unknown."""
    flaw = figure.flaw(name) or figure.flaw(FLOOR)
    return flaw or shown(median(figure.values[name]) - median(figure.values[FLOOR]))


def overhead_ratio(figure: Figure, other: str) -> str:
    """Return how ours exceeds the bare interpreter as a share of how the other does."""
    flaws = (figure.flaw(name) for name in (OURS, other, FLOOR))
    return next(filter(None, flaws), "") or interval(figure.overhead(OURS, other, FLOOR))


def rounds(*found: Figure) -> str:
    """Return how many samples each contender has in the figures, as they were counted."""
    counted = [len(values) for figure in found for values in figure.values.values()]
    low, high = min(counted, default=0), max(counted, default=0)
    return f"{low}" if low == high else f"{low}{DASH}{high}"


def sources(recordings: Iterable[Recording]) -> str:
    """Return where and how each recording was taken, and every warning, with whose it is."""
    taken = list(recordings)
    warned: dict[str, list[str]] = {}
    for recording in taken:
        for warning in warn.of(recording):
            warned.setdefault(warning, []).append(f"`{recording.file_name}`")
    lines = [provenance(recording) for recording in taken]
    for warning, files in warned.items():
        whose = "" if len(files) == len(taken) else f" of {', '.join(files)}"
        lines.append(f"Warning{whose}: {warning}.")
    return "".join(f"- {each}\n" for each in lines)


def provenance(recording: Recording) -> str:
    """Return where and how a recording was taken; the rounds are counted in the samples."""
    machine, interpreter, commit = recording.machine, recording.interpreter, recording.commit
    commit_id = (commit["id"] or "none")[:12]
    cpu = recording.flags["pinned"]
    built = f"{interpreter['builder']}'s build, " if "builder" in interpreter else ""
    return (
        f"`{recording.file_name}`: {machine['processor']}, {machine['cpus']} CPUs, "
        f"{machine['system']} {machine['architecture']}; {interpreter['implementation']} "
        f"{interpreter['version']}, {built}{interpreter['compiler']}; commit {commit_id}; "
        f"{'not pinned' if cpu is None else 'pinned to one CPU'}; "
        f"{rounds(*figures(recording))} interleaved rounds, {recording.started[:10]}."
    )


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (shown(quantile(values, share)) for share in (0.1, 0.5, 0.9))
    return middle if low == high else f"{middle} ({low}{DASH}{high})"


def interval(estimate: Estimate) -> str:
    """Return a ratio and its 95 % interval."""
    return f"{estimate.value:.2f} ({estimate.low:.2f}{DASH}{estimate.high:.2f})"


def line(cells: Iterable[str]) -> str:
    """Return a line of a Markdown table."""
    return f"| {' | '.join(cells)} |\n"
