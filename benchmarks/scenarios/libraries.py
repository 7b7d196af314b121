"""What large libraries add to a start, imported as their users import them.

OpenTelemetry as its layer sets it up, the durable SDK, Powertools' event handler with validation,
and the SDKs of two language models.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import OURS, THEIRS, THEIRS_UNPOOLED
from benchmarks.packages import EMPTY, LAZY, LIBRARIES, packagings
from benchmarks.scenarios.function_init import Suite, measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench
    from benchmarks.contenders import Contender
    from benchmarks.samples import FunctionInitSample

SUITE: Final = Suite(
    (EMPTY, *LIBRARIES), (OURS, LAZY, THEIRS, THEIRS_UNPOOLED), Fraction(2, 5), at_least=0
)


def entrants(bench: Bench) -> tuple[Contender, ...]:
    """Return the ways that are compared."""
    return tuple(one for one in packagings(bench) if one.name in SUITE.packagings)


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return SUITE.rounds(bench)


def measure(bench: Bench) -> Iterator[Sequence[FunctionInitSample]]:
    """Yield the rounds: every function, in every packaging, once."""
    yield from measured(bench, SUITE)
