"""Registers SnapStart hooks; the variable HOOKS names what they do."""

import os
import sys

from snapshot_restore_py import register_after_restore, register_before_snapshot

BEHAVIOUR = os.environ.get("HOOKS", "")
ran: list[str] = []


@register_before_snapshot
def first_before() -> None:
    """Take note."""
    ran.append("first before")


@register_before_snapshot
def second_before() -> None:
    """Take note, or fail."""
    ran.append("second before")
    act("before")


@register_after_restore
def first_after() -> None:
    """Take note, or fail."""
    ran.append("first after")
    act("after")


register_after_restore(ran.append, "second after")


def act(when: str) -> None:
    """Do what HOOKS says for this moment."""
    if f"{when} raises" == BEHAVIOUR:
        raise ValueError(f"{when} hook")
    if f"{when} exits" == BEHAVIOUR:
        sys.exit(3)


def handler(_event: object, _context: object) -> list[str]:
    """Return which hooks ran, in order."""
    return ran
