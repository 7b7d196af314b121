"""A free-threaded build: its folders are found, and nothing of ours turns its GIL on.

Where the tests run on another build, a process is made to look like one: its ABI flag, the names
of its folders, and that the GIL is off.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

IS_ONE = not getattr(sys, "_is_gil_enabled", lambda: True)()
NAME = f"python{sys.version_info.major}.{sys.version_info.minor}t"
LARGE = Event(b'"%s"' % (b"x" * 8_000_000))
PRETEND = """
import sys
sys.abiflags = "t"
sys._is_gil_enabled = lambda: False
sys.executable = {python!r}
sys.path[:] = [entry.replace(".zip", "t.zip") for entry in sys.path]
__file__ = {bootstrap!r}
sys.argv[0] = __file__
exec(compile(open(__file__).read(), __file__, "exec"))
"""


@pytest.fixture
def free_threaded(tmp_path: Path) -> Contender:
    """Return our runtime on a free-threaded build, in a virtual environment."""
    environment = tmp_path / "environment"
    (environment / f"lib/{NAME}/site-packages").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("")
    (environment / "bin").mkdir()
    python = environment / "bin/python"
    python.symlink_to(sys.executable)
    program = PRETEND.format(python=str(python), bootstrap=str(ROOT / "bootstrap"))
    return Contender("free-threaded", lambda _: [sys.executable, "-SsPc", program], dict)


def test_its_packages_are_found_before_the_standard_library(
    function: Function, free_threaded, tmp_path
):
    packages = tmp_path / f"environment/lib/{NAME}/site-packages"
    (packages / "dependency.py").write_text("")
    function.code("""
        import dependency, sys

        def handler(event, context):
            return [dependency.__file__, sys.path]
    """)
    file, path = function.run(Event(), contender=free_threaded).result
    assert file == str(packages / "dependency.py")
    assert path[:3] == [str(function.root), f"/opt/python/lib/{NAME}/site-packages", "/opt/python"]
    assert path.index(str(packages)) < path.index(sys._stdlib_dir)


def test_orjson_is_not_imported_however_large_the_events_are(function: Function, free_threaded):
    function.code("""
        import sys

        def handler(event, context):
            return [len(event), "orjson" in sys.modules]
    """)
    run = function.run(LARGE, LARGE, contender=free_threaded)
    assert run.results == [[8_000_000, False]] * 2


def test_orjson_that_is_asked_for_is_refused_with_the_reason(function: Function, free_threaded):
    function.code("def handler(event, context): return event")
    run = function.run(contender=free_threaded, environment={"SNAPBOOT_JSON": "orjson"})
    assert run.document["errorType"] == "ImportError"
    assert "would turn the GIL on" in run.document["errorMessage"]


@pytest.mark.skipif(not IS_ONE, reason="this interpreter is not a free-threaded build")
def test_the_gil_stays_off(function: Function):
    function.code("""
        import logging, sys

        def handler(event, context):
            logging.warning("x")
            return sys._is_gil_enabled()
    """)
    assert function.run(LARGE, LARGE).results == [False, False]
