"""Runtime Init: from spawn to the first `GET next`; bare, and beside one `.pth` file.

Such a file is in the site-packages of most images: an editable install, a tracer or setuptools
leave one. This one adds a folder to the path and has a line of code, which imports nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.bench import Bench
from benchmarks.samples import InitSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.contenders import Contender
    from benchmarks.machine import Interpreter

PATH_FILE: Final = "benchmark.pth"
FOLDER: Final = "added_by_path_file"
LINES: Final = f"{FOLDER}\nimport sys; sys.added_by_path_file = True\n"


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[InitSample]]:
    """Start every contender once in each round, and beside the file those that run functions."""
    starts = [(one, False) for one in bench.contenders] + [(one, True) for one in bench.invokable]

    def take(number: int, source: random.Random) -> list[InitSample]:
        return [_start(bench, *start, number) for start in source.sample(starts, len(starts))]

    bench.warm_up(take)
    yield from bench.part(bench.plan.runs, take)


def _start(bench: Bench, contender: Contender, path_file: bool, number: int) -> InitSample:  # noqa: FBT001
    with _path_file(bench.interpreter, there=path_file), bench.start(contender) as running:
        return InitSample(
            number, contender.name, running.ready_ns, running.child.cpu_ns(), path_file
        )


@contextmanager
def _path_file(interpreter: Interpreter, *, there: bool) -> Iterator[None]:
    """Have the file in the site-packages of the benchmark's own environment, if it is to be."""
    if not there:
        yield
        return
    (packages,) = interpreter.path.parents[1].glob("lib/*/site-packages")
    (packages / FOLDER).mkdir(exist_ok=True)
    (packages / PATH_FILE).write_text(LINES, encoding="utf-8")
    try:
        yield
    finally:
        (packages / PATH_FILE).unlink()
