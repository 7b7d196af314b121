"""The same warm echo by a function and by an `async def` function, both under our runtime."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.bench import shuffled
from benchmarks.contenders import OURS
from benchmarks.payloads import SIZES_BYTES, mixed_json
from benchmarks.samples import WarmSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench, Running
    from benchmarks.contenders import Contender

PLAIN = "def"
ASYNC = "async def"
HANDLERS = {ASYNC: "app.echo_soon", PLAIN: "app.echo"}
PAYLOAD = "200 B"
BLOCK, WARMUP = 200, 2_000


def entrants(bench: Bench) -> tuple[Contender, ...]:
    """Return our runtime twice, by the kind of the handler."""
    return tuple(
        replace(each, name=name, shown=f"{name} handler")
        for each in bench.contenders
        if each.name == OURS
        for name in HANDLERS
    )


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[WarmSample]]:
    """Yield the blocks of each round, a block of each kind."""
    event = mixed_json(SIZES_BYTES[PAYLOAD])
    count, warmup = (max(1, round(n * bench.plan.block_share)) for n in (BLOCK, WARMUP))
    kinds = entrants(bench)
    with ExitStack() as stack:
        running: dict[Contender, Running] = {
            each: stack.enter_context(bench.start(each, HANDLERS[each.name])) for each in kinds
        }
        for process in running.values():
            process.api.round_trips_ns([event], warmup)

        def take(number: int, source: random.Random) -> list[WarmSample]:
            taken = []
            for each in shuffled(kinds, source):
                before_ns = running[each].child.cpu_ns()
                times = tuple(running[each].api.round_trips_ns([event], count))
                after_ns = running[each].child.cpu_ns()
                spent = None if before_ns is None or after_ns is None else after_ns - before_ns
                size = len(event)
                taken.append(WarmSample(number, each.name, PAYLOAD, size, times, spent))
            return taken

        yield from bench.part(bench.plan.runs, take)
