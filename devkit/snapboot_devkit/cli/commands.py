"""The commands by their names; each is imported when it is used."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from snapboot_devkit.cli import exits, printing
from snapboot_devkit.host.errors import HostError
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.profile.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from snapboot_devkit.cli.parser import Parser

PROGRAM: Final = "snapboot"
PURPOSE: Final = "Run Python functions for AWS Lambda on this machine."
# Each module has `declare`, which adds the options to a parser, and `run`, which takes their
# values, and whose docstring begins with the sentence here.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "invoke": ("invoking", "Start an environment, invoke the function once, and shut down."),
    "start": ("starting", "Serve functions over the Invoke API and function URLs, until Ctrl-C."),
    "events": (
        "listing",
        "List the event templates of `invoke --event-template`, or print one as JSON.",
    ),
    "audit": ("auditing", "Find what would make a package start slowly, or not at all."),
    "profile": ("profiling", "Show where a function's cold start goes, and what to do about it."),
    "rehearse": (
        "rehearsing",
        "Rehearse SnapStart: init once, restore several times, and find what must not be shared.",
    ),
    "package": (
        "packaging",
        "Make a deployment package: code, dependencies, bytecode, module archive, interpreter.",
    ),
    "completion": (
        "completing",
        "Print a script for your shell that completes commands and options.",
    ),
}
_OF_THE_HOST: Final = frozenset({"invoke", "start"})
_HELP: Final = ("--help", "-h")


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit. The words are those that were typed."""
    try:
        status = _run(list(sys.argv[1:] if words is None else words))
    except (exits.UsageError, HostError, PackageError, ProfileError) as exc:
        printing.complaint(str(exc))
        status = exits.BAD_USAGE
    except KeyboardInterrupt:
        status = exits.INTERRUPTED
    except BrokenPipeError:
        status = exits.UNREAD
    sys.exit(status)


def parser(command: str) -> Parser:
    """Return the parser of a command."""
    return _parser(command, _module(command))


def _run(words: list[str]) -> int:
    if not words or words[0] in _HELP:
        printing.text(_overview())
        # Without a command there is nothing done, which a script has to know.
        return 0 if words else exits.BAD_USAGE
    if words[0] == "--version":
        from snapboot import __version__  # noqa: PLC0415

        printing.text(f"{PROGRAM} {__version__}\n")
        return 0
    command, *rest = words
    if command not in COMMANDS:
        raise exits.UsageError(_unknown(command))
    module = _module(command)
    values = _parser(command, module).values(rest)
    if not gc.isenabled():  # what is imported stays: no collection needs to look at it again
        gc.freeze()
        gc.enable()
    status: int = module.run(**values)
    return status


def _module(command: str) -> ModuleType:
    if command in _OF_THE_HOST:
        _import_asyncio_without_tls()
    return importlib.import_module(f"snapboot_devkit.cli.{COMMANDS[command][0]}")


def _import_asyncio_without_tls() -> None:
    """Spare a run the import of `ssl` by asyncio, which does without; nothing here is encrypted."""
    if not {"asyncio", "ssl"} & sys.modules.keys():
        sys.modules["ssl"] = None  # type: ignore[assignment]  # to an import there is none
        try:
            import asyncio  # noqa: F401, PLC0415
        finally:
            del sys.modules["ssl"]


def _parser(command: str, module: ModuleType) -> Parser:
    from snapboot_devkit.cli.parser import Parser  # noqa: PLC0415

    made = Parser(f"{PROGRAM} {command}", module.run.__doc__)
    module.declare(made)
    return made


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {purpose}\n" for name, (_, purpose) in COMMANDS.items()]
    return (
        f"usage: {PROGRAM} [-h] [--version] COMMAND ...\n\n{PURPOSE}\n\n"
        f"commands:\n{''.join(rows)}\n"
        f"{PROGRAM} COMMAND --help shows a command's options.\n"
    )


def _unknown(command: str) -> str:
    import difflib  # noqa: PLC0415 - for a word that was mistyped

    kind = "option" if command.startswith("-") else "command"
    near = difflib.get_close_matches(command, COMMANDS, n=1)
    advice = f". Did you mean {near[0]!r}?" if near else ""
    return f"No such {kind} {command!r}{advice}; see {PROGRAM} --help"
