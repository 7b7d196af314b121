"""A function for another architecture, made importable here: the module archive needs an import.

The same files, but for compiled ones, which are those of this machine's wheels. An interpreter of
the very same release does the work.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary import elf, modules
from snapboot_devkit.package.contents import dependencies
from snapboot_devkit.package.contents.tree import ARCHIVE, OWN_FOLDER
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import managed, portable
from snapboot_devkit.package.target import MACHINES, Libc, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from snapboot_devkit.package.contents.dependencies import Requirements
    from snapboot_devkit.package.interpreters.interpreter import Interpreter

PLATFORM_DATA: Final = "_sysconfigdata_"


def lay_out(code: Path, requirements: Sequence[Requirements], target: Target, folder: Path) -> Path:
    """Copy code to `folder` with the compiled files of this machine's wheels. Raises PackageError.

    `requirements` are what the code's compiled files came from; the rest is the target's.
    """
    here = managed.native()
    assert here is not None
    native = replace(target, architecture=here)
    ignored = shutil.ignore_patterns(OWN_FOLDER, ARCHIVE)
    shutil.copytree(code, folder, symlinks=True, ignore=ignored)
    for path in _compiled(folder):
        path.unlink()
    wheels = folder.with_name(f"{folder.name}.wheels")
    for each in requirements:
        dependencies.install(each, native, wheels)
    for path in _compiled(wheels):
        copy = folder / path.relative_to(wheels)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.rmtree(wheels, ignore_errors=True)
    return folder


def interpreter(native: Interpreter, stdlib: Path, folder: Path) -> Interpreter:
    """Copy an interpreter that runs here, with the Python files of the target's standard library.

    Builds of one release differ in them, by a distributor's patches. Raises PackageError for an
    interpreter that cannot be moved.
    """
    copied = portable.copy(native, folder, runs_here=True).interpreter
    for path in copied.stdlib.rglob("*.py"):
        # This one is asked for by the name of the architecture.
        if not path.name.startswith(PLATFORM_DATA):
            path.unlink()
    for path in stdlib.rglob("*.py"):
        copy = copied.stdlib / path.relative_to(stdlib)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return copied


def suffix(target: Target) -> str:
    """Return what the target's extension modules end with; see `EXTENSION_SUFFIXES`."""
    libc = "musl" if target.libc is Libc.MUSL else "gnu"
    version = target.version.replace(".", "")
    return f".cpython-{version}-{MACHINES[target.architecture]}-linux-{libc}.so"


def absent(archive: Path, roots: Mapping[str, Path]) -> list[str]:
    """Return the modules in an archive whose files the target has not.

    `roots` are the target's folders, by the letters of their homes: `t` the function's, `r` the
    runtime's, `s` the standard library; nothing is known of others. Raises PackageError.
    """
    placed = [(each, roots[each.home[0]]) for each in sealed(archive) if each.home[0] in roots]
    return [each.name for each, root in placed if not (root / each.home[1:] / each.tail).is_file()]


def sealed(archive: Path) -> tuple[modules.SealedModule, ...]:
    """Return the modules of an archive. Raises PackageError."""
    try:
        return modules.read(archive.read_bytes()).modules
    except modules.ModuleArchiveError as exc:
        raise PackageError(f"cannot read {str(archive)!r}: {exc}") from exc


def _compiled(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and elf.is_elf(path)]
