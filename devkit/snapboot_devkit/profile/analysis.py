"""Samples and records turned into one document, which every report shows and `--json` prints.

Plain runs give the total. An instrumented run takes longer, so of it the shares alone are used:
each time is its share of that run, the median over all of them, in ms of the plain total.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.profile import advice, prices, statistics
from snapboot_devkit.profile.distributions import Distributions
from snapboot_devkit.profile.trace import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapboot_devkit.profile.measure import FailedRun, Measured, Series
    from snapboot_devkit.profile.statistics import Estimate
    from snapboot_devkit.profile.target import ProfiledFunction
    from snapboot_devkit.profile.trace import ImportedModule, RunTrace

VERSION: Final = 1
_DIGITS: Final = 3
PHASES: Final = {
    "interpreter": "interpreter start",
    "runtime_init": "Runtime Init",
    "function_init": "Function Init",
}
FUNCTION_INIT: Final = {
    "find": "finding and reading modules",
    "unmarshal": "unmarshalling bytecode",
    "compile": "compiling for want of bytecode",
    "execute": "executing module bodies",
    "library": "loading shared libraries",
    "collect": "garbage collection",
    "own": "work outside imports",
}
_SHOWN_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Terms:
    """What the costs are reckoned by."""

    region: str
    cold_starts: int
    price: float | None = None
    arm: bool = False


def document(target: ProfiledFunction, measured: Measured, terms: Terms) -> dict[str, Any]:
    """Return all that was found out, as JSON can hold it."""
    main = measured.main
    found: dict[str, Any] = {
        "snapbootProfile": VERSION,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "handler": target.config.handler,
        "machine": f"{platform.system()} {platform.machine()}",
        "python": measured.traces[0].python if measured.traces else "",
        "contenders": [_contender(one, main) for one in measured.series],
        "instrumentation": None,
        "phases": [],
        "functionInit": [],
        "modules": [],
        "distributions": [],
        "lines": [],
        "advice": [],
        "cost": [],
        "failure": _failure(measured.failure),
        "warnings": [*measured.warnings, *_of_prices(terms)],
        "notes": measured.notes,
    }
    if main.ready_ns and measured.traces:
        found |= _shares(target, measured)
        found["advice"] = [
            one.document() for one in advice.advise(target, measured, found["modules"])
        ]
    elif measured.failure and measured.failure.trace:
        found["modules"] = _modules_of(target, [measured.failure.trace], scale=None)
    found["cost"] = [
        prices.cost(series.contender.name, series.contender.memory_mb, _middle(series), terms)
        for series in measured.series
        if series.ready_ns and not series.contender.lazy
    ]
    return found


def _of_prices(terms: Terms) -> list[str]:
    old = prices.too_old(datetime.now(UTC).date()) if terms.price is None else None
    return [old] if old else []


def _middle(series: Series) -> float:
    return statistics.median(series.ready_ms)


def _contender(series: Series, main: Series) -> dict[str, Any]:
    first = [ns / 1e6 for ns in series.first_invocation_ns]
    cpu = [ns / 1e6 for ns in series.cpu_ns if ns is not None]
    entry: dict[str, Any] = {
        "name": series.contender.name,
        "memoryMB": series.contender.memory_mb,
        "cpus": series.contender.cpus,
        "lazy": list(series.contender.lazy),
        "readyMs": _estimate(series.ready_ms),
        "cpuMs": _estimate(cpu),
        "firstInvocationMs": _estimate(first),
        "functionError": series.function_error or None,
        "samples": {
            "readyMs": _rounded(series.ready_ms),
            "warmupMs": _rounded([ns / 1e6 for ns in series.warmup_ns]),
            "cpuMs": _rounded(cpu),
            "firstInvocationMs": _rounded(first),
        },
    }
    pairs = list(zip(series.ready_ms, main.ready_ms, strict=False))
    if series is not main and pairs:
        ratio = statistics.ratio_of_pairs(pairs)
        entry["ratio"] = estimate_document(ratio) | {"verdict": statistics.verdict(ratio).value}
    return entry


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, _DIGITS) for value in values]


def _estimate(values: Sequence[float]) -> dict[str, Any] | None:
    return estimate_document(statistics.estimate(values)) if values else None


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """Return a median with its interval as JSON has it."""
    return {
        "median": round(estimate.value, _DIGITS),
        "low": round(estimate.low, _DIGITS),
        "high": round(estimate.high, _DIGITS),
        "certain": estimate.certain,
    }


def _failure(failure: FailedRun | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "contender": failure.contender,
        "ended": failure.outcome.ended.value,
        "text": failure.outcome.text,
        "printed": failure.printed,
        "importing": failure.trace.open if failure.trace else [],
    }


# ---- shares ----------------------------------------------------------------------------------


def _shares(target: ProfiledFunction, measured: Measured) -> dict[str, Any]:
    total_ms = _middle(measured.main)
    traces = [one for one in measured.traces if one.phases()]
    if not traces:
        return {}
    cost_ms = statistics.median(measured.instrumented_ms) - total_ms
    phases = _phases(traces, total_ms)
    modules = _modules_of(target, traces, total_ms)
    parts = _parts(target, traces, phases["function_init"])
    entries = [
        {"key": key, "name": name, "ms": round(phases[key], _DIGITS)}
        for key, name in PHASES.items()
    ]
    if first := measured.main.first_invocation_ns:
        entries.append(
            {
                "key": "first_invocation",
                "name": "first invocation",
                "ms": round(statistics.median([ns / 1e6 for ns in first]), _DIGITS),
            }
        )
    return {
        "instrumentation": {
            "runs": len(traces),
            "ms": round(cost_ms, _DIGITS),
            "share": round(cost_ms / total_ms, 4),
            "samplesMs": _rounded(measured.instrumented_ms),
        },
        "phases": entries,
        "functionInit": [
            {"key": key, "name": name, "ms": round(parts[key], _DIGITS)}
            for key, name in FUNCTION_INIT.items()
        ],
        "modules": modules,
        "distributions": _folded(modules),
        "lines": _lines(target, traces, total_ms),
    }


def _whole_ns(trace: RunTrace) -> int:
    """Return what a run took, without the start of the probe."""
    assert trace.ready_ns is not None
    return trace.ready_ns - trace.probe_start_ns


def _phases(traces: Sequence[RunTrace], total_ms: float) -> dict[str, float]:
    shares = {
        key: statistics.median(
            [found[key] / _whole_ns(trace) for trace in traces if (found := trace.phases())]
        )
        for key in PHASES
    }
    whole = sum(shares.values())
    return {key: share / whole * total_ms for key, share in shares.items()}


def _parts(
    target: ProfiledFunction, traces: Sequence[RunTrace], function_init_ms: float
) -> dict[str, float]:
    """Return what Function Init consists of; what no import took is work outside imports."""
    runs = [_parts_of(target, trace) for trace in traces]
    shares = {
        key: statistics.median([parts[key] / (sum(parts.values()) or 1) for parts in runs])
        for key in FUNCTION_INIT
    }
    whole = sum(shares.values()) or 1
    return {key: share / whole * function_init_ms for key, share in shares.items()}


def _parts_of(target: ProfiledFunction, trace: RunTrace) -> dict[str, int]:
    """Return the parts of one run's Function Init, in ns; they are all of it."""
    parts = dict.fromkeys(FUNCTION_INIT, 0)
    for root in trace.of_function_init():
        for module in root.walk():
            for key, ns in module.parts.items():
                own = key == "execute" and _is_yours(target, module)
                parts["own" if own else key] += ns
    whole = (trace.phases() or {"function_init": 0})["function_init"]
    parts["own"] += max(0, whole - sum(parts.values()))
    return parts


def _is_yours(target: ProfiledFunction, module: ImportedModule) -> bool:
    return module.name.partition(".")[0] in target.own_names and target.outside(
        module.file
    ).is_relative_to(target.code.task_root)


def _imports_share(traces: Sequence[RunTrace]) -> float:
    """Return what share of a run the imports of Function Init take, all together."""
    imports = [
        sum(sum(one.parts.values()) for root in trace.of_function_init() for one in root.walk())
        for trace in traces
    ]
    return statistics.median(
        [ns / _whole_ns(trace) for ns, trace in zip(imports, traces, strict=True)]
    )


def _modules_of(
    target: ProfiledFunction, traces: Sequence[RunTrace], scale: float | None
) -> list[dict[str, Any]]:
    """Return all modules, a parent before its children, by the run that is in the middle.

    Without a `scale`, the plain total in ms, the times are those of the run itself.
    """
    ordered = sorted(traces, key=lambda one: one.ready_ns or 0)
    middle = ordered[len(ordered) // 2]
    known = [{module.name: module for module in trace.modules()} for trace in traces]
    task_root = str(
        target.code.task_root if target.namespace is None else target.namespace.task_root
    )
    names = Distributions(task_root, target.own_names, target.outside)
    ends = (middle.handler_ns, middle.ready_ns)
    entries: list[dict[str, Any]] = []

    def share(module: ImportedModule, part: str) -> float:
        shares = [
            one.parts[part] / _whole_ns(trace)
            for trace, by_name in zip(traces, known, strict=True)
            if (one := by_name.get(module.name))
        ]
        return statistics.median(shares)

    # Noise hits another module in each run, and no median: their sum would be less than they took.
    counted = [one for root in middle.of_function_init() for one in root.walk()]
    medians = 0.0 if scale is None else sum(share(one, part) for one in counted for part in PARTS)
    factor = _imports_share(traces) / medians if medians else 1.0

    def part_ms(module: ImportedModule, part: str) -> float:
        if scale is None:
            return module.parts[part] / 1e6
        return share(module, part) * factor * scale

    def add(module: ImportedModule, parent: int | None) -> float:
        parts = {part: round(part_ms(module, part), 4) for part in PARTS}
        place = len(entries)
        entry: dict[str, Any] = {
            "name": module.name,
            "parent": parent,
            "when": _when(module, *ends),
            "thread": module.in_thread,
            "partsMs": parts,
            "selfMs": round(sum(parts.values()), 4),
            "cumulativeMs": 0.0,
            "importer": module.importer,
            "line": module.line,
            "file": module.file,
            "bytes": _size(target, module.file),
            "bytecode": _bytecode(target, module),
            "failure": module.failure,
            "distribution": names.of(module.name, module.file) if not module.failure else "",
        }
        entries.append(entry)
        below = sum(add(child, place) for child in module.children)
        entry["cumulativeMs"] = round(entry["selfMs"] + below, 4)
        return float(entry["selfMs"] + below)

    for root in middle.roots:
        add(root, None)
    return entries


def _when(module: ImportedModule, handler_ns: int | None, ready_ns: int | None) -> str:
    if handler_ns is None or module.began_ns < handler_ns:
        return "runtime"
    return "function" if ready_ns is None or module.began_ns < ready_ns else "invocation"


def _size(target: ProfiledFunction, file: str) -> int | None:
    if not file or file in {"built-in", "frozen"}:
        return None
    try:
        return target.outside(file).stat().st_size
    except OSError:
        return None


def _bytecode(target: ProfiledFunction, module: ImportedModule) -> str:
    """Return where a module's code came from; of one that was compiled also why."""
    found = module.bytecode
    if found != "compiled":
        return found
    there = bool(module.cached) and target.outside(module.cached).exists()
    return "stale" if there else "missing"


def _folded(modules: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the distributions by their own time, the largest first."""
    folded: dict[str, dict[str, Any]] = {}
    for module in modules:
        if module["failure"] or module["thread"] or module["when"] == "invocation":
            continue
        entry = folded.setdefault(
            module["distribution"],
            {"name": module["distribution"], "selfMs": 0.0, "modules": 0, "bytes": 0},
        )
        entry["selfMs"] = round(entry["selfMs"] + module["selfMs"], 4)
        entry["modules"] += 1
        entry["bytes"] += module["bytes"] or 0
    return sorted(folded.values(), key=lambda entry: -entry["selfMs"])


def _lines(
    target: ProfiledFunction, traces: Sequence[RunTrace], total_ms: float
) -> list[dict[str, Any]]:
    """Return the lines at the top of the user's modules that take longest."""
    places = {
        (file, line) for trace in traces for file, lines in trace.lines.items() for line in lines
    }
    found = []
    for file, line in places:
        shares = [trace.lines.get(file, {}).get(line, 0) / _whole_ns(trace) for trace in traces]
        found.append((statistics.median(shares) * total_ms, file, line))
    root = target.code.task_root
    return [
        {
            "file": _shown(target.outside(file), root),
            "line": line,
            "ms": round(ms, _DIGITS),
            "text": _text_of(target.outside(file), line),
        }
        for ms, file, line in sorted(found, reverse=True)[:_SHOWN_LINES]
        if ms > 0
    ]


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _text_of(path: Path, line: int) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, text in enumerate(file, 1):
                if number == line:
                    return text.strip()[:120]
    except OSError:
        pass
    return ""
