"""Where the runtime is that this devkit runs and packages: the same files in every installation."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from snapboot_devkit.lazy_dataclass import dataclass

_OWN_FOLDER: Final = Path(__file__).resolve().parent
# An installed wheel, then a checkout or an image. A wheel has a copy of its own, since the folder
# above the `snapboot` package is site-packages there: a function would find all that is in it.
_PLACES: Final = (_OWN_FOLDER / "provided", _OWN_FOLDER.parents[1])


class MissingRuntimeError(Exception):
    """The runtime's files are not where the devkit's installation has them."""


@dataclass(frozen=True, slots=True)
class RuntimeFiles:
    """The program that Lambda starts, and the folder with all that a function can import."""

    bootstrap: Path
    folder: Path

    @property
    def package(self) -> Path:
        """The folder of the `snapboot` package."""
        return self.folder / "snapboot"

    @property
    def modules(self) -> tuple[Path, Path]:
        """The modules that AWS's managed runtime provides: what tools patch, SnapStart's hooks."""
        return self.folder / "awslambdaric.py", self.folder / "snapshot_restore_py.py"

    @property
    def wrapper(self) -> Path:
        """The script that AWS_LAMBDA_EXEC_WRAPPER names on a managed runtime."""
        return self.package / "exec"

    def command(self, python: str) -> list[str]:
        """Return the command that starts the runtime by an interpreter."""
        return [python, "-SsP", str(self.bootstrap)]


@functools.cache
def find() -> RuntimeFiles:
    """Return the files of the runtime. Raises MissingRuntimeError."""
    for place in _PLACES:
        for folder in (place / "runtime", place):
            found = RuntimeFiles(place / "bootstrap", folder)
            if all(path.exists() for path in (found.bootstrap, found.package, *found.modules)):
                return found
    raise MissingRuntimeError(
        f"the runtime is missing beside {str(_OWN_FOLDER)!r}: "
        "pip install --force-reinstall 'snapboot[devkit]'"
    )
