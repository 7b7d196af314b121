"""The distributions in a package, by what their installer has recorded."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from dataclasses import dataclass
from email.parser import HeaderParser
from math import prod
from typing import TYPE_CHECKING, Final

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from snapboot_devkit.host.protocol import KIB
from snapboot_devkit.package.binary.limits import TooMuchWorkError
from snapboot_devkit.package.binary.modules import NAME
from snapboot_devkit.package.contents.installed import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from packaging.tags import Tag

    from snapboot_devkit.package.checks.contents import Package
    from snapboot_devkit.package.checks.layout import Layout

_INFO: Final = re.compile(r"(.*/)?([^/]+?)-([^/-]+)\.dist-info")
OWN_CODE: Final = "the function's own code"
_INTERPRETER: Final = "the interpreter"
_RUNTIME: Final = "the runtime"
_ARCHIVE: Final = "the module archive"
_INTERPRETERS: Final = (".snapboot/python/", "opt/.snapboot/python/")
_FOLDERS: Final = ("__pycache__", ".snapboot")
_MAX_WHEEL_BYTES: Final = 16 * KIB
# Of one distribution, each "Tag" multiplied out: `py2.py3-none-any` are two.
_MAX_TAGS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Distribution:
    """What was installed: its files are those of its RECORD that are in the package."""

    name: str
    version: str
    info: str
    files: frozenset[str]
    tags: tuple[Tag, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def is_portable(self) -> bool:
        """Whether its wheel is for every system: then it chooses among what it has for each."""
        return any(tag.platform == "any" for tag in self.tags)


def distributions(package: Package, layout: Layout) -> tuple[Distribution, ...]:
    """Return the distributions, sorted by the places of their records.

    Those in the folders that modules are imported from: what a distribution has in itself, as
    setuptools has in `setuptools/_vendor`, is its own matter.
    """
    found = ((path, _INFO.fullmatch(path)) for path in sorted(package.entries))
    return tuple(
        _read(package, path, match)
        for path, match in found
        if match and (match[1] or "") in layout.roots
    )


class Owners:
    """What each file goes under in reports: a distribution, a folder at the top, or a part."""

    def __init__(self, found: Collection[Distribution], layout: Layout) -> None:
        self.files: Mapping[str, str] = {path: one.name for one in found for path in one.files}
        self._layout = layout
        self._parts = dict.fromkeys(_INTERPRETERS, _INTERPRETER)
        self._parts |= {layout.stdlib: _INTERPRETER} if layout.stdlib else {}
        self._parts |= {layout.runtime: _RUNTIME} if layout.runtime else {}
        # Of a package that several fill, the first one is named; all of them would be no clearer.
        self._tops: dict[str, str] = {one.info: one.name for one in found}
        for path, name in self.files.items():
            self._tops.setdefault(self._top(path), name)

    def of(self, path: str) -> str:
        """Return the name that a file goes under."""
        if path in self.files:
            return self.files[path]
        for start, part in self._parts.items():
            if path.startswith(start):
                return part
        top = self._top(path)
        name = top.rpartition("/")[2]
        if name == NAME:
            return _ARCHIVE
        if top in self._tops:
            return self._tops[top]
        return OWN_CODE if top == path or name in _FOLDERS else name

    def _top(self, path: str) -> str:
        root = self._root(path)
        return root + path[len(root) :].partition("/")[0]

    def _root(self, path: str) -> str:
        roots = (root for root in self._layout.roots if path.startswith(root))
        return max(roots, key=len, default="")


def _read(package: Package, info: str, match: re.Match[str]) -> Distribution:
    root = match[1] or ""
    name = canonicalize_name(match[2])
    return Distribution(
        name, match[3], info, frozenset(_recorded(package, info, root)), _tags(package, info)
    )


def _recorded(package: Package, info: str, root: str) -> set[str]:
    record = f"{info}/RECORD"
    if not package.is_file(record):
        return set()
    found = set()
    try:
        for row in csv.reader(io.StringIO(package.text(record, MAX_RECORD_BYTES), newline="")):
            package.steps.take()
            if row and (path := posixpath.normpath(root + row[0])) in package.entries:
                found.add(path)
    except csv.Error:
        return set()
    except TooMuchWorkError as exc:
        package.unread[record] = str(exc)
        return set()
    return found


def _tags(package: Package, info: str) -> tuple[Tag, ...]:
    """Return what its wheel was for."""
    wheel = f"{info}/WHEEL"
    if not package.is_file(wheel):
        return ()
    texts = HeaderParser().parsestr(package.text(wheel, _MAX_WHEEL_BYTES)).get_all("Tag", [])
    counts = [prod(part.count(".") + 1 for part in str(text).split("-")) for text in texts]
    try:
        package.steps.take(sum(counts))
    except TooMuchWorkError as exc:
        package.unread[wheel] = str(exc)
        return ()
    if sum(counts) > _MAX_TAGS:
        package.unread[wheel] = f"it names more than {_MAX_TAGS} tags"
        return ()
    return tuple(tag for text in texts for tag in _parsed(str(text)))


def _parsed(text: str) -> list[Tag]:
    try:
        return sorted(parse_tag(text), key=str)
    except ValueError:
        return []
