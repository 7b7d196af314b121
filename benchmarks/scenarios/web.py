"""Web applications: a FastAPI hello-world, from spawn to the first `GET next`, and warm.

Each round starts each of the ways to serve it afresh, and times a block of requests to it.
"""

from __future__ import annotations

import json
from contextlib import chdir
from fractions import Fraction
from typing import TYPE_CHECKING

from benchmarks import web
from benchmarks.endpoints import ContenderError
from benchmarks.packages import HANDLER
from benchmarks.samples import WebSample
from benchmarks.scenarios.function_init import LEAST_RUNS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender

# A round takes seconds, and a quick run needs no more packages than AWS's client and boto3.
ROUNDS_SHARE = Fraction(2, 5)
BLOCK, WARMUP = 200, 500


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return int(ROUNDS_SHARE * bench.plan.runs) if bench.plan.runs >= LEAST_RUNS else 0


def measure(bench: Bench) -> Iterator[Sequence[WebSample]]:
    """Yield the rounds; one more warms the page cache."""
    if not rounds(bench):
        return
    staged = web.stage(bench)
    event = web.event()
    for contender, folder in staged.items():
        _sample(bench, contender, folder, event, 0)

    def take(number: int, source: random.Random) -> list[WebSample]:
        order = source.sample(list(staged), len(staged))
        taken = {one: _sample(bench, one, staged[one], event, number) for one in order}
        return [taken[one] for one in staged]

    yield from bench.part(rounds(bench), take)


def _sample(
    bench: Bench, contender: Contender, folder: Path, event: bytes, number: int
) -> WebSample:
    with chdir(folder), bench.start(contender, HANDLER) as running:
        document = json.loads(running.api.invoke(event))
        if (document["statusCode"], document["body"]) != (200, web.BODY):
            raise ContenderError(f"answered {document!r}")
        running.api.round_trips_ns([event], max(1, round(WARMUP * bench.plan.block_share)))
        count = max(1, round(BLOCK * bench.plan.block_share))
        times_ns = tuple(running.api.round_trips_ns([event], count))
        return WebSample(number, contender.name, running.ready_ns, times_ns)
