"""An interpreter copied into a package: trimmed, able to be moved, and shown to start there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import runpath
from snapboot_devkit.package.interpreters.trimming import is_trimmed
from snapboot_devkit.package.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.interpreters.interpreter import Interpreter

# By what names wrappers and child processes ask for it: its folder is first on their PATH.
USUAL_NAMES: Final = ("python3", "python")
_STARTING_S: Final = 30.0
_LIBRARY_FOLDERS: Final = ("lib", "lib64")
# What a function takes for granted; a missing one would be found out on Lambda.
_EXPECTED: Final = ("ssl", "socket", "json", "zlib", "ctypes", "hashlib", "select", "datetime")
_STATE: Final = """
import importlib, json, sys
missing = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as exc:
        missing[name] = str(exc)
print(json.dumps([sys.prefix, sys._stdlib_dir, missing]))
"""


@dataclass(frozen=True, slots=True)
class Portable:
    """An interpreter in its folder of the package; `missing` are modules it lacks, and why."""

    interpreter: Interpreter
    missing: dict[str, str]


def copy(
    interpreter: Interpreter, folder: Path, *, runs_here: bool, facts: ElfFacts | None = None
) -> Portable:
    """Copy an interpreter to `folder`, which must not be there, without what no function needs.

    Nothing may be written into what is copied: on one disk it is the file itself. Where it runs
    here it is started from there. Raises PackageError for one that cannot be moved.
    """
    copied = in_folder(interpreter, folder)
    copy_file(interpreter.program, copied.program)
    for usual in USUAL_NAMES:
        (copied.program.parent / usual).symlink_to(copied.program.name)
    _copy_stdlib(interpreter.stdlib, copied.stdlib)
    libraries = folder / "lib"
    facts = facts or ElfFacts()
    for library in own_libraries(interpreter, facts):
        copy_file(library, libraries / library.name)
    for file in (copied.program, *_shared_objects(folder)):
        runpath.relocate(file, os.path.relpath(libraries, file.parent), facts)
    return Portable(copied, _missing(interpreter, copied) if runs_here else {})


def in_folder(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Return an interpreter as it is once it has been copied to a folder."""
    program = folder / "bin" / interpreter.program.name
    stdlib = folder / _library_folder(interpreter) / interpreter.stdlib.name
    return replace(interpreter, prefix=folder, program=program, stdlib=stdlib)


def without_packages(interpreter: Interpreter, folder: Path) -> Interpreter:
    """Return an interpreter as it is without what is installed in it: a virtual environment's.

    What a handler finds here beside the standard library would not be on Lambda.
    """
    program = folder / "bin" / interpreter.program.name
    if not program.exists():
        program.parent.mkdir(parents=True)
        own = interpreter.program.resolve()
        program.symlink_to(own)
        (folder / "pyvenv.cfg").write_text(f"home = {own.parent}\n", "utf-8")
    return replace(interpreter, prefix=folder, program=program)


def _library_folder(interpreter: Interpreter) -> str:
    """Return the name of the folder that the program looks for: `sys.platlibdir`."""
    name = interpreter.stdlib.parent.name
    return name if name in _LIBRARY_FOLDERS else _LIBRARY_FOLDERS[0]


def _copy_stdlib(source: Path, target: Path) -> None:
    for parent, folders, names in os.walk(source, followlinks=False):
        inner = os.path.relpath(parent, source)
        start = "" if inner == "." else f"{inner}/"
        folders[:] = [name for name in sorted(folders) if not is_trimmed(f"{start}{name}")]
        for name in sorted(names):
            if not is_trimmed(f"{start}{name}"):
                copy_file(Path(parent, name), target / start / name)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, or what a link stands for; a link that leads nowhere is none."""
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if os.access(source, os.X_OK) else 0o644
    if not _linked(source, target, mode):
        shutil.copyfile(source, target)
        target.chmod(mode)


def _linked(source: Path, target: Path, mode: int) -> bool:
    """Give a file of this mode a second name, which takes a tenth of the time of a copy."""
    if source.is_symlink() or stat.S_IMODE(source.stat().st_mode) != mode:
        return False
    with contextlib.suppress(OSError):  # another disk, or a file of another user's
        target.hardlink_to(source)
        return True
    return False


def own_libraries(interpreter: Interpreter, facts: ElfFacts | None = None) -> list[Path]:
    """Return the shared libraries in the interpreter's own folder that it is linked with."""
    facts = facts or ElfFacts()
    waiting = [interpreter.program, *interpreter.stdlib.glob("lib-dynload/*.so")]
    found: dict[str, Path] = {}
    while waiting:
        file = waiting.pop()
        if file.parent == interpreter.stdlib / "lib-dynload" and is_trimmed(
            f"lib-dynload/{file.name}"
        ):
            continue
        for name in _libraries(file, facts):
            path = interpreter.prefix / "lib" / name
            # Those of the system are its own business, whatever prefix it has.
            if name not in found and path.is_file() and not _is_system(interpreter.prefix):
                found[name] = path
                waiting.append(path)
    return [found[name] for name in sorted(found)]


def _is_system(prefix: Path) -> bool:
    return prefix.name == "usr" or prefix == Path("/")


def _libraries(file: Path, facts: ElfFacts) -> tuple[str, ...]:
    try:
        return facts.needs(file.read_bytes(), str(file)).libraries
    except elf.ElfError as exc:
        raise PackageError(f"{exc} (part of the interpreter)") from exc


def _shared_objects(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*.so*") if path.is_file())


def _missing(origin: Interpreter, copied: Interpreter) -> dict[str, str]:
    """Start the copy, which must find its own standard library; return the modules it lacks."""
    # Nothing of this machine may help it.
    command = [str(copied.program), "-SsPB", "-c", _STATE, *_EXPECTED]
    done = run(command, limit_s=_STARTING_S, env={"PATH": os.defpath})
    if done.status:
        raise PackageError(
            f"{origin} does not start from another folder: {done.errors.strip() or done.status}; "
            "give one that can be moved, such as one of `uv python install`"
        )
    prefix, stdlib, missing = json.loads(done.output)
    if Path(stdlib).resolve() != copied.stdlib.resolve():
        raise PackageError(
            f"{origin} cannot be moved: from another folder it still uses {stdlib!r} (its prefix "
            f"is {prefix!r}); give one that can, such as one of `uv python install`"
        )
    return dict(missing)
