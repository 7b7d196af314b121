"""What the runtime loads before the first event, by name: an import more is a decision, not a slip."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

# What `bootstrap` loads, on top of what the interpreter has loaded, for a function that imports
# nothing. `_json` and `_socket` are files in some builds.
HOT = {
    "_json",
    "_socket",
    "select",
    "gc",
    "snapboot",
    "snapboot.api",
    "snapboot.codec",
    "snapboot.context",
    "snapboot.environment",
    "snapboot.handler",
    "snapboot.main",
    "snapboot.output",
    "snapboot.socket_transport",
    "snapboot.wire",
}
# Cold needs: absent until an event needs them. Each costs 1 to 80 ms.
COLD = {
    "asyncio", "collections", "contextlib", "dataclasses", "email", "enum", "functools", "hashlib",
    "http", "inspect", "json", "logging", "orjson", "os", "pathlib", "random", "re", "selectors",
    "signal", "site", "socket", "ssl", "string", "subprocess", "tempfile", "threading",
    "tokenize", "traceback", "types", "typing", "urllib", "urllib3", "uuid", "warnings",
    "awslambdaric", "snapboot.archive", "snapboot.aws_names", "snapboot.botocore_data", "snapboot.botocore_hooks", "snapboot.c_environment", "snapboot.client_context", "snapboot.entry_points", "snapboot.exact_json", "snapboot.faults", "snapboot.frames",
    "snapboot.framing", "snapboot.heap", "snapboot.hooks", "snapboot.init_report", "snapboot.lazy_imports", "snapboot.log_records", "snapboot.logs",
    "snapboot.aio", "snapboot.http_response", "snapboot.streaming", "snapboot.upload",
    "snapboot.asgi_handler", "snapboot.http_answer", "snapboot.http_events", "snapboot.lifespan", "snapboot.wsgi_handler",
    "snapboot.orjson_engine", "snapboot.path_files", "snapboot.report", "snapboot.restore_safety", "snapboot.signals", "snapboot.snapstart", "snapboot.standalone",
    "snapboot.urllib3_transport", "snapboot.wrapper", "snapshot_restore_py", "snapboot_devkit",
}  # fmt: skip
OURS = ("awslambdaric", "snapboot", "snapshot_restore_py")
LOADED = """
import sys

def handler(event, context):
    {statement}
    return sorted(sys.modules)
"""


def loaded(function: Function, python: str, *events: Event, statement: str = "pass") -> set[str]:
    """Return the modules that are loaded when the last event is handled."""
    function.code(LOADED.format(statement=statement))
    command = [python, "-SsP", str(ROOT / "bootstrap")]
    contender = Contender("bare", lambda handler: command, dict)
    run = function.run(*(events or (Event(),)), contender=contender)
    return set(run.answers[-1].json())


def interpreters_own(python: str) -> set[str]:
    """Return the modules that a program finds loaded."""
    command = [python, "-SsPc", "import sys; print(*sys.modules)"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    return set(answer.stdout.split())


@pytest.fixture
def plain_python(bare_python):
    """Return an interpreter that loads nothing of its own at start, as Debian's sitecustomize is."""
    ask = "import importlib.util as u; print(u.find_spec('sitecustomize') is None)"
    done = subprocess.run([bare_python, "-c", ask], check=True, capture_output=True, timeout=20)
    if done.stdout != b"True\n":
        pytest.skip("this Python has a sitecustomize, which loads more")
    return bare_python


def test_an_empty_function_finds_what_is_on_the_list_and_nothing_else(function, plain_python):
    known = interpreters_own(plain_python) | {"app"}
    found = loaded(function, plain_python)
    assert found - known - HOT == set(), "loaded, and not on the list of what may be"
    assert HOT - found == set(), "on the list, and not loaded any more"


def test_nothing_cold_is_loaded_on_the_plain_path(function, plain_python):
    events = [Event(b'{"key": ["value", 1, 2.5, null, true]}')] * 3
    assert loaded(function, plain_python, *events) & COLD == set()


def test_the_list_of_the_cold_names_every_module_of_ours_that_is_not_hot():
    ours = {f"snapboot.{path.stem}" for path in (ROOT / "runtime/snapboot").glob("*.py")}
    ours -= {"snapboot.__init__", "snapboot.__main__"}
    assert ours - HOT - COLD == set()
    assert {name for name in HOT | COLD if name.startswith("snapboot.")} == ours


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("context.log('')", {"snapboot.logs"}),
        (
            "if event: raise ValueError",
            {"snapboot.faults", "snapboot.frames", "snapboot.logs", "snapboot.report"},
        ),
        ("import logging", {"snapboot.log_records", "snapboot.logs"}),
        ("import snapboot; snapboot.Context", set()),
        (
            "import snapboot; snapboot.after_restore(print)",
            {"snapboot.hooks", "snapshot_restore_py"},
        ),
        (
            "import __main__; __main__.bootstrap",
            {"awslambdaric", "snapboot.aws_names", "snapboot.faults", "snapboot.logs"},
        ),
    ],
)
def test_each_cold_need_loads_its_own_modules_and_no_other_of_ours(
    function, plain_python, statement, needed
):
    found = loaded(function, plain_python, Event(b"1"), Event(b"0"), statement=statement)
    ours = {name for name in found & COLD if name.startswith(OURS)}
    assert ours == {name for name in needed if name.startswith(OURS)}
    assert needed <= found


def test_orjson_is_loaded_when_the_bytes_make_it_worth_while_and_not_before(function):
    small, large = Event(b"1"), Event(b'"%s"' % (b"x" * 8_000_000))
    assert "orjson" not in loaded(function, sys.executable, small, small)
    pytest.importorskip("orjson")
    assert "orjson" in loaded(function, sys.executable, large, small)


def test_the_descriptors_of_an_idle_runtime_are_the_standard_ones_and_its_connection(function):
    function.code("""
        import os

        def handler(event, context):
            return sorted(map(int, os.listdir("/dev/fd")))
    """)
    open_while_listing = 1
    assert len(function.run(Event()).result) == 3 + 1 + open_while_listing
