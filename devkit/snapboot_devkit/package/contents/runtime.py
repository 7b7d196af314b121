"""The runtime as it ships: snapboot, AWS's hook module, and the two packages it uses."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.contents import dependencies
from snapboot_devkit.package.contents.dependencies import Requirements
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from snapboot_devkit.package.target import Target

# As pyproject.toml has them; a test compares.
DEPENDENCIES: Final = ("orjson>=3.9", "urllib3>=2")
REQUIREMENTS: Final = Requirements(DEPENDENCIES, "the runtime")
_PACKAGE: Final = "snapboot"
_HOOK_MODULE: Final = "snapshot_restore_py.py"
# Where an installed snapboot keeps what does not belong at the top of site-packages.
_PROVIDED: Final = "provided"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The runtime's own files here: a checkout's or an installed package's."""

    package: Path
    hook_module: Path
    bootstrap: Path

    def lay_out(self, folder: Path, target: Target) -> None:
        """Fill a folder with the runtime and its packages for a target. Raises PackageError."""
        dependencies.install(REQUIREMENTS, target, folder)
        ignored = shutil.ignore_patterns("__pycache__", _PROVIDED)
        shutil.copytree(self.package, folder / _PACKAGE, ignore=ignored)
        shutil.copyfile(self.hook_module, folder / _HOOK_MODULE)


def find() -> Runtime:
    """Return the runtime that this devkit goes with. Raises PackageError."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise PackageError("the runtime is missing: pip install 'snapboot[devkit]'")
    package = Path(spec.origin).parent
    for hook_module, bootstrap in (
        (package.parent / _HOOK_MODULE, package.parents[1] / "bootstrap"),
        (package / _PROVIDED / _HOOK_MODULE, package / _PROVIDED / "bootstrap"),
    ):
        if hook_module.is_file() and bootstrap.is_file():
            return Runtime(package, hook_module, bootstrap)
    raise PackageError(
        f"the runtime in {str(package)!r} is not whole: pip install --force-reinstall snapboot"
    )
