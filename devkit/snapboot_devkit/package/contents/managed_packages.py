"""Packages that AWS's managed Python runtimes have, and nothing else on Lambda does.

A function that imports them without naming them runs there, and fails on `provided.al2023` and in
an image. The versions are those of the user guide ("Runtime-included SDK versions" of
"Building Lambda functions with Python") as known in November 2025; they were not compared with
Lambda, whose runtimes are updated without a word.
"""

from __future__ import annotations

import ast
import contextlib
import re
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
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
# By the names of their distributions.
DISTRIBUTIONS: Final = frozenset(
    re.split("[=<>]", requirement, maxsplit=1)[0] for requirement in PACKAGES.values()
)
# A larger source was not written by people.
_MAX_SOURCE_BYTES: Final = 1024 * 1024


def imports(sources: Iterable[Path]) -> set[str]:
    """Return the packages that sources import, wherever in them."""
    return set().union(*map(_imports, sources))


def missing(
    imported: Collection[str], folders: Collection[Path], layers: Iterable[Path] = ()
) -> list[str]:
    """Return those of the imported packages that only a managed runtime would have."""
    wanted = [
        module
        for module in PACKAGES
        if module in imported and not any(_has(folder, module) for folder in folders)
    ]
    for layer in layers if wanted else ():
        present = _in_layer(layer, wanted)
        wanted = [module for module in wanted if module not in present]
    return wanted


def told(modules: Iterable[str]) -> str:
    """Return them with their versions, for people."""
    names = ", ".join(f"{module} ({PACKAGES[module]})" for module in modules)
    return f"{names}, about what the user guide named in {AS_OF}"


def _in_layer(layer: Path, modules: Sequence[str]) -> set[str]:
    """Return which modules a layer has, a folder or a zip; none of one that cannot be read."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, zipfile.BadZipFile):
        root: Path | zipfile.Path = layer
        if layer.is_file():
            root = zipfile.Path(stack.enter_context(zipfile.ZipFile(layer)))
        python = root / "python"
        library = python / "lib"
        versions = library.iterdir() if library.is_dir() else ()
        folders = [python, *(version / "site-packages" for version in versions)]
        return {name for name in modules if any(_has(folder, name) for folder in folders)}
    return set()


def _has(folder: Path | zipfile.Path, module: str) -> bool:
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
