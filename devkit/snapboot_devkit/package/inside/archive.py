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
    …       index: marshal, version 4, of (homes, modules, place of the patterns)
    …       sources table: marshal, version 4, of {name: importlib.util.source_hash(source)}

Little-endian. A check is `_imp.source_hash` with the key of this format. A module's entry in the
index is (number of its home, tail, offset, length, check); an extension module has no code: 0, 0,
b"". A place is (offset, length, check), (0, 0, b"") for none. See `homes` for homes and tails. The
homes of top-level modules come first, in the order of `sys.path`: as long as they stand there in
this order, none can hide what is sealed of another.
"""

from __future__ import annotations

import _imp
import importlib.util
import marshal
import struct
import sys
from dataclasses import dataclass
from typing import Any

NAME = "snapboot.modules"
LABEL = b"snapboot.modules"
HEADER = struct.Struct("<16s4sIQQQ8sQ")
KEY = int.from_bytes(b"snapboot", "little")
MARSHAL_VERSION = 4
# Without references, which depend on who else holds a string: the same input gives the same bytes.
PATTERNS_VERSION = 2


@dataclass(frozen=True, slots=True)
class Module:
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


def check_of(content: bytes) -> bytes:
    """Return the 8 bytes by which damage is seen."""
    return _imp.source_hash(KEY, content)


def archive(modules: list[Module], path: list[str], patterns: tuple[Any, ...] = ()) -> bytes:
    """Return the archive of these modules for this very interpreter; `path` is of homes."""
    code = b"".join(module.code for module in modules)
    parsed = marshal.dumps(patterns, PATTERNS_VERSION) if patterns else b""
    index = marshal.dumps((*_index(modules, path), _place(code, parsed)), MARSHAL_VERSION)
    code += parsed
    hashes = {module.name: module.source_hash for module in modules if module.code}
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


def _place(code: bytes, parsed: bytes) -> tuple[int, int, bytes]:
    return (HEADER.size + len(code), len(parsed), check_of(parsed)) if parsed else (0, 0, b"")


def _index(
    modules: list[Module], path: list[str]
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
