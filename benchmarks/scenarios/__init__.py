"""The scenarios, by name. Each has `measure`, which yields round after round of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.samples import FootprintSample, InitSample, MemorySample, Sample, WarmSample
from benchmarks.scenarios import footprint, init, memory, warm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.bench import Bench


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one scenario measures, how many rounds it takes, and what a sample of it is."""

    measure: Callable[[Bench], Iterator[Sequence[Sample]]]
    rounds: Callable[[Bench], int]
    sample: type[Sample]


SCENARIOS = {
    "init": Scenario(init.measure, init.rounds, InitSample),
    "warm": Scenario(warm.measure, warm.rounds, WarmSample),
    "memory": Scenario(memory.measure, memory.rounds, MemorySample),
    "footprint": Scenario(footprint.measure, footprint.rounds, FootprintSample),
}
