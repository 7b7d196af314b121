"""AWS's programs are fetched once, whole or not at all, and a failure says what to do."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from oracles import OracleUnavailable, awslambdaric, cache, emulator

if TYPE_CHECKING:
    from pathlib import Path


def test_an_entry_is_filled_once_and_then_found(tmp_path: Path) -> None:
    made = cache.entry("thing", lambda folder: (folder / "file").touch(), tmp_path)
    again = cache.entry("thing", lambda folder: (folder / "other").touch(), tmp_path)
    assert made == again == tmp_path / "thing"
    assert [path.name for path in made.iterdir()] == ["file"]


def test_an_entry_that_cannot_be_filled_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise OracleUnavailable("no network")

    with pytest.raises(OracleUnavailable):
        cache.entry("thing", fill, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_callers_at_the_same_time_get_one_whole_entry(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=20)
    found: list[list[str]] = []

    def fill(folder: Path) -> None:
        (folder / "first").touch()
        together.wait()
        (folder / "second").touch()

    def call() -> None:
        made = cache.entry("thing", fill, tmp_path)
        found.append(sorted(path.name for path in made.iterdir()))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert found == [["first", "second"]] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_package_that_cannot_be_had_is_reported_with_the_command_and_the_remedy() -> None:
    with pytest.raises(OracleUnavailable) as caught:
        cache.pip(sys.executable, ["install", "--no-index", "snapboot-no-such-package"])
    assert "snapboot-no-such-package" in str(caught.value)
    assert "PIP_INDEX_URL" in str(caught.value)


def test_an_interpreter_that_is_not_there_is_named() -> None:
    with pytest.raises(OracleUnavailable, match="'/no/python'"):
        awslambdaric.folder("/no/python")


@pytest.mark.usefixtures("oracles")
def test_the_emulator_is_a_program_and_the_samples_are_json() -> None:
    assert os.access(emulator.binary(), os.X_OK)
    samples = emulator.event_samples()
    assert len([json.loads(text) for text in samples.values()]) > 50
