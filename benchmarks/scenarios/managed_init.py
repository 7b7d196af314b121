"""The wrapper on AWS's managed runtime: from its spawn to the first `GET next`."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING

from benchmarks.managed import FUNCTIONS, stage, task_root
from benchmarks.packages import HANDLER
from benchmarks.page_cache import PageCache
from benchmarks.samples import FunctionInitSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.packages import Function


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[FunctionInitSample]]:
    """Start every function with and without the wrapper in each round."""
    pairs = [(function, one) for function in FUNCTIONS for one in stage(bench)]

    def take(number: int, source: random.Random) -> list[FunctionInitSample]:
        order = source.sample(range(len(pairs)), len(pairs))
        taken = {at: _start(bench, *pairs[at], number) for at in order}
        return [taken[at] for at in range(len(pairs))]

    bench.warm_up(take)
    yield from bench.part(bench.plan.runs, take)


def _start(bench: Bench, function: Function, one: Contender, number: int) -> FunctionInitSample:
    folder = task_root(bench, function)
    variables = {"LAMBDA_TASK_ROOT": str(folder)}
    with chdir(folder), bench.start(one, HANDLER, variables=variables) as running:
        return FunctionInitSample(
            number,
            one.name,
            function.name,
            PageCache.WARM.value,
            running.ready_ns,
            running.child.cpu_ns(),
        )
