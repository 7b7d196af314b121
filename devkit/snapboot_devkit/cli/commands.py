"""The commands by their names."""

from __future__ import annotations

import typer

from snapboot_devkit.cli.auditing import audit_command
from snapboot_devkit.cli.invoking import invoke
from snapboot_devkit.cli.listing import events
from snapboot_devkit.cli.packaging import package
from snapboot_devkit.cli.starting import start

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(invoke)
app.command()(start)
app.command()(events)
app.command("audit")(audit_command)
app.command()(package)


@app.callback()
def _snapboot() -> None:
    """Run Python functions for AWS Lambda on this machine."""
