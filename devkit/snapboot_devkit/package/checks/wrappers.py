"""The script that puts snapboot in the place of AWS's client: in a layer, or in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snapboot_devkit.package.checks.contents import Package

# In the wrapper layer: the script, and the runtime's folder beside it.
LAYER_SCRIPT: Final = "snapboot"
LAYER_HOME: Final = "snapboot.d/"
# In a function's own folder, where pip has installed the package.
CODE_SCRIPT: Final = "snapboot/exec"


def script(package: Package) -> str | None:
    """Return the wrapper of a package, if it has one."""
    if package.is_file(LAYER_SCRIPT) and any(p.startswith(LAYER_HOME) for p in package.entries):
        return LAYER_SCRIPT
    return CODE_SCRIPT if package.is_file(CODE_SCRIPT) else None


def runtime(wrapper: str) -> str:
    """Return the folder of the runtime's package that a wrapper starts."""
    return f"{LAYER_HOME}snapboot/" if wrapper == LAYER_SCRIPT else "snapboot/"
