"""The commands by their names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from snapboot_devkit.cli import exits, printing
from snapboot_devkit.cli.auditing import audit_command
from snapboot_devkit.cli.invoking import invoke
from snapboot_devkit.cli.listing import events
from snapboot_devkit.cli.packaging import package
from snapboot_devkit.cli.profiling import profile
from snapboot_devkit.cli.starting import start

if TYPE_CHECKING:
    from collections.abc import Sequence

# What all refusals of the parser come from; which library has it depends on Typer's version.
_ParserError: Final[Any] = typer.BadParameter.__mro__[2]


class _Commands(TyperGroup):
    """The commands; what the parser refuses is reported in one line, as all other refusals are."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, **settings: Any
    ) -> NoReturn:
        """Run a command and exit; the settings are the parser's, as its version has them."""
        words = sys.argv[1:] if args is None else list(args)
        settings["standalone_mode"] = False
        try:
            status = super().main(words or ["--help"], **settings)
        except typer.Abort:
            sys.exit(exits.INTERRUPTED)
        except _ParserError as exc:
            command = exc.ctx.command_path if exc.ctx else "snapboot"
            reason = " ".join(exc.format_message().split()).rstrip(".")
            printing.complaint(f"{reason}; see {command} --help")
            sys.exit(exits.BAD_USAGE)
        # Who types nothing sees what could be, but a script should not take it for done.
        sys.exit(status or (0 if words else exits.BAD_USAGE))


app = typer.Typer(cls=_Commands, add_completion=False, pretty_exceptions_enable=False)
app.command()(invoke)
app.command()(start)
app.command()(events)
app.command("audit")(audit_command)
app.command()(package)
app.command()(profile)


@app.callback()
def _snapboot() -> None:
    """Run Python functions for AWS Lambda on this machine."""
