"""What an environment reports: the events of subscribers and JSON logs. Pure functions.

An event is `{"time": ..., "type": ..., "record": ...}`. Which events a record becomes depends on
the API: the Logs API has names and fields of its own. Fields and their order are those of AWS's
guide (telemetry-schema-reference, runtimes-logs-api); what is not known is left out.
"""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.lifecycle.terms import Status, TelemetryApi
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo, LogLine
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def _named(entry: Entry, info: EnvironmentInfo, schema: Schema) -> Iterator[_Named]:
    if isinstance(entry, LogLine):
        as_object = info.json_logs and schema.takes_objects
        found = json_object(entry.text) if as_object else None
        yield entry.source.value, entry.text if found is None else found
        return
    send = _for_telemetry if schema.api is TelemetryApi.TELEMETRY else _for_logs
    hidden = _HIDDEN_MANAGED if info.managed else () if schema.has_runtime_done else _HIDDEN_OLD
    for name, record in send(entry, info):
        if f"platform.{name}" not in hidden:
            yield f"platform.{name}", record


_HIDDEN_MANAGED: Final = ("platform.runtimeDone",)
_HIDDEN_OLD: Final = ("platform.runtimeDone", "platform.restoreRuntimeDone")


def _for_telemetry(  # noqa: C901 - one case for each kind of record
    record: records.Record, info: EnvironmentInfo
) -> Iterator[_Named]:
    """Yield what subscribers to the Telemetry API and JSON logs get."""
    match record:
        case records.InitStart():
            yield "initStart", _init(record) | _instance(info)
        case records.InitRuntimeDone():
            yield "initRuntimeDone", _init(record) | _limited(record)
        case records.InitReport():
            yield "initReport", _init(record) | _limited(record) | _duration(record.duration_ms)
        case records.RestoreStart():
            yield "restoreStart", _instance(info)
        case records.RestoreRuntimeDone():
            yield "restoreRuntimeDone", _limited(record)
        case records.RestoreReport():
            yield "restoreReport", _limited(record) | _duration(record.duration_ms)
        case records.Start():
            arn = {"functionArn": info.arn} if info.managed else {}
            yield "start", _start(record, info) | arn | _context(record)
        case records.RuntimeDone():
            figures = _duration(record.duration_ms)
            if record.produced_bytes is not None:
                figures["metrics"]["producedBytes"] = record.produced_bytes
            yield "runtimeDone", _id(record) | _outcome(record) | figures | _context(record)
        case records.Report():
            figures = (
                _duration(record.duration_ms) if info.managed else {"metrics": _metrics(record)}
            )
            yield "report", _id(record) | _outcome(record) | figures | _context(record)
        case _:
            yield from _for_both(record)


def _for_logs(  # noqa: C901 - one case for each kind of record
    record: records.Record, info: EnvironmentInfo
) -> Iterator[_Named]:
    """Yield what subscribers to the Logs API get: two events more for the end of an invocation."""
    match record:
        case records.InitStart():
            return
        case records.InitRuntimeDone():
            yield "initRuntimeDone", _initialization(record) | {"status": _status(record)}
        case records.InitReport():
            yield "initReport", _initialization(record) | _billed(record.duration_ms)
        case records.RestoreStart():
            yield "restoreStart", {}
        case records.RestoreRuntimeDone():
            yield "restoreRuntimeDone", {"status": _status(record)}
        case records.RestoreReport():
            yield "restoreReport", _billed(record.duration_ms)
        case records.Start():
            yield "start", _start(record, info)
        case records.RuntimeDone():
            yield "runtimeDone", _id(record) | {"status": _status(record)}
        case records.Report():
            if record.status is Status.TIMEOUT or (record.error_type or "").startswith(_FAULTS):
                yield "fault", _fault(record)
            yield "end", _id(record)
            figures = {"metrics": _metrics(record)}
            yield "report", _id(record) | figures | _tracing(record.trace_id)
        case _:
            yield from _for_both(record)


def _for_both(
    record: records.ExtensionReport | records.Subscribed | records.LogsDropped,
) -> Iterator[_Named]:
    match record:
        case records.ExtensionReport():
            document = {"name": record.name, "state": record.state, "events": [*record.events]}
            yield "extension", document | _error_type(record.error_type)
        case records.Subscribed():
            name = "telemetry" if record.api is TelemetryApi.TELEMETRY else "logs"
            document = {"name": record.name, "state": "Subscribed", "types": [*record.types]}
            yield f"{name}Subscription", document
        case records.LogsDropped():
            yield (
                "logsDropped",
                {
                    "droppedBytes": record.dropped_bytes,
                    "droppedRecords": record.dropped_records,
                    "reason": record.reason,
                },
            )


def _fault(report: records.Report) -> str:
    """Return today's text; the one of old is `RequestId: ... Error: ...` and the type below."""
    error_type = f"\tErrorType: {report.error_type}" if report.error_type else ""
    return f"RequestId: {report.request_id} Status: {_status(report)}{error_type}"


# ---- fields ----------------------------------------------------------------------------------

_Ended: TypeAlias = (
    records.InitRuntimeDone
    | records.InitReport
    | records.RestoreRuntimeDone
    | records.RestoreReport
    | records.RuntimeDone
    | records.Report
)


def _id(record: records.RuntimeDone | records.Report) -> Event:
    return {"requestId": record.request_id}


def _start(record: records.Start, info: EnvironmentInfo) -> Event:
    return {"requestId": record.request_id, "version": info.version}


def _init(record: records.InitStart | records.InitRuntimeDone | records.InitReport) -> Event:
    return _initialization(record) | {"phase": record.phase.value}


def _initialization(
    record: records.InitStart | records.InitRuntimeDone | records.InitReport,
) -> Event:
    return {"initializationType": record.initialization.value}


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


def _billed(duration_ms: float) -> Event:
    return {"metrics": {"durationMs": _ms(duration_ms), "billedDurationMs": math.ceil(duration_ms)}}


def _context(record: records.Start | records.RuntimeDone | records.Report) -> Event:
    """Return what sets an invocation apart from others: its spans, its trace, its tenant."""
    spans = [
        {"name": name, "start": iso_time(began), "durationMs": _ms(duration_ms)}
        for name, began, duration_ms in getattr(record, "spans", ())
    ]
    return (
        ({"spans": spans} if spans else {})
        | _tracing(record.trace_id)
        | ({"tenantId": record.tenant_id} if record.tenant_id else {})
    )


def _tracing(trace_id: str) -> Event:
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": trace_id}} if trace_id else {}


def _ms(duration_ms: float) -> float:
    return round(duration_ms, _DURATION_DIGITS)
