"""The modules of a function's code, and what they define: read, never imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# A zip may say anything of itself.
_MAX_SOURCE_BYTES: Final = 4 * MIB
_MAX_LISTED: Final = 10
_MODULES: Final = (".py", ".pyc", ".so")
_FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def callables(task_root: Path, module: str) -> tuple[str, list[str]] | None:
    """Return a module's file, and the names in it that may be handlers: functions come first.

    Other names are classes, assigned and imported ones; private ones are left out. None when the
    file is not there or is not Python.
    """
    for file in _files_of(module):
        source = _source(task_root, file)
        if source is not None:
            try:
                return file, _defined(ast.parse(source))
            except (SyntaxError, ValueError, RecursionError):
                return None
    return None


def holds(code: Path, module: str) -> bool:
    """Return whether a folder or zip has this module at its top."""
    return any(_source(code, file) is not None for file in _files_of(module))


def has(code: Path, parts: Sequence[str]) -> bool:
    """Return whether a folder or zip has a module or folder at this path, in any form."""
    *folders, last = parts
    if code.is_dir():
        try:
            names = [entry.name for entry in code.joinpath(*folders).iterdir()]
        except OSError:
            return False
    else:
        prefix = "".join(f"{folder}/" for folder in folders)
        names = [
            name.removeprefix(prefix).partition("/")[0]
            for name in _packed(code)
            if name.startswith(prefix)
        ]
    return any(
        name == last or (name.partition(".")[0] == last and name.endswith(_MODULES))
        for name in names
    )


def near(task_root: Path, module: str) -> list[str]:
    """Return the modules of the code whose names are the nearest, or a few others."""
    known = _modules(task_root)
    import difflib  # noqa: PLC0415 - for a name that was mistyped

    return difflib.get_close_matches(module, known, n=3) or known[:_MAX_LISTED]


def _files_of(module: str) -> tuple[str, str]:
    path = module.replace(".", "/")
    return f"{path}.py", f"{path}/__init__.py"


def _source(task_root: Path, file: str) -> bytes | None:
    try:
        if task_root.is_dir():
            with (task_root / file).open("rb") as source:
                return source.read(_MAX_SOURCE_BYTES)
    except (OSError, ValueError):
        return None
    import zipfile  # noqa: PLC0415 - for packed code alone, here and below

    try:
        with zipfile.ZipFile(task_root) as archive, archive.open(file) as source:
            return source.read(_MAX_SOURCE_BYTES)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None


def _defined(tree: ast.Module) -> list[str]:
    functions_first = sorted(tree.body, key=lambda statement: not isinstance(statement, _FUNCTION))
    names = [name for statement in functions_first for name in _names(statement)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign():
            return [target.id for target in statement.targets if isinstance(target, ast.Name)]
        case ast.ImportFrom():
            return [alias.asname or alias.name for alias in statement.names if alias.name != "*"]
        case _:
            return []


def _modules(task_root: Path) -> list[str]:
    """Return the modules at the top of the code, and those one folder below."""
    files = [name for name in _python_files(task_root) if not name.startswith(".")]
    names = sorted(name.removesuffix(".py") for name in files)
    return [name.removesuffix("/__init__").replace("/", ".") for name in names]


def _python_files(task_root: Path) -> list[str]:
    if not task_root.is_dir():
        names = _packed(task_root)
        return [name for name in names if name.endswith(".py") and name.count("/") < 2]
    try:
        found = [*task_root.glob("*.py"), *task_root.glob("*/*.py")]
    except OSError:
        return []
    return [path.relative_to(task_root).as_posix() for path in found]


def _packed(archive: Path) -> list[str]:
    """Return the names in a zip; none where there is no zip."""
    import zipfile  # noqa: PLC0415

    try:
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return []
