"""The command line: `compile`, `seal` and `trace`, each with one JSON document for an answer.

    compile FOLDER --as PLACE [--keep] [--only FILE]
    seal TASK --handler H [--runtime FOLDER] [--include M]… [--layer FOLDER] [--limit SECONDS]
        [--as PLACE] [--place FOLDER=PLACE]… [--output FILE] [--if-importable]
        [--lazy guided [--event JSON]…]
    trace TASK --handler H [--runtime FOLDER] [--include M]… [--layer FOLDER] [--limit SECONDS]

`--lazy guided` puts off imports that neither the import nor any event needs.

A place is the path on Lambda, for the file names in tracebacks. FILE names the sources to compile,
relative to the folder, with a zero byte between them. `--include package.*` takes all modules
below a package, `--include botocore.loaders:NAME` the data of a service of AWS's. `--layer` is the
folder that stands for /opt, if that is not at its place; the import may take the limit. With
`--if-importable` a handler that cannot be imported here is no failure: there is no archive then,
and the reason goes to stderr. The caller sets the function's variables. An answer is printed on
stdout and the exit status is 0; a failure is {"error": {"message", "remedy", "detail", "mayWork"}}
and 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from .bytecode import compile_folder
from .discovery import DEADLINE_S, TracedInit, discover
from .failure import WorkerError
from .places import Places
from .sealing import SealCommand, seal

TASK_ROOT = "/var/task"
EXIT_FAILURE = 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise WorkerError(message, self.format_usage().strip())


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what else is printed is no part of the answer
    try:
        document, status = _answer(_parser().parse_args(arguments)), 0
    except WorkerError as exc:
        document, status = exc.document(), EXIT_FAILURE
    with os.fdopen(answer, "w", encoding="ascii") as file:
        json.dump(document, file, sort_keys=True)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="in_target", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    compiling = commands.add_parser("compile", allow_abbrev=False)
    compiling.add_argument("folder", type=_folder)
    compiling.add_argument("--as", dest="place", required=True)
    compiling.add_argument("--keep", action="store_true")
    compiling.add_argument("--only", type=_names, default=None)
    for name in ("seal", "trace"):
        command = commands.add_parser(name, allow_abbrev=False)
        command.add_argument("folder", type=_folder)
        command.add_argument("--handler", required=True)
        command.add_argument("--runtime", type=_folder, default=None)
        command.add_argument("--include", action="append", default=[])
        command.add_argument("--layer", type=_folder, default=None)
        command.add_argument("--limit", type=float, default=DEADLINE_S)
    sealing = commands.choices["seal"]
    sealing.add_argument("--as", dest="place", default=TASK_ROOT)
    sealing.add_argument("--place", dest="places", type=_pair, action="append", default=[])
    sealing.add_argument("--extension-suffix", dest="suffix", default="")
    sealing.add_argument("--output", default="")
    sealing.add_argument("--if-importable", action="store_true")
    sealing.add_argument("--lazy", choices=("guided",), default="")
    sealing.add_argument("--event", dest="events", action="append", default=[])
    return parser


def _answer(wanted: argparse.Namespace) -> dict[str, object]:
    if wanted.command == "compile":
        done = compile_folder(wanted.folder, wanted.place, keep=wanted.keep, only=wanted.only)
        return asdict(done)
    runtime = wanted.runtime or _own_runtime()
    if wanted.command == "trace":
        return asdict(discover(_init(wanted, runtime)))
    places = Places(((wanted.folder, wanted.place), *wanted.places))
    order = SealCommand(_init(wanted, runtime), places, suffix=wanted.suffix, output=wanted.output)
    try:
        return seal(order)
    except WorkerError as exc:
        if not (wanted.if_importable and exc.may_work):
            raise
        sys.stderr.write(f"no module archive: {exc}; {exc.remedy}\n{exc.detail}\n")
        return {"archive": None}


def _init(wanted: argparse.Namespace, runtime: str) -> TracedInit:
    return TracedInit(
        wanted.folder,
        wanted.handler,
        runtime,
        tuple(wanted.include),
        wanted.layer or "",
        wanted.limit,
        watched=bool(getattr(wanted, "lazy", "")),
        events=tuple(getattr(wanted, "events", ())),
    )


def _folder(path: str) -> str:
    """Return the real path: the modules' own files are named by it as well."""
    if not Path(path).is_dir():
        raise WorkerError(f"there is no folder {path!r}", "name one that exists")
    return str(Path(path).resolve())


def _names(path: str) -> list[str]:
    return [os.fsdecode(name) for name in Path(path).read_bytes().split(b"\0")]


def _pair(text: str) -> tuple[str, str]:
    folder, _, place = text.rpartition("=")
    return _folder(folder), place


def _own_runtime() -> str:
    """Return the folder of `snapboot`, from where this one is in an image, a checkout, a wheel."""
    for above in Path(__file__).resolve().parents:
        for folder in (above / "provided/runtime", above, above / "runtime"):
            if (folder / "snapboot/__init__.py").is_file():
                return str(folder)
    raise WorkerError("there is no runtime beside this program", "name its folder by --runtime")
