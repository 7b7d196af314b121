"""All that one environment tells: to its log, and to the extensions that subscribed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle import records
from snapboot_devkit.host.telemetry.logs import LogLine, Source

if TYPE_CHECKING:
    from snapboot_devkit.host.telemetry.broadcast import Telemetry
    from snapboot_devkit.host.telemetry.logform import LogForm
    from snapboot_devkit.host.telemetry.logs import LogStream


class Journal:
    """Takes records and lines in the order in which they come."""

    def __init__(self, form: LogForm, log: LogStream, telemetry: Telemetry) -> None:
        """Write to `log` in the given form, and to `telemetry` in its own."""
        self._form = form
        self._log = log
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"<Journal to {self._log!r} and {self._telemetry!r}>"

    def record(self, record: records.Record) -> None:
        """Take a record of the platform."""
        epoch = time.time()
        if isinstance(record, records.InitStart):
            self._telemetry.open()
        self._telemetry.emit(record, epoch)
        for line in self._form.system(record, epoch):
            self._log.write(Source.PLATFORM, line)
        if isinstance(record, records.InitReport):
            self._telemetry.settle()

    def line(self, source: Source, text: str) -> None:
        """Take a line that the runtime or an extension has printed."""
        epoch = time.time()
        self._telemetry.emit(LogLine(source, text), epoch)
        kept = self._form.application(text, epoch)
        if kept is not None:
            self._log.write(source, kept)

    def take(self) -> tuple[str, ...]:
        """Return the lines since the last call: those of one invocation and its init."""
        return self._log.take()
