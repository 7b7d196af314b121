"""Streams as a test's author reads them: to the end, in part, or not at all."""

import pytest

from snapboot_devkit.testing import LambdaFunction
from tests.devkit.hosted import HERE
from tests.devkit.outside import streaming

MUCH = 20_000_000


@pytest.fixture
def function():
    command = streaming().bootstrap
    with LambdaFunction("none", bootstrap=command, task_root=HERE, timeout=30) as opened:
        yield opened


def test_the_pieces_come_one_by_one(function):
    stream = function.stream({"pieces": ["one", "two"]})
    assert b"".join(stream) == b"onetwo"
    assert stream.result.function_error is None


def test_whoever_leaves_early_does_not_hold_the_function_up(function):
    stream = function.stream({"pieces": ["first"], "size": MUCH})
    for piece in stream:
        assert piece
        break
    assert stream.result.report.status.value == "success"


def test_a_result_that_is_asked_for_first_lets_the_pieces_go(function):
    stream = function.stream({"size": MUCH})
    assert stream.result.report.status.value == "success"
    assert list(stream) == []
