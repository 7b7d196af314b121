"""The run of every interpreter distinguishes a test that timing decides from one that fails."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.fakes.contenders import ROOT

WAVERS = """
import pathlib
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_that_fails_at_first(number):
    seen = pathlib.Path(__file__).with_name(f"seen-{{number}}")
    before = seen.exists()
    seen.touch()
    assert before
"""
pytestmark = [
    pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="needs a checkout"),
    pytest.mark.slow,
]

SUITE = (sys.executable, "-m", "pytest", "-q")


@pytest.fixture(scope="module")
def every_python():
    spec = importlib.util.spec_from_file_location("every_python", ROOT / ".ci/every_python.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def project(folder: Path, source: str) -> Path:
    (folder / "test_it.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def test_a_suite_that_passes_has_no_unsteady_test(every_python, tmp_path):
    assert every_python.unsteady(SUITE, project(tmp_path, "def test_it(): pass\n")) == []


def test_a_test_that_passes_alone_is_named(every_python, tmp_path):
    names = every_python.unsteady(SUITE, project(tmp_path, WAVERS.format(count=1)))
    assert names == ["test_it.py::test_that_fails_at_first[0]"]


def test_a_test_that_fails_again_fails_the_suite(every_python, tmp_path):
    folder = project(tmp_path, WAVERS.format(count=1) + "\ndef test_it(): assert False\n")
    assert every_python.unsteady(SUITE, folder) is None


def test_many_failures_are_not_put_down_to_timing(every_python, tmp_path):
    folder = project(tmp_path, WAVERS.format(count=every_python.UNSTEADY + 1))
    assert every_python.unsteady(SUITE, folder) is None


def test_a_suite_that_cannot_be_collected_fails(every_python, tmp_path):
    assert every_python.unsteady(SUITE, project(tmp_path, "import no_such_module\n")) is None
