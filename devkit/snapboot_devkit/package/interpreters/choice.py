"""Which interpreter a request means: the one that is shipped, and the one that does the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.package.errors import PackageError
from snapboot_devkit.package.interpreters import interpreter, managed
from snapboot_devkit.package.interpreters.interpreter import Interpreter
from snapboot_devkit.package.target import (
    Architecture,
    Target,
    is_free_threaded,
    is_version,
    parse_version,
)

if TYPE_CHECKING:
    from snapboot_devkit.package.request import PackageRequest


def shipped(request: PackageRequest) -> Interpreter:
    """Return the interpreter for a package that brings one. Raises PackageError."""
    if is_version(request.python):
        wanted = Target(parse_version(request.python), request.architecture)
        return interpreter.at(managed.standalone(wanted), native=managed.native())
    if is_free_threaded(request.python):
        wanted = Target(parse_version(request.python.removesuffix("t")), request.architecture)
        folder = managed.standalone(wanted, free_threaded=True)
        return interpreter.at(folder, native=managed.native())
    found = interpreter.at(Path(request.python), native=managed.native())
    if found.target.architecture is not request.architecture:
        raise PackageError(
            f"{found} is for {found.target.architecture}, and the package for "
            f"{request.architecture}; give another interpreter, or choose by --arch"
        )
    if found.target.libc is not request.libc:
        raise PackageError(
            f"{found} is for {found.target.libc}, and provided.al2023 has {request.libc}; give an "
            "interpreter for that"
        )
    return found


def beside(request: PackageRequest) -> Interpreter:
    """Return an interpreter that is not shipped, for the version and the work. Raises PackageError.

    Its target is the package's, whatever it runs on itself.
    """
    if is_version(request.python):
        found = _of_version(parse_version(request.python), request.python)
    elif is_free_threaded(request.python):
        found = _of_version(parse_version(request.python.removesuffix("t")), request.python)
    else:
        found = interpreter.at(Path(request.python), native=managed.native())
    return replace(found, target=replace(found.target, architecture=request.architecture))


def version_of(request: PackageRequest) -> tuple[int, int]:
    """Return the version of Python that is meant, (3, 13). Raises PackageError."""
    if is_version(request.python):
        return parse_version(request.python)
    if is_free_threaded(request.python):
        raise PackageError(
            f"--python {request.python} is not for an image, whose base has the interpreter and is "
            "not asked which wheels fit; make a zip or a layer"
        )
    return interpreter.at(Path(request.python), native=managed.native()).target.python


def same_release_here(shipped: Interpreter) -> Interpreter:
    """Return an interpreter that runs here, of the same release if there is one.

    The same version is enough for bytecode. Raises PackageError when there is none.
    """
    exact = managed.program(shipped.release) if shipped.hexversion is not None else None
    if exact is not None:
        return _asked(exact, shipped.target)
    return _of_version(shipped.target.python, shipped.target.version)


def _of_version(version: tuple[int, int], text: str) -> Interpreter:
    program = managed.program(text)
    if program is None:
        raise PackageError(
            f"there is no Python {text} on this machine to compile with; install one (uv python "
            f"install {text}), or name an interpreter's folder by --python"
        )
    free_threaded = program if text.endswith("t") else None
    target = Target(version, managed.native() or Architecture.X86_64, free_threaded=free_threaded)
    return _asked(program, target)


def _asked(program: Path, target: Target) -> Interpreter:
    # A virtual environment's program is a link to the one that counts.
    program = program.resolve()
    hexversion, stdlib = interpreter.asked(program)
    return Interpreter(program.parent.parent, program, stdlib, target, hexversion)
