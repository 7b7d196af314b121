"""From samples to figures: one value for each contender and round, and the ratios between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from benchmarks import steadiness
from benchmarks.estimates import Estimate, bootstrap, median, overhead_ratio, ratio_of_pairs
from benchmarks.page_cache import PageCache
from benchmarks.samples import (
    NOTHING,
    CountsSample,
    FootprintSample,
    FunctionInitSample,
    HostSample,
    ImageFilesSample,
    ImageSample,
    InitSample,
    MemorySample,
    RestoreSample,
    StreamSample,
    WarmSample,
    WebSample,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.recording import Recording

SECOND_NS = 1e9
MILLISECOND_NS = 1e6
MICROSECOND_NS = 1e3
KILOBYTE = 1e3
MEGABYTE = 1e6
WHOLE_FROM = 100
THOUSAND = 1_000
MILLION = 1_000_000
# What ends the name of what several clients ask for, and of its figures.
AT_ONCE = " at once"
# What is added to a figure's name.
PAGE_CACHES = {
    PageCache.WARM.value: "",
    PageCache.DROPPED.value: ", page cache cold",
    PageCache.ADVISED.value: ", page cache cold but for the system's files",
}
Start = InitSample | ImageSample | FunctionInitSample | WebSample

RESIDENT = attrgetter("resident_bytes")
PROPORTIONAL = attrgetter("proportional_bytes")


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, with the values of every contender in the order of the rounds.

    A pair is of one round: where not every contender takes part in each, `rounds` has the numbers
    of those in which each one did.
    Differences that may be zero are not `comparable`: their ratio means nothing. Counts are
    `exact`: they do not waver.
    """

    name: str
    unit: str
    values: dict[str, list[float]]
    comparable: bool = True
    exact: bool = False
    higher_is_better: bool = False
    rounds: dict[str, list[int]] = field(default_factory=dict)

    def readable(self) -> Figure:
        """Return the same in ms where that is easier to read than thousands of µs."""
        middles = [median(values) for values in self.values.values() if values]
        if self.unit != "µs" or max(middles, default=0) < THOUSAND:
            return self
        values = {name: [one / THOUSAND for one in each] for name, each in self.values.items()}
        return replace(self, unit="ms", values=values)

    def ratio(self, first: str, second: str) -> Estimate:
        """Estimate first/second, pair by pair."""
        return ratio_of_pairs(self.paired(first, second))

    def paired(self, *names: str) -> list[tuple[Any, ...]]:
        """Return the values of these contenders side by side, for the rounds that all had."""
        columns = [
            dict(zip(self.rounds.get(name) or range(len(values)), values, strict=True))
            for name, values in ((name, self.values[name]) for name in names)
        ]
        shared = [number for number in columns[0] if all(number in each for each in columns)]
        return [tuple(each[number] for each in columns) for number in shared]

    def flaw(self, contender: str) -> str:
        """Return what keeps the contender's median from being a figure; nothing if it is one."""
        return "" if self.exact else steadiness.flaw(self.values[contender])

    def flaw_of_ratio(self, first: str, second: str) -> str:
        """Return what keeps the ratio of pairs from being a figure; nothing if it is one."""
        if self.exact:
            return ""
        return steadiness.flaw([one / other for one, other in self.paired(first, second)])

    def overhead(self, first: str, second: str, floor: str) -> Estimate:
        """Estimate how much first exceeds `floor`, as a share of how much second does."""
        return bootstrap(self.paired(first, second, floor), overhead_ratio)


def shown(value: float) -> str:
    """Return three significant digits, and whole numbers from 100 on."""
    if value == int(value) or abs(value) >= WHOLE_FROM:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figures(recording: Recording) -> list[Figure]:
    """Return the figures of a recording; those that its system does not have are left out."""
    found = MAKERS[recording.scenario](recording)
    return [figure for figure in found if any(figure.values.values())]


def _init(recording: Recording) -> list[Figure]:
    return [
        _figure(recording, f"{name}{suffix}", "ms", _beside(value, path_file=path_file))
        for path_file, suffix in ((False, ""), (True, ", one .pth file"))
        for name, value in (("spawn to next", _ready_ms), ("CPU time to next", _cpu_ms))
    ]


def _beside(
    value: Callable[[object], float | None], *, path_file: bool
) -> Callable[[object], float | None]:
    def chosen(sample: object) -> float | None:
        found = isinstance(sample, InitSample) and sample.path_file == path_file
        return value(sample) if found else None

    return chosen


def _warm(recording: Recording) -> list[Figure]:
    payloads = dict.fromkeys(
        sample.payload for sample in recording.samples if isinstance(sample, WarmSample)
    )
    return [
        _figure(recording, f"{name}, {payload}", "µs", _only(payload, value))
        for payload in payloads
        for name, value in (("round trip", _round_trip_us), ("CPU time", _invocation_cpu_us))
    ]


def _memory(recording: Recording) -> list[Figure]:
    rows = [sample for sample in recording.samples if isinstance(sample, MemorySample)]
    last = max(sample.invocations for sample in rows)
    return [
        _figure(recording, "resident at first next", "MB", _after(0, RESIDENT)),
        _figure(recording, "proportional at first next", "MB", _after(0, PROPORTIONAL)),
        _figure(recording, f"resident after {last:,} invocations", "MB", _after(last, RESIDENT)),
        *([_growth(rows, last), _blocks_kept(rows, last)] if last else []),
    ]


def _growth(rows: list[MemorySample], last: int) -> Figure:
    """Return what was added in the second half of the long run."""
    values = {
        contender: [
            (after.resident_bytes - before.resident_bytes) / KILOBYTE
            for before, after in spans
            if after.resident_bytes is not None and before.resident_bytes is not None
        ]
        for contender, spans in _spans(rows, last).items()
    }
    return Figure("resident growth in the second half", "kB", values, comparable=False)


def _blocks_kept(rows: list[MemorySample], last: int) -> Figure:
    values = {
        contender: [
            (after.blocks - before.blocks) / (after.invocations - before.invocations)
            for before, after in spans
            if after.blocks is not None and before.blocks is not None
        ]
        for contender, spans in _spans(rows, last).items()
    }
    return Figure("blocks kept per invocation in the second half", "", values, comparable=False)


def _spans(
    rows: list[MemorySample], last: int
) -> dict[str, list[tuple[MemorySample, MemorySample]]]:
    """Pair the checkpoint at half of each long run with that at its end.

    What a runtime adds once, when it pays, such as a faster codec, shows in what is held at the
    end. Growth is what goes on.
    """
    half = min(sample.invocations for sample in rows if 2 * sample.invocations >= last)
    at = {(sample.contender, sample.round, sample.invocations): sample for sample in rows}
    spans: dict[str, list[tuple[MemorySample, MemorySample]]] = {}
    for (contender, number, invocations), after in sorted(at.items(), key=itemgetter(0)):
        if invocations == last:
            spans.setdefault(contender, []).append((at[contender, number, half], after))
    return spans


def _footprint(recording: Recording) -> list[Figure]:
    return [
        replace(_figure(recording, name, "", value), exact=True)
        for name, value in (
            ("modules imported", _modules),
            ("files opened", _files_opened),
            ("system calls", _system_calls),
        )
    ]


def _counts(recording: Recording) -> list[Figure]:
    return [
        replace(_figure(recording, name, unit, value), exact=True)
        for name, unit, value in (
            ("instructions to next", "million", _init_instructions),
            ("instructions of a warm invocation", "thousand", _invocation_instructions),
        )
    ]


def _host(recording: Recording) -> list[Figure]:
    rows = [sample for sample in recording.samples if isinstance(sample, HostSample)]
    payloads = dict.fromkeys(sample.payload for sample in rows if sample.round_trips_ns)
    served = dict.fromkeys(
        (one.payload, one.clients)
        for one in sorted(rows, key=attrgetter("clients"))
        if one.payload.endswith(AT_ONCE)
    )
    waits = dict.fromkeys(payload for payload, _ in served if payload != f"7 B{AT_ONCE}")
    return [
        *(
            _figure(recording, f"round trip, {payload}", "µs", _platform_trip_us(payload))
            for payload in payloads
        ),
        *(
            replace(
                _figure(recording, _served_name(payload, count), "", _per_second(payload, count)),
                higher_is_better=True,
            )
            for payload, count in served
        ),
        *(_speedup(rows, payload) for payload in waits),
        _figure(recording, "resident, idle", "MB", _idle_mb),
    ]


def _served_name(payload: str, clients: int) -> str:
    kind = payload.removesuffix(AT_ONCE)
    return f"requests per second{'' if kind == '7 B' else f' of {kind}'}, {clients}{AT_ONCE}"


def _speedup(rows: list[HostSample], payload: str) -> Figure:
    """Return how many times one client's rate the most clients reach, round by round."""
    of = [row for row in rows if row.payload == payload]
    most = max(row.clients for row in of)
    rates = {
        (row.contender, row.round, row.clients): row.requests / row.elapsed_ns
        for row in sorted(of, key=attrgetter("round"))
    }
    values: dict[str, list[float]] = {}
    for (contender, number, clients), rate in rates.items():
        if clients == most:
            values.setdefault(contender, []).append(rate / rates[contender, number, 1])
    name = f"times one client's rate, {most}{AT_ONCE}, {payload.removesuffix(AT_ONCE)} each"
    return replace(Figure(name, "", values), higher_is_better=True)


def _image(recording: Recording) -> list[Figure]:
    return [
        _figure(recording, f"{name}{state}", unit, _of_image(cache, value))
        for cache, state in PAGE_CACHES.items()
        for name, unit, value in (
            ("spawn to next", "ms", _ready_ms),
            ("CPU time to next", "ms", _cpu_ms),
            ("read from storage", "MB", _storage_mb),
        )
    ]


def _image_files(recording: Recording) -> list[Figure]:
    return [
        replace(_figure(recording, name, unit, _of_files(value)), exact=True)
        for name, unit, value in (
            ("files opened", "", lambda one: len(one.files)),
            ("read", "kB", lambda one: sum(one.read_bytes) / KILOBYTE),
            ("mapped", "kB", lambda one: sum(one.mapped_bytes) / KILOBYTE),
        )
    ]


def _function_init(recording: Recording) -> list[Figure]:
    rows = [sample for sample in recording.samples if isinstance(sample, FunctionInitSample)]
    empty = [one for one in rows if one.function == NOTHING]
    empty_ms = {
        key: median([one.ready_ns / MILLISECOND_NS for one in empty if _start_of(one) == key])
        for key in set(map(_start_of, empty))
    }
    return [
        _figure(
            recording, f"{function}{PAGE_CACHES[cache]}: {name}", "ms", _of(function, cache, value)
        )
        for function, cache in dict.fromkeys((one.function, one.page_cache) for one in rows)
        for name, value in (
            ("spawn to next", _ready_ms),
            ("CPU time to next", _cpu_ms),
            ("beyond a start with nothing", _beyond(empty_ms)),
        )
    ]


def _web(recording: Recording) -> list[Figure]:
    return [
        _figure(recording, "spawn to next", "ms", _ready_ms),
        _figure(recording, "round trip", "µs", _request_us),
    ]


def _stream(recording: Recording) -> list[Figure]:
    return [
        _figure(recording, "first byte after the first yield", "µs", _first_byte_us),
        _figure(recording, "CPU time of a MB", "µs", _megabyte_cpu_us),
        replace(_figure(recording, "resident growth", "MB", _grown_mb), comparable=False),
    ]


def _restore(recording: Recording) -> list[Figure]:
    return [
        _figure(recording, name, unit, value)
        for name, unit, value in (
            ("release of a clone, or spawn, to next", "ms", _restored_ms),
            ("request for a new environment to its answer", "ms", _answered_ms),
            ("restore safety", "ms", _safety_ms),
        )
    ]


def _restored_ms(sample: object) -> float | None:
    return sample.ready_ns / MILLISECOND_NS if isinstance(sample, RestoreSample) else None


def _answered_ms(sample: object) -> float | None:
    return sample.answered_ns / MILLISECOND_NS if isinstance(sample, RestoreSample) else None


def _safety_ms(sample: object) -> float | None:
    if not isinstance(sample, RestoreSample) or sample.safety_ns is None:
        return None
    return sample.safety_ns / MILLISECOND_NS


def _first_byte_us(sample: object) -> float | None:
    if not isinstance(sample, StreamSample):
        return None
    return median(sample.first_byte_ns) / MICROSECOND_NS


def _megabyte_cpu_us(sample: object) -> float | None:
    if not isinstance(sample, StreamSample) or sample.cpu_ns is None:
        return None
    return sample.cpu_ns / MICROSECOND_NS / (sample.stream_bytes / MEGABYTE)


def _grown_mb(sample: object) -> float | None:
    if not isinstance(sample, StreamSample) or sample.grown_bytes is None:
        return None
    return sample.grown_bytes / MEGABYTE


MAKERS: dict[str, Callable[[Recording], list[Figure]]] = {
    "init": _init,
    "warm": _warm,
    "memory": _memory,
    "footprint": _footprint,
    "counts": _counts,
    "host": _host,
    "image": _image,
    "image_files": _image_files,
    "function_init": _function_init,
    "managed_init": _function_init,
    "libraries": _function_init,
    "web": _web,
    "stream": _stream,
    "async": _warm,
    "restore": _restore,
}


def _figure(
    recording: Recording, name: str, unit: str, value: Callable[[object], float | None]
) -> Figure:
    values: dict[str, list[tuple[int, float]]] = {}
    for sample in recording.samples:
        if (found := value(sample)) is not None:
            values.setdefault(sample.contender, []).append((sample.round, found))
    order = [one for each in recording.contenders if (one := each["name"]) in values]
    taken = {contender: sorted(values[contender]) for contender in order}
    return Figure(
        name,
        unit,
        {contender: [found for _, found in each] for contender, each in taken.items()},
        rounds={contender: [number for number, _ in each] for contender, each in taken.items()},
    )


def _ready_ms(sample: object) -> float | None:
    return sample.ready_ns / MILLISECOND_NS if isinstance(sample, Start) else None


def _cpu_ms(sample: object) -> float | None:
    if not isinstance(sample, Start) or isinstance(sample, WebSample) or sample.cpu_ns is None:
        return None
    return sample.cpu_ns / MILLISECOND_NS


def _storage_mb(sample: ImageSample) -> float | None:
    """Return what storage had to give; what a warm page cache left over says nothing."""
    if sample.storage_bytes is None or sample.page_cache == PageCache.WARM.value:
        return None
    return sample.storage_bytes / MEGABYTE


def _of_image(
    cache: str, value: Callable[[ImageSample], float | None]
) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, ImageSample) or sample.page_cache != cache:
            return None
        return value(sample)

    return of


def _of_files(value: Callable[[ImageFilesSample], float]) -> Callable[[object], float | None]:
    return lambda sample: value(sample) if isinstance(sample, ImageFilesSample) else None


def _of(
    function: str, cache: str, value: Callable[[FunctionInitSample], float | None]
) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, FunctionInitSample):
            return None
        return value(sample) if (sample.function, sample.page_cache) == (function, cache) else None

    return of


def _beyond(
    empty_ms: dict[tuple[str, str], float],
) -> Callable[[FunctionInitSample], float | None]:
    """Return what a start took longer than the median one with a function that imports nothing."""

    def beyond(sample: FunctionInitSample) -> float | None:
        empty = empty_ms.get(_start_of(sample))
        if empty is None or sample.function == NOTHING:
            return None
        return sample.ready_ns / MILLISECOND_NS - empty

    return beyond


def _start_of(sample: FunctionInitSample) -> tuple[str, str]:
    return sample.contender, sample.page_cache


def _only(
    payload: str, value: Callable[[WarmSample], float | None]
) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, WarmSample) or sample.payload != payload:
            return None
        return value(sample)

    return of


def _round_trip_us(sample: WarmSample) -> float:
    return median(sample.round_trips_ns) / MICROSECOND_NS


def _request_us(sample: object) -> float | None:
    if not isinstance(sample, WebSample):
        return None
    return median(sample.round_trips_ns) / MICROSECOND_NS


def _invocation_cpu_us(sample: WarmSample) -> float | None:
    if sample.cpu_ns is None:
        return None
    return sample.cpu_ns / len(sample.round_trips_ns) / MICROSECOND_NS


def _after(
    invocations: int, value: Callable[[MemorySample], int | None]
) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, MemorySample) or sample.invocations != invocations:
            return None
        held = value(sample)
        return None if held is None else held / MEGABYTE

    return of


def _platform_trip_us(payload: str) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, HostSample) or sample.payload != payload:
            return None
        return median(sample.round_trips_ns) / MICROSECOND_NS

    return of


def _per_second(payload: str, clients: int) -> Callable[[object], float | None]:
    def of(sample: object) -> float | None:
        if not isinstance(sample, HostSample):
            return None
        if (sample.payload, sample.clients) != (payload, clients):
            return None
        return sample.requests / sample.elapsed_ns * SECOND_NS

    return of


def _idle_mb(sample: object) -> float | None:
    if not isinstance(sample, HostSample) or sample.idle_bytes is None:
        return None
    return sample.idle_bytes / MEGABYTE


def _modules(sample: object) -> float | None:
    return len(sample.modules) if isinstance(sample, FootprintSample) else None


def _files_opened(sample: object) -> float | None:
    return sample.files_opened if isinstance(sample, FootprintSample) else None


def _system_calls(sample: object) -> float | None:
    return sample.system_calls if isinstance(sample, FootprintSample) else None


def _init_instructions(sample: object) -> float | None:
    if not isinstance(sample, CountsSample) or sample.init_instructions is None:
        return None
    return sample.init_instructions / MILLION


def _invocation_instructions(sample: object) -> float | None:
    if not isinstance(sample, CountsSample) or sample.invocation_instructions is None:
        return None
    return sample.invocation_instructions / THOUSAND
