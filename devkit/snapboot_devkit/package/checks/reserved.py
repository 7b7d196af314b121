"""Names at the top of a function's code that the runtime takes for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.binary.modules import NAME as ARCHIVE
from snapboot_devkit.package.checks.finding import Finding, error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snapboot_devkit.package.checks.distributions import Distribution

_BOOTSTRAP: Final = "bootstrap"
_FOLDER: Final = ".snapboot/"
# All of them, the folder as well.
NAMES: Final = (_BOOTSTRAP, ARCHIVE, _FOLDER.rstrip("/"))


def check(distributions: Iterable[Distribution], task: str) -> Iterator[Finding]:
    """Find a distribution that brings what Lambda would start, or the runtime would load.

    `task` is the prefix of the function's code.
    """
    for one in distributions:
        if "/" in one.info.removeprefix(task):
            continue  # one of the runtime's own, or in a folder of its own
        for path in sorted(one.files):
            name = path.removeprefix(task)
            if name in {_BOOTSTRAP, ARCHIVE} or name.startswith(_FOLDER):
                yield error(
                    "reserved-name",
                    path,
                    f"the dependency {one} brings {name!r}, which Lambda or the runtime would run",
                    "leave this dependency out, or install it without this file",
                )
                break
