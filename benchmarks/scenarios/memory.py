"""Memory: at the first `next`, and along a hundred thousand invocations, or any number.

`python -m benchmarks memory --invocations 1000000 --runs 1` shows what is kept of each: the first
point is at 10,000.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.bench import Bench, Running, shuffled
from benchmarks.payloads import SIZES_BYTES, mixed_json
from benchmarks.samples import MemorySample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.contenders import Contender

LONG_RUNS = 3
# At these shares of a long run. The first comes early, to show what the first invocations add.
CHECKPOINTS = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs + _long_runs(bench)


def measure(bench: Bench) -> Iterator[Sequence[MemorySample]]:
    """Yield first what each start holds, then the long runs, one process at a time."""

    def take(number: int, source: random.Random) -> list[MemorySample]:
        order = shuffled(bench.contenders, source)
        return [_first_next(bench, contender, number) for contender in order]

    yield from bench.part(bench.plan.runs, take)
    for number, source in bench.rounds(_long_runs(bench)):
        yield [
            sample
            for contender in shuffled(bench.invokable, source)
            for sample in _long_run(bench, contender, number)
        ]


def _first_next(bench: Bench, contender: Contender, number: int) -> MemorySample:
    with bench.start(contender) as running:
        return _sample(running, contender, number, 0, None)


def _long_run(bench: Bench, contender: Contender, number: int) -> list[MemorySample]:
    event = mixed_json(SIZES_BYTES["200 B"])
    samples = []
    done = 0
    with bench.start(contender, "app.count_blocks") as running:
        for share in CHECKPOINTS:
            due = round(share * bench.plan.invocations)
            running.api.round_trips_ns([event], due - done - 1)
            blocks = json.loads(running.api.invoke(event))["blocks"]
            done = due
            samples.append(_sample(running, contender, number, done, blocks))
    return samples


def _sample(
    running: Running, contender: Contender, number: int, done: int, blocks: int | None
) -> MemorySample:
    memory = running.child.memory()
    return MemorySample(
        number,
        contender.name,
        done,
        memory.resident_bytes,
        memory.proportional_bytes,
        blocks,
    )


def _long_runs(bench: Bench) -> int:
    return min(LONG_RUNS, bench.plan.runs)
