"""Medians, quantiles and ratios of skewed timings, with bootstrap intervals.

Timings have a hard floor and a long tail, so there is no mean and no standard deviation here.
Contenders that ran in the same round are compared with each other, pair by pair: whatever slowed
the machine in that round slowed both.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Round = TypeVar("Round")

RESAMPLES = 2_000
CONFIDENCE = 0.95
SEED = 20_180_601
# 10 / 0.6745: ten robust standard deviations, the threshold that hyperfine uses.
OUTLIER_SCORE = 14.826


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of the samples, and the interval that its bootstrap resamples fall in."""

    value: float
    low: float
    high: float


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of `values` lie, interpolated linearly."""
    if not values:
        msg = f"cannot take the {share!r} quantile of no samples; measure at least one round"
        raise ValueError(msg)
    if not 0 <= share <= 1:
        msg = f"cannot take the quantile {share!r}; give a share between 0 and 1"
        raise ValueError(msg)
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(values: Sequence[float]) -> float:
    """Return the middle of `values`."""
    return quantile(values, 0.5)


def paired_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of first/second, each pair taken in one round."""
    return median([first / second for first, second in pairs])


def overhead_ratio(rounds: Sequence[tuple[float, float, float]]) -> float:
    """Return how much the first exceeds the third, as a share of how much the second does.

    The medians are subtracted, not the samples: a difference of two noisy samples can come near
    zero, and a ratio of such differences means nothing.
    """
    first, second, floor = (median(column) for column in zip(*rounds, strict=True))
    return (first - floor) / (second - floor)


def bootstrap(
    rounds: Sequence[Round],
    statistic: Callable[[Sequence[Round]], float],
    *,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Estimate `statistic` over `rounds`, with its percentile bootstrap interval.

    The generator has a fixed seed, so that the same samples always render the same table.
    """
    source = random.Random(SEED)  # noqa: S311 - nothing secret is drawn
    drawn = [statistic(source.choices(rounds, k=len(rounds))) for _ in range(resamples)]
    tail = (1 - CONFIDENCE) / 2
    return Estimate(statistic(rounds), quantile(drawn, tail), quantile(drawn, 1 - tail))


def outliers(values: Sequence[float]) -> int:
    """Count the values that lie ten robust standard deviations or more from the median."""
    centre = median(values)
    spread = median([abs(value - centre) for value in values])
    return sum(abs(value - centre) > OUTLIER_SCORE * spread for value in values) if spread else 0
