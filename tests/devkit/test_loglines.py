"""The platform's lines, byte for byte as people's log filters expect them."""

import pytest

from snapboot_devkit.host.lifecycle.records import (
    InitReport,
    Report,
    RestoreReport,
    RuntimeDone,
    Start,
)
from snapboot_devkit.host.lifecycle.terms import InitializationType, Phase, Status
from snapboot_devkit.host.telemetry.loglines import text_line

ON_DEMAND, SNAP_START = InitializationType.ON_DEMAND, InitializationType.SNAP_START
WARM = Report(1, "id", 2.749, 3, memory_size_mb=128, max_memory_used_mb=56)
COLD = Report(1, "id", 2.75, 117, 113.51, memory_size_mb=128, max_memory_used_mb=56)
RESTORED = Report(1, "id", 2.75, 3, None, 49.2, memory_size_mb=128, max_memory_used_mb=56)
FAILED = Report(
    1, "id", 2.75, 3, status=Status.ERROR, error_type="Runtime.ExitError", memory_size_mb=128
)
TIMED_OUT = Report(
    1, "id", 3000.0, 3000, status=Status.TIMEOUT, memory_size_mb=128, max_memory_used_mb=30
)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (Start("id"), "START RequestId: id Version: $LATEST"),
        (RuntimeDone("id"), "END RequestId: id"),
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
                "Memory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: timeout"
            ),
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 1236.04, Status.TIMEOUT),
            "INIT_REPORT Init Duration: 1236.04 ms\tPhase: init\tStatus: timeout",
        ),
        (
            InitReport(Phase.INIT, ON_DEMAND, 1882.55, Status.ERROR, "Runtime.ImportModuleError"),
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
            RestoreReport(1236.04, Status.TIMEOUT),
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
    assert text_line(record, "$LATEST") == line


def test_an_init_that_went_well_leaves_no_line():
    assert text_line(InitReport(Phase.INIT, ON_DEMAND, 20.0), "$LATEST") is None


def test_a_suppressed_init_leaves_no_line_even_when_it_fails():
    assert text_line(InitReport(Phase.INVOKE, ON_DEMAND, 20.0, Status.ERROR), "$LATEST") is None
