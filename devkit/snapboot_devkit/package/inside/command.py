"""The command line: `compile`, `seal` and `trace`, each with one JSON document for an answer.

    compile FOLDER --as PLACE
    seal TASK --handler H [--runtime FOLDER] [--include M]… [--as PLACE] [--place FOLDER=PLACE]…
    trace TASK --handler H [--runtime FOLDER] [--include M]…

A place is the path on Lambda, for the file names in tracebacks. `--include package.*` takes all
modules below a package. The caller sets the function's variables. An answer is printed on stdout
and the exit status is 0; a failure is {"error": {"message", "remedy", "detail"}} and 1.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from .bytecode import compile_folder
from .discovery import discover
from .failure import Failure
from .places import Places
from .sealing import Order, seal

TASK_ROOT = "/var/task"
EXIT_FAILURE = 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failure(message, self.format_usage().strip())


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what else is printed is no part of the answer
    try:
        document, status = _answer(_parser().parse_args(arguments)), 0
    except Failure as exc:
        document, status = exc.document(), EXIT_FAILURE
    with os.fdopen(answer, "w", encoding="ascii") as file:
        json.dump(document, file, sort_keys=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="inside", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    compiling = commands.add_parser("compile", allow_abbrev=False)
    compiling.add_argument("folder", type=_folder)
    compiling.add_argument("--as", dest="place", required=True)
    for name in ("seal", "trace"):
        command = commands.add_parser(name, allow_abbrev=False)
        command.add_argument("folder", type=_folder)
        command.add_argument("--handler", required=True)
        command.add_argument("--runtime", type=_folder, default=None)
        command.add_argument("--include", action="append", default=[])
    sealing = commands.choices["seal"]
    sealing.add_argument("--as", dest="place", default=TASK_ROOT)
    sealing.add_argument("--place", dest="places", type=_pair, action="append", default=[])
    sealing.add_argument("--extension-suffix", dest="suffix", default="")
    return parser


def _answer(wanted: argparse.Namespace) -> dict[str, object]:
    if wanted.command == "compile":
        return asdict(compile_folder(wanted.folder, wanted.place))
    runtime = wanted.runtime or _own_runtime()
    if wanted.command == "trace":
        return asdict(discover(wanted.folder, wanted.handler, runtime, wanted.include))
    places = Places(((wanted.folder, wanted.place), *wanted.places))
    order = Order(
        wanted.folder, wanted.handler, runtime, wanted.include, places, suffix=wanted.suffix
    )
    return seal(order)


def _folder(path: str) -> str:
    """Return the real path: the modules' own files are named by it as well."""
    if not Path(path).is_dir():
        raise Failure(f"there is no folder {path!r}", "name one that exists")
    return str(Path(path).resolve())


def _pair(text: str) -> tuple[str, str]:
    folder, _, place = text.rpartition("=")
    return _folder(folder), place


def _own_runtime() -> str:
    """Return the folder of `snapboot`, as it lies to this one in an image, a checkout, a wheel."""
    for above in Path(__file__).resolve().parents:
        for folder in (above / "provided/runtime", above, above / "runtime"):
            if (folder / "snapboot/__init__.py").is_file():
                return str(folder)
    raise Failure("there is no runtime beside this program", "name its folder by --runtime")
