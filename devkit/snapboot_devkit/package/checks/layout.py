"""What is where in a package: the function's code, what is imported from where, and Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.checks import wrappers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snapboot_devkit.package.checks.contents import Package

TASK: Final = "/var/task/"
LAYER: Final = "/opt/"
_IMAGE_TASK: Final = "var/task/"
_CONTEXT_TASK: Final = "task/"
# What a function runs from in the root file system of an image; the rest is the distribution's.
_IMAGE_PARTS: Final = ("var/task/", "var/runtime/", "opt/")
# The one that is put there on purpose comes before the distribution's.
_PYTHONS: Final = ("var/lang/lib", "usr/local/lib", "usr/lib", "usr/lib64")
_MANAGED: Final = re.compile(r"python3\.(\d{1,2})")
_STDLIB: Final = re.compile(r"(?:.*/)?lib(?:64)?/python3\.(\d{1,2})t?/os\.py")
_PACKAGES: Final = re.compile(r"(?:.*/)?(?:site|dist)-packages/")
# Of the folders named site-packages or dist-packages those nearest to the top are taken: more than
# two are not on the path of an interpreter, and each module is looked for in each of them.
_MAX_PACKAGE_FOLDERS: Final = 16
_RUNTIMES: Final = (".snapboot/runtime/", "var/runtime/", wrappers.LAYER_HOME)


class PackageKind(StrEnum):
    """What was given to be audited."""

    CODE = "code"
    LAYER = "layer"
    CONTEXT = "build context"
    IMAGE = "image"


class Place(StrEnum):
    """Where the package is to run."""

    MANAGED = "managed"
    PROVIDED = "provided"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class TargetRuntime:
    """A runtime by its place; `python` is the version that one of AWS's own has."""

    place: Place
    python: tuple[int, int] | None = None


def runtime(name: str) -> TargetRuntime | None:
    """Return the runtime of a name as Lambda has it, or `image`; None for another one."""
    if found := _MANAGED.fullmatch(name):
        return TargetRuntime(Place.MANAGED, (3, int(found[1])))
    places = {"provided.al2023": Place.PROVIDED, **{place.value: place for place in Place}}
    return TargetRuntime(places[name]) if name in places else None


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a package, each relative to it, with "/" at the end, or "".

    `roots` are those that modules are imported from, in the order of `sys.path`; `stdlib` is the
    standard library's, if the package brings it along, and `python` the version that it is of.
    """

    form: PackageKind
    task: str
    roots: tuple[str, ...]
    stdlib: str | None
    python: tuple[int, int] | None
    runtime: str | None

    def on_lambda(self, path: str) -> str:
        """Return the path of a file of the package once it is deployed."""
        if self.form is PackageKind.IMAGE:
            return f"/{path}"
        base = LAYER if self.form is PackageKind.LAYER else TASK
        return f"{base}{path.removeprefix(self.task)}"

    def in_package(self, path: str) -> str | None:
        """Return which file of the package is at a path on Lambda; None for one of elsewhere."""
        if self.form is PackageKind.IMAGE:
            return path.lstrip("/")
        base = LAYER if self.form is PackageKind.LAYER else TASK
        return f"{self.task}{path.removeprefix(base)}" if path.startswith(base) else None


def image_parts(root: Path) -> tuple[str, ...] | None:
    """Return the parts of an image's root file system to look at; None if this is none."""
    if not ((root / "var/task").is_dir() or (root / "var/runtime/bootstrap").is_file()):
        return None
    parts = [part for part in _IMAGE_PARTS if (root / part).is_dir()]
    found = (path for part in _PYTHONS for path in sorted((root / part).glob("python3*")))
    parts += [f"{path.relative_to(root)}/" for path in found if path.is_dir()]
    return tuple(parts)


def layout(package: Package, *, image: bool) -> Layout:
    """Find out what is where."""
    form = _form(package, image=image)
    task = {PackageKind.IMAGE: _IMAGE_TASK, PackageKind.CONTEXT: _CONTEXT_TASK}.get(form, "")
    stdlib, python = _standard_library(package)
    runtime = next((f for f in _RUNTIMES if f"{f}snapboot/__init__.py" in package.entries), None)
    roots = [task, *_layer_roots(package, form, python), *_site_packages(package)]
    roots += [stdlib] if stdlib else []
    roots += [runtime] if runtime else []
    return Layout(form, task, tuple(dict.fromkeys(roots)), stdlib, python, runtime)


def _form(package: Package, *, image: bool) -> PackageKind:
    entries = package.entries
    if image:
        return PackageKind.IMAGE
    if "Dockerfile" in entries and _CONTEXT_TASK.rstrip("/") in entries:
        return PackageKind.CONTEXT
    if wrappers.script(package) == wrappers.LAYER_SCRIPT:
        return PackageKind.LAYER
    own = any("/" not in path and path.endswith(".py") for path in entries)
    if "python" in entries and not package.is_file("python/__init__.py") and not own:
        return PackageKind.LAYER
    start = package.head("bootstrap", len("#!/opt/")) if package.is_file("bootstrap") else None
    return PackageKind.LAYER if start == b"#!/opt/" and not own else PackageKind.CODE


def _layer_roots(
    package: Package, form: PackageKind, python: tuple[int, int] | None
) -> Iterator[str]:
    base = {PackageKind.IMAGE: "opt/", PackageKind.LAYER: ""}.get(form)
    if base is None:
        return
    version = f"{python[0]}.{python[1]}" if python else r"3\.\d+"
    below = re.compile(rf"{base}python/lib/python{version}/site-packages")
    found = sorted(f"{path}/" for path in package.entries if below.fullmatch(path))
    yield from found[:_MAX_PACKAGE_FOLDERS]
    yield f"{base}python/"


def _site_packages(package: Package) -> list[str]:
    """Return the interpreter's own package folders."""
    folders = (_PACKAGES.match(path) for path in package.entries if "-packages/" in path)
    found = {match[0] for match in folders if match and match[0].count("-packages/") == 1}
    return sorted(sorted(found, key=lambda path: path.count("/"))[:_MAX_PACKAGE_FOLDERS])


def _standard_library(package: Package) -> tuple[str | None, tuple[int, int] | None]:
    for path in package.entries:
        if path.endswith("/os.py") and (match := _STDLIB.fullmatch(path)):
            return path.removesuffix("os.py"), (3, int(match[1]))
    return None, None
