"""Records as the events that subscribers receive, by API and schema."""

import json
from dataclasses import replace

import pytest

from snapboot_devkit.host.lifecycle.records import (
    ExtensionReport,
    InitReport,
    InitRuntimeDone,
    InitStart,
    LogsDropped,
    Report,
    RestoreReport,
    RestoreRuntimeDone,
    RestoreStart,
    RuntimeDone,
    Span,
    Start,
    Subscribed,
)
from snapboot_devkit.host.lifecycle.terms import InitializationType, Phase, Status, TelemetryApi
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo, LogLine, Source
from snapboot_devkit.host.telemetry.platform_events import Schema, encoded, events, iso_time

FACTS = EnvironmentInfo(
    "name", "$LATEST", "arn:function", "2026/11/21/[$LATEST]0", 128, "python:3.13.v30"
)
MANAGED = replace(FACTS, managed=True)
JSON_LOGS = replace(FACTS, json_logs=True)
EPOCH = 1_800_000_000.1234
TIME = "2027-01-15T08:00:00.123Z"
OLDEST, OBJECTS, LATEST = (
    Schema(TelemetryApi.TELEMETRY, version)
    for version in ("2022-07-01", "2022-12-13", "2025-01-29")
)
LOGS, LOGS_DONE = (Schema(TelemetryApi.LOGS, version) for version in ("2020-08-15", "2021-03-18"))
ON_DEMAND, SNAP_START = InitializationType.ON_DEMAND, InitializationType.SNAP_START
ERROR, TIMEOUT = Status.ERROR, Status.TIMEOUT
TRACE = {"type": "X-Amzn-Trace-Id", "value": "Root=1"}
COLD = Report(1, "id", 2.7494, 117, 113.5, memory_size_mb=128, max_memory_used_mb=56)
INSTANCE = {
    "runtimeVersion": "python:3.13.v30",
    "functionName": "name",
    "functionVersion": "$LATEST",
    "instanceId": "2026/11/21/[$LATEST]0",
    "instanceMaxMemory": 128,
}
INIT = {"initializationType": "on-demand", "phase": "init"}


def as_events(record, schema=LATEST, facts=FACTS):
    """Return type and record of the events that a record becomes."""
    found = events(record, facts, EPOCH, schema)
    assert all(list(event) == ["time", "type", "record"] for event in found)
    assert all(event["time"] == TIME for event in found)
    return [(event["type"], event["record"]) for event in found]


@pytest.mark.parametrize(
    ("record", "kind", "document"),
    [
        (InitStart(Phase.INIT, ON_DEMAND), "initStart", INIT | INSTANCE),
        (
            InitRuntimeDone(Phase.INVOKE, SNAP_START),
            "initRuntimeDone",
            {"initializationType": "snap-start", "phase": "invoke", "status": "success"},
        ),
        (
            InitRuntimeDone(Phase.INIT, ON_DEMAND, ERROR, "Runtime.ExitError"),
            "initRuntimeDone",
            INIT | {"status": "error", "errorType": "Runtime.ExitError"},
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 12.34567),
            "initReport",
            INIT | {"status": "success", "metrics": {"durationMs": 12.346}},
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 10_000.0, TIMEOUT),
            "initReport",
            INIT
            | {
                "status": "timeout",
                "errorType": "Runtime.Unknown",
                "metrics": {"durationMs": 10_000.0},
            },
        ),
        (RestoreStart(), "restoreStart", INSTANCE),
        (RestoreRuntimeDone(), "restoreRuntimeDone", {"status": "success"}),
        (
            RestoreReport(70.87),
            "restoreReport",
            {"status": "success", "metrics": {"durationMs": 70.87}},
        ),
        (Start("id"), "start", {"requestId": "id", "version": "$LATEST"}),
        (
            Start("id", "Root=1", "tenant"),
            "start",
            {"requestId": "id", "version": "$LATEST", "tracing": TRACE, "tenantId": "tenant"},
        ),
        (
            RuntimeDone("id", duration_ms=2.5, produced_bytes=0),
            "runtimeDone",
            {
                "requestId": "id",
                "status": "success",
                "metrics": {"durationMs": 2.5, "producedBytes": 0},
            },
        ),
        (
            RuntimeDone(
                "id",
                ERROR,
                "Sandbox.Failure",
                spans=(Span("responseLatency", EPOCH, 1.5),),
                trace_id="Root=1",
            ),
            "runtimeDone",
            {
                "requestId": "id",
                "status": "failure",
                "errorType": "Sandbox.Failure",
                "metrics": {"durationMs": 0.0},
                "spans": [{"name": "responseLatency", "start": TIME, "durationMs": 1.5}],
                "tracing": TRACE,
            },
        ),
        (
            COLD,
            "report",
            {
                "requestId": "id",
                "status": "success",
                "metrics": {
                    "durationMs": 2.749,
                    "billedDurationMs": 117,
                    "memorySizeMB": 128,
                    "maxMemoryUsedMB": 56,
                    "initDurationMs": 113.5,
                },
            },
        ),
        (
            replace(COLD, init_ms=None, restore_ms=5.0, max_memory_used_mb=None, status=TIMEOUT),
            "report",
            {
                "requestId": "id",
                "status": "timeout",
                "metrics": {
                    "durationMs": 2.749,
                    "billedDurationMs": 117,
                    "memorySizeMB": 128,
                    "restoreDurationMs": 5.0,
                },
            },
        ),
        (
            ExtensionReport("ext", "Ready", ("INVOKE",)),
            "extension",
            {"name": "ext", "state": "Ready", "events": ["INVOKE"]},
        ),
        (
            ExtensionReport("ext", "LaunchError", (), "PermissionDenied"),
            "extension",
            {
                "name": "ext",
                "state": "LaunchError",
                "events": [],
                "errorType": "PermissionDenied",
            },
        ),
        (
            Subscribed("ext", ("platform",)),
            "telemetrySubscription",
            {"name": "ext", "state": "Subscribed", "types": ["platform"]},
        ),
        (
            LogsDropped(12345, 123, "too slow"),
            "logsDropped",
            {"droppedBytes": 12345, "droppedRecords": 123, "reason": "too slow"},
        ),
    ],
)
def test_the_telemetry_api_reports_each_record_as_one_event(record, kind, document):
    assert as_events(record) == [(f"platform.{kind}", document)]
    assert as_events(record, OLDEST) == as_events(record)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (InitStart(Phase.INIT, ON_DEMAND), []),
        (
            InitRuntimeDone(Phase.INIT, SNAP_START),
            [("initRuntimeDone", {"initializationType": "snap-start", "status": "success"})],
        ),
        (
            InitReport(Phase.INIT, SNAP_START, 731.79),
            [
                (
                    "initReport",
                    {
                        "initializationType": "snap-start",
                        "metrics": {"durationMs": 731.79, "billedDurationMs": 732},
                    },
                )
            ],
        ),
        (RestoreStart(), [("restoreStart", {})]),
        (RestoreRuntimeDone(), []),
        (
            RestoreReport(70.87),
            [("restoreReport", {"metrics": {"durationMs": 70.87, "billedDurationMs": 71}})],
        ),
        (Start("id", "Root=1"), [("start", {"requestId": "id", "version": "$LATEST"})]),
        (RuntimeDone("id"), []),
        (
            COLD,
            [
                ("end", {"requestId": "id"}),
                (
                    "report",
                    {
                        "requestId": "id",
                        "metrics": {
                            "durationMs": 2.749,
                            "billedDurationMs": 117,
                            "memorySizeMB": 128,
                            "maxMemoryUsedMB": 56,
                            "initDurationMs": 113.5,
                        },
                    },
                ),
            ],
        ),
        (
            Subscribed("ext", ("platform",), TelemetryApi.LOGS),
            [("logsSubscription", {"name": "ext", "state": "Subscribed", "types": ["platform"]})],
        ),
    ],
)
def test_the_logs_api_has_names_and_fields_of_its_own(record, expected):
    assert as_events(record, LOGS) == [
        (f"platform.{kind}", document) for kind, document in expected
    ]


@pytest.mark.parametrize(
    ("status", "error_type", "fault"),
    [
        (ERROR, "Runtime.ExitError", "RequestId: id Status: error\tErrorType: Runtime.ExitError"),
        (ERROR, "Extension.Crash", "RequestId: id Status: error\tErrorType: Extension.Crash"),
        (TIMEOUT, None, "RequestId: id Status: timeout"),
    ],
)
def test_the_logs_api_reports_a_fault_before_the_end(status, error_type, fault):
    report = replace(COLD, status=status, error_type=error_type)
    (first, (second, _), _) = as_events(report, LOGS)
    assert first == ("platform.fault", fault)
    assert second == "platform.end"


def test_what_a_handler_raised_is_no_fault():
    report = replace(COLD, status=ERROR, error_type="Function.Unknown")
    assert [kind for kind, _ in as_events(report, LOGS)] == ["platform.end", "platform.report"]


def test_the_newer_logs_schema_reports_when_the_runtime_is_done():
    done = {"requestId": "id", "status": "success"}
    assert as_events(RuntimeDone("id"), LOGS_DONE) == [("platform.runtimeDone", done)]
    restored = [("platform.restoreRuntimeDone", {"status": "success"})]
    assert as_events(RestoreRuntimeDone(), LOGS_DONE) == restored


def test_managed_instances_tell_one_report_with_the_duration_alone():
    span = Span("responseLatency", EPOCH, 1.0)
    assert as_events(RuntimeDone("id"), facts=MANAGED) == []
    assert as_events(replace(COLD, spans=(span,)), facts=MANAGED) == [
        (
            "platform.report",
            {
                "requestId": "id",
                "status": "success",
                "metrics": {"durationMs": 2.749},
                "spans": [{"name": "responseLatency", "start": TIME, "durationMs": 1.0}],
            },
        )
    ]
    start = {"requestId": "id", "version": "$LATEST", "functionArn": "arn:function"}
    assert as_events(Start("id"), facts=MANAGED) == [("platform.start", start)]


@pytest.mark.parametrize("source", [Source.FUNCTION, Source.EXTENSION])
def test_a_line_is_reported_as_it_is(source):
    assert as_events(LogLine(source, "hello")) == [(source.value, "hello")]


@pytest.mark.parametrize("schema", [OBJECTS, LATEST])
def test_a_line_that_is_a_json_object_is_reported_as_one_when_the_format_is_json(schema):
    line = LogLine(Source.FUNCTION, '{"level": "INFO", "n": 1.50}')
    expected = {"level": "INFO", "n": 1.5}
    assert as_events(line, schema, JSON_LOGS) == [("function", expected)]
    assert as_events(line, schema) == [("function", line.text)]


@pytest.mark.parametrize("schema", [OLDEST, LOGS, LOGS_DONE])
def test_older_schemas_know_no_objects(schema):
    line = LogLine(Source.FUNCTION, '{"level": "INFO"}')
    assert as_events(line, schema, JSON_LOGS) == [("function", line.text)]


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "[1]",
        '"{}"',
        "{",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "[" * 200_000,
        "{'a': 1}",
    ],
)
def test_what_is_not_a_json_object_is_reported_as_text(text):
    assert as_events(LogLine(Source.FUNCTION, text), LATEST, JSON_LOGS) == [("function", text)]


def test_an_empty_object_is_an_object():
    assert as_events(LogLine(Source.FUNCTION, "{}"), LATEST, JSON_LOGS) == [("function", {})]


def test_an_event_is_one_line_of_utf_8_whatever_it_says():
    event = {"time": TIME, "type": "function", "record": "ü\n\udc80\u2028"}
    line = encoded(event)
    assert b"\n" not in line
    assert json.loads(line)["record"] == "ü\n?\u2028"


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1.9996, "1970-01-01T00:00:02.000Z"),
        (EPOCH, TIME),
    ],
)
def test_times_have_milliseconds(epoch, text):
    assert iso_time(epoch) == text
