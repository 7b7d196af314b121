"""Exported logs of Lambda's, as every tool exports them, and as none should."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapboot_devkit.profile import logs
from snapboot_devkit.profile.errors import ProfileError
from tests.devkit.packages import snapboot
from tests.fakes.contenders import ROOT

MEASURE = ROOT / "examples/measure"

COLD = (
    "REPORT RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\tDuration: 2.75 ms\t"
    "Billed Duration: 117 ms\tMemory Size: 128 MB\tMax Memory Used: 56 MB\tInit Duration: 113.51 ms\t"
)
WARM = (
    "REPORT RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3fce\tDuration: 1.25 ms\t"
    "Billed Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 57 MB\t"
)
RESTORED = (
    "REPORT RequestId: 8476a536-e9f4-11e8-9739-2dfe598c3fcf\tDuration: 3.50 ms\t"
    "Billed Duration: 120 ms\tMemory Size: 256 MB\tMax Memory Used: 90 MB\t"
    "Restore Duration: 500.25 ms\tBilled Restore Duration: 110 ms\t"
)
FAILED = "INIT_REPORT Init Duration: 1882.55 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError"
OWN = '{"snapbootInit":{"interpreterCpuMs":9.1,"runtimeInitMs":2.2,"functionInitMs":40.5,"cpuMs":51.0,"modules":3}}'
LINES = ["START RequestId: 8 Version: $LATEST", COLD, WARM, RESTORED, FAILED, OWN, "my own line"]
STREAM = "2026/11/26/[7]0123456789abcdef"


def figures(text, version=""):
    found = logs.Read()
    logs.take(found, text)
    return {name: list(values) for name, values in found.versions[version].figures.items()}


EXPECTED = {
    "initMs": [113.51],
    "coldMs": [2.75, 3.5],
    "warmMs": [1.25],
    "restoreMs": [500.25],
    "billedRestoreMs": [110],
    "failedInitMs": [1882.55],
    "maxMemoryMB": [56, 57, 90],
    "interpreterCpuMs": [9.1],
    "runtimeInitMs": [2.2],
    "functionInitMs": [40.5],
    "cpuMs": [51.0],
}


def as_csv():
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["@timestamp", "@message", "@logStream"])
    rows.writerows([["2026-11-26 20:00:00.000", f"{line}\n", STREAM] for line in LINES])
    return text.getvalue()


EXPORTS = {
    "text": "\n".join(LINES),
    "aws logs tail": "\n".join(f"2026-11-26T20:00:00.000000+00:00 {STREAM} {line}" for line in LINES),
    "filter-log-events": json.dumps(
        {"events": [{"logStreamName": STREAM, "timestamp": 1, "message": f"{line}\n"} for line in LINES]}
    ),
    "get-query-results": json.dumps(
        {"results": [[{"field": "@message", "value": line}, {"field": "@logStream", "value": STREAM}] for line in LINES]}
    ),
    "list": json.dumps(LINES),
    "csv": as_csv(),
    "crlf": "\r\n".join(LINES),
}  # fmt: skip


@pytest.mark.parametrize("kind", EXPORTS)
def test_every_export_says_the_same(kind):
    found = logs.Read()
    logs.take(found, EXPORTS[kind])
    (version,) = found.versions
    assert version == ("" if kind in {"text", "list", "crlf"} else "7")
    assert found.versions[version].figures == EXPECTED
    assert found.reports == 5


def test_json_logs_and_telemetry_are_read_too():
    records = [
        {"type": "platform.report", "record": {"requestId": "1", "metrics": {"durationMs": 4.5, "billedDurationMs": 120, "memorySizeMB": 128, "maxMemoryUsedMB": 60, "initDurationMs": 99.5}}},
        {"type": "platform.initReport", "record": {"status": "timeout", "metrics": {"durationMs": 10000.5}}},
        {"type": "platform.restoreReport", "record": {"status": "success", "metrics": {"durationMs": 321.0}}},
        {"type": "platform.start", "record": {"requestId": "1"}},
    ]  # fmt: skip
    assert figures("\n".join(map(json.dumps, records))) == {
        "coldMs": [4.5],
        "initMs": [99.5],
        "maxMemoryMB": [60],
        "failedInitMs": [10000.5],
        "restoreMs": [321.0],
    }


HOSTILE = [
    '{"snapbootInit": {"functionInitMs": "NaN"}}',
    '{"snapbootInit": {"functionInitMs": 1e999}}',
    '{"snapbootInit": {"functionInitMs": true, "cpuMs": -3}}',
    '{"snapbootInit": []}',
    '{"type": "platform.report", "record": {"metrics": {"durationMs": ' + "9" * 400 + "}}}",
    '{"type": "platform.report", "record": []}',
    '{"type": "platform.report"}',
    "[" * 100_000,
    "REPORT RequestId: x\tDuration: 1e5 ms",
    "REPORT RequestId: x\tDuration: 99999999999999999999 ms\tInit Duration: -1 ms",
    "INIT_REPORT Init Duration: ms",
    '"@message",\x00\n"' + "x" * 200_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_lines_are_passed_over(text):
    found = logs.Read()
    logs.take(found, text)
    assert [value for one in found.versions.values() for values in one.figures.values() for value in values] == []  # fmt: skip


@given(st.lists(st.sampled_from([*LINES, *HOSTILE]) | st.text(), max_size=20))
def test_no_text_at_all_breaks_the_reading(lines):
    found = logs.Read()
    logs.take(found, "\n".join(lines))
    logs.rendered(logs.document(found))


def test_what_a_function_prints_is_not_taken_for_a_report_of_another_kind():
    assert "restoreMs" not in figures(COLD + "\nprinted: Restore Duration: 3 ms")


def test_two_versions_are_compared(tmp_path):
    log = tmp_path / "log"
    lines = [
        f"2026/11/26/[{version}]abc {COLD.replace('113.51', f'{base + number / 10:.2f}')}"
        for version, base in ((1, 100), (2, 60))
        for number in range(20)
    ]
    log.write_text("\n".join(lines))
    done = snapboot("profile", "--logs", log)
    assert done.returncode == 0, done.stderr
    assert "version 2 : 1 = 0.60" in done.stdout
    assert done.stdout.rstrip().endswith("faster")
    document = json.loads(snapboot("profile", "--logs", log, "--json").stdout)
    assert len(document["versions"][0]["figures"]["initMs"]["samples"]) == 20


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe nothing here\n"])
def test_a_file_without_reports_is_refused_with_what_to_do(tmp_path, content):
    path = tmp_path / "log"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError, match=r"cannot read the log|export them by"):
        logs.read_files([path])


def test_the_template_that_measures_is_valid():
    linter = shutil.which("cfn-lint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("cfn-lint is not installed")
    done = subprocess.run(
        [linter, str(MEASURE / "template.yaml")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_that_measures_is_a_shell_script():
    subprocess.run(["sh", "-n", str(MEASURE / "run")], check=True, timeout=60)
