"""The interpreter that a package is made with: found, and asked what it is.

One that cannot run here, being another architecture's, is read instead of asked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.process import run
from snapboot_devkit.package.target import Architecture, Libc, Target

_ASKING_S: Final = 30.0
_PROGRAM: Final = re.compile(r"python(3\.\d+)t?")
_LIBRARY_FOLDERS: Final = ("lib", "lib64")
_STATE: Final = """
import json, sys
print(json.dumps([sys.hexversion, sys.base_prefix, sys._stdlib_dir]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython: its folder, program and standard library, and what they were built for.

    `hexversion` is `sys.hexversion`, None where it cannot be known without running the program.
    """

    prefix: Path
    program: Path
    stdlib: Path
    target: Target
    hexversion: int | None

    def __str__(self) -> str:
        return f"CPython {self.release} in {str(self.prefix)!r}"

    @property
    def release(self) -> str:
        """The version as it is written, with the patch level if that is known."""
        if self.hexversion is None:
            return self.target.version
        return f"{self.target.version}.{self.hexversion >> 8 & 0xFF}"


def at(place: Path, *, native: Architecture | None) -> Interpreter:
    """Return the interpreter in a folder, or whose program is at a path. Raises PackageError."""
    place = Path(place)
    if not place.exists():
        raise PackageError(
            f"there is no interpreter {str(place)!r}; --python takes a version, such as 3.13, or "
            "the folder that holds bin/python3 and lib/"
        )
    prefix = place if place.is_dir() else place.absolute().parent.parent
    _refuse_virtual_environment(prefix)
    program = _program(prefix, place)
    needed = _needs(program)
    version = _version_of(program)
    architecture = _architecture(program, needed.machine)
    target = Target(version, architecture, Libc.MUSL if needed.musl else Libc.GLIBC)
    if program.name.endswith("t"):
        if architecture is not native:
            raise PackageError(
                f"{str(program)!r} is free-threaded and does not run on this machine, where it "
                "would be asked which wheels fit: package on a machine of its architecture"
            )
        target = replace(target, free_threaded=program)
    if architecture is native:
        hexversion, stdlib = asked(program)
        return Interpreter(prefix, program, stdlib, target, hexversion)
    stdlib = _stdlib(prefix, program.name)
    return Interpreter(prefix, program, stdlib, target, _read_hexversion(prefix, program))


def _refuse_virtual_environment(prefix: Path) -> None:
    settings = prefix / "pyvenv.cfg"
    if not settings.is_file():
        return
    found = re.search(r"(?m)^home\s*=\s*(.+)$", settings.read_text("utf-8", "replace"))
    home = str(Path(found[1].strip()).parent) if found else "its own interpreter's folder"
    raise PackageError(
        f"{str(prefix)!r} is a virtual environment, which holds no interpreter; "
        f"give the one it was made from: --python {home}"
    )


def _program(prefix: Path, place: Path) -> Path:
    """Return the program's own file: the one that was named, else what `python3` stands for."""
    folder = prefix / "bin"
    named = place if place.is_file() else folder / "python3"
    if named.exists() and _PROGRAM.fullmatch(named.resolve().name):
        return named.resolve()
    found = sorted(path for path in folder.glob("python3.*") if _PROGRAM.fullmatch(path.name))
    if not found:
        raise PackageError(
            f"there is no bin/python3.X in {str(prefix)!r}; --python takes the folder above it"
        )
    return max(found, key=_version_of).resolve()


def _version_of(program: Path) -> tuple[int, int]:
    found = _PROGRAM.fullmatch(program.name)
    assert found is not None
    major, minor = map(int, found[1].split("."))
    return major, minor


def _needs(program: Path) -> elf.Needs:
    try:
        return elf.needs(program)
    except (elf.ElfError, OSError) as exc:
        raise PackageError(
            f"{str(program)!r} is not a Linux program ({exc}); give an interpreter for Linux"
        ) from exc


def _architecture(program: Path, machine: str) -> Architecture:
    try:
        return Architecture(machine)
    except ValueError:
        raise PackageError(
            f"{str(program)!r} is for {machine}, which Lambda does not support; "
            f"give an interpreter for {' or '.join(Architecture)}"
        ) from None


def asked(program: Path) -> tuple[int, Path]:
    """Return `sys.hexversion` and the standard library of a program that runs here."""
    done = run([str(program), "-I", "-S", "-c", _STATE], limit_s=_ASKING_S)
    if done.status:
        raise PackageError(
            f"{str(program)!r} does not start: {done.errors.strip() or done.status}; "
            "give another interpreter by --python"
        )
    hexversion, _, stdlib = json.loads(done.output)
    return hexversion, Path(stdlib)


def _stdlib(prefix: Path, name: str) -> Path:
    for folder in _LIBRARY_FOLDERS:
        if (prefix / folder / name / "os.py").is_file():
            return prefix / folder / name
    raise PackageError(
        f"there is no standard library lib/{name}/ in {str(prefix)!r}; give a whole interpreter"
    )


def _read_hexversion(prefix: Path, program: Path) -> int | None:
    """Return `sys.hexversion` as the program or its library has it: the constant `Py_Version`."""
    for file in (program, *sorted(prefix.glob(f"lib*/lib{program.name}*.so.*"))):
        with file.open("rb") as opened:
            version = elf.constant_of(opened, str(file), elf.PYTHON_VERSION)
        if version is not None:
            return version
    return None
