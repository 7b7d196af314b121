"""What came of every invocation, by its answer and by the log; and what of that was wrong."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Final

from benchmarks.soak.inside.app import LINES
from benchmarks.soak.mix import Event, Kind, number_of

if TYPE_CHECKING:
    from snapboot_devkit.host import LogLine

# Enough to see what is wrong; all are counted.
_FAULTS_KEPT: Final = 50
ECHO: Final = "echo"
HUNG_UP: Final = "hung-up"


class Tally:
    """Of each invocation: how many answers, and how many lines of which kind in the log."""

    def __init__(self, seed: int, count: int, stretch: int = 1) -> None:
        self._events = seed, stretch
        # Written from the first to the last, so that they take from the start what they ever take.
        self._answers = bytearray(b"\0") * count
        self._starts = bytearray(b"\0") * count
        self._ends = bytearray(b"\0") * count
        self._reports = bytearray(b"\0") * count
        self._lines = array("H", [0]) * count
        self._at_work: dict[str, int] = {}
        self._awaited: dict[int, asyncio.Event] = {}
        self.kinds: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.cold_starts = 0
        # What came after a reset, once all is counted.
        self.inits_again = 0
        self.reported = 0
        self.faults: list[str] = []
        self.fault_count = 0

    def __repr__(self) -> str:
        return f"<Tally {self.outcomes.total()} answers, {self.fault_count} faults>"

    def event(self, number: int) -> Event:
        """Return the event with this number."""
        seed, stretch = self._events
        return Event(seed, number, stretch)

    def left(self, event: Event) -> None:
        """Count a client that has hung up."""
        self.outcomes[HUNG_UP] += 1
        self.kinds[event.kind.value] += 1

    def answered(self, event: Event, payload: bytes, *, failed: bool) -> None:
        """Count an answer, and look whether it is a right one."""
        self._answers[event.number] += 1
        self.kinds[event.kind.value] += 1
        if found := event.fault_of(payload, failed=failed):
            self.fault(event, found)
            self.outcomes["wrong"] += 1
        else:
            self.outcomes[json.loads(payload)["errorType"] if failed else ECHO] += 1

    def fault(self, event: Event, text: str) -> None:
        """Count something that must not be."""
        self.fault_count += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(f"invocation {event.number} ({event.kind.value}): {text}")

    def line(self, line: LogLine) -> None:
        """Take a line of the log of any environment."""
        words = line.text.split(maxsplit=4)
        match words:
            case ["START", "RequestId:", request_id, *_]:
                self._started(line.log_stream, number_of(request_id))
            case ["END", "RequestId:", request_id, *_]:
                self._ends[number_of(request_id)] += 1
            case ["REPORT", "RequestId:", request_id, *_]:
                self._finished(line, number_of(request_id))
            case ["line", number, _]:
                self._printed(line.log_stream, int(number))
            case ["EXTENSION", *_]:
                self.inits_again += 1

    async def report_of(self, number: int) -> None:
        """Wait until an invocation has its REPORT line."""
        if not self._reports[number]:
            await self._awaited.setdefault(number, asyncio.Event()).wait()

    def close(self) -> None:
        """Look whether each invocation has one of everything."""
        for number in range(len(self._answers)):
            event = self.event(number)
            self._compare(event, "answers", self._answers[number], event.answers)
            self._compare(event, "START lines", self._starts[number], 1)
            self._compare(event, "END lines", self._ends[number], 1)
            self._compare(event, "REPORT lines", self._reports[number], 1)
            printed = LINES if event.kind is Kind.PRINT else 0
            self._compare(event, "printed lines", self._lines[number], printed)
        self.inits_again -= self.cold_starts

    def _compare(self, event: Event, what: str, found: int, meant: int) -> None:
        if found != meant:
            self.fault(event, f"{found} {what}, not {meant}")

    def _started(self, log_stream: str, number: int) -> None:
        self._starts[number] += 1
        if log_stream in self._at_work:
            self.fault(self.event(number), f"began before {self._at_work[log_stream]} had ended")
        self._at_work[log_stream] = number

    def _finished(self, line: LogLine, number: int) -> None:
        self._reports[number] += 1
        self.reported += 1
        if awaited := self._awaited.pop(number, None):
            awaited.set()
        self.cold_starts += "Init Duration" in line.text
        if self._at_work.pop(line.log_stream, None) != number:
            self.fault(self.event(number), "its REPORT is in the log of another one")

    def _printed(self, log_stream: str, number: int) -> None:
        self._lines[number] += 1
        if self._at_work.get(log_stream) != number:
            self.fault(self.event(number), "it printed when it was not at work")
