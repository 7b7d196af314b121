"""The Python that a package is for, and the one that measures what compiling costs."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, replace
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.audit import interpreters
from snapboot_devkit.package.binary.bytecode import MAGICS
from snapboot_devkit.package.checks.contents import AuditError
from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import managed
from snapboot_devkit.package.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.layout import Layout

_LIMIT_S: Final = 20.0
_ASK: Final = (
    "import sys,json;from importlib.util import MAGIC_NUMBER as m;"
    "print(json.dumps([sys.version_info[:3],int.from_bytes(m[:2],'little'),sys.hexversion]))"
)
_VERSION: Final = re.compile(r"3\.\d+")
_TAG: Final = re.compile(r"\.cpython-3(\d{1,2})t?(?:-[\w-]+)?\.(?:so|pyc)$")


@dataclass(frozen=True, slots=True)
class Python:
    """A version, the magic number of its bytecode, and who measures.

    `version` is as (3, 13); `hexversion` is None where the very release is not known; `measured_by`
    is the command of an interpreter, `measured_version` its version.
    """

    version: tuple[int, int]
    magic: int
    hexversion: int | None
    measured_by: str
    measured_version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"Python {self.version[0]}.{self.version[1]}"

    @property
    def measures(self) -> bool:
        """Whether the interpreter that measures is of the package's version."""
        return self.measured_version[:2] == self.version

    @property
    def tag(self) -> str:
        """What its bytecode has in its name: cpython-313."""
        return f"cpython-{self.version[0]}{self.version[1]}"


def given(command: str) -> Python:
    """Ask an interpreter: of a version, by a program, or by its folder. Raises AuditError."""
    if _VERSION.fullmatch(command):
        major, minor = map(int, command.split("."))
        found = _of_version((major, minor))
        if found is None:
            raise AuditError(
                f"no Python {command} was found on this machine; give --python the path of one"
            )
        return found
    program = _program(command)
    try:
        return _asked(program)
    except PackageError as exc:
        raise AuditError(f"{exc}; give --python an interpreter") from exc
    except ValueError as exc:
        raise AuditError(
            f"{program!r} is not a Python interpreter that can be asked for its version; give "
            "--python another one"
        ) from exc


def of_package(package: Package, layout: Layout) -> Python:
    """Return the Python that the package was evidently made for; without evidence this one.

    Which release of a version it will be is known only from an interpreter in the package.
    """
    version = layout.python or _voted(package) or sys.version_info[:2]
    return replace(at_hand(version), hexversion=interpreters.release(package, layout))


def at_hand(version: tuple[int, int]) -> Python:
    """Return the Python of a version, measured by one of this machine, or else by this one."""
    if (found := _of_version(version)) is not None:
        return found
    magic = MAGICS.get(version, 0)
    return Python(version, magic, None, sys.executable, sys.version_info[:3])


def _of_version(version: tuple[int, int]) -> Python | None:
    if version == sys.version_info[:2]:
        return this_one()
    with contextlib.suppress(PackageError, ValueError):
        if program := managed.program("{}.{}".format(*version)):
            return _asked(str(program))
    return None


def _asked(program: str) -> Python:
    """Ask a program. Raises PackageError when it does not run, ValueError when it is not Python."""
    done = run([program, "-I", "-S", "-c", _ASK], limit_s=_LIMIT_S)
    version, magic, hexversion = json.loads(done.output)
    return Python((version[0], version[1]), magic, hexversion, program, tuple(version))


def this_one() -> Python:
    """Return the Python that runs here."""
    magic = int.from_bytes(MAGIC_NUMBER[:2], "little")
    version = sys.version_info[:3]
    return Python(version[:2], magic, sys.hexversion, sys.executable, version)


def _program(command: str) -> str:
    folder = Path(command)
    if folder.is_dir():
        programs = (*sorted(folder.glob("bin/python3.[0-9]*[0-9]")), folder / "bin/python3")
        found = next((path for path in programs if path.is_file()), None)
        if found is None:
            raise AuditError(f"{command!r} has no bin/python3; give --python an interpreter")
        return str(found)
    program = shutil.which(command)
    if program is None:
        raise AuditError(f"cannot find the interpreter {command!r}; give --python the path of one")
    return program


def _voted(package: Package) -> tuple[int, int] | None:
    """Return the version that most extension modules are for; without any, most bytecode."""
    for suffix in (".so", ".pyc"):
        if votes := Counter(_tags(package, suffix)):
            return 3, votes.most_common(1)[0][0]
    return None


def _tags(package: Package, suffix: str) -> Iterator[int]:
    for path in package.entries:
        if path.endswith(suffix) and (match := _TAG.search(path)):
            yield int(match[1])
