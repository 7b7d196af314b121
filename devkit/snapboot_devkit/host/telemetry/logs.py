"""The log of one environment: its lines, where they go, and in which form.

Every line goes to the sink, and is kept for its invocation; extensions that have subscribed get it
in a form of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.host.telemetry.text_log import text_lines
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.telemetry.subscribers import Telemetry

# The least level that gets into a JSON log, unless the function's settings say another one.
DEFAULT_LEVEL: Final = "INFO"

# Of an invocation that prints more only the end is kept; the sink has seen it all. In characters,
# and each line counts for some more, which is about what it takes in memory.
_MAX_KEPT: Final = 8 * MIB
_LINE_OVERHEAD: Final = 64


class Source(Enum):
    """Who wrote a line of the log."""

    FUNCTION = "function"
    EXTENSION = "extension"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log, without its end. Its origin makes no difference in a comparison."""

    source: Source
    text: str
    function: str = field(default="", compare=False)
    log_stream: str = field(default="", compare=False)


class LogStream:
    """Where the lines of one environment go."""

    def __init__(self, sink: Callable[[LogLine], None], function: str = "", name: str = "") -> None:
        """Pass every line on to `sink`, as of log stream `name` of a function."""
        self._sink = sink
        self._function = function
        self._name = name
        self._kept: deque[str] = deque()
        self._size = 0
        self._left_out = 0

    def __repr__(self) -> str:
        return f"<LogStream, {len(self._kept)} lines kept>"

    def write(self, source: Source, text: str) -> None:
        """Take one line. A sink that fails is the event loop's to report, and not a failed host."""
        self._kept.append(text)
        self._size += len(text) + _LINE_OVERHEAD
        if self._size > _MAX_KEPT:
            self._leave_out()
        try:
            self._sink(LogLine(source, text, self._function, self._name))
        except Exception as exc:  # noqa: BLE001 - the sink is the user's code
            context = {"message": f"the log's sink failed with {text!r}", "exception": exc}
            asyncio.get_running_loop().call_exception_handler(context)

    def take(self) -> tuple[str, ...]:
        """Return the lines since the last call: those of one invocation and its init."""
        lines = tuple(self._kept)
        if self._left_out:
            lines = (f"snapboot: {self._left_out} lines before this one are left out", *lines)
        self._kept.clear()
        self._size = self._left_out = 0
        return lines

    def _leave_out(self) -> None:
        while self._size > _MAX_KEPT:
            self._size -= len(self._kept.popleft()) + _LINE_OVERHEAD
            self._left_out += 1


@dataclass(frozen=True, slots=True)
class EnvironmentInfo:
    """What the records of an environment leave open: the function, the log stream, the settings.

    `runtime_version` is such as `python:3.13.v30`; without one no event names a runtime.
    With `json_logs` lines that are JSON objects are sent as such. Managed instances send less.
    """

    name: str
    version: str
    arn: str
    log_stream: str
    memory_mb: int
    runtime_version: str | None = None
    runtime_version_arn: str | None = None
    json_logs: bool = False
    managed: bool = False


@dataclass(frozen=True, slots=True)
class LineFormatter:
    """Text, or JSON with levels; `json_logs` decides.

    `level` is the least that the function's lines must have, `system_level` the platform's.
    """

    info: EnvironmentInfo
    level: str = DEFAULT_LEVEL
    system_level: str = DEFAULT_LEVEL

    def system(self, record: records.Record, epoch: float) -> list[str]:
        """Return the lines that a record leaves in the log; `epoch` in seconds."""
        if not self.info.json_logs:
            return text_lines(record, self.info)
        from snapboot_devkit.host.telemetry.json_log import system_lines  # noqa: PLC0415

        return system_lines(record, self.info, epoch, self.system_level)

    def application(self, text: str, epoch: float) -> str | None:
        """Return a line of the function or an extension as the log keeps it, if it does."""
        if not self.info.json_logs:
            return text
        from snapboot_devkit.host.telemetry.json_log import application_line  # noqa: PLC0415

        return application_line(text, epoch, self.level)


class EventLog:
    """Takes records and lines in the order in which they come."""

    def __init__(self, formatter: LineFormatter, log: LogStream, telemetry: Telemetry) -> None:
        """Write to `log` in the given form, and to `telemetry` in its own."""
        self._formatter = formatter
        self._log = log
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"<EventLog to {self._log!r} and {self._telemetry!r}>"

    def record(self, record: records.Record) -> None:
        """Take a record of the platform."""
        epoch = time.time()
        if isinstance(record, records.InitStart):
            self._telemetry.open()
        self._telemetry.emit(record, epoch)
        for line in self._formatter.system(record, epoch):
            self._log.write(Source.PLATFORM, line)
        if isinstance(record, records.InitReport):
            self._telemetry.settle()

    def line(self, source: Source, text: str) -> None:
        """Take a line that the runtime or an extension has printed."""
        epoch = time.time()
        self._telemetry.emit(LogLine(source, text), epoch)
        kept = self._formatter.application(text, epoch)
        if kept is not None:
            self._log.write(source, kept)

    def take(self) -> tuple[str, ...]:
        """Return the lines since the last call: those of one invocation and its init."""
        return self._log.take()
