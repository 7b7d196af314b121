"""Instructions of a start up to the first `next`, and of one warm invocation, by valgrind.

A process is stopped while it waits for its next event, and valgrind then says how many instructions
it has executed. Two such totals, some invocations apart, give what one invocation takes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.bare_loop import answering
from benchmarks.bench import Bench, Running
from benchmarks.endpoints import ContenderError, RuntimeAPI
from benchmarks.pinning import unpinned
from benchmarks.samples import CountsSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.contenders import Contender

ROUNDS: Final = 3
EVENTS: Final = [b'{"key": "%s"}' % (b"x" * size) for size in (5, 40, 0, 120)]
# The interpreter has specialised what it runs by the first, and the second is so many later.
WARM: Final = 200
COUNTED: Final = 100
# valgrind slows a process by a factor of 30 to 60.
DEADLINE_S: Final = 180
POLL_S: Final = 0.01
# Seen asleep so often in a row, all threads of it: it waits for an event.
ASLEEP_TIMES: Final = 5
TOOL: Final = ("--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
# Hashes of strings, which decide how long a look-up takes, are to be the same in each run.
VARIABLES: Final = {"PYTHONHASHSEED": "0"}
_total = re.compile(r"I +refs: +([\d,]+)").search


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return min(ROUNDS, bench.plan.runs)


def measure(bench: Bench) -> Iterator[list[CountsSample]]:
    """Yield the counts of each contender, a few times over, to show that they do not waver.

    What else runs does not count: the contenders run at the same time, on every CPU.
    """
    with unpinned(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for number in range(rounds(bench)):
            yield [*pool.map(partial(_sample, bench, number), answering(bench))]


def _sample(bench: Bench, number: int, contender: Contender) -> CountsSample:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return CountsSample(number, contender.name, None, None)
    init, warm, later = (
        _instructions(bench, contender, valgrind, count) for count in (0, WARM, WARM + COUNTED)
    )
    return CountsSample(number, contender.name, init, (later - warm) // COUNTED)


def _instructions(bench: Bench, contender: Contender, valgrind: str, invocations: int) -> int:
    """Return how many instructions were executed up to the `next` after so many invocations."""
    log = bench.scratch / f"{contender.name}.valgrind"
    log.unlink(missing_ok=True)
    under = (valgrind, *TOOL, f"--log-file={log}")
    api = RuntimeAPI(DEADLINE_S)
    with bench.start(contender, under=under, variables=VARIABLES, endpoint=api) as running:
        if invocations:
            api.round_trips_ns(EVENTS, invocations)
        _wait_until_asleep(running)
        os.kill(running.child.pid, signal.SIGTERM)
        return _total_in(log, running)


def _wait_until_asleep(running: Running) -> None:
    """Return when every thread waits: what leads to the wait is counted as well."""
    tasks = Path(f"/proc/{running.child.pid}/task")
    deadline = time.monotonic() + DEADLINE_S
    asleep = 0
    while asleep < ASLEEP_TIMES:
        if time.monotonic() > deadline:
            raise ContenderError(f"did not wait for an event within {DEADLINE_S} s ({running!r})")
        states = [task.read_text().rpartition(")")[2].split()[0] for task in tasks.glob("*/stat")]
        asleep = asleep + 1 if set(states) == {"S"} else 0
        time.sleep(POLL_S)


def _total_in(log: Path, running: Running) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := _total(log.read_text(encoding="utf-8", errors="replace")):
            return int(found[1].replace(",", ""))
        time.sleep(POLL_S)
    raise ContenderError(f"was stopped, yet valgrind did not say what it executed ({running!r})")
