"""Medians, quantiles and ratios of skewed timings, with their intervals.

Timings have a hard floor and a long tail, so there is no mean and no standard deviation here.
Contenders that ran in the same round are compared with each other, pair by pair: whatever slowed
the machine in that round slowed both.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from snapboot_devkit.profile.statistics import (
    CONFIDENCE,
    Estimate,
    median,
    outliers,
    quantile,
    ratio_of_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [  # some are those that `snapboot profile` uses
    "Estimate",
    "bootstrap",
    "median",
    "outliers",
    "overhead_ratio",
    "quantile",
    "ratio_of_pairs",
]

Round = TypeVar("Round")

RESAMPLES = 2_000
SEED = 20_180_601


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
