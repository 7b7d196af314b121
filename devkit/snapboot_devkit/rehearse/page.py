"""A rehearsal as text for people, and as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snapboot_devkit.rehearse.checks import CHECKS, UNIQUENESS
from snapboot_devkit.rehearse.stage import Backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapboot_devkit.rehearse.cost import Known
    from snapboot_devkit.rehearse.rehearsal import Rehearsal

# The marks of a table's columns.
_COLUMNS = ("median", "min", "max")
_KIB_PER_MIB = 1024.0
_WHY_NOT = {
    Backend.CLONE: "this kernel does not allow it",
    Backend.FORK: "a fork keeps it",
    Backend.CRIU: "CRIU lets it go on where it was",
}
_NOT_AWS = (
    "A local clone is not AWS's restore, which loads the snapshot from storage: see --restore-ms "
    "and --logs."
)


def document(held: Rehearsal, known: Known | None) -> dict[str, Any]:
    """Return all that is known, times in ms and memory in KiB."""
    clones = held.clones
    return {
        "handler": held.handler,
        "python": held.python,
        "backend": held.plan.backend.value,
        "freshInitMs": held.fresh_init_ms,
        "freshFirstInvokeMs": held.fresh_invoke_ms,
        "initMs": held.init_ms,
        "snapshotMs": held.snapshot_ms,
        "clockJumped": held.clock_jumped,
        "beforeHooks": _hooks(held.before_hooks),
        "clones": [
            {
                "localCloneMs": _ms(clone.cloned_ns),
                "restoredToNextMs": _ms(clone.restored_ns),
                "invokeMs": [ns / 1e6 for ns in clone.invoked_ns],
                "afterHooks": _hooks(clone.hooks),
                "sharedKiB": clone.shared_kib,
                "ownKiB": clone.own_kib,
                "failure": clone.outcome.text if clone.outcome else None,
            }
            for clone in clones
        ],
        "checks": [name for name in CHECKS if name not in _declined(held)],
        "declined": sorted(_declined(held)),
        "ignored": sorted(held.plan.ignored),
        "findings": [
            {"check": one.check, "text": one.text, "where": one.where, "remedy": one.remedy}
            for one in held.findings
        ],
        "notes": held.notes,
        "cost": known and known.verdict(held.fresh_init_ms),
    }


def rendered(held: Rehearsal, known: Known | None) -> str:
    """Return the page."""
    found = document(held, known)
    clones = found["clones"]
    counts = f"{len(clones)} restores of one snapshot, beside {len(held.fresh_init_ms)} fresh inits"
    lines = [
        f"{held.handler} on Python {held.python}: {counts}",
        "",
        f"  {'':34}" + "".join(f"{name:>12}" for name in _COLUMNS),
        _row("fresh init", held.fresh_init_ms),
        _row("fresh init: first invocation", held.fresh_invoke_ms),
        _row("init for the snapshot", [held.init_ms]),
        _row("hooks before the snapshot", [sum(one["ms"] or 0 for one in found["beforeHooks"])]),
        _row("snapshot: search and report", [held.snapshot_ms]),
        _row("local clone", [one["localCloneMs"] for one in clones]),
        _row("local clone: release to next", [one["restoredToNextMs"] for one in clones]),
        _row(
            "  of it hooks after the restore",
            [sum(hook["ms"] or 0 for hook in one["afterHooks"]) for one in clones],
        ),
        _row("local clone: first invocation", [ms for one in clones for ms in one["invokeMs"][:1]]),
        _row("memory shared with the snapshot", _mib(clones, "sharedKiB"), "MB"),
        _row("memory of a clone's own", _mib(clones, "ownKiB"), "MB"),
        "",
        _NOT_AWS,
    ]
    if not held.clock_jumped and held.clones:
        lines.append(f"The monotonic clock did not jump: {_WHY_NOT[held.plan.backend]}.")
    lines += [f"note: {text}" for text in held.notes]
    if found["cost"]:
        lines += ["", found["cost"]["text"]]
    lines.append("")
    for one in held.findings:
        where = f"{one.where}: " if one.where else ""
        remedy = f"; {one.remedy}" if one.remedy else ""
        lines.append(f"FAIL {one.check}: {where}{one.text}{remedy}")
    declined = _declined(held)
    passed = len(CHECKS) - len({one.check for one in held.findings} | held.plan.ignored | declined)
    lines.append(f"{passed} of {len(CHECKS)} checks passed")
    if declined:
        lines.append(
            "not checked, as random generators renew themselves at a fork: "
            + ", ".join(sorted(declined))
        )
    if held.plan.ignored:
        lines.append(f"ignored: {', '.join(sorted(held.plan.ignored))}")
    failed = any(one.check in ("restore", "hooks") for one in held.findings)
    if failed and held.printed.strip():
        lines += ["", "The function printed at last:", *held.printed.strip().splitlines()[-20:]]
    return "\n".join(lines) + "\n"


def _declined(held: Rehearsal) -> frozenset[str]:
    return frozenset() if held.plan.backend.can_see_uniqueness else UNIQUENESS


def _hooks(hooks: Sequence[tuple[str, str, int | None]]) -> list[dict[str, Any]]:
    return [{"name": name, "where": where, "ms": _ms(ns)} for name, where, ns in hooks]


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6


def _mib(clones: Sequence[dict[str, Any]], name: str) -> list[float | None]:
    return [None if one[name] is None else one[name] / _KIB_PER_MIB for one in clones]


def _row(name: str, values: Sequence[float | None], unit: str = "ms") -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"  {name:34}{'-':>12}"
    cells = [_median(known), min(known), max(known)]
    shown = cells if len(known) > 1 else cells[:1]
    return f"  {name:34}" + "".join(f"{f'{cell:.2f} {unit}':>12}" for cell in shown)


def _median(values: Sequence[float]) -> float:
    from snapboot_devkit.profile import statistics  # noqa: PLC0415 - beside the stopwatch

    return statistics.median(values)
