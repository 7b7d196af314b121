"""What an environment reports: the events of subscribers and JSON logs. Pure functions.

An event is `{"time": ..., "type": ..., "record": ...}`. Which events a record becomes depends on
the API: the Logs API has names and fields of its own. Fields and their order are those of AWS's
guide (telemetry-schema-reference, runtimes-logs-api); what is not known is left out.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.lifecycle.terms import Status, TelemetryApi
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo, LogLine
from snapboot_devkit.lazy_dataclass import dataclass

Entry: TypeAlias = records.Record | LogLine
Event: TypeAlias = dict[str, Any]

PLATFORM: Final = "platform"

# What a failure is called whose fault is the platform's own, not the function's.
_PLATFORM_FAILURE: Final = "failure"
_PLATFORM_ERRORS: Final = "Sandbox."
# The Logs API reports these as a fault; what a handler raised is the function's own affair.
_FAULTS: Final = ("Runtime.", "Sandbox.", "Extension.")
_DURATION_DIGITS: Final = 3
# Made once: `json.dumps` would make one for each of a flood's lines.
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Schema:
    """The shape of events that a subscriber asked for; versions are dates and compare as text."""

    api: TelemetryApi
    version: str

    @property
    def takes_objects(self) -> bool:
        """Whether a line of the log may be a JSON object."""
        return self.api is TelemetryApi.TELEMETRY and self.version >= "2022-12-13"

    @property
    def has_runtime_done(self) -> bool:
        """Whether the end of the runtime's work is an event."""
        return self.api is TelemetryApi.TELEMETRY or self.version >= "2021-03-18"


LATEST: Final = Schema(TelemetryApi.TELEMETRY, protocol.TELEMETRY_SCHEMAS[-1])


def events(
    entry: Entry, info: EnvironmentInfo, epoch: float, schema: Schema = LATEST
) -> list[Event]:
    """Return the events that a record or a line becomes, in order; `epoch` in seconds."""
    return [
        {"time": iso_time(epoch), "type": kind, "record": record}
        for kind, record in _named(entry, info, schema)
    ]


def category(entry: Entry) -> str:
    """Return the stream a record or a line belongs to, as a subscription's `types` name it."""
    return entry.source.value if isinstance(entry, LogLine) else PLATFORM


def encoded(event: Event) -> bytes:
    """Return an event as JSON in UTF-8, on one line."""
    return _COMPACT.encode(event).encode("utf-8", "replace")


def iso_time(epoch: float) -> str:
    """Return an instant as RFC 3339 with milliseconds, in UTC."""
    milliseconds = round(epoch * 1000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z"


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a line is, or None when it is anything else."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _finite(literal: str) -> float:
    """Refuse what Python reads as a number but JSON cannot write."""
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal!r} is not a JSON number")
    return number


_Named: TypeAlias = tuple[str, Any]


def _named(entry: Entry, info: EnvironmentInfo, schema: Schema) -> list[_Named]:
    if isinstance(entry, LogLine):
        as_object = info.json_logs and schema.takes_objects
        found = json_object(entry.text) if as_object else None
        return [(entry.source.value, entry.text if found is None else found)]
    table = _TELEMETRY if schema.api is TelemetryApi.TELEMETRY else _LOGS
    named = table.get(type(entry), ())
    hidden = _HIDDEN_MANAGED if info.managed else () if schema.has_runtime_done else _HIDDEN_OLD
    rendered = ((kind, render(entry, info)) for kind, render in named if kind not in hidden)
    return [(kind, record) for kind, record in rendered if record is not None]


# ---- what both APIs send ---------------------------------------------------------------------


def _extension(record: records.ExtensionReport, _info: EnvironmentInfo) -> Event:
    document = {"name": record.name, "state": record.state, "events": [*record.events]}
    return document | _error_type(record.error_type)


def _subscribed(record: records.Subscribed, _info: EnvironmentInfo) -> Event:
    return {"name": record.name, "state": "Subscribed", "types": [*record.types]}


def _subscribed_to_telemetry(record: records.Subscribed, info: EnvironmentInfo) -> Event | None:
    return _subscribed(record, info) if record.api is TelemetryApi.TELEMETRY else None


def _subscribed_to_logs(record: records.Subscribed, info: EnvironmentInfo) -> Event | None:
    return _subscribed(record, info) if record.api is TelemetryApi.LOGS else None


def _logs_dropped(record: records.LogsDropped, _info: EnvironmentInfo) -> Event:
    return {
        "droppedBytes": record.dropped_bytes,
        "droppedRecords": record.dropped_records,
        "reason": record.reason,
    }


# ---- the Telemetry API -----------------------------------------------------------------------


def _init_start(record: records.InitStart, info: EnvironmentInfo) -> Event:
    return _init(record) | _instance(info)


def _init_runtime_done(record: records.InitRuntimeDone, _info: EnvironmentInfo) -> Event:
    return _init(record) | _limited(record)


def _init_report(record: records.InitReport, _info: EnvironmentInfo) -> Event:
    return _init(record) | _limited(record) | _duration(record.duration_ms)


def _restore_start(_record: records.RestoreStart, info: EnvironmentInfo) -> Event:
    return _instance(info)


def _restore_runtime_done(record: records.RestoreRuntimeDone, _info: EnvironmentInfo) -> Event:
    return _limited(record)


def _restore_report(record: records.RestoreReport, _info: EnvironmentInfo) -> Event:
    return _limited(record) | _duration(record.duration_ms)


def _start(record: records.Start, info: EnvironmentInfo) -> Event:
    arn = {"functionArn": info.arn} if info.managed else {}
    return _plain_start(record, info) | arn | _context(record)


def _runtime_done(record: records.RuntimeDone, _info: EnvironmentInfo) -> Event:
    figures = _duration(record.duration_ms)
    if record.produced_bytes is not None:
        figures["metrics"]["producedBytes"] = record.produced_bytes
    return {"requestId": record.request_id} | _outcome(record) | figures | _context(record)


def _report(record: records.Report, info: EnvironmentInfo) -> Event:
    figures = _duration(record.duration_ms) if info.managed else {"metrics": _metrics(record)}
    return {"requestId": record.request_id} | _outcome(record) | figures | _context(record)


def _init(record: records.InitStart | records.InitRuntimeDone | records.InitReport) -> Event:
    return {"initializationType": record.initialization.value, "phase": record.phase.value}


def _instance(info: EnvironmentInfo) -> Event:
    runtime = {
        "runtimeVersion": info.runtime_version,
        "runtimeVersionArn": info.runtime_version_arn,
    }
    return {key: value for key, value in runtime.items() if value} | {
        "functionName": info.name,
        "functionVersion": info.version,
        "instanceId": info.log_stream,
        "instanceMaxMemory": info.memory_mb,
    }


# ---- the Logs API ----------------------------------------------------------------------------


def _old_init_runtime_done(record: records.InitRuntimeDone, _info: EnvironmentInfo) -> Event:
    return {"initializationType": record.initialization.value, "status": _status(record)}


def _old_init_report(record: records.InitReport, _info: EnvironmentInfo) -> Event:
    return {"initializationType": record.initialization.value} | _billed(record.duration_ms)


def _old_restore_start(_record: records.RestoreStart, _info: EnvironmentInfo) -> Event:
    return {}


def _old_restore_runtime_done(record: records.RestoreRuntimeDone, _info: EnvironmentInfo) -> Event:
    return {"status": _status(record)}


def _old_restore_report(record: records.RestoreReport, _info: EnvironmentInfo) -> Event:
    return _billed(record.duration_ms)


def _plain_start(record: records.Start, info: EnvironmentInfo) -> Event:
    return {"requestId": record.request_id, "version": info.version}


def _old_runtime_done(record: records.RuntimeDone, _info: EnvironmentInfo) -> Event:
    return {"requestId": record.request_id, "status": _status(record)}


def _fault(report: records.Report, _info: EnvironmentInfo) -> str | None:
    """Return today's text; the one of old is `RequestId: ... Error: ...` and the type below."""
    timed_out = report.status is Status.TIMEOUT
    if not timed_out and not (report.error_type or "").startswith(_FAULTS):
        return None
    error_type = f"\tErrorType: {report.error_type}" if report.error_type else ""
    return f"RequestId: {report.request_id} Status: {_status(report)}{error_type}"


def _end(report: records.Report, _info: EnvironmentInfo) -> Event:
    return {"requestId": report.request_id}


def _old_report(report: records.Report, _info: EnvironmentInfo) -> Event:
    figures = {"metrics": _metrics(report)}
    return {"requestId": report.request_id} | figures | _tracing(report.trace_id)


def _billed(duration_ms: float) -> Event:
    return {"metrics": {"durationMs": _ms(duration_ms), "billedDurationMs": math.ceil(duration_ms)}}


# ---- fields ----------------------------------------------------------------------------------

_Ended: TypeAlias = (
    records.InitRuntimeDone
    | records.InitReport
    | records.RestoreRuntimeDone
    | records.RestoreReport
    | records.RuntimeDone
    | records.Report
)


def _status(record: _Ended) -> str:
    by_platform = (record.error_type or "").startswith(_PLATFORM_ERRORS)
    if record.status is Status.ERROR and by_platform:
        return _PLATFORM_FAILURE
    return record.status.value


def _outcome(record: _Ended) -> Event:
    return {"status": _status(record)} | _error_type(record.error_type)


def _limited(record: _Ended) -> Event:
    """Return how an init or a restore ended; of one at its limit no one knows why (RAPID)."""
    unknown = {"errorType": protocol.UNKNOWN_RUNTIME_ERROR}
    return (unknown if record.status is Status.TIMEOUT else {}) | _outcome(record)


def _error_type(error_type: str | None) -> Event:
    return {"errorType": error_type} if error_type else {}


def _metrics(report: records.Report) -> Event:
    init, restore = report.init_ms, report.restore_ms
    metrics = {
        "durationMs": _ms(report.duration_ms),
        "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
        "initDurationMs": None if init is None else _ms(init),
        "restoreDurationMs": None if restore is None else _ms(restore),
    }
    return {key: value for key, value in metrics.items() if value is not None}


def _duration(duration_ms: float) -> Event:
    return {"metrics": {"durationMs": _ms(duration_ms)}}


def _context(record: records.Start | records.RuntimeDone | records.Report) -> Event:
    """Return what sets an invocation apart from others: its spans, its trace, its tenant."""
    spans = () if isinstance(record, records.Start) else record.spans
    return (
        ({"spans": [_span(span) for span in spans]} if spans else {})
        | _tracing(record.trace_id)
        | ({"tenantId": record.tenant_id} if record.tenant_id else {})
    )


def _span(span: records.Span) -> Event:
    return {"name": span.name, "start": iso_time(span.began), "durationMs": _ms(span.duration_ms)}


def _tracing(trace_id: str) -> Event:
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id}} if trace_id else {}


def _ms(duration_ms: float) -> float:
    return round(duration_ms, _DURATION_DIGITS)


# ---- the tables ------------------------------------------------------------------------------

_Table: TypeAlias = Mapping[type, tuple[tuple[str, Callable[..., Any]], ...]]

_BOTH: Final[_Table] = {
    records.ExtensionReport: (("platform.extension", _extension),),
    records.Subscribed: (
        ("platform.telemetrySubscription", _subscribed_to_telemetry),
        ("platform.logsSubscription", _subscribed_to_logs),
    ),
    records.LogsDropped: (("platform.logsDropped", _logs_dropped),),
}
_TELEMETRY: Final[_Table] = {
    **_BOTH,
    records.InitStart: (("platform.initStart", _init_start),),
    records.InitRuntimeDone: (("platform.initRuntimeDone", _init_runtime_done),),
    records.InitReport: (("platform.initReport", _init_report),),
    records.RestoreStart: (("platform.restoreStart", _restore_start),),
    records.RestoreRuntimeDone: (("platform.restoreRuntimeDone", _restore_runtime_done),),
    records.RestoreReport: (("platform.restoreReport", _restore_report),),
    records.Start: (("platform.start", _start),),
    records.RuntimeDone: (("platform.runtimeDone", _runtime_done),),
    records.Report: (("platform.report", _report),),
}
_LOGS: Final[_Table] = {
    **_BOTH,
    records.InitRuntimeDone: (("platform.initRuntimeDone", _old_init_runtime_done),),
    records.InitReport: (("platform.initReport", _old_init_report),),
    records.RestoreStart: (("platform.restoreStart", _old_restore_start),),
    records.RestoreRuntimeDone: (("platform.restoreRuntimeDone", _old_restore_runtime_done),),
    records.RestoreReport: (("platform.restoreReport", _old_restore_report),),
    records.Start: (("platform.start", _plain_start),),
    records.RuntimeDone: (("platform.runtimeDone", _old_runtime_done),),
    # What the Telemetry API puts into one report.
    records.Report: (
        ("platform.fault", _fault),
        ("platform.end", _end),
        ("platform.report", _old_report),
    ),
}
_HIDDEN_MANAGED: Final = ("platform.runtimeDone",)
_HIDDEN_OLD: Final = ("platform.runtimeDone", "platform.restoreRuntimeDone")
