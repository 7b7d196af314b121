"""Dataclasses whose methods are written late are copied and pickled as any other."""

import copy
import pickle

import pytest

from snapboot_devkit.host import Bandwidth, FunctionConfig, LogLine, Source

LINE = LogLine(Source.FUNCTION, "a line", "hello", "2026/11/27/[$LATEST]0")


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copied", "copied deeply", "pickled"],
)
@pytest.mark.parametrize(
    "one",
    [LINE, Bandwidth(32768), FunctionConfig("app.handler", task_root=".", bandwidth=Bandwidth())],
    ids=lambda one: type(one).__name__,
)
def test_what_a_caller_has_of_the_host_can_be_copied_and_pickled(one, again):
    made = again(one)
    assert made == one
    assert type(made) is type(one)
