"""The rule: whatever the runtime can do is tested in every layout, by the one fixture.

What a test of the runtime alone has shown has failed in a package, or from a wheel, more than once.
So each module, setting and public name of the runtime must be met by the tests of this folder.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import snapboot
from tests.fakes.contenders import ROOT
from tests.fakes.runtime_api import Call, Event, Framing, Reply
from tests.layouts import layouts

HERE = Path(__file__).parent
PACKAGE = ROOT / "runtime/snapboot"
TESTS = [path for path in HERE.glob("test_*.py") if path != Path(__file__)]
# What no plain function sees loaded, as it ends in another program or in a refusal, or is for one
# event alone; each is shown by what it does.
UNSEEN = {
    "botocore_data": "test_what_botocore_parses_is_sealed",
    "botocore_hooks": "test_what_botocore_parses_is_sealed",
    "c_environment": "test_python3_is_the_interpreter_of_the_function",
    "entry_points": "test_entry_points_are_sealed",
    "lazy_imports": "test_imports_can_be_lazy",
    "wrapper": "test_a_wrapper_starts_the_runtime",
    "standalone": "test_without_a_platform_the_host_of_the_devkit_serves_or_is_asked_for",
}
# What no one sets but another part of the runtime, and the test that goes through both.
INTERNAL = {
    "_SNAPBOOT_REPLACED": "test_managed_runtime.py: from the wrapper of AWS's runtimes to main"
}
VARIABLE = re.compile(r'"(_?(?:AWS|LAMBDA|SNAPBOOT|X_AMZN|PYTHON)_?[A-Z0-9_]*)"')

# Events, a setting or two, and what each makes the runtime load.
LOADED = """
import sys

async def pieces():
    yield "streamed"

async def asgi_app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})

def wsgi_app(environ, start_response):
    start_response("200 OK", [])
    return []

def handler(event, context):
    if event == "log":
        import logging
        logging.warning("low stock")
    if event == "fail":
        raise ValueError("no table")
    if event == "client":
        import snapboot
        context.client_context
        snapboot.after_restore(print)
    if event == "tools":
        import awslambdaric.bootstrap
    if event == "signal":
        import signal
        signal.signal(signal.SIGTERM, print)
    if event == "stream":
        import snapboot
        return snapboot.HttpResponse(body=pieces())
    if event == "web":
        import snapboot
        request = {"requestContext": {"http": {"method": "GET"}}}
        snapboot.asgi(asgi_app, lifespan="off")(request, context)
        snapboot.wsgi(wsgi_app)(request, context)
    own = getattr(sys.modules["__main__"], "__file__", "").rpartition("/")[2]
    return [own, *sys.modules]
"""
EVENTS = [
    Event(b'"log"'),
    Event(b'"fail"'),
    Event(b'"tools"'),
    Event(b'"signal"'),
    Event(b'"stream"'),
    Event(b'"web"'),
    Event(b'"client"', headers={"Lambda-Runtime-Client-Context": '{"client": {}}'}),
    Event(b"[1e400, 123456789012345678901234567890]"),
    Event(b'"\\ud800"'),
    Event(b'"%s"' % (b"x" * 8_000_000)),
    Event(b"1"),
]
SCENES = [
    {},
    {"SNAPBOOT_JSON": "orjson", "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"},
    {"SNAPBOOT_TRANSPORT": "urllib3", "AWS_LAMBDA_LOG_FORMAT": "JSON"},
    {"_LAMBDA_TELEMETRY_LOG_FD": "3", "SNAPBOOT_INIT_REPORT": "1"},
]


def modules_of_the_runtime():
    return {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}


def test_every_module_of_the_runtime_is_loaded_in_every_layout(layout):
    layout.code(LOADED)
    layout.write("patch.pth", "import sys\n")
    wrapper = layout.script("wrapper", '#!/bin/sh\nexec "$@"\n')
    found = set()
    for scene in (*SCENES, {"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}):
        run = layout.run(
            *EVENTS,
            environment=scene,
            sealed=True,
            under=["/bin/sh", "-c", 'exec "$@" 3>&1', "sh"],
            faults={Call.NEXT: [Reply(framing=Framing.CHUNKED)]},
        )
        own, *names = run.answers[-1].json()
        found |= {name for name in names if name.split(".")[0] == "snapboot"} | {f"snapboot.{own}"}
    files = {f"{name.partition('.')[2].removesuffix('.py') or '__init__'}.py" for name in found}
    expected = modules_of_the_runtime() - {f"{name}.py" for name in UNSEEN}
    if layout.name == "module":  # `sys.path` is left as it is
        expected -= {"path_files.py"}
    assert expected - files == set(), "no test here makes the runtime load these; add one"


@pytest.fixture(scope="module")
def texts():
    """Return the sources of the tests here."""
    return {path.name: path.read_text("utf-8") for path in TESTS}


def test_what_cannot_be_seen_loaded_has_a_test_of_what_it_does(texts):
    tests = {node.name for text in texts.values() for node in functions(text)}
    assert set(UNSEEN.values()) <= tests
    assert {f"{name}.py" for name in UNSEEN} <= modules_of_the_runtime()


def test_every_variable_that_the_runtime_reads_is_set_by_a_test_here(texts):
    read = {
        name for path in PACKAGE.rglob("*.py") for name in VARIABLE.findall(path.read_text("utf-8"))
    }
    known = "\n".join([*texts.values(), (HERE / "function.py").read_text("utf-8")])
    assert {name for name in read if name not in known} == set(INTERNAL)
    assert "AWS_LAMBDA_EXEC_WRAPPER" in read, "the pattern finds nothing"


def test_every_public_name_is_used_by_a_test_here(texts):
    used = set(re.findall(r"\bsnapboot\.(\w+)", "\n".join(texts.values())))
    assert set(snapboot.__all__) - used == set()


def test_every_test_here_runs_in_every_layout(texts):
    apart = [
        f"{name}: {node.name}"
        for name, text in texts.items()
        for node in functions(text)
        if node.name.startswith("test_")
        and "layout" not in [argument.arg for argument in node.args.args]
    ]
    assert apart == []
    assert set(layouts.NAMES) >= {"checkout", "wheel", "package", "image"}


def functions(text):
    """Return the functions of a source."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
