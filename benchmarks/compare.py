"""`python -m benchmarks compare A.json B.json`: whether B is faster or slower, or unclear.

What the machine did between the two recordings is not a change of ours. Where a contender that is
not ours ran in both, in the same version, it is the yardstick: what is compared is how ours relates
to it, pair by pair. The verdict is that of `snapboot profile --baseline`. All rows together have a
95 % interval, so that a long table does not find a change by chance.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import steadiness
from benchmarks.contenders import FLOOR, THEIRS
from benchmarks.estimates import median
from benchmarks.figures import figures, shown
from benchmarks.recording import RecordingError, load
from benchmarks.scenarios import SCENARIOS
from benchmarks.tables import interval, line
from snapboot_devkit.profile import gate
from snapboot_devkit.profile.statistics import (
    CONFIDENCE,
    SMALLEST_CHANGE,
    Estimate,
    Verdict,
    ratio_of_medians,
    verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.figures import Figure
    from benchmarks.recording import Recording

EXIT_FAILED: Final = 1
# Counts that waver by less are the same: hashes of other paths, another process id.
SMALLEST_COUNT: Final = 0.005
TIMES: Final = frozenset({"ms", "µs"})
# What a verdict is called where there is no time in it.
COUNTED: Final = {Verdict.FASTER: "less", Verdict.SLOWER: "more"}
INVERTED: Final = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
HEAD: Final = ("figure", "contender", "before", "after", "after : before", "verdict")


@dataclass(frozen=True, slots=True)
class Change:
    """One contender's figure before and after, and what that means."""

    figure: Figure
    contender: str
    before: Sequence[float]
    after: Sequence[float]
    ratio: Estimate
    verdict: Verdict
    reason: str = ""

    @property
    def in_words(self) -> str:
        """The verdict in words, with the reason where none is possible."""
        if self.figure.exact and self.ratio.certain and self.verdict is Verdict.CANNOT_TELL:
            return "the same"
        timed = self.figure.unit in TIMES or self.figure.higher_is_better
        word = self.verdict.value if timed else COUNTED.get(self.verdict, self.verdict.value)
        return f"{word}: {self.reason}" if self.reason else word


def changes(before: Recording, after: Recording) -> list[Change]:
    """Compare every figure of ours that both have. Raises `RecordingError` if that is none."""
    if before.scenario != after.scenario:
        raise RecordingError(
            f"cannot compare {before.scenario!r} with {after.scenario!r}; name two recordings of "
            "the same scenario"
        )
    earlier = {figure.name: figure for figure in figures(before)}
    pairs = [
        (earlier[figure.name], figure, contender)
        for figure in figures(after)
        if figure.name in earlier and figure.comparable
        for contender in figure.values
        if contender in earlier[figure.name].values and _ours(contender, before.scenario)
    ]
    if not pairs:
        raise RecordingError(
            f"{before!r} and {after!r} have no figure of ours in common; measure both again"
        )
    yard = yardstick(before, after)
    confidence = 1 - (1 - CONFIDENCE) / len(pairs)
    return [_change(*pair, yard, confidence) for pair in pairs]


def yardstick(before: Recording, after: Recording) -> str | None:
    """Return the first contender, not ours, that ran in both in the same version."""
    versions = [{row["name"]: row["version"] for row in one.contenders} for one in (before, after)]
    names = (*SCENARIOS[after.scenario].references, FLOOR)
    same = (name for name in names if versions[0].get(name) == versions[1].get(name, ""))
    return next(same, None)


def _ours(contender: str, scenario: str) -> bool:
    references = SCENARIOS[scenario].references
    return contender not in (*references, FLOOR) and not contender.startswith(THEIRS)


def _change(
    before: Figure, after: Figure, contender: str, yard: str | None, confidence: float
) -> Change:
    values = before.values[contender], after.values[contender]
    if after.exact:
        ratio, smallest, reason = _counted(*values), SMALLEST_COUNT, ""
    else:
        earlier, later = (_measured(one, contender, yard) for one in (before, after))
        smallest = SMALLEST_CHANGE
        if reason := _unfit(earlier, later):
            ratio = Estimate(median(later) / (median(earlier) or 1), 0, 0, certain=False)
        else:
            ratio = ratio_of_medians(later, earlier, confidence)
    found = verdict(ratio, smallest)
    if after.higher_is_better:
        found = INVERTED.get(found, found)
    return Change(after, contender, *values, ratio, found, reason)


def _measured(figure: Figure, contender: str, yard: str | None) -> list[float]:
    """Return the samples, each as a share of the yardstick's of the same round if there is one."""
    values = figure.values[contender]
    pairs = figure.paired(contender, yard) if yard in figure.values else []
    if len(pairs) != len(values) or not all(by for _, by in pairs):
        return values
    return [value / by for value, by in pairs]


def _unfit(earlier: Sequence[float], later: Sequence[float]) -> str:
    """Return why samples cannot be judged; nothing if they can."""
    for name, values in (("the first", earlier), ("the second", later)):
        if min(values) <= 0:
            return f"{name} has samples of nothing"
        if steadiness.too_few(values):
            return f"{name} has {len(values)} samples, too few"
        if found := steadiness.flaw(values):
            return f"{name} {found}"
    return ""


def _counted(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """Return the ratio of counts, which do not waver: its interval is all that was seen."""
    if not min(before):
        return Estimate(1.0, 1.0, 1.0, certain=max(after) == 0)
    return Estimate(
        median(after) / median(before), min(after) / max(before), max(after) / min(before)
    )


def render(before: Recording, after: Recording, found: Sequence[Change]) -> str:
    """Return the comparison as Markdown: a row for each figure, then what bears on it."""
    rows = [HEAD, ("---", "---", "---:", "---:", "---:", "---"), *map(_row, found)]
    return "".join(map(line, rows)) + "".join(f"\n{note}\n" for note in _notes(before, after))


def _row(change: Change) -> tuple[str, ...]:
    both = {"before": list(change.before), "after": list(change.after)}
    figure = replace(change.figure, values=both).readable()
    before, after = (
        f"{shown(median(figure.values[one]))} {figure.unit}".rstrip() for one in ("before", "after")
    )
    ratio = interval(change.ratio) if change.ratio.certain else f"{change.ratio.value:.2f}"
    return (change.figure.name, change.contender, before, after, ratio, change.in_words)


def _notes(before: Recording, after: Recording) -> Iterator[str]:
    yard = yardstick(before, after)
    yield (
        "Nothing was measured in both that is not ours: a change of the machine is in these ratios."
        if yard is None
        else f"The ratios are those of the relation to {yard}, taken in the same rounds."
    )
    for what, one, other in (
        ("machines", _stable(before.machine), _stable(after.machine)),
        ("interpreters", before.interpreter["version"], after.interpreter["version"]),
        ("pinning", _pinned(before), _pinned(after)),
    ):
        if one != other:
            yield f"Warning: the {what} differ: {one} before, {other} after."
    for name, recording in (("before", before), ("after", after)):
        if recording.commit["modified"]:
            yield f"Warning: {name}, files differed from the commit."


def _stable(machine: Mapping[str, object]) -> str:
    return f"{machine['processor']}, {machine['cpus']} CPUs, {machine['architecture']}"


def _pinned(recording: Recording) -> str:
    return "not pinned" if recording.flags["pinned"] is None else "pinned"


def status(found: Sequence[Change]) -> int:
    """Return a gate's exit status: a regression; nothing that could be judged; or 0."""
    if any(change.verdict is Verdict.SLOWER for change in found):
        return gate.SLOWER
    return 0 if any(change.ratio.certain for change in found) else gate.CANNOT_TELL


def main(arguments: Sequence[str]) -> int:
    """Compare two recordings as the command line asks; return the exit code."""
    parser = ArgumentParser(
        prog="python -m benchmarks compare",
        description="Say of each figure of ours whether it is faster or slower, or unclear.",
        epilog="--gate: 0 means no regression, 3 a regression beyond noise, and 4 that no figure "
        "has samples enough to be judged.",
    )
    parser.add_argument("before", type=Path, help="a recording")
    parser.add_argument("after", type=Path, help="a later one of the same scenario")
    parser.add_argument("--gate", action="store_true", help="fail on a regression beyond noise")
    options = parser.parse_args(arguments)
    try:
        before, after = load(options.before), load(options.after)
        found = changes(before, after)
    except (OSError, RecordingError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    sys.stdout.write(render(before, after, found))
    return status(found) if options.gate else 0
