"""What one measurement of one contender in one round is, for each scenario.

These are the rows of the recordings, and nothing is derived in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The function that imports nothing.
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class InitSample:
    """One start: from spawn to ready, and the CPU time that took, where the system has it.

    `path_file` is whether the interpreter's site-packages had a `.pth` file.
    """

    round: int
    contender: str
    ready_ns: int
    cpu_ns: int | None
    path_file: bool = False


@dataclass(frozen=True, slots=True)
class WarmSample:
    """One block of invocations of a warm process with one event, and the block's CPU time."""

    round: int
    contender: str
    payload: str
    event_bytes: int
    round_trips_ns: tuple[int, ...]
    cpu_ns: int | None


@dataclass(frozen=True, slots=True)
class MemorySample:
    """What a process held after so many invocations; bytes are None where the system does not say.

    `blocks` counts what Python had allocated, as the function saw it; None before any invocation.
    """

    round: int
    contender: str
    invocations: int
    resident_bytes: int | None
    proportional_bytes: int | None
    blocks: int | None


@dataclass(frozen=True, slots=True)
class FootprintSample:
    """What a process did up to its first `next`. Counts: they do not waver as timings do.

    `system_calls` and `files_opened` are None where strace is missing.
    """

    round: int
    contender: str
    modules: tuple[str, ...]
    compiled_at_start: int
    system_calls: int | None
    files_opened: int | None


@dataclass(frozen=True, slots=True)
class HostSample:
    """One block of requests to a platform that runs our runtime; `contender` is the platform.

    `round_trips_ns` holds each request's of a client that was alone. Of several clients at once
    only `requests` and `elapsed_ns` of all together are kept. `idle_bytes` is what the
    platform itself holds once it has answered; None in the samples for which that is not read.
    """

    round: int
    contender: str
    payload: str
    clients: int
    requests: int
    elapsed_ns: int
    round_trips_ns: tuple[int, ...]
    idle_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ImageSample:
    """One start of an image: from spawn to ready, and what storage had to give for it.

    `page_cache` says what was in memory before: see `PageCache`. `storage_bytes`, with what was
    read ahead, is None where the system does not say.
    """

    round: int
    contender: str
    page_cache: str
    ready_ns: int
    cpu_ns: int | None
    storage_bytes: int | None


@dataclass(frozen=True, slots=True)
class ImageFilesSample:
    """The files that one start of an image opened; of each, the bytes read and those mapped."""

    round: int
    contender: str
    files: tuple[str, ...]
    read_bytes: tuple[int, ...]
    mapped_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FunctionInitSample:
    """One start with one function: from spawn to ready, and the CPU time that took.

    `contender` says how the function was packaged too, `page_cache` what was in memory before.
    """

    round: int
    contender: str
    function: str
    page_cache: str
    ready_ns: int
    cpu_ns: int | None


@dataclass(frozen=True, slots=True)
class WebSample:
    """One start of a web application, from spawn to ready, and a block of requests to it."""

    round: int
    contender: str
    ready_ns: int
    round_trips_ns: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StreamSample:
    """Streams of one round: when the first byte of each was read after it was made, and a long one.

    Of that, its bytes, its CPU time, and how much more the process holds after it.
    """

    round: int
    contender: str
    first_byte_ns: tuple[int, ...]
    stream_bytes: int
    cpu_ns: int | None
    grown_bytes: int | None


@dataclass(frozen=True, slots=True)
class RestoreSample:
    """One environment that is ready, and one request that needed an environment.

    A restored one counts from the release of `restore/next`, a fresh one from its spawn. What
    restore safety took is None of a fresh one, which has none.
    """

    round: int
    contender: str
    ready_ns: int
    answered_ns: int
    safety_ns: int | None


@dataclass(frozen=True, slots=True)
class CountsSample:
    """How many instructions a start took, and one warm invocation; None without valgrind.

    They do not waver as timings do: the kernel's, which a busy machine adds, are not among them.
    """

    round: int
    contender: str
    init_instructions: int | None
    invocation_instructions: int | None


Sample = (
    InitSample
    | WarmSample
    | MemorySample
    | FootprintSample
    | HostSample
    | ImageSample
    | ImageFilesSample
    | FunctionInitSample
    | WebSample
    | StreamSample
    | RestoreSample
    | CountsSample
)
