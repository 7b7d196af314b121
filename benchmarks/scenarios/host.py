"""The Invoke API of our host beside AWS's emulator: round trips, requests per second, memory.

Round trips are those of one client, block after block, with all platforms alive at once. For the
requests per second 1 and 8 clients ask at the same time, each over a connection of its own; the
emulator takes one request at a time, and is asked by one. A handler that only waits shows whether
8 environments serve 8 clients side by side. Memory is that of a platform that has answered once.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.endpoints import ContenderError
from benchmarks.payloads import mixed_json
from benchmarks.pinning import unpinned
from benchmarks.platforms import HANDLER, Connection, invocation, platforms
from benchmarks.samples import HostSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench
    from benchmarks.platforms import Platform, Serving

SMALLEST = b'{"a":1}'
CLIENTS = (1, 8)
IDLE = "idle"


@dataclass(frozen=True, slots=True)
class AtOnce:
    """What several clients ask for at the same time, and how often each of them in a round."""

    name: str
    handler: str
    count: int


AT_ONCE = (AtOnce("7 B at once", HANDLER, 100), AtOnce("20 ms at once", "app.echo_late", 25))


@dataclass(frozen=True, slots=True)
class Load:
    """An event, how often it is sent in a block, and how often before the first block."""

    payload: str
    event: bytes
    block: int
    warmup: int


LOADS = (
    Load("7 B", SMALLEST, block=100, warmup=300),
    Load("1 KB", mixed_json(1_000), block=100, warmup=200),
    Load("100 KB", mixed_json(100_000), block=20, warmup=50),
    Load("1 MB", mixed_json(1_000_000), block=4, warmup=10),
    Load("5 MB", mixed_json(5_000_000), block=1, warmup=3),
)


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs * (len(LOADS) + len(AT_ONCE) + 1)


def measure(bench: Bench) -> Iterator[Sequence[HostSample]]:
    """Yield the blocks of each round: load after load, the requests per second, then memory."""
    with ExitStack() as stack:
        served = {one: stack.enter_context(one.running(bench)) for one in platforms(bench)}
        lines = {
            one: stack.enter_context(closing(Connection(serving.port)))
            for one, serving in served.items()
        }
        for load in LOADS:
            yield from _round_trips(bench, load, lines)
    growing = [one for one in platforms(bench) if one.grows]
    for asked in AT_ONCE:
        with unpinned(), ExitStack() as stack:
            served = {
                one: stack.enter_context(one.running(bench, asked.handler)) for one in growing
            }
            yield from _served(bench, asked, served)
    yield from bench.part(bench.plan.runs, lambda number, source: _idle(bench, number, source))


def _round_trips(
    bench: Bench, load: Load, lines: dict[Platform, Connection]
) -> Iterator[Sequence[HostSample]]:
    request = invocation(load.event)
    for one, line in lines.items():
        _check_echo(one, load.event, bytes(line.invoke(request)))
        _timed(line, request, _share(bench, load.warmup))
    count = _share(bench, load.block)

    def take(number: int, source: random.Random) -> list[HostSample]:
        return [
            _alone(number, one, load.payload, _timed(lines[one], request, count))
            for one in source.sample(list(lines), len(lines))
        ]

    yield from bench.part(bench.plan.runs, take)


def _served(
    bench: Bench, asked: AtOnce, served: dict[Platform, Serving]
) -> Iterator[Sequence[HostSample]]:
    count = _share(bench, asked.count)
    for serving in served.values():
        _at_once(serving.port, max(CLIENTS), count)  # so that all environments are there

    def take(number: int, source: random.Random) -> list[HostSample]:
        return [
            HostSample(
                number,
                one.name,
                asked.name,
                clients,
                count * clients,
                _at_once(served[one].port, clients, count),
                (),
            )
            for one in source.sample(list(served), len(served))
            for clients in CLIENTS
        ]

    yield from bench.part(bench.plan.runs, take)


def _idle(bench: Bench, number: int, source: random.Random) -> list[HostSample]:
    """Start each platform, and read what it holds when it has answered once."""
    request = invocation(SMALLEST)
    samples = []
    for one in source.sample(platforms(bench), len(platforms(bench))):
        with one.running(bench) as serving, closing(Connection(serving.port)) as line:
            (took_ns,) = _timed(line, request, 1)
            held = serving.child.memory().resident_bytes
        samples.append(HostSample(number, one.name, IDLE, 1, 1, took_ns, (), held))
    return samples


def _alone(number: int, one: Platform, payload: str, times_ns: list[int]) -> HostSample:
    count = len(times_ns)
    return HostSample(number, one.name, payload, 1, count, sum(times_ns), tuple(times_ns))


def _timed(line: Connection, request: bytes, count: int) -> list[int]:
    times_ns = []
    for _ in range(count):
        before_ns = time.perf_counter_ns()
        line.invoke(request)
        times_ns.append(time.perf_counter_ns() - before_ns)
    return times_ns


def _at_once(port: int, clients: int, count: int) -> int:
    """Return how long it took so many clients to send so many requests each."""
    request = invocation(SMALLEST)
    with ExitStack() as stack:
        lines = [stack.enter_context(closing(Connection(port))) for _ in range(clients)]
        threads = [threading.Thread(target=_timed, args=(one, request, count)) for one in lines]
        before_ns = time.perf_counter_ns()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter_ns() - before_ns


def _check_echo(one: Platform, event: bytes, answer: bytes) -> None:
    """Prove that the work was done, by what is in the answer whatever its chunks."""
    if len(answer) < len(event) or not answer.rstrip(b"0\r\n").endswith(event[-1:]):
        msg = f"echoed {len(event)!r} bytes as {answer[:200]!r}… ({len(answer)!r} bytes): {one!r}"
        raise ContenderError(msg)


def _share(bench: Bench, count: int) -> int:
    return max(1, round(count * bench.plan.block_share))
