"""AWS's managed Python runtime with and without the wrapper layer: the same answers and logs.

In a root that is laid out as AWS's, read-only, as a user without rights, under AWS's emulator.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import textwrap

import pytest

from oracles import cache
from tests.contract import pairs
from tests.contract.difference import absent, unexplained
from tests.contract.differences import DIFFERENCES
from tests.contract.suites import SUITES, samples
from tests.shipping import managed, rooted
from tests.shipping.managed import WRAPPED, WRAPPER, InRoot
from tests.shipping.rooted import Rooted

pytestmark = pytest.mark.slow

WHO = """
import boto3, os, sys

def handler(event, context):
    return {
        "client": type(context).__module__.partition(".")[0],
        "boto3": boto3.__file__,
        "path": sys.path,
        "execution": os.environ["AWS_EXECUTION_ENV"],
        "user": os.getuid(),
    }
"""


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    rooted.require()
    return managed.lay_out(tmp_path_factory.mktemp("managed"))


def run(suite, runtime, **variables):
    platform = functools.partial(_platform, runtime, variables)
    return {f"{suite.name}/{case}": seen for case, seen in pairs.run(suite, None, platform).items()}


def _platform(runtime, variables, _contender, handler, **settings):
    return InRoot(runtime, variables, handler, **settings)


def compare(suite, runtime):
    """Fail with each difference that is not among those of the runtimes, or is not there."""
    theirs, ours = run(suite, runtime), run(suite, runtime, **WRAPPED)
    complaints = [
        complaint
        for case, observation in ours.items()
        for complaint in unexplained(case, observation, theirs[case], DIFFERENCES)
    ]
    complaints += absent(ours, DIFFERENCES)
    assert not complaints, "\n".join(["", *complaints])


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_with_the_variable_a_function_answers_and_logs_as_without_but_for_declared_differences(
    suite, runtime
):
    compare(suite, runtime)


def test_every_event_sample_of_aws_is_answered_as_without_the_variable(runtime):
    compare(samples(), runtime)


# --- one function, looked at --------------------------------------------------------------------


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "app.py").write_text(WHO)
    return folder


def invoked(runtime, task, layer=None, event=b"{}", handler="app.handler", **variables):
    """Return the answer, as JSON, and the log."""
    environment = {**managed.ENVIRONMENT, **variables}
    places = runtime.places(task, layer)
    with Rooted(runtime.root, handler, places=places, variables=environment) as function:
        answer = function.invoke(event)
        assert answer.status == 200, f"{answer!r} of {function!r}"
        return json.loads(answer.body), function.log()


def test_the_variable_takes_effect_and_boto3_is_that_of_the_managed_runtime(runtime, task):
    (theirs, _), (ours, log) = invoked(runtime, task), invoked(runtime, task, **WRAPPED)
    assert (theirs.pop("client"), ours.pop("client")) != ("snapboot", "snapboot")
    assert log == ""
    assert ours["boto3"].startswith("/var/runtime/boto3/")
    assert ours["user"] == rooted.UID
    assert ours.pop("path")[:-1] == list(dict.fromkeys(theirs.pop("path")))
    assert ours == theirs


def test_nothing_of_the_layer_is_compiled_at_the_start(runtime, task, tmp_path):
    layer = shutil.copytree(runtime.layer, tmp_path / "opt")
    for source in (layer / "snapboot.d").rglob("*.py"):
        source.write_text("no Python at all ][")
    answer, log = invoked(runtime, task, layer, **WRAPPED)
    assert (answer["client"], log) == ("snapboot", "")


def test_installed_into_the_functions_folder_it_needs_no_layer(runtime, task, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copytree(runtime.layer / "snapboot.d/snapboot", task / "snapboot")
    shutil.copy2(runtime.layer / "snapboot", task / "snapboot/exec")
    variables = {WRAPPER: "/var/task/snapboot/exec"}
    answer, log = invoked(runtime, task, tmp_path / "empty", **variables)
    assert (answer["client"], log) == ("snapboot", "")


@pytest.mark.parametrize("fault", ["the runtime is gone", "a module is damaged"])
def test_with_a_broken_layer_the_function_runs_and_one_line_says_why(
    runtime, task, tmp_path, fault
):
    layer = shutil.copytree(runtime.layer, tmp_path / "opt")
    if fault == "the runtime is gone":
        shutil.rmtree(layer / "snapboot.d")
    else:
        for damaged in (layer / "snapboot.d/snapboot/__pycache__").glob("handler.*.pyc"):
            damaged.write_bytes(damaged.read_bytes()[:100])
    answer, log = invoked(runtime, task, layer, **WRAPPED)
    assert answer["client"] != "snapboot"
    (line,) = log.splitlines()
    assert line.startswith("snapboot: cannot start: ")


def test_a_second_wrapper_that_is_not_executable_is_left_out(runtime, task, tmp_path):
    layer = shutil.copytree(runtime.layer, tmp_path / "opt")
    (layer / "other").write_text("#!/bin/sh\n")
    answer, log = invoked(runtime, task, layer, SNAPBOOT_EXEC_WRAPPER="/opt/other", **WRAPPED)
    assert answer["client"] == "snapboot"
    (line,) = log.splitlines()
    assert "/opt/other is not an executable file" in line


@pytest.mark.parametrize("name", ["python3.9", "python3.10"])
def test_another_interpreter_runs_its_own_command(runtime, task, tmp_path, name):
    # A runtime of another version: its interpreter's name is what shows it.
    var = shutil.copytree(runtime.var, tmp_path / "var", symlinks=True)
    script = (var / "runtime/bootstrap").read_text().replace(managed.PYTHON, f"/opt/{name}")
    (var / "runtime/bootstrap").write_text(script)
    layer = shutil.copytree(runtime.layer, tmp_path / "opt")
    (layer / name).symlink_to(managed.PYTHON)
    older = managed.Managed(runtime.root, var, layer)
    answer, log = invoked(older, task, layer, **WRAPPED)
    assert answer["client"] != "snapboot"
    (line,) = log.splitlines()
    assert f"/opt/{name} is older than CPython 3.11" in line


# --- other people's tools -----------------------------------------------------------------------

POWERTOOLS = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

logger, tracer = Logger(service="payment"), Tracer(service="payment")
metrics = Metrics(namespace="shop", service="payment")

@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event, context):
    metrics.add_metric(name="orders", unit=MetricUnit.Count, value=1)
    logger.info("taken", extra={"order": event["order"]})
    return {"order": event["order"], "name": context.function_name}
"""
XRAY = """
from aws_xray_sdk.core import patch_all, xray_recorder

patch_all()

def handler(event, context):
    segment = xray_recorder.current_segment()
    with xray_recorder.in_subsegment("work") as subsegment:
        return [event["order"], segment.trace_id, subsegment.name]
"""
SENTRY = """
import sentry_sdk
from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration
from sentry_sdk.transport import Transport

seen = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event:
            seen.append(event["exception"]["values"][0]["type"])

sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=Kept, integrations=[AwsLambdaIntegration()])

def handler(event, context):
    if event.get("fail"):
        raise LookupError("no such order")
    return seen
"""
DATADOG = """
from datadog_lambda.wrapper import datadog_lambda_wrapper

@datadog_lambda_wrapper
def handler(event, context):
    return {"order": event["order"], "id": bool(context.aws_request_id)}
"""
TOOLS = {
    "powertools": (POWERTOOLS, ("aws-lambda-powertools[tracer]",), {}),
    "X-Ray SDK": (XRAY, ("aws-xray-sdk",), {}),
    "Datadog": (DATADOG, ("datadog-lambda",), {"DD_API_KEY": "0" * 32, "DD_FLUSH_TO_LOG": "true"}),
}
TRACE = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"


def with_packages(task, source, *requirements):
    (task / "app.py").write_text(textwrap.dedent(source))

    def install(folder):
        cache.pip(
            sys.executable,
            ["install", "--prefer-binary", "--target", str(folder), *requirements],
        )

    name = "-".join((*requirements, managed.VERSION)).replace("[", "-").replace("]", "")
    folder = cache.entry(f"managed-tool-{name}", install)
    shutil.copytree(folder, task, symlinks=True, dirs_exist_ok=True)


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_work_as_without_the_variable(runtime, task, tool):
    source, requirements, variables = TOOLS[tool]
    with_packages(task, source, *requirements)
    event = b'{"order": 7}'
    settings = {"_X_AMZN_TRACE_ID": TRACE, **variables}
    theirs, their_log = invoked(runtime, task, event=event, **settings)
    ours, our_log = invoked(runtime, task, event=event, **settings, **WRAPPED)
    assert ours == theirs or (tool == "X-Ray SDK" and ours[::2] == theirs[::2])
    assert _shape(our_log) == _shape(their_log)


def _shape(log):
    """Return the log's JSON lines as the names of their fields, and how many others there are."""
    lines = log.splitlines()
    parsed = [json.loads(line) for line in lines if line.startswith("{")]
    return [sorted(line) for line in parsed], len(lines) - len(parsed)


def test_sentry_reports_what_a_handler_raises(runtime, task):
    with_packages(task, SENTRY, "sentry-sdk")
    for variables in ({}, WRAPPED):
        environment = {**managed.ENVIRONMENT, **variables}
        places = runtime.places(task)
        with Rooted(runtime.root, "app.handler", places=places, variables=environment) as function:
            failed = json.loads(function.invoke(b'{"fail": true}').body)
            seen = json.loads(function.invoke(b"{}").body)
        assert failed["errorType"] == "LookupError"
        assert seen == ["LookupError"], variables
