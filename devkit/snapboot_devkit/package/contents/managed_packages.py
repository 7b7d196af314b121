"""Packages that AWS's managed Python runtimes have, and nothing else on Lambda does.

A function that imports them without naming them runs there, and fails on `provided.al2023` and in
an image. The versions are those of the user guide ("Runtime-included SDK versions" of
"Building Lambda functions with Python") as known in November 2025; they were not compared with
Lambda, whose runtimes are updated without a word.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

AS_OF: Final = "November 2025"
SDK: Final = "1.40.4"
# By the module's name: what to ask an index for, so that it is what the managed runtime has, or
# what its SDK asks for.
PACKAGES: Final[dict[str, str]] = {
    "boto3": f"boto3=={SDK}",
    "botocore": f"botocore=={SDK}",
    "s3transfer": "s3transfer>=0.13.0,<0.14.0",
    "jmespath": "jmespath>=0.7.1,<2",
    "dateutil": "python-dateutil>=2.1,<3",
    "six": "six>=1.5",
    "urllib3": "urllib3>=1.25.4,<3",
}
# A larger source was not written by people.
_MAX_SOURCE_BYTES: Final = 1024 * 1024


def imports(sources: Iterable[Path]) -> set[str]:
    """Return the packages that sources import, wherever in them."""
    return set().union(*map(_imports, sources))


def missing(imported: Collection[str], places: Collection[Path]) -> list[str]:
    """Return those of the imported packages that only a managed runtime would have."""
    return [
        module
        for module in PACKAGES
        if module in imported and not any(_has(place, module) for place in places)
    ]


def told(modules: Iterable[str]) -> str:
    """Return them with their versions, for people."""
    names = ", ".join(f"{module} ({PACKAGES[module]})" for module in modules)
    return f"{names}, as of {AS_OF}"


def _has(folder: Path, module: str) -> bool:
    return (folder / module).is_dir() or (folder / f"{module}.py").is_file()


def _imports(path: Path) -> set[str]:
    try:
        with path.open("rb") as source:
            tree = ast.parse(source.read(_MAX_SOURCE_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found
