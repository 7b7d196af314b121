"""Image start: from spawn to the first `GET next` of a whole image, page cache warm and cold."""

from __future__ import annotations

from contextlib import chdir
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.layouts import stage_layouts
from benchmarks.page_cache import PageCache, emptied, settle
from benchmarks.samples import ImageSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench
    from benchmarks.layouts import Layout


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return 2 * bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[ImageSample]]:
    """Start every image once in each round: first the warm rounds, then the cold ones."""
    staged = stage_layouts(bench)
    settle()
    bench.warm_up(partial(_round, bench, staged, cold=False))
    for cold in (False, True):
        yield from bench.part(bench.plan.runs, partial(_round, bench, staged, cold=cold))


def _round(
    bench: Bench, staged: tuple[Layout, ...], number: int, source: random.Random, *, cold: bool
) -> list[ImageSample]:
    order = source.sample(staged, len(staged))
    return [_start(bench, layout, number, cold=cold) for layout in order]


def _start(bench: Bench, layout: Layout, number: int, *, cold: bool) -> ImageSample:
    cache = emptied(layout.folder) if cold else PageCache.WARM
    with chdir(layout.task_root), bench.start(layout.contender) as running:
        return ImageSample(
            number,
            layout.contender.name,
            cache.value,
            running.ready_ns,
            running.child.cpu_ns(),
            running.child.storage_bytes(),
        )
