"""The distributions in a package, by what their installer has recorded."""

from __future__ import annotations

import csv
import posixpath
import re
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from snapboot_devkit.package.formats.modules import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.layout import Layout

_INFO: Final = re.compile(r"(.*/)?([^/]+?)-([^/-]+)\.dist-info")
_OWN: Final = "the function's own code"
_INTERPRETER: Final = "the interpreter"
_ARCHIVE: Final = "the module archive"
_INTERPRETERS: Final = (".snapboot/python/", "opt/.snapboot/python/")
_FOLDERS: Final = ("__pycache__", ".snapboot")


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was installed: its files are those of its RECORD that lie in the package's folders."""

    name: str
    version: str
    info: str
    files: frozenset[str]
    tags: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def distributions(package: Package) -> tuple[Distribution, ...]:
    """Return the distributions, sorted by the places of their records."""
    found = ((path, _INFO.fullmatch(path)) for path in sorted(package.entries))
    return tuple(_read(package, path, match) for path, match in found if match)


def owners(found: Iterable[Distribution]) -> Mapping[str, str]:
    """Return which distribution each recorded file is of."""
    return {path: one.name for one in found for path in one.files}


def owner(path: str, owned: Mapping[str, str], layout: Layout) -> str:
    """Return the name that a file goes under in reports: a distribution's or a top-level one."""
    if path in owned:
        return owned[path]
    if path.startswith(_INTERPRETERS) or (layout.stdlib and path.startswith(layout.stdlib)):
        return _INTERPRETER
    root = max((root for root in layout.roots if path.startswith(root)), key=len, default="")
    first, slash, _ = path[len(root) :].partition("/")
    if first == NAME:
        return _ARCHIVE
    return first if slash and first not in _FOLDERS else _OWN


def normalised(name: str) -> str:
    """Return a distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(package: Package, info: str, match: re.Match[str]) -> Distribution:
    root = match[1] or ""
    name = normalised(match[2])
    return Distribution(
        name, match[3], info, frozenset(_recorded(package, info, root)), _tags(package, info)
    )


def _recorded(package: Package, info: str, root: str) -> set[str]:
    record = f"{info}/RECORD"
    if not package.is_file(record):
        return set()
    try:
        rows = list(csv.reader(package.text(record).splitlines()))
    except csv.Error:
        return set()
    paths = (posixpath.normpath(root + row[0]) for row in rows if row)
    return {path for path in paths if path in package.entries}


def _tags(package: Package, info: str) -> tuple[str, ...]:
    wheel = f"{info}/WHEEL"
    if not package.is_file(wheel):
        return ()
    return tuple(map(str, HeaderParser().parsestr(package.text(wheel)).get_all("Tag", [])))
