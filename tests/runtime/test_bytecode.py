"""As it ships, with bytecode that is never compared with its source: the same runtime, only sooner."""

from __future__ import annotations

import compileall
import json
import py_compile
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import Contender
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

MODULES = """
import sys

def handler(event, context):
    mine = {name: module for name, module in sys.modules.items() if name.startswith("snapboot")}
    return {
        "all": sorted(sys.modules),
        "path": sys.path,
        "ours": {
            name: [
                module.__name__, module.__file__, module.__package__, type(module.__loader__).__name__,
                module.__spec__.name, module.__spec__.origin, module.__spec__.has_location,
                module.__spec__.parent, sys.modules[name] is module,
            ]
            for name, module in mine.items()
        },
        "attributes": sorted(set(vars(mine["snapboot"])) & {name[9:] for name in mine}),
    }
"""


@pytest.fixture
def shipped(flat, tmp_path) -> Path:
    """Return the flattened runtime with its bytecode as an image has it."""
    folder = tmp_path / "shipped"
    shutil.copytree(flat, folder)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(folder, quiet=2, force=True, invalidation_mode=mode)
    return folder


def run(function: Function, folder: Path, *events: Event, options="-SsP", **environment):
    command = [sys.executable, *options.split(), str(folder / "bootstrap")]
    contender = Contender("shipped", lambda handler: command, dict)
    return function.run(*(events or (Event(),)), contender=contender, environment=environment)


def test_the_same_modules_are_loaded_and_look_the_same(function: Function, flat, shipped):
    function.code(MODULES)
    plain, quick = run(function, flat).result, run(function, shipped).result
    moved = json.loads(json.dumps(plain).replace(str(flat), str(shipped)))
    assert quick == moved


def test_the_bytecode_is_what_runs(function: Function, shipped):
    function.code("def handler(event, context): return event")
    for source in (shipped / "snapboot").glob("*.py"):
        if source.name != "__init__.py":
            source.write_text("raise AssertionError('the source was looked at')\n")
    assert run(function, shipped, Event(b"1")).result == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda pyc: pyc.unlink(),
        lambda pyc: pyc.write_bytes(b""),
        lambda pyc: pyc.write_bytes(b"\0\0\0\0" + pyc.read_bytes()[4:]),
    ],
    ids=["missing", "empty", "of another version"],
)
@pytest.mark.parametrize("name", ["wire", "handler", "main"])
def test_bytecode_that_cannot_be_used_is_done_without(function: Function, shipped, name, damage):
    function.code("def handler(event, context): return event")
    (pyc,) = (shipped / "snapboot/__pycache__").glob(f"{name}.*.pyc")
    damage(pyc)
    assert run(function, shipped, Event(b"1")).result == 1


@pytest.mark.parametrize("options", ["-SsP -O", "-SsP -OO", "-SsP -X importtime", "-SsPv"])
def test_options_of_the_interpreter_keep_their_meaning(function: Function, shipped, options):
    function.code("""
        import sys

        def handler(event, context):
            return [sys.flags.optimize, __debug__]
    """)
    ended = run(function, shipped, options=options)
    level = options.count("O")
    assert ended.result == [level, not level]
    if "importtime" in options:
        assert "snapboot" in ended.stderr


def test_bytecode_kept_elsewhere_is_looked_for_there(function: Function, shipped, tmp_path):
    function.code("def handler(event, context): return event")
    elsewhere = str(tmp_path / "elsewhere")
    assert run(function, shipped, Event(b"1"), PYTHONPYCACHEPREFIX=elsewhere).result == 1


def test_frames_of_ours_are_dropped_from_a_traceback(function: Function, shipped):
    path = function.code("def handler(event, context):\n    raise ValueError('no table')\n")
    stack = run(function, shipped).document["stackTrace"]
    assert stack == [f"  File \"{path}\", line 2, in handler\n    raise ValueError('no table')\n"]


def test_a_wrapper_gets_to_the_same_runtime(function: Function, shipped, tmp_path):
    function.code("import snapboot\ndef handler(event, context): return snapboot.__file__")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    ended = run(function, shipped, AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
    assert ended.result == str(shipped / "snapboot/__init__.py")
