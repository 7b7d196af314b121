"""The options and arguments of a command: declared once, read by argparse, refused in one line."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snapboot_devkit.cli.exits import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from enum import StrEnum
    from typing import NoReturn

_MAX_COLUMNS: Final = 100
_DEFAULT: Final = " [default: %(default)s]"


class Option(NamedTuple):
    """An option as the docs name it."""

    name: str
    text: str
    default: Any


class Parser(argparse.ArgumentParser):
    """A command's parser. `values` raises UsageError; `--help` prints, and raises SystemExit."""

    def __init__(self, program: str, purpose: str) -> None:
        """Begin one for a command, whose purpose is its docstring."""
        super().__init__(
            program,
            description=purpose,
            allow_abbrev=False,
            formatter_class=_formatter(_MAX_COLUMNS),
        )

    def option(self, name: str, text: str, *, default: Any = None, **settings: Any) -> None:
        """Declare an option with a value; the settings are those of argparse."""
        shown = "" if default in (None, []) else _DEFAULT
        self.add_argument(name, help=text + shown, default=default, **_typed(settings))

    def choice(self, name: str, text: str, choices: type[StrEnum], **settings: Any) -> None:
        """Declare an option whose value is one of these."""
        settings.setdefault("metavar", "|".join(choices))
        self.option(name, text, type=one_of(choices), **settings)

    def several(self, name: str, text: str, **settings: Any) -> None:
        """Declare an option that may be repeated; its values become a list."""
        self.add_argument(name, help=text, action="append", default=[], **_typed(settings))

    def flag(self, name: str, text: str, **settings: Any) -> None:
        """Declare an option without a value."""
        self.add_argument(name, help=text, action="store_true", **settings)

    def values(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the values of what was typed, by the names of their options."""
        known, unknown = self.parse_known_args(self._ordered(words))
        for word in unknown:
            raise UsageError(f"{self._unknown(word)}; see {self.prog} --help")
        return vars(known)

    def options(self) -> list[Option]:
        """Return the options in their order, but for that of help."""
        return [
            Option(
                action.option_strings[0], (action.help or "").removesuffix(_DEFAULT), action.default
            )
            for action in self._actions
            if action.option_strings and action.dest != "help"
        ]

    def format_help(self) -> str:
        """Return the help, as wide as the terminal is."""
        import shutil  # noqa: PLC0415 - it imports several compressors

        self.formatter_class = _formatter(shutil.get_terminal_size().columns)
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, which argparse would print in several lines."""
        message = message.removeprefix("argument ")
        reason = " ".join(message.split()).rstrip(".")
        raise UsageError(f"{reason}; see {self.prog} --help")

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is one argument too many"
        name = word.partition("=")[0]
        import difflib  # noqa: PLC0415 - for a word that was mistyped

        near = difflib.get_close_matches(name, self._option_string_actions, n=1)
        return f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else "")

    def _ordered(self, words: Sequence[str]) -> list[str]:
        """Return the words with options first, so that arguments may be anywhere among them.

        A value may begin with a dash, too: what follows an option is its value.
        """
        options: list[str] = []
        arguments: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                arguments += rest
            elif not word.startswith("-") or word == "-":
                arguments.append(word)
            elif (action := self._option_string_actions.get(word)) and action.nargs is None:
                value = next(rest, None)
                options.append(word if value is None else f"{word}={value}")
            else:
                options.append(word)
        return [*options, "--", *arguments] if arguments else options


def _typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return argparse's settings, with how a value of this type is called and refused."""
    kind = settings.get("type")
    read, shown = _TYPES.get(kind, (kind, "N" if kind else "NAME"))
    return {"metavar": shown, **settings, "type": read}


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number") from None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number") from None


# What reads a value of this type, and how the help names it.
_TYPES: Final[Mapping[Any, tuple[Callable[[str], Any] | None, str]]] = {
    int: (_whole, "N"),
    float: (_number, "X"),
    Path: (Path, "PATH"),
}


def one_of(choices: type[StrEnum]) -> Callable[[str], StrEnum]:
    """Return what reads one of these."""

    def read(word: str) -> StrEnum:
        try:
            return choices(word)
        except ValueError:
            names = ", ".join(map(repr, map(str, choices)))
            raise argparse.ArgumentTypeError(f"{word!r} is not one of {names}") from None

    return read


def natural(least: int) -> Callable[[str], int]:
    """Return what reads a whole number that is not below the least."""

    def read(word: str) -> int:
        if not (word.isascii() and word.isdecimal() and int(word) >= least):
            raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from {least} up")
        return int(word)

    return read


def port(word: str) -> int:
    """Read a TCP port."""
    if not (word.isascii() and word.isdecimal() and int(word) < 1 << 16):
        raise argparse.ArgumentTypeError(f"{word!r} is not a port: give a number from 0 to 65535")
    return int(word)


class _Formatter(argparse.HelpFormatter):
    """Help whose description keeps its paragraphs."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (" ".join(one.split()) for one in text.split("\n\n"))
        return "\n\n".join(
            super(_Formatter, self)._fill_text(one, width, indent) for one in paragraphs
        )


def _formatter(columns: int) -> Any:
    return partial(_Formatter, max_help_position=28, width=min(columns, _MAX_COLUMNS))
