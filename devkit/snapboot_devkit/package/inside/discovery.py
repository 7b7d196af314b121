"""The modules that a handler imports, found by importing it in a process of its own."""

from __future__ import annotations

import contextlib
import marshal
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .failure import Failure

TRACING = str(Path(__file__).with_name("tracing.py"))

# Ten times what Lambda gives to an init on demand: this machine may have compiled nothing yet.
DEADLINE_S = 100.0

REMEDY = (
    "add what it needs (--requirements), set the variables that it reads while it is imported"
    " (--env NAME=VALUE), or ship without a module archive (--no-archive)"
)
# By the types of the platform; for the others, REMEDY.
REMEDIES = {
    "Runtime.MalformedHandlerName": "name it module.function, such as app.handler (--handler)",
    "Runtime.BuiltInModuleConflict": "rename the module, and name it by --handler",
    "Runtime.UserCodeSyntaxError": "correct it, or choose the Python it is written for (--python)",
    "Runtime.HandlerNotFound": "name a function that the module has (--handler), or define it",
}
# Of what a process said that ended without an answer.
MAX_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """A module and its file, with the size in bytes and the time of change in ns when imported."""

    name: str
    path: str
    is_source: bool
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """The modules in the order of their import, and where they are found.

    `packages` are the interpreter's own package folders, `path` is `sys.path` in the end, and
    `patterns` are the regular expressions that were compiled (see `patterns`).
    """

    modules: tuple[Found, ...]
    packages: tuple[str, ...]
    path: tuple[str, ...]
    patterns: tuple[Any, ...]


def discover(task: str, handler: str, runtime: str, included: list[str]) -> Discovery:
    """Import a handler, and the modules to be included, as on Lambda; raise Failure if it fails."""
    told = _answer(task, handler, runtime, included)
    if "modules" not in told:
        message = f"cannot import the handler {handler!r}{_and(included)}: {_words(told)}"
        raise Failure(message, REMEDIES.get(told["kind"], REMEDY), told["traceback"])
    modules = tuple(Found(*described) for described in told["modules"])
    path = tuple(str(Path(task, entry)) for entry in told["path"])
    return Discovery(modules, tuple(told["packages"]), path, tuple(told["patterns"]))


def _answer(task: str, handler: str, runtime: str, included: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-SsP", TRACING, runtime, *included]
    # Files and no pipes: what the function may have forked would keep those open.
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=task,
            env=_environment(task, handler, runtime),
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=errors,
            start_new_session=True,
        )
        try:
            ending = _ending(process, handler)
        finally:
            _pass_on(errors)
        answer.seek(0)
        try:
            told: dict[str, Any] = marshal.load(answer)  # noqa: S302 - of `tracing`, and no code
        except (EOFError, ValueError, TypeError):
            text = f"the process that imported the handler {handler!r} ended {ending}"
            raise Failure(text, REMEDY, _tail(errors)) from None
    return told


def _pass_on(errors: IO[bytes]) -> None:
    errors.seek(0)
    shutil.copyfileobj(errors, sys.stderr.buffer)
    sys.stderr.flush()


def _tail(errors: IO[bytes]) -> str:
    longest = MAX_TAIL_CHARACTERS * 4  # bytes, in UTF-8
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - longest))
    return errors.read(longest).decode("utf-8", "replace")[-MAX_TAIL_CHARACTERS:]


def _ending(process: subprocess.Popen[bytes], handler: str) -> str:
    """Wait for the process, and say how it ended."""
    try:
        status = process.wait(DEADLINE_S)
    except subprocess.TimeoutExpired as exc:
        text = f"importing the handler {handler!r} takes longer than {DEADLINE_S:.0f} s"
        raise Failure(text, REMEDY) from exc
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"


def _environment(task: str, handler: str, runtime: str) -> dict[str, str]:
    return {
        "LAMBDA_RUNTIME_DIR": runtime,
        **os.environ,
        "LAMBDA_TASK_ROOT": task,
        "_HANDLER": handler,
        "PYTHONHASHSEED": "0",  # the order of imports may follow that of a set
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _words(told: dict[str, Any]) -> str:
    known = told["kind"] or told["message"].startswith(
        ("Unable to", "Syntax", "Handler", "Bad handler", "Cannot")
    )
    return told["message"] if known else f"{told['type']}: {told['message']}"


def _and(included: list[str]) -> str:
    return f" and {', '.join(included)}" if included else ""
