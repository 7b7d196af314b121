"""The bucket that slows a streamed response down, on a clock that the test sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapboot_devkit.host.bandwidth import Bandwidth, TokenBucket

MIB = 1024 * 1024


def test_the_first_six_mebibytes_flow_at_once():
    bucket = TokenBucket(Bandwidth(), now=10.0)
    assert [bucket.take(2 * MIB, 10.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_then_a_piece_waits_for_the_steps_that_pay_for_it():
    bucket = TokenBucket(Bandwidth(), now=0.0)
    bucket.take(6 * MIB, 0.0)
    # A step of 125 ms brings 256 KiB.
    assert bucket.take(1, 0.0) == pytest.approx(0.125)
    assert bucket.take(256 * 1024, 0.1) == pytest.approx(0.15)
    assert bucket.take(2 * MIB, 0.25) == pytest.approx(1.0)


def test_rest_refills_the_bucket_to_its_brim_and_no_further():
    bucket = TokenBucket(Bandwidth(), now=0.0)
    bucket.take(6 * MIB, 0.0)
    assert bucket.take(6 * MIB, 1000.0) == 0.0
    assert bucket.take(256 * 1024, 1000.0) == pytest.approx(0.125)


@pytest.mark.parametrize("bad", [32 * 1024 - 1, 64 * MIB + 1, -1])
def test_figures_that_the_platform_would_refuse_are_refused(bad):
    with pytest.raises(ValueError, match=f"burst_bytes {bad}"):
        Bandwidth(burst_bytes=bad)
    with pytest.raises(ValueError, match=f"bytes_per_s {bad}"):
        Bandwidth(bytes_per_s=bad)


@given(
    pieces=st.lists(st.tuples(st.integers(0, 3 * MIB), st.floats(0, 0.5)), max_size=60),
    rate=st.integers(32 * 1024, 64 * MIB),
)
def test_no_more_flows_than_the_burst_and_the_rate_allow(pieces, rate):
    bandwidth = Bandwidth(bytes_per_s=rate)
    bucket, now, flowed = TokenBucket(bandwidth, 0.0), 0.0, 0
    for size, pause in pieces:
        now += pause
        wait = bucket.take(size, now)
        assert wait >= 0.0
        now += wait
        flowed += size
        assert flowed <= bandwidth.burst_bytes + rate * now + 1
