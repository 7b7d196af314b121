"""`snapboot events`: the event templates, listed or printed."""

from __future__ import annotations

from typing import Annotated

import typer

from snapboot_devkit.cli import arguments, exits, printing
from snapboot_devkit.events import TITLES


def events(
    name: Annotated[
        str | None, typer.Argument(help="The template to print; without it all are listed.")
    ] = None,
    *,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="A change of it; may be repeated."),
    ] = None,
) -> None:
    """List the event templates of `invoke --event-template`, or print one as JSON."""
    try:
        if name is None:
            printing.table(TITLES)
        else:
            printing.document(arguments.template_bytes(name, set_ or ()))
    except exits.UsageError as exc:
        printing.complaint(str(exc))
        raise typer.Exit(exits.BAD_USAGE) from exc
    except BrokenPipeError:
        raise typer.Exit(exits.UNREAD) from None
