"""`snapboot audit`: what would make a package start slowly, or not at all."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.cli import printing
from snapboot_devkit.host.streams import STDERR, write_all
from snapboot_devkit.package.audit import Severity, audit, fix
from snapboot_devkit.package.checks.finding import counted
from snapboot_devkit.package.checks.sizes import megabytes
from snapboot_devkit.package.target import Architecture

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapboot_devkit.cli.parser import Parser
    from snapboot_devkit.cli.printing import Piece
    from snapboot_devkit.package.audit import AuditReport, Finding
    from snapboot_devkit.package.audit.changes import Change

FINDINGS: Final = 1
_STYLES: Final = {Severity.NOTE: "dim", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}
_LARGEST: Final = 5
# Shorter times are shown in milliseconds.
_SECONDS_FROM_S: Final = 0.1


class FailOn(StrEnum):
    """The least severity that the command fails for."""

    WARNING = "warning"
    ERROR = "error"


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument(
        "path", type=Path, help="A zip, a folder, an image's build context or root folder."
    )
    parser.option(
        "--python", "The interpreter it is for: a program, folder or version.", metavar="PYTHON"
    )
    parser.option(
        "--runtime",
        "Where it runs: provided.al2023, image, or an AWS managed runtime such as python3.13; "
        "detected by default.",
    )
    parser.option(
        "--handler", "The function that Lambda calls, as module.function.", metavar="NAME"
    )
    parser.choice("--arch", "The architecture it is for.", Architecture)
    parser.several(
        "--layer",
        "A layer of the function, a folder or a zip; it counts towards the size limit, and its "
        "modules can be imported. May be repeated.",
        type=Path,
    )
    parser.choice(
        "--fail-on",
        "The minimum severity that makes the command fail.",
        FailOn,
        default=FailOn.WARNING,
    )
    parser.flag("--fix", "First fix what can be fixed, in the package itself.", dest="put_right")
    parser.flag("--json", "Print one JSON object.", dest="as_json")


def run(  # noqa: PLR0913 - each is something that is typed
    path: Path,
    *,
    python: str | None,
    runtime: str | None,
    handler: str | None,
    arch: Architecture | None,
    layer: list[Path],
    fail_on: FailOn,
    put_right: bool,
    as_json: bool,
) -> int:
    """Find what would make a package start slowly, or not at all.

    Nothing of the package is executed. Exits with 1 when there are findings as bad as --fail-on,
    with 2 when the package cannot be audited.
    """
    with _waiting(f"auditing {path}"):
        changes = fix(path, python=python, target=runtime, architecture=arch) if put_right else ()
        report = audit(
            path, python=python, target=runtime, handler=handler, architecture=arch, layers=layer
        )
    _print(report, changes, as_json=as_json)
    return FINDINGS if report.fails(Severity(fail_on.value)) else 0


def _waiting(text: str) -> contextlib.AbstractContextManager[object]:
    """Show that something goes on, at a terminal alone."""
    if not printing.is_terminal():
        return contextlib.nullcontext()
    from rich.console import Console  # noqa: PLC0415 - for a terminal alone

    return Console(stderr=True).status(text)


def _print(report: AuditReport, changes: Iterable[Change], *, as_json: bool) -> None:
    if as_json:
        document = report.document()
        document["fixed"] = [{"path": one.path, "act": one.act.value} for one in changes]
        printing.document(json.dumps(document).encode())
        return
    acts = Counter(one.act.value for one in changes)
    if acts:
        done = ", ".join(f"{count:,} {act}" for act, count in acts.items())
        write_all(STDERR, f"fixed: {done}\n".encode())
    printing.styled(rendered(report))


def rendered(report: AuditReport) -> Iterable[tuple[Piece, ...]]:
    """Return the report for people, line by line: the worst and the most expensive first."""
    yield ((_shown(_title(report)), ""),)
    yield ((_shown(f"largest: {_largest(report)}"), "dim"),)
    for finding in report.findings:
        yield from _finding(finding)
    yield ()
    if report.measured is not None:
        spent = f"This package spends {_seconds(report.cost_s)} of each cold start compiling."
        yield ((spent, "bold"),)
        yield ((_shown(f"Measured: {report.measured}."), "dim"),)
        if not report.measured.version.startswith(f"{report.python.removeprefix('Python ')}."):
            text = f"{report.python} was not found: give it by --python for its own times."
            yield ((text, ""),)
    counts = Counter(finding.severity for finding in report.findings)
    words = ", ".join(counted(counts[severity], severity) for severity in reversed(Severity))
    yield ((words, "") if report.findings else ("Nothing found.", "green"),)


def _title(report: AuditReport) -> str:
    machine = f", {report.architecture}" if report.architecture else ""
    zipped = f" ({megabytes(report.packed)} zipped)" if report.packed is not None else ""
    return (
        f"{report.path}: {report.form} for {report.place}, {report.python}{machine}; "
        f"{report.files:,} files, {megabytes(report.size)}{zipped}"
    )


def _largest(report: AuditReport) -> str:
    first = list(report.sizes.items())[:_LARGEST]
    return ", ".join(f"{name} {megabytes(size)}" for name, size in first) or "nothing"


def _finding(finding: Finding) -> Iterable[tuple[Piece, ...]]:
    cost = f" [{_seconds(finding.cost_s)}]" if finding.cost_s is not None else ""
    place = f"{_shown(finding.path)}: " if finding.path else ""
    head = (finding.severity.value, _STYLES[finding.severity])
    yield ()
    yield (head, (f"{cost} {place}{_shown(finding.message)}", ""), (f" ({finding.code})", "dim"))
    yield ((f"    → {_shown(finding.remedy)}", "cyan"),)


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= _SECONDS_FROM_S else f"{value * 1000:.1f} ms"


def _shown(text: str) -> str:
    """Return text without what a terminal would take for commands; names may hold anything."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )
