"""`snapboot events`: the event templates, listed or printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.cli import arguments, printing
from snapboot_devkit.events import TITLES

if TYPE_CHECKING:
    from snapboot_devkit.cli.parser import Parser


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument("name", nargs="?", help="The template to print; without it all are listed.")
    parser.several(
        "--set",
        "Set one field of the template; may be repeated.",
        metavar="PATH=VALUE",
        dest="set_",
    )


def run(name: str | None, set_: list[str]) -> int:
    """List the event templates of `invoke --event-template`, or print one as JSON."""
    if name is None:
        printing.table(TITLES)
    else:
        printing.document(arguments.template_bytes(name, set_))
    return 0
