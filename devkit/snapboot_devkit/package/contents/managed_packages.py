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

from snapboot_devkit.host.protocol import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
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
# Of these snapboot's own runtime has one, too, in `provided.al2023` and in an image.
_OF_SNAPBOOT: Final = frozenset({"urllib3"})
# By the names of their distributions.
DISTRIBUTIONS: Final = frozenset(
    re.split("[=<>]", requirement, maxsplit=1)[0] for requirement in PACKAGES.values()
)
# A larger source was not written by people.
MAX_SOURCE_BYTES: Final = MIB
_NAMED: Final = re.compile("|".join(PACKAGES).encode())


def imports(sources: Iterable[Path]) -> set[str]:
    """Return the packages that sources import, wherever in them."""
    return set().union(*map(_imports, sources))


def missing(
    imported: Collection[str], has: Callable[[str], bool], layers: Iterable[Path] = ()
) -> list[str]:
    """Return those of the imported packages that only a managed runtime would have.

    `has` says whether the package itself has a module, and `layers` are those that go with it.
    """
    wanted = [
        module
        for module in PACKAGES
        if module in imported and module not in _OF_SNAPBOOT and not has(module)
    ]
    for layer in layers if wanted else ():
        present = _in_layer(layer, wanted)
        wanted = [module for module in wanted if module not in present]
    return wanted


def described(modules: Iterable[str], version: str, *, image: bool) -> tuple[str, str]:
    """Return in words for people what is missing, and what to do; `version` is Python's."""
    names = ", ".join(f"{module} ({PACKAGES[module]})" for module in modules)
    place = "an image" if image else "provided.al2023"
    message = (
        f"not in the package: {names}, about what the user guide named in {AS_OF}, which is "
        f"imported. AWS's runtime python{version} has them, {place} does not"
    )
    remedy = (
        "add them by snapboot package --managed-packages, name them among the requirements, give "
        f"the layer that has them by --layer, or choose AWS's runtime by --runtime python{version}"
    )
    return message, remedy


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
        return {name for name in modules if any(is_in(folder, name) for folder in folders)}
    return set()


def is_in(folder: Path | zipfile.Path, module: str) -> bool:
    """Tell whether a folder has a module or package."""
    return (folder / module).is_dir() or (folder / f"{module}.py").is_file()


def _imports(path: Path) -> set[str]:
    try:
        with path.open("rb") as source:
            return imports_of(source.read(MAX_SOURCE_BYTES))
    except OSError:
        return set()


def imports_of(source: bytes) -> set[str]:
    """Return the packages that a source imports, if it may be one of those here."""
    if not _NAMED.search(source):
        return set()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.partition(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
    return found
