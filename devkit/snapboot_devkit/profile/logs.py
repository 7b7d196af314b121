"""What CloudWatch has of a function's inits: REPORT lines and the runtime's own, read from a file.

Any export will do: the text of `aws logs tail`, the JSON of `filter-log-events`, a CSV of Logs
Insights, JSON logs, telemetry. A line that says nothing of an init is passed over; nothing that a
line contains is believed but for the figures in it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.profile import analysis, statistics
from snapboot_devkit.profile.errors import ProfileError
from snapboot_devkit.profile.page import interval, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILE_BYTES: Final = 512 * MIB
# Lambda's own limits are 15 minutes; what is beyond is no figure of Lambda's.
_MAX_MS: Final = 3_600_000.0
_MAX_LINE_CHARACTERS: Final = 100_000
_NUMBER: Final = r"(\d{1,9}(?:\.\d{1,6})?)"
_REPORT: Final = re.compile(r"\bREPORT RequestId: ")
_FIELDS: Final[Mapping[str, re.Pattern[str]]] = {
    "durationMs": re.compile(rf"(?:[\t ]|^)Duration: {_NUMBER} ms"),
    "billedMs": re.compile(rf"\bBilled Duration: {_NUMBER} ms"),
    "initMs": re.compile(rf"\bInit Duration: {_NUMBER} ms"),
    "restoreMs": re.compile(rf"(?<!Billed )\bRestore Duration: {_NUMBER} ms"),
    "billedRestoreMs": re.compile(rf"\bBilled Restore Duration: {_NUMBER} ms"),
    "memoryMB": re.compile(rf"\bMemory Size: {_NUMBER} MB"),
    "maxMemoryMB": re.compile(rf"\bMax Memory Used: {_NUMBER} MB"),
}
_STATUS: Final = re.compile(r"\bStatus: (\w{1,20})")
# Whose log it is: `aws logs tail` puts the stream before each line.
_VERSION: Final = re.compile(r"\[(\$LATEST|\d{1,9})\]")
_TELEMETRY: Final[Mapping[str, str]] = {
    "durationMs": "durationMs",
    "billedDurationMs": "billedMs",
    "initDurationMs": "initMs",
    "restoreDurationMs": "restoreMs",
    "billedRestoreDurationMs": "billedRestoreMs",
    "memorySizeMB": "memoryMB",
    "maxMemoryUsedMB": "maxMemoryMB",
}
_OWN: Final = {
    "interpreterCpuMs": "interpreter start (CPU time)",
    "runtimeInitMs": "Runtime Init",
    "functionInitMs": "Function Init",
    "cpuMs": "CPU time to the end of Function Init",
}
NAMES: Final = {
    "initMs": "Init Duration",
    "failedInitMs": "Init Duration, failed",
    "restoreMs": "Restore Duration",
    "billedRestoreMs": "Billed Restore Duration",
    "coldMs": "Duration of the first invocation",
    "warmMs": "Duration, warm",
    "maxMemoryMB": "Max Memory Used",
    **_OWN,
}


@dataclass(slots=True)
class Reports:
    """The figures of one version of a function, by kind, and how many lines were read."""

    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, value: float) -> None:
        """Take a figure, if it can be one."""
        if 0 <= value <= _MAX_MS:
            self.figures[name].append(value)


@dataclass(slots=True)
class Read:
    """All that was found in the lines of logs."""

    versions: dict[str, Reports] = field(default_factory=dict)
    lines: int = 0
    reports: int = 0

    def of(self, version: str) -> Reports:
        """Return the figures of a version."""
        return self.versions.setdefault(version, Reports())


def read_files(paths: Sequence[Path]) -> Read:
    """Read exported logs. Raises ProfileError for a file that cannot be read or has nothing."""
    found = Read()
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as exc:
            raise ProfileError(f"cannot read the log {str(path)!r}: {exc.strerror}") from exc
        if len(content) > MAX_FILE_BYTES:
            limit = MAX_FILE_BYTES >> 20
            raise ProfileError(f"the log {str(path)!r} has more than {limit} MiB; cut it in parts")
        take(found, content.decode("utf-8", "replace"))
    if not found.reports:
        names = ", ".join(repr(str(path)) for path in paths)
        raise ProfileError(
            f"{names}: no REPORT, INIT_REPORT, RESTORE_REPORT or snapbootInit line among "
            f"{found.lines} lines; export them by 'aws logs tail GROUP --since 1h'"
        )
    return found


def take(found: Read, text: str) -> None:
    """Take the lines of one export."""
    for stream, message in _messages(text):
        found.lines += 1
        match = _VERSION.search(stream) or _VERSION.search(message[:300])
        if _take_line(found.of(match[1] if match else ""), message):
            found.reports += 1
    for name in [name for name, reports in found.versions.items() if not reports.figures]:
        del found.versions[name]


def _messages(text: str) -> Iterator[tuple[str, str]]:
    """Yield each log line with the name of its stream, "" where that is not known."""
    stripped = text.lstrip("\ufeff \r\n\t")
    if stripped[:1] in {"{", "["} and (document := _json(stripped)) is not None:
        yield from _of_json(document)
        return
    header = stripped.partition("\n")[0].rstrip("\r")
    if "@message" in header.split(",") or '"@message"' in header:
        yield from _of_csv(stripped)
        return
    for line in text.splitlines():
        yield "", line


def _of_json(document: Any) -> Iterator[tuple[str, str]]:
    """Yield what filter-log-events, get-query-results and lists of events have."""
    if isinstance(document, dict):
        for name in ("events", "logEvents", "results"):
            if isinstance(document.get(name), list):
                document = document[name]
                break
        else:
            document = [document]
    for given in document if isinstance(document, list) else [document]:
        entry = _row(given) if isinstance(given, list) else given
        if isinstance(entry, str):
            yield "", entry
        elif isinstance(entry, dict):
            message = entry.get("message", entry)
            text = message if isinstance(message, str) else json.dumps(message)
            stream = entry.get("logStreamName") or entry.get("logStream") or ""
            for line in text.splitlines() or [""]:
                yield str(stream), line


def _row(cells: list[Any]) -> dict[str, Any]:
    """Return a row of Logs Insights by the names of its columns."""
    return {
        cell["field"].lstrip("@"): cell.get("value")
        for cell in cells
        if isinstance(cell, dict) and isinstance(cell.get("field"), str)
    }


def _of_csv(text: str) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(MAX_FILE_BYTES)
    try:
        for row in csv.DictReader(io.StringIO(text)):
            for line in (row.get("@message") or "").splitlines():
                yield str(row.get("@logStream") or ""), line
    except csv.Error:
        return


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _take_line(reports: Reports, line: str) -> bool:
    """Take what one line says; return whether it says anything."""
    line = line[:_MAX_LINE_CHARACTERS]
    if '"snapbootInit"' in line or '"platform.' in line:
        begin = line.find("{")
        document = _json(line[begin:]) if begin >= 0 else None
        if isinstance(document, dict):
            return _take_document(reports, document)
    if _REPORT.search(line):
        return _take_report(reports, _figures(line))
    if "INIT_REPORT " in line:
        return _take_init(reports, _figures(line).get("initMs"), _STATUS.search(line) is not None)
    if "RESTORE_REPORT " in line:
        return _take_one(reports, "restoreMs", _figures(line).get("restoreMs"))
    return False


def _figures(line: str) -> dict[str, float]:
    return {name: float(match[1]) for name, form in _FIELDS.items() if (match := form.search(line))}


def _take_document(reports: Reports, document: Mapping[str, Any]) -> bool:
    own = document.get("snapbootInit")
    if isinstance(own, dict):
        return sum(_take_one(reports, name, _number(own.get(name))) for name in _OWN) > 0
    record = document.get("record")
    metrics = record.get("metrics") if isinstance(record, dict) else None
    if not isinstance(record, dict) or not isinstance(metrics, dict):
        return False
    found = {
        name: value
        for key, name in _TELEMETRY.items()
        if (value := _number(metrics.get(key))) is not None
    }
    match document.get("type"):
        case "platform.report":
            return _take_report(reports, found)
        case "platform.initReport":
            failed = record.get("status") not in {"success", None}
            return _take_init(reports, found.get("durationMs"), failed)
        case "platform.restoreReport":
            return _take_one(reports, "restoreMs", found.get("durationMs"))
    return False


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _take_report(reports: Reports, found: Mapping[str, float]) -> bool:
    if "durationMs" not in found:
        return False
    cold = "initMs" in found or "restoreMs" in found
    reports.add("coldMs" if cold else "warmMs", found["durationMs"])
    for name in ("initMs", "restoreMs", "billedRestoreMs", "maxMemoryMB"):
        _take_one(reports, name, found.get(name))
    return True


def _take_init(reports: Reports, duration_ms: float | None, failed: bool) -> bool:  # noqa: FBT001
    """Take an INIT_REPORT: one of an init that went well is in the REPORT line, too, or is none."""
    return _take_one(reports, "failedInitMs" if failed else "initMs", duration_ms)


def _take_one(reports: Reports, name: str, value: float | None) -> bool:
    if value is None:
        return False
    reports.add(name, value)
    return True


# ---- reports ---------------------------------------------------------------------------------


def document(found: Read) -> dict[str, Any]:
    """Return the distributions as JSON has them, every figure included."""
    return {
        "snapbootLogs": 1,
        "lines": found.lines,
        "reports": found.reports,
        "versions": [
            {
                "version": version or None,
                "figures": {
                    name: {
                        **analysis.estimate_document(statistics.estimate(values)),
                        "p90": round(statistics.quantile(values, 0.9), 3),
                        "p99": round(statistics.quantile(values, 0.99), 3),
                        "samples": values,
                    }
                    for name in NAMES
                    if (values := reports.figures.get(name))
                },
            }
            for version, reports in sorted(found.versions.items())
        ],
    }


def rendered(logs: Mapping[str, Any]) -> str:
    """Return the page for a terminal."""
    lines = [f"{logs['reports']} reports in {logs['lines']} lines", ""]
    for version in logs["versions"]:
        if version["version"]:
            lines.append(f"version {version['version']}")
        lines += _rows(version["figures"])
        lines.append("")
    if len(logs["versions"]) > 1:
        lines += [*_comparison(logs["versions"]), ""]
    return "\n".join(lines)


def _rows(figures: Mapping[str, Any]) -> Iterable[str]:
    width = max(len(NAMES[name]) for name in figures)
    for name, one in figures.items():
        count = len(one["samples"])
        if name == "maxMemoryMB":
            yield f"  {NAMES[name]:{width}}  {one['median']:.0f} MB, n {count}"
            continue
        yield (
            f"  {NAMES[name]:{width}}  p50 {interval(one)}  p90 {milliseconds(one['p90'])}"
            f"  p99 {milliseconds(one['p99'])}  n {count}"
        )


def _comparison(versions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say of each later version how its inits relate to those of the first."""
    measured = [one for one in versions if "initMs" in one["figures"]]
    for first, other in zip(measured[:1] * len(measured), measured[1:], strict=False):
        ratio = statistics.ratio_of_medians(
            other["figures"]["initMs"]["samples"], first["figures"]["initMs"]["samples"]
        )
        yield (
            f"Init Duration of version {other['version']} : {first['version']} = "
            f"{ratio.value:.2f} ({ratio.low:.2f}–{ratio.high:.2f}): "  # noqa: RUF001
            f"{statistics.verdict(ratio).value}"
        )
