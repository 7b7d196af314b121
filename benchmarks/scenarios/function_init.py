"""Function Init: from spawn to the first `GET next` of functions that import what people import.

That is what Lambda reports as Init Duration, and what a caller waits for. What it takes beyond the
start of a function that imports nothing is shown beside it; it flatters a runtime that has
imported half of what the function needs before it looks for the function.
"""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import OURS, THEIRS, THEIRS_UNPOOLED
from benchmarks.packages import (
    CLIENT,
    CLIENTS,
    COLLECTING,
    EMPTY,
    FASTAPI,
    FILES,
    GUIDED,
    HANDLER,
    IMPORT,
    LAZY,
    PANDAS,
    POWERTOOLS,
    STALE,
    TELEMETRY,
    THEIRS_LAZY,
    UNCOMPILED,
    package,
    packagings,
)
from benchmarks.page_cache import PageCache, emptied, settle
from benchmarks.samples import FunctionInitSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench
    from benchmarks.packages import Function, Package


# A run of fewer rounds installs nothing large.
LEAST_RUNS: Final = 5


@dataclass(frozen=True, slots=True)
class Suite:
    """Functions and the packagings that they are compared in, for a share of the rounds.

    `at_least` so many rounds are measured, in a quick run too; with none, its packages are large.
    """

    functions: tuple[Function, ...]
    packagings: tuple[str, ...]
    share: Fraction
    at_least: int
    cold: bool = False

    def rounds(self, bench: Bench) -> int:
        """Return how many rounds it takes."""
        if not self.at_least and bench.plan.runs < LEAST_RUNS:
            return 0
        return max(self.at_least, int(self.share * bench.plan.runs))


SUITES: Final = (
    Suite(
        (EMPTY, IMPORT, CLIENT),
        (OURS, FILES, COLLECTING, LAZY, THEIRS, THEIRS_UNPOOLED, STALE, UNCOMPILED),
        Fraction(2, 5),
        at_least=1,
    ),
    Suite(
        (EMPTY, CLIENT, CLIENTS),
        (OURS, GUIDED, LAZY, THEIRS, THEIRS_LAZY, THEIRS_UNPOOLED),
        Fraction(2, 5),
        at_least=0,
    ),
    Suite(
        (EMPTY, IMPORT, CLIENT),
        (OURS, FILES, THEIRS, THEIRS_UNPOOLED),
        Fraction(2, 5),
        at_least=1,
        cold=True,
    ),
    Suite(
        (EMPTY, POWERTOOLS, FASTAPI, PANDAS, TELEMETRY),
        (OURS, GUIDED, LAZY, THEIRS, THEIRS_UNPOOLED, STALE),
        Fraction(2, 5),
        at_least=0,
    ),
)


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return sum(suite.rounds(bench) for suite in SUITES)


def measure(bench: Bench) -> Iterator[Sequence[FunctionInitSample]]:
    """Yield the rounds of each suite: every function, in every packaging, once."""
    done = 0
    for suite in SUITES:
        yield from measured(bench, suite, done)
        done += suite.rounds(bench)


def measured(bench: Bench, suite: Suite, first: int = 0) -> Iterator[Sequence[FunctionInitSample]]:
    """Yield the rounds of a suite, counted from `first`: those of another are other rounds."""
    count = suite.rounds(bench)
    if not count:
        return
    contenders = [one for one in packagings(bench) if one.name in suite.packagings]
    packages = [package(bench, function, one) for function in suite.functions for one in contenders]
    if suite.cold:
        settle()
    else:  # one round warms the page cache
        for one in packages:
            _start(bench, one, 0, cold=False)

    def take(number: int, source: random.Random) -> list[FunctionInitSample]:
        order = source.sample(range(len(packages)), len(packages))
        taken = {at: _start(bench, packages[at], first + number, cold=suite.cold) for at in order}
        return [taken[at] for at in range(len(packages))]

    yield from bench.part(count, take)


def _start(bench: Bench, one: Package, number: int, *, cold: bool) -> FunctionInitSample:
    cache = emptied(one.folder, bench.scratch) if cold else PageCache.WARM
    with (
        chdir(one.folder),
        bench.start(one.contender, HANDLER, variables=one.variables) as running,
    ):
        return FunctionInitSample(
            number,
            one.contender.name,
            one.function.name,
            cache.value,
            running.ready_ns,
            running.child.cpu_ns(),
        )
