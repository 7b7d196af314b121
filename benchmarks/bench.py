"""What every scenario is given: the plan, the contenders, and a way to start one."""

from __future__ import annotations

import random
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from benchmarks.children import Child
from benchmarks.contenders import environment
from benchmarks.endpoints import Endpoint, RuntimeAPI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.contenders import Contender
    from benchmarks.machine import Interpreter
    from benchmarks.samples import Sample

Taken = TypeVar("Taken", bound="Sample")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. `invocations` is the length of the memory scenario's long run."""

    runs: int
    warmup: int
    invocations: int
    block_share: float
    seed: int


QUICK = Plan(runs=3, warmup=1, invocations=1_000, block_share=0.05, seed=1)
FULL = Plan(runs=50, warmup=5, invocations=100_000, block_share=1.0, seed=1)


def planned(*, quick: bool, **asked: int | None) -> Plan:
    """Return how much is measured: the usual, but for what is asked for."""
    given = {name: value for name, value in asked.items() if value is not None}
    return replace(QUICK if quick else FULL, **given)


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that is ready, and how long after its spawn it was."""

    child: Child
    endpoint: Endpoint
    ready_ns: int

    @property
    def api(self) -> RuntimeAPI:
        """The Runtime API that it is connected to. Raises `TypeError` for a bare program."""
        if not isinstance(self.endpoint, RuntimeAPI):
            msg = f"cannot invoke {self.child!r}; choose among the invokable contenders"
            raise TypeError(msg)
        return self.endpoint


def never(_samples: Sequence[Sample]) -> bool:
    """Take every round of the plan."""
    return False


@dataclass(frozen=True, slots=True)
class Bench:
    """The plan and all that was laid out for it. `scratch` takes what contenders write.

    `known` says from the samples of a part whether its figures need no more rounds.
    """

    plan: Plan
    interpreter: Interpreter
    contenders: tuple[Contender, ...]
    task_root: Path
    scratch: Path
    known: Callable[[Sequence[Sample]], bool] = never

    @property
    def invokable(self) -> tuple[Contender, ...]:
        """The contenders that run functions."""
        return tuple(contender for contender in self.contenders if contender.invokable)

    def rounds(self, count: int) -> Iterator[tuple[int, random.Random]]:
        """Yield the number of each round, and its own source of random order."""
        for number in range(count):
            yield number, random.Random(f"{self.plan.seed} {number}")  # noqa: S311 - no secret

    def part(
        self, count: int, take: Callable[[int, random.Random], Sequence[Taken]]
    ) -> Iterator[Sequence[Taken]]:
        """Yield what `take` measures in each round: `count` of them, or fewer if that is enough."""
        taken: list[Taken] = []
        for number, source in self.rounds(count):
            samples = take(number, source)
            taken += samples
            yield samples
            if self.known(taken):
                return

    def warm_up(self, take: Callable[[int, random.Random], object]) -> None:
        """Take the rounds before the first that is recorded: they warm the page cache only."""
        for number, source in self.rounds(self.plan.warmup):
            take(number - self.plan.warmup, source)

    @contextmanager
    def start(
        self,
        contender: Contender,
        handler: str = "app.echo",
        *,
        under: tuple[str, ...] = (),
        variables: Mapping[str, str] | None = None,
        endpoint: Endpoint | None = None,
    ) -> Iterator[Running]:
        """Start `contender`, wait until it is ready, and end it afterwards.

        `under` is a command that runs it, such as strace's; `variables` are added to what the
        platform sets; `endpoint` takes the place of its own. Raises `ContenderError` if it does
        not become ready.
        """
        endpoint = endpoint or contender.endpoint()
        base = environment(self.task_root, handler, self.interpreter)
        base |= {"AWS_LAMBDA_RUNTIME_API": endpoint.address, **(variables or {})}
        with closing(endpoint):
            child = Child(
                (*under, *contender.start(handler)),
                contender.started_with(base),
                stdout=endpoint.stdout,
                stderr=self.scratch / f"{contender.name}.stderr",
            )
            with child:
                ready_ns = endpoint.wait_until_ready()
                yield Running(child, endpoint, ready_ns - child.started_ns)


def shuffled(contenders: tuple[Contender, ...], source: random.Random) -> list[Contender]:
    """Return the contenders in random order, so that none always follows the same other."""
    return source.sample(contenders, len(contenders))
