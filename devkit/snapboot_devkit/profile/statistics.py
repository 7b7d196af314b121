"""Medians of skewed timings with their intervals, and verdicts that know about noise.

Timings have a hard floor and a long tail, so there is no mean and no standard deviation here. The
interval of a median is that of its order statistics, which assumes no distribution at all.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE: Final = 0.95
# Below, no pair of samples encloses the median with that confidence.
ENOUGH_FOR_INTERVAL: Final = 6
# 10 / 0.6745: ten robust standard deviations, the threshold that hyperfine uses.
_OUTLIER_SCORE: Final = 14.826
_RESAMPLES: Final = 2_000
_SEED: Final = 20_180_601
# Two series of the same thing, taken minutes apart, differ by this much on a quiet machine.
SMALLEST_CHANGE: Final = 0.02
# A median that moves by more than this from half to half is no figure of the series.
SMALLEST_DRIFT: Final = 0.1
# Two groups: each has a fifth of the samples, and the gap between them is half as wide again as
# the middle of the wider one, and a matter of 4 %. Of 20 samples of one skewed group, one series in
# twenty looks so by chance; of 40, one in five hundred.
ENOUGH_FOR_GROUPS: Final = 12
_GROUP_SHARE: Final = 0.2
_GAP_TO_SPREAD: Final = 1.5
_SMALLEST_GAP: Final = 0.04


class Verdict(StrEnum):
    """What two series of samples say about each other."""

    FASTER = "faster"
    SLOWER = "slower"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of samples, mostly a median, and the interval that holds it with 95 % confidence.

    With fewer than 6 samples there is no such interval: then it is all of them, and not `certain`.
    """

    value: float
    low: float
    high: float
    certain: bool = True

    @property
    def width(self) -> float:
        """The interval's width as a share of the median; infinite where there is no interval."""
        if not self.certain or not self.value:
            return math.inf
        return (self.high - self.low) / self.value


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values are, interpolated linearly."""
    if not values:
        raise ValueError(
            f"cannot take the {share!r} quantile of no samples; measure at least one run"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"cannot take the quantile {share!r}; give a share between 0 and 1")
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(values: Sequence[float]) -> float:
    """Return the middle of the values."""
    return quantile(values, 0.5)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the median of the values and its interval."""
    ordered = sorted(values)
    count = len(ordered)
    middle = median(ordered)
    outside = _left_out(count)
    if outside is None:
        return Estimate(middle, ordered[0], ordered[-1], certain=False)
    return Estimate(middle, ordered[outside], ordered[count - 1 - outside])


def _left_out(count: int) -> int | None:
    """Return how many samples at each end the interval of the median can leave out.

    The number of samples below the median is binomial with p = 0.5.
    """
    if count < ENOUGH_FOR_INTERVAL:
        return None
    tail = (1 - CONFIDENCE) / 2
    below, total = 0, 0.0
    while (total := total + math.comb(count, below) / 2**count) <= tail:
        below += 1
    return below - 1 if below else None


def outliers(values: Sequence[float]) -> int:
    """Count the values that are ten robust standard deviations or more from the median."""
    middle = median(values)
    spread = median([abs(value - middle) for value in values])
    return sum(abs(value - middle) > _OUTLIER_SCORE * spread for value in values) if spread else 0


def ratio_of_pairs(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """Estimate first/second, each pair taken in the same round: what slowed one slowed both."""
    return estimate([first / second for first, second in pairs])


def ratio_of_medians(
    after: Sequence[float], before: Sequence[float], confidence: float = CONFIDENCE
) -> Estimate:
    """Estimate how the median of one series relates to that of another, by bootstrap.

    The generator has a fixed seed: the same samples always give the same verdict.
    """
    source = random.Random(_SEED)  # noqa: S311 - nothing secret is drawn
    drawn = [
        median(source.choices(after, k=len(after))) / median(source.choices(before, k=len(before)))
        for _ in range(_RESAMPLES)
    ]
    tail = (1 - confidence) / 2
    return Estimate(
        median(after) / median(before),
        quantile(drawn, tail),
        quantile(drawn, 1 - tail),
        certain=min(len(after), len(before)) >= ENOUGH_FOR_INTERVAL,
    )


def verdict(ratio: Estimate, smallest: float = SMALLEST_CHANGE) -> Verdict:
    """Say what a ratio of after to before means; a change below `smallest` is never one."""
    if not ratio.certain:
        return Verdict.CANNOT_TELL
    if ratio.low > 1 + smallest:
        return Verdict.SLOWER
    if ratio.high < 1 - smallest:
        return Verdict.FASTER
    return Verdict.CANNOT_TELL


def drift(values: Sequence[float]) -> Estimate | None:
    """Return how the second half of a series relates to the first, if that is beyond noise."""
    half = len(values) // 2
    if half < ENOUGH_FOR_INTERVAL or min(values) <= 0:
        return None
    change = ratio_of_medians(values[half:], values[:half])
    return change if verdict(change, SMALLEST_DRIFT) is not Verdict.CANNOT_TELL else None


def groups(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]] | None:
    """Return the two groups, each in order, that the values fall into; None where it is one."""
    ordered = sorted(values)
    count = len(ordered)
    least = math.ceil(count * _GROUP_SHARE)
    if count < ENOUGH_FOR_GROUPS:
        return None
    at = max(range(least, count - least + 1), key=lambda n: ordered[n] - ordered[n - 1])
    low, high = ordered[:at], ordered[at:]
    gap = high[0] - low[-1]
    spread = max(quantile(one, 0.75) - quantile(one, 0.25) for one in (low, high))
    apart = gap > max(_GAP_TO_SPREAD * spread, _SMALLEST_GAP * abs(median(ordered)))
    return (low, high) if apart else None
