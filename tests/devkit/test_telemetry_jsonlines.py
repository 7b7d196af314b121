"""Lines of a log in JSON format, and what its levels let through."""

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
    Start,
    Subscribed,
)
from snapboot_devkit.host.lifecycle.terms import InitializationType, Phase, Status
from snapboot_devkit.host.telemetry.json_log import application_line, system_lines
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo, LineFormatter

FACTS = EnvironmentInfo("name", "$LATEST", "arn", "stream", 128, "python:3.13.v30", json_logs=True)
OS_ONLY = replace(FACTS, runtime_version=None)
EPOCH = 1_800_000_000.0
ON_DEMAND, SNAP_START = InitializationType.ON_DEMAND, InitializationType.SNAP_START
ERROR, TIMEOUT = Status.ERROR, Status.TIMEOUT
STAMP = '"timestamp": "2024-11-02T16:51:31.587199Z"'


def level(record, facts):
    """Return the highest level at which a record is still kept."""
    kept = [name for name in ("DEBUG", "INFO", "WARN") if system_lines(record, facts, EPOCH, name)]
    return kept[-1]


@pytest.mark.parametrize(
    ("record", "facts", "expected"),
    [
        (InitStart(Phase.INIT, ON_DEMAND), FACTS, "INFO"),
        (InitStart(Phase.INIT, ON_DEMAND), OS_ONLY, "DEBUG"),
        (InitRuntimeDone(Phase.INIT, ON_DEMAND), FACTS, "DEBUG"),
        (InitRuntimeDone(Phase.INIT, ON_DEMAND, ERROR), FACTS, "WARN"),
        (InitReport(Phase.INIT, ON_DEMAND, 1.0), FACTS, "DEBUG"),
        (InitReport(Phase.INIT, SNAP_START, 1.0), FACTS, "INFO"),
        (InitReport(Phase.INIT, ON_DEMAND, 1.0, TIMEOUT), FACTS, "WARN"),
        (RestoreStart(), FACTS, "INFO"),
        (RestoreStart(), OS_ONLY, "DEBUG"),
        (RestoreRuntimeDone(), FACTS, "DEBUG"),
        (RestoreRuntimeDone(ERROR), FACTS, "WARN"),
        (RestoreReport(1.0), FACTS, "INFO"),
        (RestoreReport(1.0, TIMEOUT), FACTS, "WARN"),
        (Start("id"), FACTS, "INFO"),
        (RuntimeDone("id"), FACTS, "DEBUG"),
        (RuntimeDone("id", ERROR), FACTS, "WARN"),
        (Report(1, "id", 1.0, 1), FACTS, "INFO"),
        (Report(1, "id", 1.0, 1, status=TIMEOUT), FACTS, "WARN"),
        (ExtensionReport("ext", "Ready"), FACTS, "INFO"),
        (ExtensionReport("ext", "LaunchError", (), "PermissionDenied"), FACTS, "WARN"),
        (Subscribed("ext", ("platform",)), FACTS, "INFO"),
        (LogsDropped(1, 1, "reason"), FACTS, "WARN"),
    ],
)
def test_each_record_has_its_level(record, facts, expected):
    assert level(record, facts) == expected


def test_a_record_is_one_line_with_the_event_that_subscribers_receive():
    (line,) = system_lines(Start("id"), FACTS, EPOCH, "INFO")
    assert line == (
        '{"time":"2027-01-15T08:00:00.000Z","type":"platform.start",'
        '"record":{"requestId":"id","version":"$LATEST"}}'
    )


def test_a_second_init_inside_an_invoke_is_not_reported():
    record = InitReport(Phase.INVOKE, ON_DEMAND, 1.0, ERROR)
    assert system_lines(record, FACTS, EPOCH, "DEBUG") == []


@pytest.mark.parametrize(
    ("said", "least", "kept"),
    [
        ("debug", "INFO", False),
        ("DEBUG", "DEBUG", True),
        ("INFO", "INFO", True),
        ("INFO", "WARN", False),
        ("warning", "WARN", True),
        ("WARNING", "ERROR", False),
        ("CRITICAL", "FATAL", True),
        ("ERROR", "FATAL", False),
        ("loud", "INFO", True),
        ("loud", "WARN", False),
    ],
)
def test_a_json_line_is_kept_from_its_level_on(said, least, kept):
    line = f'{{"level": "{said}", "msg": "hi", {STAMP}}}'
    assert application_line(line, EPOCH, least) == (line if kept else None)


@pytest.mark.parametrize("value", ["3", "null", "[]", '{"a": 1}'])
def test_a_level_that_is_no_text_counts_as_info(value):
    line = f'{{"level": {value}, {STAMP}}}'
    assert application_line(line, EPOCH, "INFO") == line
    assert application_line(line, EPOCH, "WARN") is None


@pytest.mark.parametrize(
    "stamp",
    ["2024-11-02T16:51:31Z", "2024-11-02T16:51:31.5Z", "2024-11-02t16:51:31.123456789+02:00"],
)
def test_rfc_3339_times_are_valid(stamp):
    line = json.dumps({"timestamp": stamp, "level": "DEBUG"})
    assert application_line(line, EPOCH, "INFO") is None
    assert application_line(line, EPOCH, "DEBUG") == line


@pytest.mark.parametrize(
    "stamp",
    [None, 1_800_000_000, "yesterday", "2024-11-02", "2024-13-02T16:51:31Z", "2024-11-02T16:51:31"],
)
def test_a_json_line_without_a_valid_time_gets_one_and_counts_as_info(stamp):
    line = json.dumps({"timestamp": stamp, "level": "ERROR", "msg": "ü"})
    kept = application_line(line, EPOCH, "INFO")
    assert json.loads(kept) == {
        "timestamp": "2027-01-15T08:00:00.000Z",
        "level": "ERROR",
        "msg": "ü",
    }
    assert application_line(line, EPOCH, "WARN") is None


def test_a_json_line_with_neither_gets_both():
    kept = application_line('{"msg": "hi"}', EPOCH, "INFO")
    stamped = {"timestamp": "2027-01-15T08:00:00.000Z", "level": "INFO", "msg": "hi"}
    assert json.loads(kept) == stamped


@pytest.mark.parametrize("text", ["hello", "", "[1]", '{"level": "debug"', '{"a": Infinity}'])
def test_text_has_no_level_and_passes(text):
    assert application_line(text, EPOCH, "FATAL") == text


def test_the_form_of_a_log_is_text_or_json():
    text, as_json = (
        LineFormatter(replace(FACTS, json_logs=False)),
        LineFormatter(FACTS, level="ERROR"),
    )
    line = f'{{"level": "INFO", {STAMP}}}'
    assert text.system(Start("id"), EPOCH) == ["START RequestId: id Version: $LATEST"]
    assert text.application(line, EPOCH) == line
    assert json.loads(as_json.system(Start("id"), EPOCH)[0])["type"] == "platform.start"
    assert as_json.application(line, EPOCH) is None
