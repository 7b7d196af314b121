"""The platform's lines, byte for byte as people's log filters expect them."""

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
    Start,
    Subscribed,
)
from snapboot_devkit.host.lifecycle.terms import InitializationType, Phase, Status, TelemetryApi
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo
from snapboot_devkit.host.telemetry.text_log import text_lines

FACTS = EnvironmentInfo("name", "$LATEST", "arn", "stream", 128, "python:3.13.v30")
ON_DEMAND, SNAP_START = InitializationType.ON_DEMAND, InitializationType.SNAP_START
WARM = Report(1, "id", 2.749, 3, memory_size_mb=128, max_memory_used_mb=56)
COLD = replace(WARM, billed_ms=117, init_ms=113.51)
RESTORED = replace(WARM, restore_ms=49.2)
FAILED = replace(WARM, status=Status.ERROR, error_type="Runtime.ExitError", max_memory_used_mb=None)
TIMED_OUT = replace(WARM, duration_ms=3000.0, billed_ms=3000, status=Status.TIMEOUT)
SAMPLED = replace(WARM, trace_id="Root=1-5759e988-bd862e3fe;Parent=53995c3f42cd8ad8;Sampled=1")
INIT_ERROR = "Runtime.ImportModuleError"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (InitStart(Phase.INIT, ON_DEMAND), "INIT_START Runtime Version: python:3.13.v30"),
        (RestoreStart(), "RESTORE_START Runtime Version: python:3.13.v30"),
        (Start("id"), "START RequestId: id Version: $LATEST"),
        (
            Subscribed("my-ext", ("platform", "function", "extension")),
            "TELEMETRY\tName: my-ext\tState: Subscribed\tTypes: [Platform, Function, Extension]",
        ),
        (
            Subscribed("my-ext", ("platform",), TelemetryApi.LOGS),
            "LOGS\tName: my-ext\tState: Subscribed\tTypes: [Platform]",
        ),
        (
            ExtensionReport("my-ext", "Ready", ("INVOKE", "SHUTDOWN")),
            "EXTENSION\tName: my-ext\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        ),
        (
            ExtensionReport("my-ext", "LaunchError", (), "PermissionDenied"),
            (
                "EXTENSION\tName: my-ext\tState: LaunchError\tEvents: []\t"
                "Error Type: PermissionDenied"
            ),
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 1236.04, Status.TIMEOUT),
            "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout",
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 1882.55, Status.ERROR, INIT_ERROR),
            (
                "INIT_REPORT Init Duration: 1882.55 ms\tPhase: init\tStatus: error\t"
                "Error Type: Runtime.ImportModuleError"
            ),
        ),
        (
            InitReport(Phase.INIT, SNAP_START, 20.0),
            "INIT_REPORT Init Duration: 20.00 ms\tPhase: init\tStatus: success",
        ),
        (RestoreReport(500.0), "RESTORE_REPORT Restore Duration: 500.00 ms"),
        (
            RestoreReport(1236.04, Status.TIMEOUT, "Runtime.RestoreHookUserTimeout"),
            "RESTORE_REPORT Restore Duration: 1236.04 ms\tStatus: timeout",
        ),
        (
            RestoreReport(1236.04, Status.ERROR, "Runtime.ExitError"),
            (
                "RESTORE_REPORT Restore Duration: 1236.04 ms\tStatus: error\t"
                "Error Type: Runtime.ExitError"
            ),
        ),
    ],
)
def test_a_record_leaves_its_line(record, line):
    assert text_lines(record, FACTS) == [line]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            WARM,
            (
                "REPORT RequestId: id\tDuration: 2.75 ms\tBilled Duration: 3 ms\t"
                "Memory Size: 128 MB\tMax Memory Used: 56 MB\t"
            ),
        ),
        (
            COLD,
            (
                "REPORT RequestId: id\tDuration: 2.75 ms\tBilled Duration: 117 ms\t"
                "Memory Size: 128 MB\tMax Memory Used: 56 MB\tInit Duration: 113.51 ms\t"
            ),
        ),
        (
            RESTORED,
            (
                "REPORT RequestId: id\tDuration: 2.75 ms\tBilled Duration: 3 ms\t"
                "Memory Size: 128 MB\tMax Memory Used: 56 MB\t"
                "Restore Duration: 49.20 ms\tBilled Restore Duration: 50 ms\t"
            ),
        ),
        (
            FAILED,
            (
                "REPORT RequestId: id\tDuration: 2.75 ms\tBilled Duration: 3 ms\t"
                "Memory Size: 128 MB\tStatus: error\tError Type: Runtime.ExitError"
            ),
        ),
        (
            TIMED_OUT,
            (
                "REPORT RequestId: id\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\t"
                "Memory Size: 128 MB\tMax Memory Used: 56 MB\tStatus: timeout"
            ),
        ),
    ],
)
def test_a_report_leaves_the_end_and_the_figures(report, line):
    assert text_lines(report, FACTS) == ["END RequestId: id", line]


def test_a_sampled_trace_is_reported_after_the_figures():
    *_, line = text_lines(SAMPLED, FACTS)
    assert line == "XRAY TraceId: 1-5759e988-bd862e3fe\tSegmentId: 53995c3f42cd8ad8\tSampled: true"


@pytest.mark.parametrize("trace_id", ["Root=1-2-3;Parent=4;Sampled=0", "Sampled=1", "nonsense"])
def test_a_trace_that_is_not_sampled_leaves_no_line(trace_id):
    assert len(text_lines(replace(WARM, trace_id=trace_id), FACTS)) == 2


def test_the_version_s_arn_is_reported_where_it_is_known():
    facts = replace(FACTS, runtime_version_arn="arn:aws:lambda:us-east-1::runtime:0")
    version = "INIT_START Runtime Version: python:3.13.v30"
    arn = "Runtime Version ARN: arn:aws:lambda:us-east-1::runtime:0"
    assert text_lines(InitStart(Phase.INIT, ON_DEMAND), facts) == [f"{version}\t{arn}"]


@pytest.mark.parametrize("record", [InitStart(Phase.INIT, ON_DEMAND), RestoreStart()])
def test_without_a_managed_runtime_there_is_no_version_to_tell(record):
    assert text_lines(record, replace(FACTS, runtime_version=None)) == []


@pytest.mark.parametrize(
    "record",
    [
        InitStart(Phase.INVOKE, ON_DEMAND),
        InitReport(Phase.INIT, ON_DEMAND, 20.0),
        InitReport(Phase.INVOKE, ON_DEMAND, 20.0, Status.ERROR),
        InitRuntimeDone(Phase.INIT, ON_DEMAND),
        RestoreRuntimeDone(),
        RuntimeDone("id"),
        LogsDropped(1, 1, "reason"),
    ],
)
def test_some_records_leave_no_line(record):
    assert text_lines(record, FACTS) == []
