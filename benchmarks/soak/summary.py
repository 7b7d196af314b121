"""The README's sentence and table of a soak, from what was recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks.recording import RecordingError
from benchmarks.soak.tally import ECHO, HUNG_UP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NAMES: Final = {ECHO: "its own result", HUNG_UP: "the client had hung up"}


def newest(folder: Path) -> str:
    """Return what came of the soak on the newest interpreter, of those recorded in a folder.

    Raises RecordingError.
    """
    recorded = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("soak-*.json")]
    if not recorded:
        raise RecordingError(
            f"no soak in {str(folder)!r}; run `python -m benchmarks soak` to have one"
        )
    return summary(max(recorded, key=lambda one: _version(one["interpreter"]["version"])))


def summary(recorded: Mapping[str, Any]) -> str:
    """Return what came of a soak, in Markdown."""
    before, after = recorded["before"], recorded["after"]
    left = {name: after[name] - before[name] for name in before}
    plan = recorded["plan"]
    memory = recorded["memory_mb"]
    half = len(memory) // 2
    rows = [
        f"{plan['invocations']:,} invocations in {recorded['duration_s']:,.0f} s, "
        f"{recorded['per_second']:,.0f} a second, on {plan['environments']} environments: "
        f"{recorded['fault_count']} lost, answered twice or wrong; "
        + ", ".join(f"{count} {name}" for name, count in left.items())
        + f" left. {recorded['cold_starts']} cold starts, {recorded['inits_again']} inits after a "
        f"reset. Host and clients took {_range(memory[:half])} MB in the first half and "
        f"{_range(memory[half:])} MB in the second{_in_use(recorded.get('held_mb'))}.",
        "",
        "| outcome | invocations |",
        "| --- | ---: |",
        *(f"| {_named(name)} | {count:,} |" for name, count in recorded["outcomes"].items()),
    ]
    return "\n".join(rows)


def _in_use(held: Sequence[float] | None) -> str:
    """Return how much of the memory was in use, which older records do not say."""
    if not held:
        return ""
    return (
        f"; once malloc had given back what it keeps for the next time, {held[0]:.1f} MB after the "
        f"first twentieth and {held[-1]:.1f} MB after the last"
    )


def _named(outcome: str) -> str:
    return _NAMES.get(outcome, f"`{outcome}`")


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


def _version(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]
