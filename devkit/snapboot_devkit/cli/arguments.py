"""What was typed, turned into what the host takes. Every function raises UsageError."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit import events
from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host import ConfigError
from snapboot_devkit.host.sources import env_files

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a function's name cannot hold.
_NO_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
# Linux takes no longer path.
_MAX_PATH: Final = 4096
# With a folder or a suffix, and none of the signs that JSON consists of.
_LIKE_A_PATH: Final = re.compile(r"(?!@)[^{}\[\]\"\n]*(?:/[^{}\[\]\"\n]*|\.[a-zA-Z]\w*)")


def event_bytes(
    argument: str | None,
    option: str | None = None,
    template: str | None = None,
    changes: Iterable[str] = (),
) -> bytes:
    """Return the event that is meant: the argument's, the option's or a template's, with changes.

    The argument is JSON, `@file`, or `-` for standard input; an empty object without any.
    """
    given = {
        f"the argument {argument!r}": argument,
        f"--event {option}": option,
        f"--event-template {template}": template,
    }
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise UsageError(f"there is more than one event: {' and '.join(named)}; give one of them")
    if template is not None:
        return template_bytes(template, changes)
    return _changed(_given(argument or "{}") if option is None else event_of(option), changes)


def event_of(option: str) -> bytes:
    """Return the event of an option `--event`: the path of a file, or what the argument may be."""
    return _given(f"@{option}" if _is_file(option) else option)


def template_bytes(name: str, changes: Iterable[str] = ()) -> bytes:
    """Return a template's event with changes."""
    try:
        return json.dumps(events.changed(events.event(name), changes), indent=2).encode()
    except (events.UnknownTemplateError, events.ChangeError) as exc:
        raise UsageError(str(exc)) from exc


def functions(words: Iterable[str]) -> dict[str, str]:
    """Return name → handler of what was typed as `[NAME=]HANDLER`.

    Without a name it is the last part of the module's.
    """
    found: dict[str, str] = {}
    for word in words:
        name, given, handler = word.rpartition("=")
        name = name if given else _usual_name(handler)
        if name in found:
            raise UsageError(
                f"{found[name]!r} and {handler!r} are both called {name!r}; "
                f"give one another name: NAME={handler}"
            )
        found[name] = handler
    return found


def _usual_name(handler: str) -> str:
    module = handler.rpartition(".")[0] or handler
    return _NO_NAME.sub("-", re.split(r"[./]", module)[-1])


def _changed(content: bytes, changes: Iterable[str]) -> bytes:
    """Return the event with changes; without any it stays as it is, byte by byte."""
    if not (changes := tuple(changes)):
        return content
    try:
        return json.dumps(events.changed(json.loads(content), changes)).encode()
    except events.ChangeError as exc:
        raise UsageError(str(exc)) from exc


def _given(argument: str) -> bytes:
    content = _content(argument)
    try:
        # The numbers are of no interest, and Python refuses very long ones.
        json.loads(content.decode(), parse_int=float)
    except (ValueError, RecursionError) as exc:
        if _is_missing(argument):
            raise UsageError(
                f"the event file {argument!r} does not exist; give the path of one, JSON, or - for "
                "standard input"
            ) from None
        raise UsageError(
            f"the event in {_origin(argument)} is not JSON{_reason(exc)}; {_instead(argument)}"
        ) from exc
    return content


def _reason(exc: ValueError | RecursionError) -> str:
    if isinstance(exc, json.JSONDecodeError):
        return f" (line {exc.lineno}, column {exc.colno})"
    return f": {exc}"


def _instead(argument: str) -> str:
    """Return what to type instead of an argument that is not JSON."""
    if _is_file(argument):
        return f"for the file of this name write @{argument}"
    return "give JSON, @file, or - for standard input"


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # far too long for a path, or with a null byte
        return False


def _is_missing(argument: str) -> bool:
    """Tell whether a text that is not JSON is the path of a file that does not exist."""
    try:
        return (
            len(argument) < _MAX_PATH
            and _LIKE_A_PATH.fullmatch(argument) is not None
            and not Path(argument).exists()
        )
    except (OSError, ValueError):  # a name in it is too long, or has a null byte
        return False


def variables(words: Iterable[str], files: Iterable[Path] = ()) -> dict[str, str]:
    """Return what `--env` and `--env-file` give; a later file wins, and over files `--env`."""
    try:
        return {**env_files.read(files), **dict(map(_pair, words))}
    except ConfigError as exc:
        raise UsageError(str(exc)) from exc


def _content(argument: str) -> bytes:
    if argument == "-":
        return sys.stdin.buffer.read()
    if not argument.startswith("@"):
        return argument.encode()
    return _read(Path(argument[1:]))


def _origin(argument: str) -> str:
    if argument == "-":
        return "standard input"
    return repr(argument[1:]) if argument.startswith("@") else "the argument"


def _pair(word: str) -> tuple[str, str]:
    """Return a variable typed as K=V, or as the name of one of this process."""
    key, found, value = word.partition("=")
    if not key:
        raise UsageError(f"--env holds {word!r}; write it as KEY=VALUE, or as the name of yours")
    if found:
        return key, value
    if key not in os.environ:
        raise UsageError(
            f"--env {key} passes your own variable on, but {key!r} is not set; "
            f"export it, or write {key}=VALUE"
        )
    return key, os.environ[key]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(
            f"cannot read the event file {str(path)!r}: {exc.strerror}; give its path as @path"
        ) from exc
