"""The runtime as it ships: snapboot, two modules of AWS's names, and the packages it uses."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Final

from snapboot_devkit import runtime
from snapboot_devkit.package.contents import dependencies
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snapboot_devkit.package.target import Target
    from snapboot_devkit.runtime import RuntimeFiles

# As pyproject.toml has them; a test compares.
DEPENDENCIES: Final = ("orjson>=3.9", "urllib3>=2")
ACCELERATOR: Final = "orjson"
REQUIREMENTS: Final = Requirements(DEPENDENCIES, "the runtime")


def lay_out(folder: Path, target: Target) -> list[str]:
    """Fill a folder with the runtime and its packages for a target; return what is to be said.

    orjson makes it quicker, and is left out where there is no wheel of it. Raises PackageError.
    """
    with laying_out(folder, target) as finish:
        return finish()


@contextlib.contextmanager
def laying_out(folder: Path, target: Target) -> Iterator[Callable[[], list[str]]]:
    """Begin to do what `lay_out` does; yield what ends it."""
    with dependencies.installing(REQUIREMENTS, target, folder) as finish:
        yield lambda: _laid_out(folder, target, finish)


def _laid_out(folder: Path, target: Target, finish: Callable[[], object]) -> list[str]:
    warnings = []
    try:
        finish()
    except PackageError:
        needed = tuple(one for one in DEPENDENCIES if not one.startswith(ACCELERATOR))
        try:
            dependencies.install(Requirements(needed, REQUIREMENTS.origin), target, folder)
        except PackageError:
            needed = ()  # then it is not for want of a wheel
        if not needed:
            raise
        warnings.append(
            f"the runtime is without {ACCELERATOR}, which has no wheel for {target}: the "
            "standard library encodes results in its place"
        )
    copy(folder)
    return warnings


def copy(folder: Path) -> None:
    """Put the runtime alone into a folder. Raises PackageError."""
    files = find()
    ignored = shutil.ignore_patterns("__pycache__", files.wrapper.name)
    shutil.copytree(files.package, folder / files.package.name, ignore=ignored)
    for module in files.modules:
        shutil.copyfile(module, folder / module.name)


def find() -> RuntimeFiles:
    """Return the runtime that this devkit goes with. Raises PackageError."""
    try:
        return runtime.find()
    except runtime.MissingRuntimeError as exc:
        raise PackageError(str(exc)) from exc
