"""`snapboot profile`: where the time to a function's first `next` goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snapboot_devkit.cli import exits, printing
from snapboot_devkit.cli.options import FunctionOptions, takes_function_options


@takes_function_options
def profile(  # noqa: PLR0913 - each is something that is typed
    handler: Annotated[
        str, typer.Argument(help="What to profile, as module.function; none with --logs.")
    ] = "",
    *,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CMD",
            help="Another runtime, measured in turn: awslambdaric or a command; may be repeated.",
        ),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(help="An event for the first invocation: JSON or @file; may be repeated."),
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(metavar="lazy:NAME", help="Measure it with this import lazy (CPython 3.15)."),
    ] = None,
    memory: Annotated[
        str,
        typer.Option(
            metavar="MB,…", help="The memory size in MB; of several each with its share of a CPU."
        ),
    ] = "128",
    runs: Annotated[
        int | None, typer.Option(min=1, help="Plain runs; by default until the median is known.")
    ] = None,
    warmup: Annotated[int, typer.Option(min=0, help="Runs that are not counted.")] = 1,
    init_limit: Annotated[float, typer.Option(help="The limit of an init in seconds.")] = 10.0,
    region: Annotated[str, typer.Option(help="The region whose price is taken.")] = "us-east-1",
    price: Annotated[
        float | None, typer.Option(help="The price in USD per GB-second instead.")
    ] = None,
    cold_starts: Annotated[int, typer.Option(min=1, help="Cold starts per month.")] = 100_000,
    logs: Annotated[
        list[Path] | None,
        typer.Option(help="Read exported CloudWatch logs instead: a file; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    options: FunctionOptions,
) -> None:
    """Show where a function's cold start goes, and what to do about it.

    Exits with 1 when the function cannot be initialised, with 2 when something typed cannot be
    used, and with 130 when a signal ends it.
    """
    # Here, since no other command needs any of it.
    from snapboot_devkit.cli import profile_run  # noqa: PLC0415

    asked = profile_run.Asked(
        handler=handler,
        against=tuple(against or ()),
        events=tuple(event or ()),
        what_if=tuple(what_if or ()),
        memory=memory,
        runs=runs,
        warmup=warmup,
        init_limit_s=init_limit,
        region=region,
        price=price,
        cold_starts=cold_starts,
        logs=tuple(logs or ()),
        as_json=as_json,
    )
    try:
        status = profile_run.run(asked, options)
    except profile_run.REFUSALS as exc:
        printing.complaint(str(exc))
        raise typer.Exit(exits.BAD_USAGE) from exc
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(exits.UNREAD) from None
    raise typer.Exit(status)
