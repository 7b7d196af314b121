"""Medians, their intervals and verdicts: what is said of samples, and what cannot be said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapboot_devkit.profile.statistics import (
    Estimate,
    Verdict,
    estimate,
    median,
    outliers,
    quantile,
    ratio_of_medians,
    ratio_of_pairs,
    verdict,
)

SAMPLES = st.lists(st.floats(1, 1000), min_size=1, max_size=60)


@given(SAMPLES)
def test_the_interval_holds_the_median_and_consists_of_samples(values):
    found = estimate(values)
    assert found.low <= found.value <= found.high
    assert {found.low, found.high} <= set(values)


def test_the_interval_of_a_median_is_that_of_the_order_statistics():
    # From tables of the binomial distribution: 20 samples leave out 5 at each end.
    assert estimate(range(1, 21)) == Estimate(10.5, 6, 15)
    assert estimate(range(1, 11)) == Estimate(5.5, 2, 9)


def test_five_samples_have_no_interval_of_that_confidence_and_six_have():
    assert not estimate([1, 2, 3, 4, 5]).certain
    assert estimate([1, 2, 3, 4, 5]).width == float("inf")
    assert estimate([1, 2, 3, 4, 5, 6]) == Estimate(3.5, 1, 6)


def test_the_interval_misses_the_true_median_about_once_in_twenty_times():
    source = random.Random(4)
    missed = 0
    for _ in range(2000):
        found = estimate([source.lognormvariate(0, 1) for _ in range(20)])
        missed += not found.low <= 1 <= found.high
    assert missed / 2000 == pytest.approx(0.04, abs=0.02)


def skewed(source, middle, count=30):
    """Return samples as timings are: a floor, and a long tail."""
    return [middle * (0.97 + 0.03 * source.expovariate(1 / 1.0)) for _ in range(count)]


def test_a_slowdown_of_five_percent_is_found():
    found = 0
    for seed in range(50):
        source = random.Random(seed)
        before, after = skewed(source, 100, 40), skewed(source, 105, 40)
        found += verdict(ratio_of_medians(after, before), 0.01) is Verdict.SLOWER
    assert found >= 45


@pytest.mark.slow
def test_two_series_of_the_same_thing_compare_as_cannot_tell():
    decided = 0
    for seed in range(100):
        source = random.Random(seed)
        ratio = ratio_of_medians(skewed(source, 100), skewed(source, 100))
        decided += verdict(ratio) is not Verdict.CANNOT_TELL
    assert decided <= 2


def test_faster_is_distinguished_from_slower():
    source = random.Random(1)
    slow, fast = skewed(source, 120), skewed(source, 100)
    assert verdict(ratio_of_medians(fast, slow)) is Verdict.FASTER
    assert verdict(ratio_of_medians(slow, fast)) is Verdict.SLOWER


def test_few_samples_tell_nothing_however_far_apart():
    assert verdict(ratio_of_medians([100.0] * 3, [50.0] * 3)) is Verdict.CANNOT_TELL


def test_what_slows_both_of_a_pair_is_in_neither():
    pairs = [(slow * 1.5, slow) for slow in (1, 7, 2, 100, 3, 9, 4)]
    assert ratio_of_pairs(pairs) == Estimate(1.5, 1.5, 1.5)


def test_outliers_are_ten_robust_deviations_away():
    assert outliers([10, 11, 12, 13, 14, 1000]) == 1
    assert outliers([10, 11, 12, 13, 14, 20]) == 0
    assert outliers([5, 5, 5, 5]) == 0


def test_no_samples_have_no_median():
    with pytest.raises(ValueError, match="measure at least one run"):
        median([])
    assert quantile([3], 0.9) == 3
