"""Real extension processes beside a real runtime: what they see, who waits, and how all end."""

import asyncio
import json
import os
import sys
import time

import pytest

from tests.devkit.children import until_state
from tests.devkit.extensions import Stage
from tests.devkit.hosted import document, hosted, request, runs
from tests.devkit.test_freeze import STOPPED

WATCH = ["register", "INVOKE", "SHUTDOWN"]
SERVE = ["serve"]
WATCHER = [WATCH, SERVE]
HIDDEN = {
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
}

INTERNAL = """
import http.client, json, os, signal, sys, threading

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
asked = threading.Semaphore(0)

def call(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, "/2020-01-01/extension" + path, body, headers)
    response = connection.getresponse()
    return response.headers, response.read()

headers, _ = call("POST", "/register", {"Lambda-Extension-Name": "inside"}, '{"events": ["INVOKE"]}')
identity = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
seen = []

def watch():
    while True:
        _, event = call("GET", "/event/next", identity)
        seen.append(json.loads(event)["requestId"])
        asked.release()

def asked_to_end(*_):
    print("asked to end", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, asked_to_end)
threading.Thread(target=watch, daemon=True).start()

def handler(event, context):
    asked.acquire()
    return [seen.pop(), context.aws_request_id]
"""

KEEPER = """
import os, pathlib, tempfile

def handler(event, context):
    kept = pathlib.Path(tempfile.gettempdir(), event["name"])
    if event["first"]:
        kept.write_text("still here")
        os._exit(1)
    text = kept.read_text()
    kept.unlink()
    return text
"""


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def staged(stage, scenario, handler="echo", **settings):
    """Run a scenario with a function that has the stage's layer."""
    return hosted(handler, scenario, layers=[stage.layer], env=stage.variables, **settings)


def acted(stage, events, *lives, **settings):
    """Send events to a scripted runtime beside the stage's extensions; return the results."""

    async def scenario(host):
        return [await host.invoke(event) for event in events]

    return staged(stage, scenario, bootstrap=stage.runtime(*lives or [[["echo"]]]), **settings)


def in_code(folder, source, scenario, **settings):
    """Run a scenario with a function in our own runtime."""
    code = folder / "code"
    code.mkdir()
    (code / "app.py").write_text(source)
    return hosted("app.handler", scenario, task_root=code, bootstrap=None, **settings)


def is_known(pid):
    """Tell whether a process is there, be it only to be collected."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until_collected(host, pid):
    """Wait until the host has taken note of the end of a process of its own."""
    while is_known(pid):
        await request(host, "GET", "/health")
    await request(host, "GET", "/health")


# ---- what they see -----------------------------------------------------------------------------


def test_no_runtime_starts_before_all_have_registered_and_no_event_comes_before_all_are_ready(
    stage,
):
    ready = [["wait", "asks"], ["note", "ready"], SERVE]
    stage.extension("early", [WATCH, ["flag", "registered"], *ready])
    stage.extension("late", [["wait", "registered"], *WATCHER])
    acted(stage, [1], [["flag", "asks"], ["echo"]])
    journal = stage.journal()
    assert journal.index("late: register -> 200") < journal.index("runtime: started")
    expected = ("runtime: next -> 200 1", "early: next -> INVOKE", "late: next -> INVOKE")
    assert journal.index("early: ready") < min(journal.index(line) for line in expected)


def test_an_extension_gets_what_the_runtime_gets_and_its_deadline(stage):
    stage.extension("watcher", [WATCH, ["look"], ["look"], ["leave", 0]])

    async def scenario(host):
        result = await host.invoke(trace_id="Root=1-2-3")
        return json.loads(result.payload)["headers"], time.time()

    headers, stopping = staged(stage, scenario, "about")
    stopped = time.time()
    *_, invoked, ended, _ = stage.journal("watcher")
    assert json.loads(invoked) == {
        "eventType": "INVOKE",
        "deadlineMs": int(headers["lambda-runtime-deadline-ms"]),
        "requestId": headers["lambda-runtime-aws-request-id"],
        "invokedFunctionArn": headers["lambda-runtime-invoked-function-arn"],
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-2-3"},
    }
    event = json.loads(ended)
    # Two seconds from when the shutdown began.
    assert int(stopping * 1000) <= event.pop("deadlineMs") - 2000 <= stopped * 1000
    assert event == {"eventType": "SHUTDOWN", "shutdownReason": "spindown"}


def test_an_extension_sees_the_runtime_s_variables_but_for_those_of_the_runtime_alone(stage):
    stage.extension("watcher", [["variables"], *WATCHER])

    async def scenario(host):
        return json.loads((await host.invoke()).payload)["env"]

    of_runtime = staged(stage, scenario, "about")
    seen = set(stage.journal("watcher")[1].split())
    assert seen == {name for name in of_runtime if name not in {*HIDDEN, "PID"}}
    assert {"AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"} < seen
    assert {"_HANDLER", "LAMBDA_TASK_ROOT"} < set(of_runtime)


def test_what_an_extension_prints_is_in_the_log_as_its_own(stage):
    stage.extension("talker", [["say", "I am here"], *WATCHER])
    lines = []

    async def scenario(host):
        await host.invoke()

    staged(stage, scenario, log=lines.append)
    expected = {(line.source.value, line.text) for line in lines}
    assert ("extension", "I am here") in expected
    ready = "EXTENSION\tName: talker\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
    assert ("platform", ready) in expected


def test_a_part_of_the_function_that_registers_gets_events_and_its_runtime_a_sigterm(tmp_path):
    lines = []

    async def scenario(host):
        return [json.loads((await host.invoke()).payload) for _ in range(2)]

    first, second = in_code(tmp_path, INTERNAL, scenario, log=lines.append)
    for by_extension, by_runtime in (first, second):
        assert by_extension == by_runtime
    assert first != second
    assert "asked to end" in [line.text for line in lines]


# ---- failure -----------------------------------------------------------------------------------


def test_an_extension_that_crashes_in_its_init_is_given_another_try_by_the_event(stage):
    stage.extension("failing", [WATCH, ["leave", 3]], WATCHER)
    [result] = acted(stage, [1])
    assert (result.payload, result.function_error) == (b"1", None)
    assert stage.journal("failing").count("started") == 2


def test_an_extension_that_crashes_while_idle_fails_the_next_invocation_alone(stage):
    stage.extension("watcher", WATCHER)

    async def scenario(host):
        before = await host.invoke(1)
        await asyncio.to_thread(stage.kill, "watcher")
        await until_collected(host, stage.pid("watcher"))
        return [before, await host.invoke(2), await host.invoke(3)]

    before, failed, after = staged(stage, scenario, freeze=False)
    assert (before.payload, after.payload) == (b"1", b"3")
    assert document(failed)["errorType"] == "Extension.Crash"
    assert document(failed)["errorMessage"].endswith("Error: signal: killed")


def test_an_extension_that_crashes_at_work_fails_the_invocation_and_not_the_next(stage):
    stage.extension("failing", [WATCH, ["next"], ["leave", 3]], WATCHER)
    failed, after = acted(stage, [1, 2], [["ask"], ["hang"]], [["echo"]])
    assert document(failed)["errorType"] == "Extension.Crash"
    assert document(failed)["errorMessage"].endswith("Error: exit status 3")
    assert after.payload == b"2"


def test_an_extension_that_may_not_be_executed_fails_every_invocation(stage):
    stage.extension("locked", WATCHER, executable=False)
    first, second = acted(stage, [1, 2])
    for result in (first, second):
        assert document(result)["errorType"] == "Extension.LaunchError"
    expected = (
        "EXTENSION\tName: locked\tState: LaunchError\tEvents: []\tError Type: PermissionDenied"
    )
    assert expected in first.logs
    assert stage.journal("runtime") == []


def test_a_reset_starts_all_again_but_keeps_the_temporary_files(stage, tmp_path):
    stage.extension("watcher", WATCHER)
    name = f"snapboot-{os.getpid()}-{time.monotonic_ns()}"

    async def scenario(host):
        events = [{"name": name, "first": first} for first in (True, False)]
        return [await host.invoke(event) for event in events]

    settings = {"layers": [stage.layer], "env": stage.variables, "concurrency": 1}
    failed, after = in_code(tmp_path, KEEPER, scenario, **settings)
    assert document(failed)["errorType"] == "Runtime.ExitError"
    assert json.loads(after.payload) == "still here"
    again = ["started", "register -> 200", "next -> INVOKE"]
    assert stage.journal("watcher") == [
        *(*again, "next -> SHUTDOWN failure", "exit 0"),
        *(*again, "next -> SHUTDOWN spindown", "exit 0"),
    ]
    # A suppressed init is part of the invocation, and has no lines of its own.
    assert not [line for line in after.logs if line.startswith("INIT_")]


# ---- the end -----------------------------------------------------------------------------------


def test_the_runtime_is_asked_to_end_and_the_extension_outlives_it(stage):
    stage.extension("watcher", WATCHER)
    acted(stage, [1], [["catch", "leave"], ["echo"]])
    assert stage.journal()[-3:] == [
        "runtime: SIGTERM",
        "watcher: next -> SHUTDOWN spindown",
        "watcher: exit 0",
    ]


def test_without_an_extension_the_runtime_is_not_asked(stage):
    acted(stage, [1], [["catch", "leave"], ["echo"]])
    assert stage.journal() == [
        "runtime: started",
        "runtime: next -> 200 1",
        "runtime: response -> 202",
    ]


def test_at_a_timeout_the_extension_gets_the_reason(stage):
    stage.extension("watcher", WATCHER)
    slow, after = acted(
        stage, [1, 2], [["catch", "leave"], ["ask"], ["hang"]], [["echo"]], timeout_s=1
    )
    assert "timed out" in document(slow)["errorMessage"]
    assert after.payload == b"2"
    journal = stage.journal()
    assert journal.index("runtime: SIGTERM") < journal.index("watcher: next -> SHUTDOWN timeout")


@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "awake"])
def test_an_extension_that_does_not_end_is_killed_when_the_time_is_over(stage, freeze):
    stage.extension("stubborn", [["catch"], WATCH, ["look"], ["look"], ["note", "stays"], ["hang"]])
    acted(stage, [1], [["catch"], ["echo"]], freeze=freeze)
    assert stage.journal("stubborn")[-1] == "stays"
    assert "SIGTERM" in stage.journal("runtime")
    assert "SIGTERM" not in stage.journal("stubborn")
    assert not runs(stage.pid("stubborn"))
    assert not runs(stage.pid("runtime"))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who stands still")
def test_an_extension_stands_still_between_two_invocations(stage):
    stage.extension("watcher", WATCHER)

    async def scenario(host):
        await host.invoke(1)
        await until_state(stage.pid("watcher"), STOPPED)
        return (await host.invoke(2)).payload

    assert staged(stage, scenario) == b"2"
    assert stage.journal("watcher").count("next -> INVOKE") == 2
