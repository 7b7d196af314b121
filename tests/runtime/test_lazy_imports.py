"""`SNAPBOOT_LAZY_IMPORTS=all`: which imports wait, and what becomes of them with SnapStart."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

pytestmark = pytest.mark.skipif(
    not hasattr(sys, "set_lazy_imports"), reason="lazy imports begin with CPython 3.15"
)
ALL = {"SNAPBOOT_LAZY_IMPORTS": "all"}
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
CHAIN = """
import sys
import first

{hook}

def handler(event, context):
    before = {{*sys.modules}}
    value = first.value()
    return [sorted({{"first", "second", "third"}} & before), value, sorted({{*sys.modules}} - before)]
"""


@pytest.fixture
def chain(function: Function) -> Function:
    """Return a function whose module imports one that imports one that imports one."""
    function.write("first.py", "import second\nfrom second import value\n")
    function.write("second.py", "import third\ndef value(): return third.value\n")
    function.write("third.py", "value = 3\n")
    function.code(CHAIN.format(hook=""))
    return function


def test_an_import_waits_for_its_first_use(chain: Function):
    assert chain.run(Event(), environment=ALL).result == [[], 3, ["first", "second", "third"]]


@pytest.mark.parametrize("settings", [ALL, {}])
def test_with_snapstart_nothing_waits_beyond_the_snapshot(chain: Function, settings):
    run = chain.run(Event(), environment={**SNAP_START, **settings})
    assert run.result == [["first", "second", "third"], 3, []]


def test_what_is_imported_explicitly_late_is_imported_before_the_snapshot_too(function: Function):
    function.write("late.py", "import time\nat = time.time_ns()\n")
    function.code(
        "lazy import late, sys\ndef handler(event, context): return 'late' in sys.modules"
    )
    assert function.run(Event()).result is False
    assert function.run(Event(), environment=SNAP_START).result is True


def test_hooks_run_once_all_is_imported(chain: Function):
    hook = "import snapboot\nsnapboot.before_snapshot(lambda: print('third' in sys.modules))"
    chain.code(CHAIN.format(hook=hook))
    run = chain.run(Event(), environment={**SNAP_START, **ALL})
    assert run.stdout == "True\n"


def test_what_cannot_be_imported_fails_where_it_is_used_and_not_before(function: Function):
    function.write("broken.py", "1 / 0")
    function.code("""
        import broken, missing_module

        def handler(event, context):
            return broken if event else "served"
    """)
    run = function.run(Event(b"0"), Event(b"1"), environment={**SNAP_START, **ALL})
    assert run.answers[0].json() == "served"
    assert run.answers[1].json()["errorType"] == "ZeroDivisionError"


def test_a_lazy_import_that_ends_the_process_is_reported_as_before_the_snapshot(function: Function):
    function.write("leaving.py", "raise SystemExit(3)")
    function.code("import leaving\ndef handler(event, context): return 1")
    run = function.run(environment={**SNAP_START, **ALL})
    (report,) = [request for request in run.requests if request.call is Call.INIT_ERROR]
    assert report.header("Lambda-Runtime-Function-Error-Type") == "Runtime.BeforeSnapshotError"
    assert run.returncode == 64


@pytest.mark.parametrize("package", ["numpy", "pandas"])
def test_packages_that_cannot_wait_import_what_they_need_at_once(function: Function, package):
    function.write(
        f"{package}/__init__.py",
        f"""
        import sys
        from {package} import inner
        at_once = "{package}.inner" in sys.modules
        """,
    )
    function.write(f"{package}/inner.py", "")
    function.code(f"""
        import sys, {package}

        def handler(event, context):
            return ["{package}" in sys.modules, {package}.at_once]
    """)
    assert function.run(Event(), environment=ALL).result == [False, True]


def test_a_filter_of_the_functions_own_stays(function: Function, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.set_lazy_imports_filter(lambda importer, name, names: name != 'first')\n"
    )
    function.write("first.py", "")
    function.write("second.py", "")
    function.code("""
        import first, second, sys

        def handler(event, context):
            return sorted({"first", "second"} & {*sys.modules})
    """)
    run = function.run(Event(), environment={**ALL, "PYTHONPATH": str(tmp_path)})
    assert run.result == ["first"]


def test_a_package_that_fails_late_is_reported_with_what_to_set(function: Function):
    function.write("fragile.py", "raise ImportError('fragile.core failed to import')")
    function.code("import fragile\ndef handler(event, context): return fragile.value")
    run = function.run(Event(), environment=ALL)
    assert run.document["errorType"] == "ImportError"
    assert "SNAPBOOT_LAZY_IMPORTS=all" in run.stdout
    assert "fragile.core failed to import" in run.stdout


@pytest.mark.parametrize("start", [{}, SNAP_START])
def test_pandas_works(function: Function, start):
    pytest.importorskip("pandas")
    function.code("""
        import pandas

        def handler(event, context):
            return pandas.DataFrame({"a": [1, 2]}).sum().to_dict()
    """)
    assert function.run(Event(), environment={**ALL, **start}).result == {"a": 3}
