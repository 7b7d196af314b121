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
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from . import reasons
from .failure import WorkerError
from .tracing import IN_PLACE, LAYERS, WATCHED

TRACING = str(Path(__file__).with_name("tracing.py"))

# Ten times what Lambda gives to an init on demand: this machine may have compiled nothing yet.
DEADLINE_S = 100.0
TASK_ROOT = "/var/task"
# Of Lambda; nothing listens there, and nothing is asked.
RUNTIME_API = "127.0.0.1:9001"
# Variables that hold folders, in which those of Lambda are looked for where they are here.
FOLDERS = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "AWS_LAMBDA_EXEC_WRAPPER")

# What is left of it may take this long to say where it hangs.
NOTES_S = 2.0
POLL_S = 0.05

# By the types of the platform; for the others, `reasons`.
REMEDIES = {
    "Runtime.MalformedHandlerName": "name it module.function, such as app.handler (--handler)",
    "Runtime.BuiltInModuleConflict": "rename the module, and name it by --handler",
    "Runtime.UserCodeSyntaxError": "correct it, or choose the Python it is written for (--python)",
    "Runtime.HandlerNotFound": "name a function that the module has (--handler), or define it",
}
# They fail on Lambda as they do here, so a package without a module archive would be of no use.
CERTAIN = frozenset(REMEDIES)
# `botocore_data` raises it.
UNKNOWN_SERVICE = "UnknownServiceError"
REMEDY_EVENT = "give one that it handles on this machine, or leave --event out"
# Of what a process said that ended without an answer.
MAX_TAIL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """A module and its file, with the size in bytes and the time of change in ns when imported.

    Or a file with data: the name is "" then.
    """

    name: str
    path: str
    is_source: bool
    size: int
    changed: int


@dataclass(frozen=True, slots=True)
class ParsedFiles:
    """What a module parses: files, what was made of each, and what is known of their folders.

    `listings` are folders, each with a pattern for names below it that were gone by.
    """

    files: tuple[Found, ...]
    contents: tuple[bytes, ...]
    folders: dict[str, Any]
    listings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Discovery:
    """The modules in the order of their import, and where they are found.

    `packages` are the interpreter's own package folders, `path` is `sys.path` in the end, and
    `patterns` are the regular expressions that were compiled (see `patterns`), and `data` is by
    the module that parses it: or the reason why there is none. `called` are the functions that ran
    (file, name, first line), `effects` what modules change beside their own names; if not
    `complete`, some of that was not seen.
    """

    modules: tuple[Found, ...]
    packages: tuple[str, ...]
    path: tuple[str, ...]
    patterns: tuple[Any, ...]
    data: dict[str, ParsedFiles | str]
    called: tuple[tuple[str, str, int], ...] = ()
    effects: dict[str, str] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class TracedInit:
    """A Function Init to be traced: `layer` is the folder that stands for /opt, "" for /opt itself.

    The import may take `limit_s` seconds.
    """

    task: str
    handler: str
    runtime: str
    included: tuple[str, ...] = ()
    layer: str = ""
    limit_s: float = DEADLINE_S
    # Whether calls are to be noted, also those for these events.
    watched: bool = False
    events: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """What is imported, in words."""
        included = f" and {', '.join(self.included)}" if self.included else ""
        return f"the handler {self.handler!r}{included}"


def discover(init: TracedInit) -> Discovery:
    """Import a handler, and the modules to be included, as on Lambda. Raises WorkerError."""
    answered = _answer(init)
    if answered.get("type") == UNKNOWN_SERVICE:
        message = f"the botocore in the package has no service {answered['message']!r}"
        raise WorkerError(message, "name one that it has by --include-service, such as s3")
    if "event" in answered:
        event = answered["event"]
        message = f"the handler {init.handler!r} fails for --event {event}: {_words(answered)}"
        raise WorkerError(message, REMEDY_EVENT, answered["traceback"])
    if "modules" not in answered:
        message = f"cannot import {init.named}: {_words(answered)}"
        kind = answered["kind"]
        remedy = REMEDIES.get(kind) or reasons.remedy(answered, init.task, _environment(init))
        raise WorkerError(message, remedy, answered["traceback"], may_work=kind not in CERTAIN)
    modules = tuple(Found(*described) for described in answered["modules"])
    path = tuple(str(Path(init.task, entry)) for entry in answered["path"])
    data = {
        module: parts if isinstance(parts, str) else _data(*parts)
        for module, parts in answered["data"].items()
    }
    called = tuple((str(Path(init.task, file)), *rest) for file, *rest in answered["called"])
    patterns, packages = tuple(answered["patterns"]), tuple(answered["packages"])
    effects, complete = answered["effects"], answered["complete"]
    return Discovery(modules, packages, path, patterns, data, called, effects, complete)


def _data(files: list[Any], folders: dict[str, Any], listings: list[Any]) -> ParsedFiles:
    found = tuple(
        Found("", path, is_source=False, size=size, changed=changed)
        for path, size, changed, _ in files
    )
    contents = tuple(content for *_, content in files)
    return ParsedFiles(found, contents, folders, tuple(map(tuple, listings)))


def _answer(init: TracedInit) -> dict[str, Any]:
    # Files and no pipes: what the function may have forked would keep those open.
    with (
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as errors,
        tempfile.TemporaryFile() as notes,
    ):
        numbers = [answer.fileno(), notes.fileno()]
        process = subprocess.Popen(
            [
                *(sys.executable, "-SsP", TRACING, *map(str, numbers)),
                *(init.runtime, init.layer or IN_PLACE, WATCHED if init.watched else IN_PLACE),
                *(str(len(init.events)), *init.events, *init.included),
            ],
            cwd=init.task,
            env=_environment(init),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=numbers,
            start_new_session=True,
        )
        try:
            ending = _ending(process, init, notes)
        finally:
            _pass_on(errors)
        noted = _read(notes)
        answer.seek(0)
        try:
            answered: dict[str, Any] = marshal.load(answer)  # noqa: S302 - of `tracing`, and no code
        except (EOFError, ValueError, TypeError):
            text = f"the process that imported {init.named} ended {ending}"
            remedy = reasons.remedy({}, init.task, {}, reasons.hosts(noted))
            raise WorkerError(text, remedy, _tail(errors), may_work=True) from None
    return {**answered, "hosts": reasons.hosts(noted), "opened": reasons.opened(noted)}


def _pass_on(errors: IO[bytes]) -> None:
    errors.seek(0)
    shutil.copyfileobj(errors, sys.stderr.buffer)
    sys.stderr.flush()


def _tail(errors: IO[bytes]) -> str:
    longest = MAX_TAIL_CHARACTERS * 4  # bytes, in UTF-8
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - longest))
    return errors.read(longest).decode("utf-8", "replace")[-MAX_TAIL_CHARACTERS:]


def _read(notes: IO[bytes]) -> str:
    notes.seek(0)
    return notes.read().decode("utf-8", "replace")


def _ending(process: subprocess.Popen[bytes], init: TracedInit, notes: IO[bytes]) -> str:
    """Wait for the process, and say how it ended."""
    try:
        status = process.wait(init.limit_s)
    except subprocess.TimeoutExpired as exc:
        where = _where(process, notes)
        noted = _read(notes)
        text = f"importing {init.named} takes longer than {init.limit_s:g} s"
        place = reasons.place(where, init.task)
        remedy = reasons.remedy({}, init.task, {}, reasons.hosts(noted))
        text += f"; it was at {place}" if place else ""
        raise WorkerError(text, remedy, where.rstrip(), may_work=True) from exc
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return f"by {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"


def _where(process: subprocess.Popen[bytes], notes: IO[bytes]) -> str:
    """Have a process that hangs write down where, and return that; "" if it does not."""
    begin = notes.seek(0, os.SEEK_END)
    process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + NOTES_S
    noted = ""
    while time.monotonic() < deadline and process.poll() is None:
        notes.seek(begin)
        last, noted = noted, notes.read().decode("utf-8", "replace")
        if noted and noted == last:  # and no more comes
            break
        time.sleep(POLL_S)
    return noted


def _environment(init: TracedInit) -> dict[str, str]:
    task, layer = init.task, init.layer or LAYERS
    given = {name: _here(name, value, init) for name, value in os.environ.items()}
    return {
        "LAMBDA_RUNTIME_DIR": init.runtime,
        "LD_LIBRARY_PATH": f"{init.runtime}:{task}:{task}/lib:{layer}/lib",
        **given,
        "AWS_LAMBDA_RUNTIME_API": RUNTIME_API,
        "LAMBDA_TASK_ROOT": task,
        "_HANDLER": init.handler,
        "PYTHONHASHSEED": "0",  # the order of imports may follow that of a set
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _here(name: str, value: str, init: TracedInit) -> str:
    """Return a variable with the folders of Lambda as they are here, if it is one of folders."""
    if name not in FOLDERS:
        return value
    places = {TASK_ROOT: init.task, LAYERS: init.layer or LAYERS}
    return ":".join(_moved(folder, places) for folder in value.split(":"))


def _moved(folder: str, places: dict[str, str]) -> str:
    for place, here in places.items():
        if folder == place or folder.startswith(f"{place}/"):
            return here + folder[len(place) :]
    return folder


def _words(answered: dict[str, Any]) -> str:
    # A message of the platform's own names what it is about.
    return answered["message"] if answered["kind"] else f"{answered['type']}: {answered['message']}"
