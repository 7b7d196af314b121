"""The README's table: the figures that matter most, of one interpreter, in four columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import FLOOR, OURS, THEIRS, THEIRS_UNPOOLED
from benchmarks.estimates import median
from benchmarks.figures import figures, shown
from benchmarks.tables import interval, line, provenance, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

# A scenario's figure, and how the README calls it.
CHOSEN: Final = {
    ("init", "spawn to next"): "start: spawn to first `next`",
    ("warm", "round trip, 200 B"): "warm round trip, 200 B event",
    ("warm", "CPU time, 200 B"): "CPU time for it",
    ("warm", "round trip, 5 MB"): "warm round trip, 5 MB of mixed JSON",
    ("memory", "resident at first next"): "resident memory at first `next`",
    ("memory", "resident after 100,000 invocations"): "resident after 100,000 invocations",
    ("footprint", "modules imported"): "modules imported before first `next`",
    ("footprint", "system calls"): "system calls before first `next`",
}
OVERHEAD: Final = "of it beyond the bare interpreter"
HEAD: Final = ("", "snapboot", "awslambdaric", "ratio (95 % interval)")


def summary(recordings: Sequence[Recording]) -> str:
    """Return the table of the newest interpreter among the recordings."""
    newest = [one for one in recordings if one.version == recordings[0].version]
    found = {(one.scenario, figure.name): figure for one in newest for figure in figures(one)}
    rows: list[tuple[str, ...]] = [HEAD, ("---", "---:", "---:", "---:")]
    for chosen, title in CHOSEN.items():
        if chosen in found:
            rows.append(_row(title, found[chosen]))
        if chosen == ("init", "spawn to next") and chosen in found:
            rows.append(_overhead(found[chosen]))
    return "".join(map(line, rows))


def outside_aws_images(recordings: Sequence[Recording]) -> str:
    """Return how the smallest event fares against awslambdaric where it makes no thread pools."""
    warm = next(one for one in recordings if one.scenario == "warm")
    ratios = {
        figure.name: interval(figure.ratio(OURS, THEIRS_UNPOOLED))
        for figure in figures(warm)
        if figure.name.endswith("200 B")
    }
    listed = ", ".join(f"{ratio} of its {name}" for name, ratio in ratios.items())
    return (
        "From Python 3.12 on, and only in AWS's own images, awslambdaric makes a thread pool for "
        f"each event. Against it without them: {listed}.\n"
    )


def host(recordings: Sequence[Recording]) -> str:
    """Return the table of our host beside AWS's emulator, and how it was taken."""
    recording = next(one for one in recordings if one.scenario == "host")
    return f"{table(recording)}\n{provenance(recording)}\n"


def _row(title: str, figure: Figure) -> tuple[str, ...]:
    cells = (f"{shown(median(figure.values[name]))} {figure.unit}" for name in (OURS, THEIRS))
    return (title, *(cell.strip() for cell in cells), interval(figure.ratio(OURS, THEIRS)))


def _overhead(figure: Figure) -> tuple[str, ...]:
    floor = median(figure.values[FLOOR])
    cells = (
        f"{shown(median(figure.values[name]) - floor)} {figure.unit}" for name in (OURS, THEIRS)
    )
    return (OVERHEAD, *cells, interval(figure.overhead(OURS, THEIRS, FLOOR)))
