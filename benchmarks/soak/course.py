"""One soak: a host with its function and layer, the clients, and what is there at the end."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from benchmarks.soak import clients
from benchmarks.soak.leftovers import Held, held_mb, resident_mb, temporary_folder
from benchmarks.soak.mix import Kind
from benchmarks.soak.tally import Tally
from snapboot_devkit.host import FunctionConfig, LocalHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.soak.mix import Event
    from snapboot_devkit.host import LogLine

_INSIDE: Final = Path(__file__).parent / "inside"
# Beside those that keep a connection for themselves.
_OTHER_CLIENTS: Final = (clients.over_many_connections, clients.within, clients.by_pieces)
_LAST_REPORTS_S: Final = 30.0
# How often memory is looked at, and a word is said.
_LOOKS: Final = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How much. `stretch` multiplies the misfortunes, so that a short run meets them all."""

    invocations: int = 50_000
    seed: int = 1
    stretch: int = 1
    timeout_s: float = 3.0
    environments: int = 8
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a soak. Of everything that must not be, `faults` are the first ones.

    `memory_mb` is what host and clients took after each twentieth of the invocations, and
    `held_mb` what was in use of it after the first twentieth and after the last.
    """

    plan: Plan
    duration_s: float
    kinds: dict[str, int]
    outcomes: dict[str, int]
    cold_starts: int
    inits_again: int
    memory_mb: tuple[float, ...]
    held_mb: tuple[float, ...]
    before: Held
    after: Held
    fault_count: int
    faults: tuple[str, ...]

    @property
    def per_second(self) -> float:
        """Invocations per second."""
        return self.plan.invocations / self.duration_s

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, nothing wrong, and nothing is left."""
        return not self.fault_count and self.before == self.after

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it, without a path."""
        return {**asdict(self), "per_second": round(self.per_second, 1), "clean": self.clean}


class Course:
    """The events that are still to come, and how far the soak is."""

    def __init__(self, plan: Plan, report: Callable[[str], object]) -> None:
        self._plan = plan
        self._report = report
        self._all_reported = asyncio.Event()
        self._began = time.monotonic()
        self._numbers = iter(range(plan.invocations))
        self.tally = Tally(plan.seed, plan.invocations, plan.stretch)
        self.memory_mb: list[float] = []
        self.held_mb: list[float] = []
        self.duration_s = 0.0

    def __repr__(self) -> str:
        return f"<Course {self.tally!r}>"

    def events(self) -> Iterator[Event]:
        """Yield the next events; all clients take theirs from the same row."""
        for number in self._numbers:
            self._note(number)
            yield self.tally.event(number)

    def line(self, line: LogLine) -> None:
        """Take a line of the log."""
        self.tally.line(line)
        if self.tally.reported >= self._plan.invocations:
            self._all_reported.set()

    async def run(self, config: FunctionConfig) -> None:
        """Send all events, and wait for all reports."""
        async with LocalHost(config, port=0, log=self.line) as host:
            async with asyncio.TaskGroup() as group:
                for client in _clients(self._plan.environments):
                    group.create_task(client(host, self.events(), self.tally))
            self.duration_s = time.monotonic() - self._began
            self.memory_mb.append(resident_mb())
            self.held_mb.append(held_mb())
            # A caller has its answer before the report; what never comes is in the tally.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_REPORTS_S):
                    await self._all_reported.wait()

    def _note(self, number: int) -> None:
        if number and number % max(1, self._plan.invocations // _LOOKS) == 0:
            self.memory_mb.append(resident_mb())
            if not self.held_mb:
                self.held_mb.append(held_mb())
            took_s = time.monotonic() - self._began
            self._report(
                f"{number:,} of {self._plan.invocations:,} after {took_s:.0f} s, {self!r}\n"
            )


def soak(plan: Plan, report: Callable[[str], object] = sys.stderr.write) -> Outcome:
    """Run a soak; `report` gets how far it is."""
    mark = f"SOAK_MARK={uuid4().hex}"
    with staged(plan, mark) as config, temporary_folder():
        before = Held.now(mark)
        course = asyncio.run(_run(plan, config, report))
        gc.collect()
        after = Held.now(mark)
    course.tally.close()
    return _outcome(plan, course, before, after)


@contextmanager
def staged(plan: Plan, mark: str) -> Iterator[FunctionConfig]:
    """Lay out the function's code and layer in a folder, and return how to run them."""
    with tempfile.TemporaryDirectory(prefix="soak-staged-") as staging:
        folder = Path(staging)
        for name in ("code", "layer/extensions", "pids"):
            (folder / name).mkdir(parents=True)
        shutil.copy(_INSIDE / "app.py", folder / "code")
        extension = folder / "layer" / "extensions" / "watcher"
        program = (_INSIDE / "watcher.py").read_text()
        extension.write_text(f"#!{plan.python or sys.executable} -sES\n{program}")
        extension.chmod(0o755)
        yield FunctionConfig(
            "app.handle",
            task_root=folder / "code",
            layers=(folder / "layer",),
            timeout_s=plan.timeout_s,
            memory_mb=512,
            env=_variables(mark, folder / "pids"),
            python=plan.python,
            concurrency=plan.environments,
        )


def _clients(count: int) -> list[clients.Client]:
    return [*_OTHER_CLIENTS, *[clients.over_http] * (count - len(_OTHER_CLIENTS))]


async def _run(plan: Plan, config: FunctionConfig, report: Callable[[str], object]) -> Course:
    course = Course(plan, report)
    await course.run(config)
    return course


def _variables(mark: str, pids: Path) -> dict[str, str]:
    name, _, value = mark.partition("=")
    kinds = list(Kind)
    return {
        name: value,
        "SOAK_PIDS": os.fspath(pids),
        "SOAK_KILL": f"{kinds.index(Kind.EXTENSION_KILLS_ITSELF):x}",
        "SOAK_EXIT": f"{kinds.index(Kind.EXTENSION_EXITS_LATE):x}",
    }


def _outcome(plan: Plan, course: Course, before: Held, after: Held) -> Outcome:
    tally = course.tally
    return Outcome(
        plan,
        round(course.duration_s, 1),
        dict(tally.kinds.most_common()),
        dict(tally.outcomes.most_common()),
        tally.cold_starts,
        tally.inits_again,
        tuple(course.memory_mb),
        tuple(course.held_mb),
        before,
        after,
        tally.fault_count,
        tuple(tally.faults),
    )
