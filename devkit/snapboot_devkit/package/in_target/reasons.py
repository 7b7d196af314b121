"""Why the import of a handler failed here, in what is known of it, and what would mend that."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_NAMED = 8
# A source that is larger was not written by people.
MAX_SOURCE_BYTES = 1024 * 1024

WITHOUT = "ship without a module archive (--no-archive)"
GENERAL = (
    "add what it needs (--requirements), set the variables that it reads while it is imported"
    f" (--env NAME=VALUE, --env-file), or {WITHOUT}"
)
# `dumps` of faulthandler, the innermost frame first.
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in')


def remedy(
    answer: Mapping[str, Any],
    task: str,
    environment: Mapping[str, str],
    reached: list[str] | None = None,
) -> str:
    """Return what to do about a failed import; `answer` is that of `tracing`, if there is one.

    `reached` are the hosts that it asked for, where there is no answer.
    """
    if name := answer.get("variable"):
        files = [file for file in answer["files"] if file.startswith(f"{task}/")]
        others = [other for other in _unset(files, environment) if other != name]
        also = "".join(f" --env {other}=…" for other in others[:MAX_NAMED])
        return (
            f"set the variable for the import: --env {name}=…{also}, or --env-file with all of"
            f" them; or {WITHOUT}"
        )
    if file := _of_a_layer(answer):
        return f"{file!r} is a layer's: name the layer by --layer, a folder or a zip; or {WITHOUT}"
    hosts = answer.get("hosts", reached) or []
    if hosts and not answer.get("module"):
        return (
            f"it asked for {', '.join(hosts[:MAX_NAMED])} while it was imported: move that into the"
            f" handler, name another address by --env, or {WITHOUT}"
        )
    if name := answer.get("module"):
        return (
            f"add the package that has {name!r} to its requirements (--requirements), name the"
            f" layer that has it by --layer, or {WITHOUT}"
        )
    files = [file for file in answer.get("files", ()) if file.startswith(f"{task}/")]
    if unset := _unset(files, environment):
        names = "".join(f" --env {name}=…" for name in unset[:MAX_NAMED])
        return f"it reads variables that are not set, which may be why:{names}; or {WITHOUT}"
    return GENERAL


def hosts(notes: str) -> list[str]:
    """Return the hosts, with their ports, that the function asked for, in that order."""
    return [line[5:] for line in notes.splitlines() if line.startswith("host ")]


def opened(notes: str) -> list[str]:
    """Return the files of layers that the function asked for."""
    return [line[5:] for line in notes.splitlines() if line.startswith("file ")]


def place(dump: str, task: str) -> str:
    """Return the innermost frame of the function's own in a dump of faulthandler's, or ""."""
    frames = list(_FRAME.finditer(dump))
    own = [frame for frame in frames if frame["file"].startswith(f"{task}/")]
    found = next(iter(own or frames), None)
    return f"{found['file']}, line {found['line']}" if found else ""


def _of_a_layer(answer: Mapping[str, Any]) -> str:
    """Return the file of a layer that is not here, "" if that is not the reason."""
    asked = [answer.get("file", ""), *answer.get("opened", ())]
    return next((file for file in asked if file.startswith("/opt/") and not _exists(file)), "")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _unset(files: list[str], environment: Mapping[str, str]) -> list[str]:
    """Return the variables that these sources name and the environment has not, in their order."""
    names = dict.fromkeys(name for file in files for name in _variables(file))
    return [name for name in names if name not in environment]


def _variables(file: str) -> Iterator[str]:
    try:
        with Path(file).open("rb") as source:
            tree = ast.parse(source.read(MAX_SOURCE_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if (name := _variable(node)) is not None:
            yield name


def _variable(node: ast.AST) -> str | None:
    """Return the name in `os.environ[NAME]`, `os.environ.get(NAME)` or `os.getenv(NAME)`.

    A call with a default says that the variable may be missing.
    """
    match node:
        case ast.Subscript(value=asked, slice=ast.Constant(str(name))) if _is_environ(asked):
            return name
        case ast.Call(
            func=ast.Attribute(value=asked, attr="get"), args=[ast.Constant(str(name))], keywords=[]
        ) if _is_environ(asked):
            return name
        case ast.Call(
            func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"),
            args=[ast.Constant(str(name))],
            keywords=[],
        ):
            return name
    return None


def _is_environ(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="environ") | ast.Name(id="environ"):
            return True
    return False
