"""A module archive as others wrote it: what it holds, and what is wrong with it.

`in_target/archive.py` describes the format and writes it, the runtime's `archive.py` loads from it.
"""

from __future__ import annotations

import _imp
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.package.binary.plain_marshal import PlainMarshalError, loads
from snapboot_devkit.package.in_target.archive import HEADER, LABEL, NAME, check_of, listing_hash

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NAME", "ModuleArchive", "ModuleArchiveError", "SealedModule", "read"]

_TASK: Final = "t"
# Of the names in the sources table that are no files: see `in_target/archive.py`.
_LISTING: Final = "*"
# For each of them all names of a package are gone through.
_MAX_LISTINGS: Final = 100
# Each is read for itself.
_MAX_TABLES: Final = 20


class ModuleArchiveError(Exception):
    """No runtime would load from these bytes, whichever its Python: package the function again."""


@dataclass(frozen=True, slots=True)
class SealedModule:
    """A module in the archive; `offset` and `length` are of its code, in bytes."""

    name: str
    home: str
    tail: str
    offset: int
    length: int
    check: bytes

    @property
    def is_extension(self) -> bool:
        """Whether it is an extension module, of which only the place is known."""
        return self.length == 0

    @property
    def path(self) -> str | None:
        """Its file relative to the function's folder; None for one of the interpreter's."""
        if not self.home.startswith(_TASK):
            return None
        folder = self.home.removeprefix(_TASK)
        return f"{folder}/{self.tail}" if folder else self.tail


@dataclass(frozen=True, slots=True)
class ModuleArchive:
    """What the archive says of itself; `sources` are the hashes of what it was made from.

    `lazy` are the modules of which imports wait in it, unless SNAPBOOT_LAZY_IMPORTS is `off`.

    `patterns` says where its regular expressions are: offset, length in bytes, check. `data` are
    such places of what each module would parse, by its name.
    """

    magic: bytes
    hexversion: int
    modules: tuple[SealedModule, ...]
    patterns: tuple[int, int, bytes]
    data: dict[str, tuple[tuple[int, int, bytes], ...]]
    sources: dict[str, bytes]
    lazy: frozenset[str]
    content: bytes = field(repr=False)

    @property
    def version(self) -> str:
        """The version of the Python it was made for: "3.13.0"."""
        return ".".join(str(self.hexversion >> shift & 0xFF) for shift in (24, 16, 8))

    def suits(self, magic: bytes, hexversion: int) -> bool:
        """Tell whether it was made for the interpreter with these two numbers."""
        return (self.magic, self.hexversion) == (magic, hexversion)

    def damaged(self) -> list[str]:
        """Return the names of the modules whose code is not what was written.

        The regular expressions count as `re`'s, which takes them over; so does other data.
        """
        code = [(m.name, m.offset, m.length, m.check) for m in self.modules if not m.is_extension]
        if self.patterns[1]:
            code.append(("re", *self.patterns))
        code += [(name, *at) for name, places in self.data.items() for at in places if at[1]]
        broken = [
            name
            for name, offset, length, check in code
            if check_of(self.content[offset : offset + length]) != check
        ]
        return list(dict.fromkeys(broken))

    def changed(self, source_of: Callable[[SealedModule], bytes | None]) -> list[str]:
        """Return the names of the modules whose source is another one now.

        `source_of` returns the source of a module as it is, None for one that is not to be judged.
        It is asked once for each file, however many modules claim to be in it.
        """
        hashes: dict[tuple[str, str], bytes | None] = {}
        for module in self.modules:
            file = module.home, module.tail
            if module.name in self.sources and file not in hashes:
                hashes[file] = self._hash(source_of(module))
        return [
            module.name
            for module in self.modules
            if (found := hashes.get((module.home, module.tail))) is not None
            and found != self.sources.get(module.name, found)
        ]

    def changed_files(
        self, content_of: Callable[[str], bytes | None], names_of: Callable[[str], list[str] | None]
    ) -> list[str]:
        """Return the files that data was made of, and the patterns it went by, that are others now.

        `content_of` returns a file's content, `names_of` the names that are found by a folder and a
        pattern, sorted; or None for what is not to be judged. A file begins with its home.
        """
        changed = []
        for name, expected in self.sources.items():
            if name.startswith(_LISTING):
                names = names_of(name.removeprefix(_LISTING))
                found = None if names is None else listing_hash(names, self.magic)
            elif "/" in name:
                found = self._hash(content_of(name))
            else:
                continue
            if found not in {None, expected}:
                changed.append(name.removeprefix(_LISTING))
        return changed

    def _hash(self, source: bytes | None) -> bytes | None:
        """Return what `importlib.util.source_hash` of the Python it was made for returns."""
        if source is None:
            return None
        return _imp.source_hash(int.from_bytes(self.magic, "little"), source)


def read(content: bytes) -> ModuleArchive:
    """Return what an archive holds. Raises ModuleArchiveError."""
    if len(content) < HEADER.size or not content.startswith(LABEL):
        raise ModuleArchiveError("it does not begin as a module archive does")
    _, magic, hexversion, size, start, length, check, sources = HEADER.unpack_from(content)
    if size != len(content):
        raise ModuleArchiveError(f"it has {len(content)} bytes, and was written with {size}")
    index = content[start : start + length]
    if check_of(index) != check:
        raise ModuleArchiveError("its index is damaged")
    try:
        homes, entries, patterns, *more = loads(index)
        modules = tuple(_module(name, homes, *entry) for name, entry in entries.items())
        _check_place(*patterns)
        data = _data(content, *more[:1])
        lazy = frozenset(str(name) for name in more[1]) if more[1:] else frozenset[str]()
        hashes = _hashes(loads(memoryview(content)[sources:]))
    except (PlainMarshalError, TypeError, ValueError, LookupError, AttributeError) as exc:
        raise ModuleArchiveError(f"its index cannot be read: {exc}") from exc
    places = [patterns[:2], *(place[:2] for each in data.values() for place in each)]
    if sum(name.startswith(_LISTING) for name in hashes) > _MAX_LISTINGS:
        raise ModuleArchiveError(f"its data went by more than {_MAX_LISTINGS} patterns")
    _check_apart([(one.offset, one.length) for one in modules] + places, start)
    return ModuleArchive(magic, hexversion, modules, patterns, data, hashes, lazy, content)


def _data(content: bytes, tables: Any = MappingProxyType({})) -> dict[str, tuple[Any, ...]]:
    """Return the places of the tables and of what they tell of, by the module that it is for."""
    found = {}
    if len(tables) > _MAX_TABLES:
        raise ValueError(f"more than {_MAX_TABLES} tables")
    for module, table in tables.items():
        offset, length, check = table
        _check_place(offset, length, check)
        body = content[offset : offset + length]
        # Of a damaged one nothing is known but that.
        places, _ = loads(body) if check_of(body) == check else ((), None)
        for place in places:
            _check_place(*place)
        found[module] = (table, *places)
    return found


def _check_apart(places: list[tuple[int, int]], end: int) -> None:
    """Raise ModuleArchiveError unless each byte is of one module at most.

    Then all of them are hashed in the time that the file takes, once.
    """
    at = HEADER.size
    for offset, length in sorted(place for place in places if place[1]):
        if offset < at:
            raise ModuleArchiveError("its modules overlap")
        at = offset + length
    if at > end:
        raise ModuleArchiveError("its modules run into its index")


def _module(name: Any, homes: Any, number: Any, tail: Any, *code: Any) -> SealedModule:
    offset, length, check = code
    module = SealedModule(name, homes[number], tail, offset, length, check)
    if not all(isinstance(text, str) for text in (module.name, module.home, tail)):
        raise TypeError("a module's name, home or tail is not text")
    _check_place(offset, length, check)
    return module


def _check_place(offset: Any, length: Any, check: Any) -> None:
    numbers = all(isinstance(number, int) and number >= 0 for number in (offset, length))
    if not numbers or not isinstance(check, bytes):
        raise TypeError("a place is not an offset, a length and a check")


def _hashes(table: Any) -> dict[str, bytes]:
    for name, value in table.items():
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise TypeError("the sources table is not of names and hashes")
    return dict(table)
