"""How the `snapboot` command ends."""

from __future__ import annotations

from typing import Final

FUNCTION_ERROR: Final = 1
BAD_USAGE: Final = 2
# What a shell reports of a program that SIGINT has ended.
INTERRUPTED: Final = 130
# And of one that SIGPIPE has ended: no one reads what it prints.
UNREAD: Final = 141


class UsageError(Exception):
    """What was typed cannot be used; the message says what to type instead."""
