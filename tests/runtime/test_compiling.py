"""A cold start that has to compile says so: where bytecode cannot be kept, each of them has to."""

from __future__ import annotations

import compileall
import json
import py_compile
import re
import sys

import pytest

from tests.fakes.contenders import ROOT
from tests.fakes.function import Function, Run
from tests.fakes.mounts import TASK_ROOT, mounted
from tests.fakes.runtime_api import Event

COMMAND = [sys.executable, "-SsP", str(ROOT / "bootstrap")]
DROP_IN = [sys.executable, "-m", "snapboot"]
COMPILED = re.compile(r"snapboot: (\d+) modules? had to be compiled .* which took \d+ ms")
HANDLER = "def handler(event, context): return event"


def read_only(function: Function, command=COMMAND, **environment) -> Run:
    """Run the function where nothing can be written beside its code, as on Lambda."""
    contender = mounted(command, {TASK_ROOT: function.root})
    return function.run(Event(b"1"), contender=contender, environment=environment)


def compile_all(function: Function) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    assert compileall.compile_dir(function.root, quiet=2, invalidation_mode=mode)


def test_what_was_compiled_is_reported_in_one_line(function: Function):
    function.code(f"import first, second\n{HANDLER}")
    function.write("first.py", "")
    function.write("second.py", "")
    run = read_only(function)
    assert run.results == [1]
    assert COMPILED.findall(run.stdout) == ["3"]
    assert len(run.stdout.splitlines()) == 1


def test_one_module_is_reported_in_the_singular(function: Function):
    function.code(HANDLER)
    assert "snapboot: 1 module had" in read_only(function).stdout


def test_it_is_a_record_where_the_log_is_json(function: Function):
    function.code(HANDLER)
    record = json.loads(read_only(function, AWS_LAMBDA_LOG_FORMAT="JSON").stdout)
    assert record["level"] == "WARNING"
    assert COMPILED.search(record["message"])


def test_nothing_is_reported_where_bytecode_was_at_hand(function: Function):
    function.code(HANDLER)
    compile_all(function)
    run = read_only(function)
    assert (run.results, run.stdout) == ([1], "")


def test_nothing_is_reported_where_bytecode_can_be_kept(function: Function):
    function.code(HANDLER)
    assert function.run(Event(b"1")).stdout == ""


def test_the_drop_in_reports_it_too(function: Function):
    function.code(HANDLER)
    run = read_only(function, DROP_IN, PYTHONPATH=f"{ROOT / 'runtime'}:{TASK_ROOT}")
    assert run.results == [1]
    assert COMPILED.findall(run.stdout) == ["1"]


def test_what_is_imported_later_is_compiled_as_ever(function: Function):
    function.code("""
        import _frozen_importlib_external as system

        before = system.SourceLoader.source_to_code

        def handler(event, context):
            import later
            return [later.VALUE, before is system.SourceLoader.source_to_code]
    """)
    function.write("later.py", "VALUE = 2")
    assert read_only(function).results == [[2, False]]


@pytest.mark.parametrize(
    "source", ["import broken", "import nothing_of_that_name", "import raising"], ids=str
)
def test_a_failed_import_reads_as_it_does_where_no_one_counts(function: Function, source):
    function.code(f"{source}\n{HANDLER}")
    function.write("broken.py", "def\n")
    function.write("raising.py", "import deeper")
    function.write("deeper.py", "raise ValueError('no')")
    counted = read_only(function).document
    plain = function.run(Event(b"1")).document
    assert counted["stackTrace"] == [
        line.replace(str(function.root), TASK_ROOT) for line in plain["stackTrace"]
    ]
    assert counted["errorType"] == plain["errorType"]


def test_a_traceback_that_the_function_prints_shows_no_one_counting(function: Function):
    function.code("""
        import traceback

        try:
            import outer
        except SyntaxError:
            seen = traceback.format_exc()

        def handler(event, context):
            return seen
    """)
    function.write("outer.py", "import broken")
    function.write("broken.py", "def\n")
    (counted,) = read_only(function).results
    (plain,) = function.run(Event(b"1")).results
    assert counted == plain.replace(str(function.root), TASK_ROOT)
    assert "outer.py" in counted


def test_a_compiler_of_the_functions_own_stays(function: Function):
    function.code("""
        import _frozen_importlib_external as system

        original = system.SourceLoader.source_to_code

        def mine(self, *arguments, **options):
            return original(self, *arguments, **options)

        system.SourceLoader.source_to_code = mine

        def handler(event, context):
            return system.SourceLoader.source_to_code is mine
    """)
    assert read_only(function).results == [True]
