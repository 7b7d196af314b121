"""What was typed, turned into what the host takes. Every function raises UsageError."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.cli.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


def event_bytes(argument: str) -> bytes:
    """Return the event that an argument stands for: JSON, `@file`, or `-` for standard input."""
    content = _content(argument)
    try:
        # The numbers are of no interest, and Python refuses very long ones.
        json.loads(content.decode(), parse_int=float)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"the event in {_origin(argument)} is not JSON: {exc}") from exc
    return content


def variables(pairs: Iterable[str], env_file: Path | None) -> dict[str, str]:
    """Return the function's variables; one given as K=V overrides the file's."""
    lines = _file_pairs(env_file) if env_file else ()
    return dict(_pair(text, origin) for text, origin in (*lines, *((p, "--env") for p in pairs)))


def _content(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@"):
        return argument.encode()
    return _read(Path(argument[1:]), "event file")


def _origin(argument: str) -> str:
    if argument == "-":
        return "standard input"
    return repr(argument[1:]) if argument.startswith("@") else "the argument"


def _file_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the K=V lines of a file, each with its place; blank lines and # lines do not count."""
    text = _read(path, "env file").decode("utf-8", "replace")
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [
        (line, f"{str(path)!r} line {number}")
        for number, line in lines
        if line and not line.startswith("#")
    ]


def _pair(text: str, origin: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise UsageError(f"{origin} holds {text!r}; write it as KEY=VALUE")
    return key, value


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"cannot read the {what} {str(path)!r}: {exc.strerror}") from exc
