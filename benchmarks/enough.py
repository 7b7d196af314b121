"""Whether the figures of some samples are known so well that more rounds would change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmarks import steadiness
from benchmarks.figures import figures
from benchmarks.scenarios import SCENARIOS
from benchmarks.warn import ENOUGH_RUNS
from snapboot_devkit.profile import statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.recording import Recording
    from benchmarks.samples import Sample

# The 95 % interval of each ratio is at most so wide, as a share of the ratio.
NARROW: Final = 0.03
# Each look is a chance to stop while the interval is narrow by chance: so there are few.
LOOK_EVERY: Final = 5


def known(recording: Recording, samples: Sequence[Sample]) -> bool:
    """Tell whether samples need no more rounds: each ratio is steady, and its interval narrow.

    What has nothing to be compared with is judged by its own median.
    """
    rounds = len({sample.round for sample in samples})
    if rounds < ENOUGH_RUNS or rounds % LOOK_EVERY:
        return False
    series = list(_series(replace(recording, samples=list(samples))))
    return bool(series) and all(map(_is_known, series))


def _is_known(values: Sequence[float]) -> bool:
    return statistics.estimate(values).width <= NARROW and not steadiness.flaw(values)


def _series(part: Recording) -> Iterator[Sequence[float]]:
    """Yield the ratios of pairs of every figure, or the figure's own values if there are none."""
    scenario = SCENARIOS[part.scenario]
    for figure in figures(part):
        if figure.exact or not figure.comparable:
            continue
        others = [name for name in scenario.references if name in figure.values]
        compared = [
            [one / other for one, other in figure.paired(scenario.ours, name)]
            for name in others
            if scenario.ours in figure.values and min(figure.values[name]) > 0
        ]
        yield from compared or figure.values.values()
