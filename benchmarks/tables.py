"""Markdown tables of recordings: medians, the spread from the 10th to the 90th percentile, ratios.

A ratio is ours over theirs, pair by pair, with its 95 % interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contenders import FLOOR, OURS
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
    cautions = "".join(f"- Warning: {caution}.\n" for caution in recording.cautions)
    return (
        f"### {recording.scenario}, {recording.interpreter['implementation']} "
        f"{recording.version}\n\n{table(recording)}\n{provenance(recording)}\n"
        + (f"\n{cautions}" if cautions else "")
    )


def table(recording: Recording) -> str:
    """Return the recording's table: a row for each figure, a column for each contender."""
    names = [contender["name"] for contender in recording.contenders]
    scenario = SCENARIOS[recording.scenario]
    against = [name for name in scenario.references if {scenario.ours, name} <= set(names)]
    titles = [f"{row['name']} {row['version']}" for row in recording.contenders]
    head = ["", *titles, *(f"{scenario.ours} : {name}" for name in against)]
    rows = []
    for figure in figures(recording):
        rows.append(_row(figure, names, scenario.ours, against))
        if recording.scenario == "init" and FLOOR in figure.values:
            rows.append(_overhead(figure, names, against))
    return "".join(map(line, [head, ["---", *["---:"] * (len(head) - 1)], *rows]))


def _row(figure: Figure, names: Sequence[str], ours: str, against: Sequence[str]) -> list[str]:
    title = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
    cells = [_spread(figure.values[name]) if name in figure.values else NOTHING for name in names]
    ratios = [
        interval(figure.ratio(ours, name))
        if figure.comparable and {ours, name} <= figure.values.keys()
        else NOTHING
        for name in against
    ]
    return [title, *cells, *ratios]


def _overhead(figure: Figure, names: Sequence[str], against: Sequence[str]) -> list[str]:
    floor = median(figure.values[FLOOR])
    cells = [
        NOTHING if name == FLOOR else shown(median(figure.values[name]) - floor) for name in names
    ]
    ratios = [interval(figure.overhead(OURS, name, FLOOR)) for name in against]
    return [f"the same, less the {FLOOR}'s, {figure.unit}", *cells, *ratios]


def provenance(recording: Recording) -> str:
    """Return where and how a recording was taken."""
    machine, interpreter, commit = recording.machine, recording.interpreter, recording.commit
    commit_id = (commit["id"] or "none")[:12]
    cpu = recording.flags["pinned"]
    return (
        f"{machine['processor']}, {machine['cpus']} CPUs, {machine['system']} "
        f"{machine['architecture']}; {interpreter['implementation']} {interpreter['version']}, "
        f"{interpreter['compiler']}; commit {commit_id}{' (modified)' * commit['modified']}; "
        f"{'not pinned' if cpu is None else 'pinned to one CPU'}; {recording.flags['runs']} "
        f"interleaved rounds, {recording.started[:10]}. Every sample: `{recording.file_name}`."
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
