"""Footprint: the modules, files and system calls that come before the first `next`."""

from __future__ import annotations

import re
import shutil
import time
from typing import TYPE_CHECKING

from benchmarks.bench import Bench, Running, shuffled
from benchmarks.bytecode import compiled_at_start, imported
from benchmarks.endpoints import ContenderError
from benchmarks.samples import FootprintSample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.contenders import Contender

ROUNDS = 3
TRACE_DEADLINE_S = 20
POLL_S = 0.005

# With the threads and children too, and enough of what is sent to show which request it is.
TRACE = ("-f", "-qq", "-s", "100")
# One line of `strace -f`: the process, then a call that ended, or the end of one begun above.
_ended_call = re.compile(
    r"^\d+ +(?:<\.\.\. )?(?P<name>\w+)(?:\(| resumed).* = (?P<result>-?\w+)"
).match
READY = ("GET /2018-06-01/runtime/invocation/next", 'write(1, ".", 1)')


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return min(ROUNDS, bench.plan.runs)


def measure(bench: Bench) -> Iterator[list[FootprintSample]]:
    """Yield the counts of each contender, a few times over, to show that they do not waver."""
    for number, source in bench.rounds(rounds(bench)):
        yield [
            _counts(bench, contender, number) for contender in shuffled(bench.contenders, source)
        ]


def _counts(bench: Bench, contender: Contender, number: int) -> FootprintSample:
    with bench.start(contender, variables={"PYTHONVERBOSE": "1"}) as running:
        verbose = running.child.written()
    calls = _calls(bench, contender)
    return FootprintSample(
        number,
        contender.name,
        imported(verbose),
        len(compiled_at_start(verbose)),
        None if calls is None else len(calls),
        None if calls is None else sum(_opened(name, result) for name, result in calls),
    )


def _calls(bench: Bench, contender: Contender) -> list[tuple[str, str]] | None:
    """Return every system call up to the first `next`, and its result; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    log = bench.scratch / "strace"
    with bench.start(contender, under=(strace, *TRACE, "-o", str(log))) as running:
        text = complete_log(running, log)
    return calls_until_ready(text)


def complete_log(running: Running, log: Path) -> str:
    """Return the log once the call that made the contender ready stands in it.

    The contender is ready as the call is made; strace writes the call down a moment after.
    """
    deadline = time.monotonic() + TRACE_DEADLINE_S
    while time.monotonic() < deadline:
        text = log.read_text(encoding="utf-8", errors="replace")
        if any(sign in text for sign in READY):
            return text
        time.sleep(POLL_S)
    msg = f"was ready, yet strace's log does not show how ({running.child!r})"
    raise ContenderError(msg)


def calls_until_ready(text: str) -> list[tuple[str, str]]:
    """Return the name and result of each call in a log of `strace -f`, up to the ready one."""
    calls = []
    for line in text.splitlines():
        if found := _ended_call(line):
            calls.append((found["name"], found["result"]))
        if any(sign in line for sign in READY):
            break
    return calls


def _opened(name: str, result: str) -> bool:
    return name in {"open", "openat"} and not result.startswith("-")
