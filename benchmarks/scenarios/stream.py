"""A stream in chunks of 64 KB, beside a loop of `socket.sendall` that sends as many bytes.

How long after the first `yield` the first byte is read at the other end of the socket, the CPU time
of each megabyte, and what the process holds more after the long stream than before.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.bench import shuffled
from benchmarks.contenders import OURS, Contender
from benchmarks.samples import StreamSample

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from benchmarks.bench import Bench, Running

LOOP = "sendall"
CHUNK_BYTES = 1 << 16
CHUNKS = 480
LONG_CHUNKS = 3052  # 200 MB
STARTS = 20
# What asks for an event as a runtime does, and sends what the event says.
PROGRAM = """
import json, os, socket, sys
from time import perf_counter_ns
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
piece = bytes(65536)
while True:
    peer = socket.create_connection((host, int(port)))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n")
    event = b""
    while not (event := event + peer.recv(65536)).partition(b"\\r\\n\\r\\n")[2]: pass
    count = json.loads(event.partition(b"\\r\\n\\r\\n")[2])
    peer.sendall(b"POST /response HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
    peer.sendall(b"14\\r\\n%020d\\r\\n" % perf_counter_ns())
    for _ in range(count): peer.sendall(piece)
    peer.sendall(b"\\r\\n0\\r\\n\\r\\n")
    peer.recv(65536)
    peer.close()
"""


def entrants(bench: Bench) -> tuple[Contender, ...]:
    """Return our runtime and the loop."""
    loop = Contender(
        name=LOOP,
        version=bench.interpreter.version,
        shown="a loop of socket.sendall",
        command=(str(bench.interpreter.path), "-SsP", "-c", PROGRAM),
    )
    return *(each for each in bench.contenders if each.name == OURS), loop


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield."""
    return bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[StreamSample]]:
    """Yield the streams of each round; in the first round there is a long one, too."""
    kinds = entrants(bench)
    count = max(1, round(CHUNKS * bench.plan.block_share))
    with ExitStack() as stack:
        running = {each: stack.enter_context(bench.start(each, "app.stream")) for each in kinds}
        for process in running.values():
            process.api.stream(json.dumps(count).encode())

        def take(number: int, source: random.Random) -> list[StreamSample]:
            return [
                _sample(number, each, running[each], bench.plan.block_share)
                for each in shuffled(kinds, source)
            ]

        yield from bench.part(bench.plan.runs, take)


def _sample(number: int, contender: Contender, running: Running, share: float) -> StreamSample:
    starts = max(1, round(STARTS * share))
    first_ns = tuple(running.api.stream(b"0")[0] for _ in range(starts))
    before = running.child.memory().resident_bytes
    before_ns = running.child.cpu_ns()
    chunks = max(1, round((CHUNKS if number else LONG_CHUNKS) * share))
    size = running.api.stream(json.dumps(chunks).encode())[1]
    after_ns = running.child.cpu_ns()
    after = running.child.memory().resident_bytes
    spent = None if before_ns is None or after_ns is None else after_ns - before_ns
    grown = None if before is None or after is None else after - before
    return StreamSample(number, contender.name, first_ns, size, spent, grown)
