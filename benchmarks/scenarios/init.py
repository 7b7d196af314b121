"""Runtime Init: from spawn to the first `GET next`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bench import Bench, shuffled
from benchmarks.samples import InitSample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.contenders import Contender


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs


def measure(bench: Bench) -> Iterator[list[InitSample]]:
    """Start every contender once in each round. The first rounds warm the page cache only."""
    for number, source in bench.rounds(bench.plan.warmup + bench.plan.runs):
        order = shuffled(bench.contenders, source)
        samples = [_start(bench, contender, number - bench.plan.warmup) for contender in order]
        if number >= bench.plan.warmup:
            yield samples


def _start(bench: Bench, contender: Contender, number: int) -> InitSample:
    with bench.start(contender) as running:
        return InitSample(number, contender.name, running.ready_ns, running.child.cpu_ns())
