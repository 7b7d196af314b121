"""The scenarios, by name. Each has `measure`, which yields round after round of samples."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from benchmarks import managed
from benchmarks import web as web_servers
from benchmarks.bare_loop import BARE_LOOP, answering
from benchmarks.contenders import OURS, THEIRS, THEIRS_UNPOOLED
from benchmarks.layouts import SLIM, layouts
from benchmarks.packages import STALE, packagings
from benchmarks.platforms import EMULATOR, HOST, platforms
from benchmarks.samples import (
    CountsSample,
    FootprintSample,
    FunctionInitSample,
    HostSample,
    ImageFilesSample,
    ImageSample,
    InitSample,
    MemorySample,
    RestoreSample,
    Sample,
    StreamSample,
    WarmSample,
    WebSample,
)
from benchmarks.scenarios import (
    asynchronous,
    counts,
    footprint,
    function_init,
    host,
    image,
    image_files,
    init,
    libraries,
    managed_init,
    memory,
    restore,
    stream,
    warm,
    web,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.bench import Bench


class Entrant(Protocol):
    """Who is measured: a runtime, or a platform that runs one."""

    @property
    def name(self) -> str:
        """How it is called in tables."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def shown(self) -> str:
        """Its command as people write it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one scenario measures, how many rounds it takes, and what a sample of it is.

    Ours is compared with each of `references`, where they are among the `entrants`.
    """

    measure: Callable[[Bench], Iterator[Sequence[Sample]]]
    rounds: Callable[[Bench], int]
    sample: type[Sample]
    entrants: Callable[[Bench], Sequence[Entrant]] = attrgetter("contenders")
    ours: str = OURS
    references: tuple[str, ...] = (THEIRS, THEIRS_UNPOOLED)


SCENARIOS = {
    "init": Scenario(init.measure, init.rounds, InitSample),
    "warm": Scenario(
        warm.measure,
        warm.rounds,
        WarmSample,
        answering,
        references=(THEIRS, THEIRS_UNPOOLED, BARE_LOOP),
    ),
    "memory": Scenario(memory.measure, memory.rounds, MemorySample),
    "footprint": Scenario(footprint.measure, footprint.rounds, FootprintSample),
    "counts": Scenario(
        counts.measure,
        counts.rounds,
        CountsSample,
        answering,
        references=(THEIRS, THEIRS_UNPOOLED, BARE_LOOP),
    ),
    "host": Scenario(host.measure, host.rounds, HostSample, platforms, HOST, (EMULATOR,)),
    "image": Scenario(
        image.measure,
        image.rounds,
        ImageSample,
        layouts,
        references=(THEIRS, THEIRS_UNPOOLED, SLIM),
    ),
    "image_files": Scenario(
        image_files.measure,
        image_files.rounds,
        ImageFilesSample,
        layouts,
        references=(THEIRS, THEIRS_UNPOOLED, SLIM),
    ),
    "function_init": Scenario(
        function_init.measure,
        function_init.rounds,
        FunctionInitSample,
        packagings,
        references=(THEIRS, THEIRS_UNPOOLED, STALE),
    ),
    "libraries": Scenario(
        libraries.measure, libraries.rounds, FunctionInitSample, libraries.entrants
    ),
    "managed_init": Scenario(
        managed_init.measure,
        managed_init.rounds,
        FunctionInitSample,
        managed.starts,
        managed.WRAPPED,
        (managed.MANAGED,),
    ),
    "web": Scenario(
        web.measure,
        web.rounds,
        WebSample,
        web_servers.servers,
        web_servers.SERVED,
        (web_servers.MANGUM, web_servers.MANGUM_OWN, web_servers.PROXIED),
    ),
    "stream": Scenario(
        stream.measure,
        stream.rounds,
        StreamSample,
        stream.entrants,
        references=(stream.LOOP,),
    ),
    "async": Scenario(
        asynchronous.measure,
        asynchronous.rounds,
        WarmSample,
        asynchronous.entrants,
        asynchronous.ASYNC,
        (asynchronous.PLAIN,),
    ),
    "restore": Scenario(
        restore.measure,
        restore.rounds,
        RestoreSample,
        restore.entrants,
        restore.LOCAL,
        (restore.FRESH,),
    ),
}
