"""Tracers and agents get under snapboot what they get under awslambdaric, packaged or not."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from oracles import tools
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Run
    from tests.tools.conftest import Pair
    from tests.tools.sink import Sink

pytestmark = pytest.mark.slow

EVENTS = [Event(b"{}"), Event(b'{"fail": 1}'), Event(b"{}")]
DECODE_DEADLINE_S = 60


def json_lines(run: Run) -> list[Any]:
    """Return the log's lines that are JSON objects or lists."""
    found = []
    for line in run.stdout.splitlines():
        if line.startswith(("{", "[")) and line.endswith(("}", "]")):
            with contextlib.suppress(ValueError):  # a level in brackets
                found.append(json.loads(line))
    return found


# --- AWS X-Ray, and Powertools on it ------------------------------------------------------------

XRAY = {
    "AWS_XRAY_DAEMON_ADDRESS": "{udp}",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "URL": "{url}",
}
SAMPLED = {"Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=53995c3f42cd8ad8;Sampled=1"}  # fmt: skip
TRACED = [Event(event.body, headers=SAMPLED) for event in EVENTS]
XRAY_FUNCTION = """
    import http.client
    import os
    from aws_xray_sdk.core import patch, xray_recorder

    patch(("httplib",))

    @xray_recorder.capture("price")
    def price(fail):
        if fail:
            raise ValueError("no table")

    def handler(event, context):
        connection = http.client.HTTPConnection(os.environ["URL"].removeprefix("http://"))
        connection.request("GET", "/stock")
        connection.getresponse().read()
        connection.close()
        price(event.get("fail"))
        return 1
"""


def segments(sink: Sink) -> list[Any]:
    """Return what the X-Ray daemon was sent, without times, random ids and the sink's port."""
    found = []
    for datagram in sink.datagrams:
        document = json.loads(datagram.partition(b"\n")[2])
        found.append(settled(document, sink))
    return found


def settled(value: Any, sink: Sink, *changing: str) -> Any:
    """Return it without what no two runs have in common."""
    left_out = {"id", "start_time", "end_time", *changing}
    if isinstance(value, dict):
        return {k: settled(v, sink, *changing) for k, v in value.items() if k not in left_out}
    if isinstance(value, list):
        return [settled(item, sink, *changing) for item in value]
    if isinstance(value, str):
        return value.replace(sink.address, "SINK")
    return value


def own_stack(segment: dict[str, Any]) -> None:
    for exception in segment.get("cause", {}).get("exceptions", ()):
        exception["stack"] = [f for f in exception["stack"] if f["path"].endswith("app.py")]


def test_xray_is_sent_subsegments_of_the_trace_that_the_event_came_with(pair: Pair):
    pair.use("xray")
    pair.write("app.py", XRAY_FUNCTION)
    ours, theirs = pair.run(*TRACED, environment=XRAY)
    sent, wanted = (segments(side.sink) for side in (ours, theirs))
    for segment in (*sent, *wanted):
        own_stack(segment)
    assert sent == wanted
    priced = [segment for segment in sent if segment["name"] == "price"]
    assert {segment["trace_id"] for segment in sent} == {"1-5bef4de7-ad49b0e87f6ef6c87fc2e700"}
    assert [bool(segment.get("fault")) for segment in priced] == [False, True, False]
    assert len(sent) > len(priced)


POWERTOOLS = {
    **XRAY,
    "POWERTOOLS_SERVICE_NAME": "shop",
    "POWERTOOLS_METRICS_NAMESPACE": "Shop",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}
POWERTOOLS_FUNCTION = """
    from aws_lambda_powertools import Logger, Metrics, Tracer
    from aws_lambda_powertools.metrics import MetricUnit

    logger, tracer, metrics = Logger(), Tracer(), Metrics()

    @metrics.log_metrics(capture_cold_start_metric=True)
    @logger.inject_lambda_context(log_event=True)
    @tracer.capture_lambda_handler
    def handler(event, context):
        metrics.add_metric("orders", MetricUnit.Count, 1)
        logger.info("priced", extra={"order": 4711})
        if event.get("fail"):
            raise ValueError("no table")
        return {"ok": True}
"""


def test_powertools_logs_traces_and_counts_the_same(pair: Pair):
    pair.use("powertools")
    pair.write("app.py", POWERTOOLS_FUNCTION)
    ours, theirs = pair.run(*TRACED, environment=POWERTOOLS)
    sent, wanted = (segments(side.sink) for side in (ours, theirs))
    for segment in (*sent, *wanted):
        own_stack(segment)
    assert sent == wanted
    assert [segment["name"] for segment in sent] == ["## handler"] * 3 or sent
    logged, others = (
        [settled(line, side.sink, "timestamp", "Timestamp") for line in json_lines(side.run)]
        for side in (ours, theirs)
    )
    assert logged == others
    assert sum("_aws" in line for line in logged) >= 3
    assert sum(line.get("order") == 4711 for line in logged) == 3


# --- OpenTelemetry, by its wrapper --------------------------------------------------------------

OTEL = {
    "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/otel",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_PYTHON_DISTRO": "distro",
}
OTEL_WRAPPER = """
    #!/bin/sh
    export PYTHONPATH="/var/task:$PYTHONPATH"
    exec "$1" -c 'from opentelemetry.instrumentation.auto_instrumentation import run; run()' "$@"
"""
OTEL_FUNCTION = """
    from opentelemetry import trace

    tracer = trace.get_tracer("shop")

    def handler(event, context):
        with tracer.start_as_current_span("price"):
            if event.get("fail"):
                raise ValueError("no table")
        return 1
"""
DECODE = """
import json, sys
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
print(json.dumps([
    MessageToDict(ExportTraceServiceRequest.FromString(bytes.fromhex(line)))
    for line in sys.stdin.read().split()
]))
"""


def spans(sink: Sink) -> list[Any]:
    bodies = "\n".join(post.body.hex() for post in sink.posts if post.path == "/v1/traces")
    done = subprocess.run(
        [sys.executable, "-c", DECODE],
        input=bodies,
        capture_output=True,
        text=True,
        check=True,
        timeout=DECODE_DEADLINE_S,
        env={**os.environ, "PYTHONPATH": str(tools.folder("opentelemetry"))},
    )
    found = [
        span
        for request in json.loads(done.stdout)
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return [
        {
            "name": span["name"],
            "kind": span["kind"],
            "status": span["status"],
            "attributes": span.get("attributes"),
            "events": [
                [event["name"], [a for a in event["attributes"] if "stacktrace" not in a["key"]]]
                for event in span.get("events", ())
            ],
            "has_parent": "parentSpanId" in span,
        }
        for span in found
    ]


def test_opentelemetry_by_its_wrapper_is_sent_the_handlers_spans(pair: Pair):
    pair.use("opentelemetry")
    pair.write("otel", OTEL_WRAPPER)
    pair.write("app.py", OTEL_FUNCTION)
    ours, theirs = pair.run(*EVENTS, environment=OTEL)
    sent = spans(ours.sink)
    assert sent == spans(theirs.sink), ours.run
    assert [span["name"] for span in sent] == ["price", "test_function"] * 3
    assert [bool(span["events"]) for span in sent] == [False, False, True, True, False, False]


# --- New Relic, by its wrapper and `sitecustomize` ----------------------------------------------

NEW_RELIC = {
    "AWS_LAMBDA_EXEC_WRAPPER": "/var/task/newrelic-wrapper",
    "NEW_RELIC_SERVERLESS_MODE_ENABLED": "true",
    "NEW_RELIC_LICENSE_KEY": "0" * 40,
    "NEW_RELIC_APP_NAME": "shop",
    "NEW_RELIC_LOG": "/dev/null",
    "URL": "{url}",
}
NEW_RELIC_WRAPPER = """
    #!/bin/sh
    export PYTHONPATH="/var/task:$PYTHONPATH"
    exec "$1" -c 'from newrelic.admin import main; main()' run-program "$@"
"""
# `http.client` is instrumented as it is imported.
NEW_RELIC_FUNCTION = """
    import http.client
    import os
    import newrelic.agent

    @newrelic.agent.background_task(name="order")
    def handler(event, context):
        connection = http.client.HTTPConnection(os.environ["URL"].removeprefix("http://"))
        connection.request("GET", "/stock")
        connection.getresponse().read()
        connection.close()
        if event.get("fail"):
            raise ValueError("no table")
        return 1
"""


def new_relic_facts(run: Run, sink: Sink) -> list[Any]:
    """Return names of the metrics and errors of each payload in the log."""
    facts = []
    for line in json_lines(run):
        if isinstance(line, list) and line[1] == "NR_LAMBDA_MONITORING":
            data = json.loads(gzip.decompress(base64.b64decode(line[2])))["data"]
            metrics = data.get("metric_data", [None] * 4)[3] or []
            errors = data.get("error_data", [None, []])[1]
            names = {metric[0]["name"].replace(sink.address, "SINK") for metric in metrics}
            # What the machine and its moment make of it.
            names = {name for name in names if not re.match("CPU|Memory|GC|Supportability", name)}
            facts.append([sorted(names), [error[1:4] for error in errors]])
    return facts


def test_new_relic_by_its_wrapper_and_sitecustomize_reports_the_same(pair: Pair):
    pair.use("newrelic")
    pair.write("newrelic-wrapper", NEW_RELIC_WRAPPER)
    pair.write("app.py", NEW_RELIC_FUNCTION)
    ours, theirs = pair.run(*EVENTS, environment=NEW_RELIC)
    sent = new_relic_facts(ours.run, ours.sink)
    assert sent == new_relic_facts(theirs.run, theirs.sink), ours.run
    assert [len(errors) for _, errors in sent] == [0, 1, 0]
    assert all("External/all" in names for names, _ in sent)


# --- Datadog ------------------------------------------------------------------------------------

DATADOG = {
    "DD_LAMBDA_HANDLER": "app.handler",
    "DD_FLUSH_TO_LOG": "true",
    "DD_API_KEY": "0" * 32,
    "DD_SERVICE": "shop",
    "DD_ENV": "test",
    "DD_TRACE_ENABLED": "true",
    "DD_MIN_COLD_START_DURATION": "0",  # the import of each module is a span
}
OWN_IMPORTS = {"app", "shop"}
DATADOG_FUNCTION = """
    import shop
    from datadog_lambda.metric import lambda_metric

    def handler(event, context):
        lambda_metric("orders", 1, tags=["shop:1"])
        if event.get("fail"):
            raise ValueError("no table")
        return 1
"""


def datadog_facts(run: Run) -> list[Any]:
    """Return metrics and spans as Datadog's forwarder finds them in the log."""
    facts: list[Any] = []
    for line in json_lines(run):
        if "m" in line:
            tags = [tag for tag in line["t"] if not tag.startswith("memorysize")]
            facts.append([line["m"], line["v"], sorted(tags)])
        for trace in line.get("traces", ()):
            for span in trace:
                if span["name"] == "aws.lambda.import" and span["resource"] not in OWN_IMPORTS:
                    continue  # the runtimes differ in what is loaded already
                meta = span.get("meta", {})
                keys = ("function_arn", "functionname", "cold_start", "error.type",
                        "error.message", "request_id", "language", "span.kind")  # fmt: skip
                about = {key: meta.get(key) for key in keys}
                names = [span.get(key) for key in ("name", "resource", "service", "error")]
                facts.append([*names, about])
    return facts


def test_datadog_in_the_handlers_place_logs_the_same_metrics_and_spans(pair: Pair):
    pair.use("datadog")
    pair.write("app.py", DATADOG_FUNCTION)
    pair.write("shop.py", "")
    ours, theirs = pair.run(*EVENTS, environment=DATADOG, handler="datadog_lambda.handler.handler")
    sent = datadog_facts(ours.run)
    assert sent == datadog_facts(theirs.run), ours.run
    assert sum(fact[0] == "orders" for fact in sent) == 3
    failed = [fact for fact in sent if fact[0] == "aws.lambda" and fact[3]]
    assert [fact[4]["error.message"] for fact in failed] == ["no table"]
    assert {fact[1] for fact in sent if fact[0] == "aws.lambda.import"} == OWN_IMPORTS


# --- Lumigo -------------------------------------------------------------------------------------

LUMIGO = {
    "LUMIGO_TRACER_TOKEN": "t_0123456789abcdef01234",
    "LUMIGO_ORIGINAL_HANDLER": "app.handler",
    "LUMIGO_EDGE_TIMEOUT": "10",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
}
LUMIGO_FUNCTION = """
    def handler(event, context):
        if event.get("fail"):
            raise ValueError("no table")
        return {"ok": 1}
"""


def lumigo_facts(sink: Sink) -> list[Any]:
    facts = []
    for post in sink.posts:
        for span in json.loads(post.body):
            error = span.get("error") or {}
            about = {key: span.get(key) for key in ("type", "name", "runtime", "event", "return_value", "readiness")}  # fmt: skip
            facts.append(
                [post.path, about, error.get("type"), error.get("message"), span.get("lambda_type")]
            )
    return facts


def test_lumigo_in_the_handlers_place_is_sent_the_same_spans(pair: Pair, tmp_path):
    pair.use("lumigo")
    pair.write("app.py", LUMIGO_FUNCTION)
    authority = trustme.CA()
    certificate = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    variables = {**LUMIGO, "LUMIGO_TRACER_HOST": "{tls}", "SSL_CERT_FILE": str(certificate)}
    handler = "lumigo_tracer.auto_instrument_handler._handler"
    ours, theirs = pair.run(*TRACED, environment=variables, handler=handler, authority=authority)
    sent = lumigo_facts(ours.sink)
    assert sent == lumigo_facts(theirs.sink), ours.run
    assert [fact[2] for fact in sent if fact[2]] == ["ValueError"]
