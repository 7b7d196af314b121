"""The user's names are the user's: none of ours gets in their way, and none of theirs in ours."""

from __future__ import annotations

import _imp
import ast
import json
import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT
from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

OURS = sorted(path.stem for path in (ROOT / "runtime/snapboot").glob("[!_]*.py"))
OTHERS = ["bootstrap", "devkit", "host", "provided", "runtime", "runtime_client", "simplejson"]
FOUND = ["awslambdaric", "snapboot", "snapshot_restore_py"]
STDLIB = Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize("name", [*OURS, *OTHERS])
def test_a_file_of_the_users_with_such_a_name_loads_as_theirs(function: Function, name):
    path = function.write(f"{name}.py", "def handler(event, context): return [__file__, __name__]")
    assert function.run(Event(), handler=f"{name}.handler").result == [str(path), name]


def test_all_of_them_at_once_are_no_trouble_even_when_everything_cold_is_needed(function: Function):
    names = [*OURS, *OTHERS]
    for name in names:
        function.write(f"{name}.py", f"MINE = {name!r}")
    function.code(f"""
        import {", ".join(names)}
        import logging

        mine = [module.MINE for module in ({", ".join(names)})]

        def handler(event, context):
            logging.warning("logged")
            context.log("raw")
            if event:
                raise ValueError("no table")
            return mine
    """)
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    run = function.run(Event(b"1"), Event(b"0"), environment=environment)
    assert run.document["errorMessage"] == "no table"
    assert run.answers[1].json() == names
    assert "logged" in run.stdout


def test_a_function_named_like_our_package_is_the_users(function: Function):
    function.write("main/__init__.py", "")
    path = function.write("main/handler.py", "def handler(event, context): return __file__")
    assert function.run(Event(), handler="main/handler.handler").result == str(path)


def test_the_only_names_of_ours_that_a_function_can_find_are_three(function: Function):
    function.code("""
        import importlib.machinery, pkgutil, sys

        def handler(event, context):
            own = [sys.path[-1]]
            elsewhere = importlib.machinery.PathFinder.find_spec
            return [
                sorted(module.name for module in pkgutil.iter_modules(own)),
                [name for name in event if elsewhere(name) is not None],
            ]
    """)
    asked = (
        b'["awslambdaric", "snapboot", "snapshot_restore_py", %s]'
        % ", ".join(f'"{name}"' for name in [*OURS, *OTHERS]).encode()
    )
    found, importable = function.run(Event(asked)).result
    assert found == FOUND
    assert importable == FOUND


def test_flattened_into_a_folder_the_names_are_the_same_three_and_bootstrap_has_no_suffix():
    assert not (ROOT / "bootstrap").suffix
    names = {path.stem for path in (ROOT / "runtime").iterdir()} - {"__pycache__"}
    assert names == set(FOUND)


@pytest.mark.parametrize("name", ["awslambdaric", "runtime", "snapshot_restore_py"])
def test_a_package_of_the_functions_own_comes_before_ours(function: Function, name):
    path = function.write(f"{name}/__init__.py", "")
    function.code(f"""
        def handler(event, context):
            import {name}
            return {name}.__file__
    """)
    assert function.run(Event()).result == str(path)


# --- packages that both might use ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["orjson", "urllib3"])
@pytest.mark.parametrize("transport", ["socket", "urllib3"])
def test_the_functions_own_copy_of_a_dependency_of_ours_wins(function: Function, name, transport):
    module = pytest.importorskip(name)
    copy = shutil.copytree(Path(module.__file__).parent, function.root / name)
    function.code(f"""
        import {name}

        def handler(event, context):
            return {name}.__file__
    """)
    run = function.run(Event(), environment={"SNAPBOOT_TRANSPORT": transport})
    assert run.result == str(copy / "__init__.py")


@pytest.mark.parametrize("name", ["logging", "json"])
def test_the_functions_own_copy_of_a_package_of_the_standard_library_wins(function: Function, name):
    copy = shutil.copytree(STDLIB / name, function.root / name)
    function.code(f"""
        import {name}
        import logging

        def handler(event, context):
            logging.warning("logged")
            if event:
                raise ValueError("no table")
            return {name}.__file__
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.answers[1].json() == str(copy / "__init__.py")
    assert run.document["errorMessage"] == "no table"
    assert "\tlogged\n" in run.stdout


OWN_LOGGING = {
    "has nothing of it": "MINE = 1",
    "has a getLogger": "MINE = 1\ndef getLogger(name=None): return print\n",
    "has a getLogger and levels": "MINE = 1\nWARNING = 30\ndef getLogger(name=None): return print\n",
}


@pytest.mark.parametrize("source", OWN_LOGGING.values(), ids=OWN_LOGGING)
def test_a_module_of_the_users_named_logging_that_is_another_thing_loads(
    function: Function, source
):
    function.write("logging.py", source)
    function.code("""
        import logging

        def handler(event, context):
            context.log("raw")
            if event:
                raise ValueError("no table")
            return logging.MINE
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.document["errorMessage"] == "no table"
    assert run.answers[1].json() == 1
    assert "[ERROR] ValueError: no table" in run.stdout


# What the runtime takes from the standard library when it is needed, and what that takes in turn:
# file names that people do choose.
NEEDED = ["dataclasses", "datetime", "inspect", "orjson", "random", "ssl", "uuid", "json", "traceback", "logging", "types", "enum", "token", "string", "queue", "copy",
          "operator", "linecache", "textwrap", "warnings", "weakref", "re", "keyword",
          "collections", "contextlib", "functools"]  # fmt: skip
NEEDS_EVERYTHING = """
import {name}
MINE = {name}.MINE

def handler(event, context):
    if event == 0:
        return MINE
    if event == 1:
        raise ValueError("no table")
    if event == 2:
        return float("nan")
    if event == 3:
        return object()
"""


# A module that the interpreter has frozen (`linecache` from 3.15 on) cannot be replaced.
@pytest.mark.parametrize("name", [name for name in NEEDED if not _imp.is_frozen(name)])
def test_a_module_of_the_users_named_as_one_the_runtime_needs_breaks_nothing(
    function: Function, name
):
    function.write(f"{name}.py", "MINE = 1")
    function.code(NEEDS_EVERYTHING.format(name=name))
    headers = {"Lambda-Runtime-Client-Context": '{"custom": {}}'}
    events = [Event(b"1"), Event(b"2"), Event(b"3"), Event(b"{"), Event(b"0", headers=headers)]
    run = function.run(*events)
    assert run.returncode is None, run.stderr
    documents = [answer.json() for answer in run.answers if answer.call is Call.ERROR]
    assert [document["errorMessage"].split(":")[0] for document in documents] == [
        "no table",
        "Unable to marshal response",
        "Unable to unmarshal input",
    ]
    assert [answer.body for answer in run.answers if answer.call is Call.RESPONSE] == [
        b"null",
        b"1",
    ]


# Of some size, so that the codec would buy orjson, whose C code imports the standard library's.
LARGE = json.dumps(["x" * 1000] * 5000).encode()


@pytest.mark.parametrize(
    "name", ["dataclasses", "datetime", "enum", "inspect", "json", "orjson", "uuid", "types"]
)
def test_a_large_event_beside_a_module_named_as_one_that_orjson_imports_is_served(
    function: Function, name
):
    function.write(f"{name}.py", "MINE = 1")
    function.code("def handler(event, context): return len(event)")
    assert function.run(Event(LARGE), Event(LARGE), Event(b"[]")).results == [5000, 5000, 0]


def test_no_two_classes_of_the_devkit_share_a_name():
    """The lifecycle's are read by their module: `effects.Refuse`, `records.Report`, `msg.…`."""
    devkit = ROOT / "devkit/snapboot_devkit"
    owners: dict[str, list[str]] = {}
    for path in sorted(devkit.rglob("*.py")):
        if path.is_relative_to(devkit / "host/lifecycle"):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                owners.setdefault(node.name, []).append(str(path.relative_to(devkit)))
    assert len(owners) > 250
    assert {name: paths for name, paths in owners.items() if len(paths) > 1} == {}
