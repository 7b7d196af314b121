"""The `snapboot` command: what a developer types, and how the answers look.

The only place that knows a terminal. Everything it does, it does through the host.
"""

from __future__ import annotations

import typer

from snapboot_devkit.cli.invoking import invoke
from snapboot_devkit.host.streams import replace_missing

app = typer.Typer(
    help="Run, measure and package Python functions for AWS Lambda.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(invoke)


@app.callback()
def _snapboot() -> None:
    """Run, measure and package Python functions for AWS Lambda."""


def main() -> None:
    """Run the `snapboot` command."""
    replace_missing()
    app(prog_name="snapboot")
