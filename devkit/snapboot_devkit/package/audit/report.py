"""What an audit has found: the findings, what was measured, and how large everything is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package.checks.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

# Raised when a field of the document is removed or changes its meaning; new ones may come.
SCHEMA: Final = 1
_DIGITS: Final = 4
_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class CompileMeasure:
    """How the seconds were found: an interpreter compiled so many modules; `start` says which."""

    interpreter: str
    version: str
    modules: int
    start: tuple[str, ...] | None

    def __str__(self) -> str:
        if self.start is None:
            which = "all that would be compiled, as no code of the function's own is in it"
        else:
            names = ", ".join(self.start[:_NAMED]) + (", …" if len(self.start) > _NAMED else "")
            which = f"those that loading {names} comes to by import statements"
        return (
            f"{self.modules:,} modules compiled by Python {self.version} on this machine, less the "
            f"time to load the bytecode: {which}"
        )


@dataclass(frozen=True, slots=True)
class AuditReport:
    """An audit's outcome. `sizes` are unpacked bytes by distribution; the largest comes first."""

    path: str
    form: str
    place: str
    python: str
    architecture: str | None
    files: int
    size: int
    packed: int | None
    sizes: Mapping[str, int]
    measured: CompileMeasure | None
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Severity | None:
        """The worst severity among the findings, None without any."""
        return max((one.severity for one in self.findings), key=lambda s: s.rank, default=None)

    @property
    def cost_s(self) -> float:
        """The seconds that each cold start loses, as far as they were measured."""
        return sum(one.cost_s or 0.0 for one in self.findings)

    def fails(self, on: Severity) -> bool:
        """Tell whether there is a finding as bad as `on`, or worse."""
        return self.worst is not None and self.worst.rank >= on.rank

    def document(self) -> dict[str, Any]:
        """Return the report for machines.

        {"schema": 1, "path", "form", "for", "python", "architecture" (or null), "files",
        "sizeBytes", "zipBytes" (null for a folder), "sizes": {name: bytes}, "costSeconds",
        "measured": {"interpreter", "version", "modules", "start" (or null)} or null,
        "findings": [{"code", "severity": "note"|"warning"|"error", "path", "message", "remedy",
        "costSeconds" (or null)}]}
        """
        return {
            "schema": SCHEMA,
            "path": self.path,
            "form": self.form,
            "for": self.place,
            "python": self.python,
            "architecture": self.architecture,
            "files": self.files,
            "sizeBytes": self.size,
            "zipBytes": self.packed,
            "sizes": dict(self.sizes),
            "costSeconds": round(self.cost_s, _DIGITS),
            "measured": self.measured and _measured(self.measured),
            "findings": [_finding(one) for one in self.findings],
        }


def _measured(measured: CompileMeasure) -> dict[str, Any]:
    return {
        "interpreter": measured.interpreter,
        "version": measured.version,
        "modules": measured.modules,
        "start": None if measured.start is None else list(measured.start),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "severity": one.severity.value,
        "path": one.path,
        "message": one.message,
        "remedy": one.remedy,
        "costSeconds": None if one.cost_s is None else round(one.cost_s, _DIGITS),
    }
