"""Recordings made by hand, of samples that are made up: what is said of them is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.recording import Recording
from benchmarks.samples import InitSample

if TYPE_CHECKING:
    from benchmarks.samples import Sample


def recording(scenario: str, *samples: Sample) -> Recording:
    return Recording(
        scenario=scenario,
        started="2026-01-01T00:00:00+00:00",
        machine={"system": "Linux 6", "architecture": "x86_64", "processor": "A CPU", "cpus": 2},
        interpreter={"implementation": "CPython", "version": "3.13.0", "compiler": "GCC 12"},
        commit={"id": "0123456789abcdef", "modified": False},
        flags={"runs": 50, "pinned": 1},
        contenders=[
            {"name": name, "version": "1", "command": name}
            for name in dict.fromkeys(sample.contender for sample in samples)
        ],
        samples=list(samples),
    )


def starts(name: str, *ready_ms: float) -> list[InitSample]:
    """Return starts that took so long, half of it on the CPU."""
    return [
        InitSample(number, name, ready_ns=round(ms * 1e6), cpu_ns=round(ms * 5e5))
        for number, ms in enumerate(ready_ms)
    ]
