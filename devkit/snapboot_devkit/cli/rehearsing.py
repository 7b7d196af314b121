"""`snapboot rehearse`: what a SnapStart restore does to a function."""

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
    parser.add_argument("handler", help="What to rehearse, as module.function.")
    parser.option(
        "--backend",
        "How a restore is made: clone, criu (a true checkpoint), or fork, which shares less.",
        metavar="NAME",
        default="clone",
    )
    parser.option("--restores", "Restores of the snapshot.", type=natural(2), default=5)
    parser.option("--invocations", "Events for each of them.", type=natural(0), default=1)
    parser.option(
        "--fresh", "Fresh inits to compare with; by default as many as restores.", type=natural(0)
    )
    parser.option("--event", "The event: a file, or JSON.", metavar="FILE", default="{}")
    parser.option(
        "--token",
        "A value that must differ between restores: module.name; a function is called.",
    )
    parser.several(
        "--ignore", "A check whose findings do not count; may be repeated.", metavar="CHECK"
    )
    parser.option(
        "--restore-ms",
        "How long a restore takes on Lambda, for a verdict on cost.",
        type=float,
        metavar="MS",
    )
    parser.several(
        "--logs",
        "Exported CloudWatch logs from which that is taken instead: a file; may be repeated.",
        type=Path,
    )
    parser.option(
        "--restore-limit",
        "The limit of a restore in seconds.",
        type=float,
        default=10.0,
        metavar="SECONDS",
    )
    parser.flag("--json", "Print one JSON object.", dest="as_json")
    options.declare(parser)


def run(  # noqa: PLR0913 - each is something that is typed
    handler: str,
    *,
    backend: str,
    restores: int,
    invocations: int,
    fresh: int | None,
    event: str,
    token: str | None,
    ignore: list[str],
    restore_ms: float | None,
    logs: list[Path],
    restore_limit: float,
    as_json: bool,
    **values: Any,
) -> int:
    """Rehearse SnapStart: init once, restore several times, and find what must not be shared.

    Each restore is a clone of the process that did the init, with the same memory and process id,
    as on Lambda. Exits with 1 when a check fails, with 2 for invalid arguments.
    """
    # Here, since no other command needs any of it.
    from snapboot_devkit.cli import rehearse_run  # noqa: PLC0415

    asked = rehearse_run.RehearseOptions(
        handler=handler,
        backend=backend,
        restores=restores,
        invocations=invocations,
        fresh=fresh,
        event=event,
        token=token or "",
        ignored=tuple(ignore),
        restore_ms=restore_ms,
        logs=tuple(logs),
        restore_limit_s=restore_limit,
        as_json=as_json,
    )
    return rehearse_run.run(asked, FunctionOptions(values))
