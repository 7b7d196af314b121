"""The tables of the README and the docs: the figures that matter most, each with its sources.

Each table is followed by where, when and how every recording that a row comes from was taken, and
by every warning of these recordings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders import FLOOR, OURS, THEIRS, THEIRS_UNPOOLED, TITLES
from benchmarks.estimates import median
from benchmarks.figures import figures, shown
from benchmarks.layouts import SLIM
from benchmarks.packages import GUIDED, LAZY, STALE, THEIRS_LAZY
from benchmarks.tables import NOTHING, line, overhead, overhead_ratio, ratio, rounds, sources, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    ("counts", "instructions to next"): "instructions before first `next`",
    ("counts", "instructions of a warm invocation"): "instructions of a warm invocation",
}
START: Final = ("init", "spawn to next")
OVERHEAD: Final = "of it beyond the bare interpreter"
_BOTH: Final = (THEIRS, THEIRS_UNPOOLED)
HEAD: Final = (
    *("", OURS, *(TITLES[one] for one in _BOTH)),
    *(*(f"ours : {TITLES[one]}" for one in _BOTH), "rounds"),
)
RULE: Final = ("---", *["---:"] * (len(HEAD) - 1))
NOTE: Final = (
    "Medians; ratios are those of contenders that ran in turn, with their 95 % interval: one that "
    "holds 1 proves no gain. *Drifts* and *two groups* are samples without one median: only the "
    "ratio of pairs is shown."
)


def summary(recordings: Sequence[Recording]) -> str:
    """Return the README's table, of the first interpreter, and where its rows come from."""
    newest = _newest(one for one in recordings if one.build == recordings[0].build)
    found = {
        (name, figure.name): figure.readable()
        for name, recording in newest.items()
        for figure in figures(recording)
    }
    rows: list[Sequence[str]] = [HEAD, RULE]
    for chosen, called in CHOSEN.items():
        if chosen in found:
            rows.append(_row(called, found[chosen]))
        if chosen == START and FLOOR in (found[chosen].values if chosen in found else ()):
            rows.append(_overhead(found[chosen]))
    used = [newest[name] for name in dict.fromkeys(name for name, _ in CHOSEN) if name in newest]
    return f"{''.join(map(line, rows))}\n{NOTE}\n\n{sources(used)}{_others(recordings, newest)}"


def _others(recordings: Sequence[Recording], newest: dict[str, Recording]) -> str:
    """Return the start's and the warm round trip's ratio on each other interpreter."""
    listed = []
    for recording in recordings:
        if recording.scenario in {"init", "warm"} and recording is not newest[recording.scenario]:
            figure = figures(recording)[0]
            listed.append(
                f"{figure.name} {ratio(figure, OURS, THEIRS)} and "
                f"{ratio(figure, OURS, THEIRS_UNPOOLED)} (`{recording.file_name}`)"
            )
    return f"\nOn other interpreters: {'; '.join(listed)}.\n" if listed else ""


def _newest(recordings: Iterable[Recording]) -> dict[str, Recording]:
    """Return the first recording of each scenario."""
    found: dict[str, Recording] = {}
    for recording in recordings:
        found.setdefault(recording.scenario, recording)
    return found


def scenario(recordings: Sequence[Recording], name: str) -> str:
    """Return the whole tables of the recordings of a scenario, one for each interpreter."""
    return "\n\n".join(whole(recording) for recording in recordings if recording.scenario == name)


# A scenario's figure, whom ours is compared with in AWS's image and in an own one, and how the docs
# call it. What exceeds a start with nothing is shown for every function.
FUNCTIONS: Final = {
    "import boto3": "`import boto3`",
    "an S3 client of boto3": "boto3 with a client",
    "four clients of boto3": "boto3 with four clients",
    "Powertools": "Powertools",
    "FastAPI and Mangum": "FastAPI with Mangum",
    "pandas": "pandas",
    "OpenTelemetry": "OpenTelemetry with boto3",
}
_WHOLE: Final = [f"{name}: spawn to next" for name in FUNCTIONS]
_CLIENT: Final = "an S3 client of boto3"
SHIPPED: Final = (
    ("image", "spawn to next", THEIRS, THEIRS_UNPOOLED, "nothing, image layout"),
    ("image", "spawn to next", None, SLIM, "the same; theirs without the library's bytecode"),
    *(
        ("function_init", f"{name}: spawn to next", THEIRS, THEIRS_UNPOOLED, called)
        for name, called in FUNCTIONS.items()
    ),
    *(
        (
            *("function_init", f"{name}: beyond a start with nothing", THEIRS, THEIRS_UNPOOLED),
            f"{called}, less each one's start with nothing",
        )
        for name, called in FUNCTIONS.items()
    ),
    (
        *("function_init", f"{_CLIENT}: spawn to next", STALE, None),
        "boto3 with a client; theirs with stale bytecode",
    ),
    (
        *("function_init", f"{_CLIENT}, page cache cold: spawn to next", THEIRS, THEIRS_UNPOOLED),
        "boto3 with a client; all with a cold page cache",
    ),
    ("image_files", "files opened", None, SLIM, "files opened by a start with nothing"),
    ("image_files", "read", None, SLIM, "bytes read from them"),
)


def shipping(recordings: Sequence[Recording]) -> str:
    """Return the table of packaged functions and the image, and how it was taken."""
    newest = _newest(recordings)
    rows: list[Sequence[str]] = [HEAD, RULE]
    for name, called, aws, own, row in SHIPPED:
        found = {one.name: one for one in figures(newest[name])} if name in newest else {}
        if called in found:
            rows.append(_row(row, found[called].readable(), (aws, own)))
        # The whole start of a function: also with imports that wait, where that was measured.
        entire = aws == THEIRS and called in _WHOLE and called in found
        if entire and GUIDED in found[called].values:
            guided = f"{row}, `--lazy guided`"
            rows.append(_row(guided, found[called].readable(), (aws, own), GUIDED))
    used = [newest[name] for name in dict.fromkeys(row[0] for row in SHIPPED) if name in newest]
    others = "".join(map(_clients, (one for one in recordings if one not in used)))
    return f"{''.join(map(line, rows))}\n{NOTE}\n\n{sources(used)}{others}"


def _clients(recording: Recording) -> str:
    """Return a line for what a boto3 function's start takes on another interpreter, if recorded."""
    named = {figure.name: figure for figure in figures(recording)}
    found = named.get(f"{_CLIENT}: spawn to next")
    if recording.scenario != "function_init" or found is None:
        return ""
    pairs = ((OURS, THEIRS), (GUIDED, THEIRS), (LAZY, THEIRS), (LAZY, THEIRS_LAZY))
    listed = [
        f"{ours} : {other} {ratio(found, ours, other)}"
        for ours, other in pairs
        if {ours, other} <= found.values.keys()
    ]
    built = f"CPython {recording.version} ({recording.interpreter.get('builder', 'other')}'s build)"
    return f"\nboto3 with a client on {built}: {'; '.join(listed)} (`{recording.file_name}`).\n"


def _row(
    called: str,
    figure: Figure,
    others: tuple[str | None, str | None] = _BOTH,
    ours: str = OURS,
) -> tuple[str, ...]:
    cells = (_cell(figure, name) for name in (ours, *others))
    return (called, *cells, *(_ratio(figure, ours, name) for name in others), rounds(figure))


def _cell(figure: Figure, name: str | None) -> str:
    if name is None or name not in figure.values:
        return NOTHING
    return figure.flaw(name) or f"{shown(median(figure.values[name]))} {figure.unit}".strip()


def _ratio(figure: Figure, ours: str, other: str | None) -> str:
    return NOTHING if other is None else ratio(figure, ours, other)


def _overhead(figure: Figure) -> tuple[str, ...]:
    cells = (
        f"{overhead(figure, name)} {figure.unit}" if name in figure.values else NOTHING
        for name in (OURS, *_BOTH)
    )
    ratios = (
        overhead_ratio(figure, name) if {name, FLOOR} <= figure.values.keys() else NOTHING
        for name in _BOTH
    )
    return (OVERHEAD, *cells, *ratios, rounds(figure))
