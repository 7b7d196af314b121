"""The README's table: the figures that matter most, of one interpreter, in four columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import FLOOR, OURS, THEIRS, THEIRS_UNPOOLED
from benchmarks.estimates import median
from benchmarks.figures import figures, shown
from benchmarks.layouts import SLIM
from benchmarks.packages import STALE
from benchmarks.tables import interval, line, provenance, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

# A scenario's figure, and how the README calls it.
CHOSEN: Final = {
    ("init", "spawn to next"): "start: spawn to first `next`",
    ("init", "spawn to next, one .pth file"): "the same beside one `.pth` file",
    ("warm", "round trip, 200 B"): "warm round trip, 200 B event",
    ("warm", "CPU time, 200 B"): "CPU time for it",
    ("warm", "round trip, 5 MB"): "warm round trip, 5 MB of mixed JSON",
    ("memory", "resident at first next"): "resident memory at first `next`",
    ("memory", "resident after 100,000 invocations"): "resident after 100,000 invocations",
    ("footprint", "modules imported"): "modules imported before first `next`",
    ("footprint", "system calls"): "system calls before first `next`",
}
_CLIENT: Final = "an S3 client of boto3"
BEYOND_NOTHING: Final = "boto3 with a client, less each one's start with nothing"
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


def managed(recordings: Sequence[Recording]) -> str:
    """Return the table of the wrapper beside AWS's managed runtime, and how it was taken."""
    recording = next(one for one in recordings if one.scenario == "managed_init")
    return f"{table(recording)}\n{provenance(recording)}\n"


# A scenario's figure, whom ours is compared with, and how the README calls it.
SHIPPED: Final = (
    ("image", "spawn to next", THEIRS, "nothing, image layout"),
    (
        "image",
        "spawn to next",
        SLIM,
        "nothing, image layout; theirs without the library's bytecode",
    ),
    ("function_init", "import boto3: spawn to next", THEIRS, "`import boto3`"),
    ("function_init", f"{_CLIENT}: spawn to next", THEIRS, "boto3 with a client"),
    ("function_init", f"{_CLIENT}: spawn to next", STALE, "the same; theirs with stale bytecode"),
    (
        "function_init",
        f"{_CLIENT}, page cache cold: spawn to next",
        THEIRS,
        "the same; both with a cold page cache",
    ),
    ("function_init", f"{_CLIENT}: beyond a start with nothing", THEIRS, BEYOND_NOTHING),
    ("function_init", "Powertools: spawn to next", THEIRS, "Powertools"),
    ("function_init", "FastAPI and Mangum: spawn to next", THEIRS, "FastAPI with Mangum"),
    ("function_init", "pandas: spawn to next", THEIRS, "pandas"),
    ("image_files", "files opened", SLIM, "files opened by a start with nothing, image layout"),
    ("image_files", "read", SLIM, "bytes read from them"),
)


def shipping(recordings: Sequence[Recording]) -> str:
    """Return the table of packaged functions and the image, and how it was taken."""
    newest: dict[str, Recording] = {}
    for recording in recordings:
        newest.setdefault(recording.scenario, recording)
    rows: list[tuple[str, ...]] = [HEAD, ("---", "---:", "---:", "---:")]
    for scenario, name, other, title in SHIPPED:
        found = {figure.name: figure for figure in figures(newest[scenario])}
        rows.append(_row(title, found[name], other))
    return f"{''.join(map(line, rows))}\n{provenance(newest['function_init'])}\n"


def _row(title: str, figure: Figure, other: str = THEIRS) -> tuple[str, ...]:
    cells = (f"{shown(median(figure.values[name]))} {figure.unit}" for name in (OURS, other))
    return (title, *(cell.strip() for cell in cells), interval(figure.ratio(OURS, other)))


def _overhead(figure: Figure) -> tuple[str, ...]:
    floor = median(figure.values[FLOOR])
    cells = (
        f"{shown(median(figure.values[name]) - floor)} {figure.unit}" for name in (OURS, THEIRS)
    )
    return (OVERHEAD, *cells, interval(figure.overhead(OURS, THEIRS, FLOOR)))
