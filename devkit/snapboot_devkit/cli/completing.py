"""`snapboot completion`: a shell's script that completes commands, options and files."""

from __future__ import annotations

import argparse
from enum import StrEnum
from typing import TYPE_CHECKING

from snapboot_devkit.cli import commands, printing
from snapboot_devkit.cli.parser import one_of

if TYPE_CHECKING:
    from snapboot_devkit.cli.parser import Parser


class Shell(StrEnum):
    """The shells a script can be written for."""

    BASH = "bash"
    ZSH = "zsh"
    TCSH = "tcsh"


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument("shell", metavar="|".join(Shell), type=one_of(Shell), help="Your shell.")


def run(shell: str) -> int:
    """Print a script for your shell that completes commands and options.

    For bash: snapboot completion bash > ~/.local/share/bash-completion/completions/snapboot
    """
    import shtab  # noqa: PLC0415 - for this command alone

    whole = argparse.ArgumentParser(commands.PROGRAM, description=commands.PURPOSE)
    whole.add_argument("--version", action="store_true", help="Print the version.")
    below = whole.add_subparsers()
    for name, (_, purpose) in commands.COMMANDS.items():
        made = below.add_parser(name, help=purpose, parents=[commands.parser(name)], add_help=False)
        for action in made._actions:  # noqa: SLF001 - shtab's own way to mark one
            if action.metavar in {"FILE", "PATH"} or action.dest in {"path", "source"}:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    printing.text(shtab.complete(whole, shell) + "\n")
    return 0
