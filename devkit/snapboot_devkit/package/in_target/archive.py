"""The module archive's bytes: what stands where, and how they are written.

    0   16  b"snapboot.modules"
    16   4  importlib.util.MAGIC_NUMBER
    20   4  sys.hexversion
    24   8  size of the whole file
    32   8  offset of the index        40  8  its length
    48   8  check of the index
    56   8  offset of the sources table, which runs to the end of the file
    64      the modules' code, the bodies of their .pyc, in import order, back to back
    …       patterns: marshal, version 2, of what `patterns` describes; absent if there are none
    …       data: the contents that were made of files, back to back, and tables of them
    …       index: marshal, version 4, of (homes, modules, place of the patterns, data,
            {module with imports that wait: names that it has late})
    …       sources table: marshal, version 4, of {name: importlib.util.source_hash(source)}

Little-endian. A check is `_imp.source_hash` with the key of this format. A module's entry in the
index is (number of its home, tail, offset, length, check); an extension module has no code: 0, 0,
b"". A place is (offset, length, check), (0, 0, b"") for none. See `homes` for homes and tails. The
homes of top-level modules come first, in the order of `sys.path`: as long as they stand there in
this order, none can hide what is sealed of another.

Data is {module that parses it: place of its table}. A table is marshal, version 2, of (places of
the contents, what they are by folder: see `botocore_data`). Folders are said as homes are. In the
sources table a file with data has its path for a name, which begins with a home, and the names that
data went by have "*", the folder and a pattern, such as "*tbotocore/data/*/*/service-2.json*": the
hash is of these names, sorted, each with a line end.
"""

from __future__ import annotations

import _imp
import importlib.util
import marshal
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NAME = "snapboot.modules"
LABEL = b"snapboot.modules"
HEADER = struct.Struct("<16s4sIQQQ8sQ")
KEY = int.from_bytes(b"snapboot", "little")
MARSHAL_VERSION = 4
# Without references, which depend on who else holds a string: the same input gives the same bytes.
PLAIN_VERSION = 2


@dataclass(frozen=True, slots=True)
class ArchiveModule:
    """A module to be sealed; an extension module has neither code nor source."""

    name: str
    home: str
    tail: str
    code: bytes = b""
    source_hash: bytes = b""

    @property
    def is_top(self) -> bool:
        """Whether it is found on `sys.path`, and not in a package."""
        return "." not in self.name


@dataclass(frozen=True, slots=True)
class ArchiveData:
    """What a module parses: contents made of files, what they are, and the files' hashes."""

    contents: tuple[bytes, ...]
    folders: dict[str, Any]
    hashes: dict[str, bytes] = field(default_factory=dict)


def check_of(content: bytes) -> bytes:
    """Return the 8 bytes by which damage is seen."""
    return _imp.source_hash(KEY, content)


def listing_hash(names: list[str], key: bytes = importlib.util.MAGIC_NUMBER) -> bytes:
    """Return what stands for names that data went by; `key` is the interpreter's magic number."""
    text = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
    return _imp.source_hash(int.from_bytes(key, "little"), text)


def archive(
    modules: list[ArchiveModule],
    path: list[str],
    patterns: tuple[Any, ...] = (),
    data: Mapping[str, ArchiveData] = MappingProxyType({}),
    lazy: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> bytes:
    """Return the archive of these modules for this very interpreter; `path` is of homes.

    `lazy` are the modules in which imports wait, other than in their sources, with their names.
    """
    code = bytearray().join(module.code for module in modules)
    hashes = {module.name: module.source_hash for module in modules if module.code}
    place = _put(code, marshal.dumps(patterns, PLAIN_VERSION) if patterns else b"")
    tables = {}
    for name, each in data.items():
        places = tuple(_put(code, content) for content in each.contents)
        tables[name] = _put(code, marshal.dumps((places, each.folders), PLAIN_VERSION))
        hashes.update(each.hashes)
    index = marshal.dumps((*_index(modules, path), place, tables, dict(lazy)), MARSHAL_VERSION)
    sources = marshal.dumps(hashes, MARSHAL_VERSION)
    start = HEADER.size + len(code)
    head = HEADER.pack(
        LABEL,
        importlib.util.MAGIC_NUMBER,
        sys.hexversion,
        start + len(index) + len(sources),
        start,
        len(index),
        check_of(index),
        start + len(index),
    )
    return b"".join((head, code, index, sources))


def _put(code: bytearray, content: bytes) -> tuple[int, int, bytes]:
    """Add content, and return its place."""
    if not content:
        return 0, 0, b""
    offset = HEADER.size + len(code)
    code += content
    return offset, len(content), check_of(content)


def _index(
    modules: list[ArchiveModule], path: list[str]
) -> tuple[tuple[str, ...], dict[str, tuple[object, ...]]]:
    tops = {module.home for module in modules if module.is_top}
    first = dict.fromkeys(home for home in path if home in tops)
    homes = {home: number for number, home in enumerate(first)}
    entries: dict[str, tuple[object, ...]] = {}
    offset = HEADER.size
    for module in modules:
        home = homes.setdefault(module.home, len(homes))
        length = len(module.code)
        place = (offset, length, check_of(module.code)) if length else (0, 0, b"")
        entries[module.name] = (home, module.tail, *place)
        offset += length
    return tuple(homes), entries
