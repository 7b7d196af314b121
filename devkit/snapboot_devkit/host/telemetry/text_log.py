"""The platform's own lines in the log, in text format (DOC: lambda-runtime-environment)."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host.lifecycle import records, terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.telemetry.logs import EnvironmentInfo

_SUBSCRIBED: Final = {terms.TelemetryApi.TELEMETRY: "TELEMETRY", terms.TelemetryApi.LOGS: "LOGS"}
_TRACE_FIELD: Final = re.compile(r"(Root|Parent|Sampled)=([^;]+)")


def text_lines(record: records.Record, info: EnvironmentInfo) -> list[str]:
    """Return the lines that a record leaves in a text log."""
    render = _LINES.get(type(record))
    return render(record, info) if render else []


def _init_start(start: records.InitStart, info: EnvironmentInfo) -> list[str]:
    suppressed = start.phase is terms.Phase.INVOKE
    return [] if suppressed else _version_line("INIT_START", info)


def _restore_start(_start: records.RestoreStart, info: EnvironmentInfo) -> list[str]:
    return _version_line("RESTORE_START", info)


def _version_line(beginning: str, info: EnvironmentInfo) -> list[str]:
    """Give the runtime's version, which only a managed runtime has."""
    if not info.runtime_version:
        return []
    fields = [f"{beginning} Runtime Version: {info.runtime_version}"]
    if info.runtime_version_arn:
        fields.append(f"Runtime Version ARN: {info.runtime_version_arn}")
    return ["\t".join(fields)]


def _start(start: records.Start, info: EnvironmentInfo) -> list[str]:
    return [f"START RequestId: {start.request_id} Version: {info.version}"]


def _end(report: records.Report, _info: EnvironmentInfo) -> list[str]:
    """Report the end together with the figures, when the extensions are done, too."""
    end = f"END RequestId: {report.request_id}"
    return [end, _report(report), *_xray(report.trace_id)]


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


def _xray(trace_id: str) -> list[str]:
    """Name a sampled trace; the segment is the parent of all that the function sends."""
    if "Sampled=1" not in trace_id:
        return []
    trace = dict(_TRACE_FIELD.findall(trace_id))
    if trace.get("Sampled") != "1" or "Root" not in trace:
        return []
    segment = trace.get("Parent", "")
    return [f"XRAY TraceId: {trace['Root']}\tSegmentId: {segment}\tSampled: true"]


def _init_report(report: records.InitReport, _info: EnvironmentInfo) -> list[str]:
    """Render an init that failed; one that went well shows in a snapshot's log only."""
    quiet = report.initialization is terms.InitializationType.ON_DEMAND
    if report.phase is terms.Phase.INVOKE or (quiet and report.status is terms.Status.SUCCESS):
        return []
    fields = [
        f"INIT_REPORT Init Duration: {report.duration_ms:.2f} ms",
        f"Phase: {report.phase.value}",
        f"Status: {report.status.value}",
    ]
    return ["\t".join(fields + _error_type(report.error_type))]


def _restore_report(report: records.RestoreReport, _info: EnvironmentInfo) -> list[str]:
    fields = [f"RESTORE_REPORT Restore Duration: {report.duration_ms:.2f} ms"]
    return ["\t".join(fields + _outcome(report.status, report.error_type))]


def _subscribed(record: records.Subscribed, _info: EnvironmentInfo) -> list[str]:
    types = ", ".join(name.capitalize() for name in record.types)
    source = _SUBSCRIBED[record.api]
    return [f"{source}\tName: {record.name}\tState: Subscribed\tTypes: [{types}]"]


def _extension(report: records.ExtensionReport, _info: EnvironmentInfo) -> list[str]:
    fields = [
        "EXTENSION",
        f"Name: {report.name}",
        f"State: {report.state}",
        f"Events: [{', '.join(report.events)}]",
    ]
    return ["\t".join(fields + _error_type(report.error_type))]


def _outcome(status: terms.Status, error_type: str | None) -> list[str]:
    if status is terms.Status.SUCCESS:
        return []
    # The guide's lines show no type for what took too long.
    shown = [] if status is terms.Status.TIMEOUT else _error_type(error_type)
    return [f"Status: {status.value}", *shown]


def _error_type(error_type: str | None) -> list[str]:
    return [f"Error Type: {error_type}"] if error_type else []


_LINES: Final[Mapping[type, Callable[[Any, EnvironmentInfo], list[str]]]] = {
    records.InitStart: _init_start,
    records.InitReport: _init_report,
    records.RestoreStart: _restore_start,
    records.RestoreReport: _restore_report,
    records.Start: _start,
    records.Report: _end,
    records.ExtensionReport: _extension,
    records.Subscribed: _subscribed,
}
