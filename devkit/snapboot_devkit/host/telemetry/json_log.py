"""Lines of a log in JSON format, and which of them its levels let through. Pure functions.

The rules are those of AWS's guide (monitoring-cloudwatchlogs-logformat, -log-level). The levels
are about the log alone; subscribers to telemetry get everything.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Final

from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.lifecycle.terms import InitializationType, Phase, Status
from snapboot_devkit.host.telemetry.logs import DEFAULT_LEVEL, EnvironmentInfo
from snapboot_devkit.host.telemetry.platform_events import encoded, events, iso_time, json_object

LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_RANK: Final = {level: rank for rank, level in enumerate(LEVELS)} | {
    # As Python's logging spells them.
    "WARNING": LEVELS.index("WARN"),
    "CRITICAL": LEVELS.index("FATAL"),
}
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def system_lines(
    record: records.Record, info: EnvironmentInfo, epoch: float, level: str
) -> list[str]:
    """Return the lines that a record leaves in a log that keeps records of `level` and above."""
    if getattr(record, "phase", None) is Phase.INVOKE:
        # A second init, inside an invoke, goes to subscribers only.
        return []
    if _RANK[_level(record, info)] < _RANK[level]:
        return []
    return [encoded(event).decode() for event in events(record, info, epoch)]


def application_line(text: str, epoch: float, level: str) -> str | None:
    """Return a line of the function as the log keeps it, or None when it is below `level`.

    A JSON object without a valid timestamp gets one, and counts as INFO whatever it says; so does
    one without a valid level. What is not a JSON object is text: it has no level and passes.
    """
    found = json_object(text)
    if found is None:
        return text
    stamped = _is_timestamp(found.get("timestamp"))
    said = found.get("level")
    known = isinstance(said, str) and said.upper() in _RANK
    counts_as = str(said).upper() if stamped and known else DEFAULT_LEVEL
    if _RANK[counts_as] < _RANK[level]:
        return None
    if stamped:
        return text
    added = {"timestamp": iso_time(epoch), "level": said if known else DEFAULT_LEVEL}
    return json.dumps(found | added, ensure_ascii=False)


def _is_timestamp(value: object) -> bool:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        return False
    try:
        # Whether there is such a day and hour; fractions are of no interest here.
        datetime.fromisoformat(value[:19].replace(" ", "T").upper())
    except ValueError:
        return False
    return True


def _level(record: records.Record, info: EnvironmentInfo) -> str:
    """Return a record's level: what went wrong is a warning, steps on the way are for debugging."""
    if getattr(record, "status", Status.SUCCESS) is not Status.SUCCESS:
        return "WARN"
    if getattr(record, "error_type", None) or isinstance(record, records.LogsDropped):
        return "WARN"
    if isinstance(record, records.InitStart | records.RestoreStart) and not info.runtime_version:
        return "DEBUG"
    on_demand = getattr(record, "initialization", None) is InitializationType.ON_DEMAND
    if isinstance(record, records.InitReport) and on_demand:
        return "DEBUG"
    return "DEBUG" if isinstance(record, _STEPS) else "INFO"


_STEPS: Final = (records.InitRuntimeDone, records.RestoreRuntimeDone, records.RuntimeDone)
