"""`snapboot profile`: where the time to a function's first `next` goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapboot_devkit.cli import options
from snapboot_devkit.cli.options import FunctionOptions
from snapboot_devkit.cli.parser import natural

if TYPE_CHECKING:
    from snapboot_devkit.cli.parser import Parser


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument(
        "handler",
        nargs="?",
        default="",
        help="What to profile, as module.function; none with --logs.",
    )
    parser.several(
        "--against",
        "Compare with another runtime: awslambdaric or a command; may be repeated.",
        metavar="CMD",
    )
    parser.several(
        "--event",
        "An event for the first invocation: a file, or JSON; may be repeated.",
        metavar="FILE",
    )
    parser.several(
        "--what-if", "Measure with this import made lazy (CPython 3.15).", metavar="lazy:NAME"
    )
    parser.option(
        "--memory",
        "The memory size in MB; several are measured each with its share of a CPU.",
        metavar="MB,…",
        default="128",
    )
    parser.option(
        "--runs",
        "Runs without instrumentation; by default as many as the median needs.",
        type=natural(1),
    )
    parser.option("--warmup", "Runs that are not counted.", type=natural(0), default=1)
    parser.option(
        "--init-limit",
        "The limit of an init in seconds.",
        type=float,
        default=10.0,
        metavar="SECONDS",
    )
    parser.option(
        "--region", "The region whose price is taken.", default="us-east-1", metavar="NAME"
    )
    parser.option(
        "--price",
        "The price in USD per GB-second, instead of the region's.",
        type=float,
        metavar="USD",
    )
    parser.option("--cold-starts", "Cold starts per month.", type=natural(1), default=100_000)
    parser.option("--html", "Write a page with all imports to this file.", type=Path)
    parser.option(
        "--export-speedscope", "Write the imports for speedscope.app to this file.", type=Path
    )
    parser.option(
        "--fail-above",
        "Exit with 5 if the median is above: 150ms, 1.5s.",
        metavar="TIME",
    )
    parser.option(
        "--baseline",
        "An earlier output of --json: exit with 3 if slower, 4 if unclear.",
        type=Path,
    )
    parser.several(
        "--logs", "Read exported CloudWatch logs instead: a file; may be repeated.", type=Path
    )
    parser.flag("--json", "Print one JSON object.", dest="as_json")
    options.declare(parser, memory=False)


def run(  # noqa: PLR0913 - each is something that is typed
    handler: str,
    *,
    against: list[str],
    event: list[str],
    what_if: list[str],
    memory: str,
    runs: int | None,
    warmup: int,
    init_limit: float,
    region: str,
    price: float | None,
    cold_starts: int,
    html: Path | None,
    export_speedscope: Path | None,
    fail_above: str | None,
    baseline: Path | None,
    logs: list[Path],
    as_json: bool,
    **values: Any,
) -> int:
    """Show where a function's cold start goes, and what to do about it.

    Exits with 1 when the function cannot be initialised, with 2 for invalid arguments, with 3
    when it is slower than the baseline, with 4 when that is unclear, with 5 when it is above the
    limit, and with 130 when a signal ends it.
    """
    # Here, since no other command needs any of it.
    from snapboot_devkit.cli import profile_run  # noqa: PLC0415

    asked = profile_run.ProfileOptions(
        handler=handler,
        against=tuple(against),
        events=tuple(event),
        what_if=tuple(what_if),
        memory=memory,
        runs=runs,
        warmup=warmup,
        init_limit_s=init_limit,
        region=region,
        price=price,
        cold_starts=cold_starts,
        html=html,
        speedscope=export_speedscope,
        fail_above=fail_above,
        baseline=baseline,
        logs=tuple(logs),
        as_json=as_json,
    )
    return profile_run.run(asked, FunctionOptions({**values, "memory": 0}))
