"""Warm invocations: round trip, and CPU time of the runtime process, by size of the event.

All contenders are alive at once, each blocked in `next` but the one whose block it is, so that
the blocks compared with each other are milliseconds apart.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.bare_loop import answering
from benchmarks.bench import Bench, Running, shuffled
from benchmarks.endpoints import ContenderError
from benchmarks.payloads import MAX_RESPONSE_BYTES, SIZES_BYTES, mixed_json
from benchmarks.samples import WarmSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.contenders import Contender


@dataclass(frozen=True, slots=True)
class Load:
    """A size of events to send, how often in a block, and how often before the first block."""

    payload: str
    block: int
    warmup: int

    @property
    def events(self) -> list[bytes]:
        """Events of this size on the average; where a block has but one, of this very size."""
        size = SIZES_BYTES[self.payload]
        shares = SHARES if self.block > 1 else (1,)
        return [mixed_json(round(size * share)) for share in shares]


# How large the events of a load are, in turn, in proportion to the size it is named by.
SHARES = (0.45, 1.15, 0.85, 1.55)
# The warm-up outlasts the interpreter's specialisation, and what a runtime defers until it pays.
LOADS = (
    Load("200 B", block=200, warmup=2_000),
    Load("6 KB", block=100, warmup=1_000),
    Load("100 KB", block=20, warmup=100),
    Load("5 MB", block=1, warmup=3),
)


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs * len(LOADS)


def measure(bench: Bench) -> Iterator[Sequence[WarmSample]]:
    """Yield the blocks of each round, load after load."""
    kinds = answering(bench)
    for load in LOADS:
        with ExitStack() as stack:
            running = {each: stack.enter_context(bench.start(each)) for each in kinds}
            yield from _measure_load(bench, load, running)


def _measure_load(
    bench: Bench, load: Load, running: dict[Contender, Running]
) -> Iterator[Sequence[WarmSample]]:
    events = load.events
    for contender, process in running.items():
        for event in events:
            _check_echo(contender, event, process.api.invoke(event))
        process.api.round_trips_ns(events, _share(bench, load.warmup))
    block = _share(bench, load.block)

    def take(number: int, source: random.Random) -> list[WarmSample]:
        return [
            _block(number, contender, running[contender], load, block)
            for contender in shuffled((*running,), source)
        ]

    yield from bench.part(bench.plan.runs, take)


def _block(
    number: int, contender: Contender, running: Running, load: Load, count: int
) -> WarmSample:
    events = load.events
    before_ns = running.child.cpu_ns()
    times_ns = running.api.round_trips_ns(events, count)
    after_ns = running.child.cpu_ns()
    spent_ns = None if before_ns is None or after_ns is None else after_ns - before_ns
    size = SIZES_BYTES[load.payload]
    return WarmSample(number, contender.name, load.payload, size, tuple(times_ns), spent_ns)


def _check_echo(contender: Contender, event: bytes, answer: bytes) -> None:
    """Prove that the work was done. Raises `ContenderError` for any other answer."""
    if len(answer) > MAX_RESPONSE_BYTES or json.loads(answer) != json.loads(event):
        msg = (
            f"echoed {len(event)!r} bytes as {answer[:200]!r}… ({len(answer)!r} bytes) instead of "
            f"the event, within the platform's limit ({contender!r})"
        )
        raise ContenderError(msg)


def _share(bench: Bench, count: int) -> int:
    return max(1, round(count * bench.plan.block_share))
