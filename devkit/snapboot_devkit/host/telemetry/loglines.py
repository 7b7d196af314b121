"""The platform's own lines in the log, in text format."""

from __future__ import annotations

import math

from snapboot_devkit.host.lifecycle import records, terms


def text_line(record: records.Record, version: str) -> str | None:
    """Return the line that a record leaves in a text log, or None when it leaves none."""
    match record:
        case records.Start():
            return f"START RequestId: {record.request_id} Version: {version}"
        case records.RuntimeDone():
            return f"END RequestId: {record.request_id}"
        case records.Report():
            return _report(record)
        case records.InitReport():
            return _init_report(record)
        case records.RestoreReport():
            fields = [f"RESTORE_REPORT Restore Duration: {record.duration_ms:.2f} ms"]
            return "\t".join(fields + _outcome(record.status, record.error_type))
        case _:
            return None


def _report(report: records.Report) -> str:
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration_ms:.2f} ms",
        f"Billed Duration: {report.billed_ms} ms",
        f"Memory Size: {report.memory_size_mb} MB",
    ]
    if report.max_memory_used_mb is not None:
        fields.append(f"Max Memory Used: {report.max_memory_used_mb} MB")
    if report.init_ms is not None:
        fields.append(f"Init Duration: {report.init_ms:.2f} ms")
    if report.restore_ms is not None:
        # Billed is what the runtime takes once it is resumed, which here is all of it.
        fields.append(f"Restore Duration: {report.restore_ms:.2f} ms")
        fields.append(f"Billed Restore Duration: {math.ceil(report.restore_ms)} ms")
    # A plain success ends in a tab, because that is how the platform writes it.
    return "\t".join([*fields, *(_outcome(report.status, report.error_type) or [""])])


def _init_report(report: records.InitReport) -> str | None:
    """Render an init that failed; one that went well shows in a snapshot's log only."""
    quiet = report.initialization is terms.InitializationType.ON_DEMAND
    if report.phase is terms.Phase.INVOKE or (quiet and report.status is terms.Status.SUCCESS):
        return None
    fields = [
        f"INIT_REPORT Init Duration: {report.duration_ms:.2f} ms",
        f"Phase: {report.phase.value}",
        f"Status: {report.status.value}",
    ]
    return "\t".join(fields + _error_type(report.error_type))


def _outcome(status: terms.Status, error_type: str | None) -> list[str]:
    if status is terms.Status.SUCCESS:
        return []
    return [f"Status: {status.value}", *_error_type(error_type)]


def _error_type(error_type: str | None) -> list[str]:
    return [f"Error Type: {error_type}"] if error_type else []
