"""What a .pyc file says of itself: for which Python it is, and how it belongs to its source.

The format is PEP 552's. Nothing of the code in it is looked at.
"""

from __future__ import annotations

import _imp
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HEADER_BYTES: Final = 16
_FIELD_BYTES: Final = 4
_MAGIC_END: Final = b"\r\n"

# The numbers that released Pythons write. Within a series a number never changes after the
# release (Include/internal/pycore_magic_number.h).
MAGICS: Final = {
    (3, 8): 3413,
    (3, 9): 3425,
    (3, 10): 3439,
    (3, 11): 3495,
    (3, 12): 3531,
    (3, 13): 3571,
    (3, 14): 3627,
    (3, 15): 3666,
}
_HASHED: Final = 0b01
_CHECKED: Final = 0b10


class Mode(StrEnum):
    """How the import system finds out whether bytecode belongs to its source."""

    TIMESTAMP = "timestamp"
    CHECKED_HASH = "checked-hash"
    UNCHECKED_HASH = "unchecked-hash"


class BytecodeError(Exception):
    """The file is no bytecode of Python 3.7 or newer: remove it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first 16 bytes.

    `magic` is its number as MAGICS has it; `mtime` (seconds, modulo 2**32) and `size` (bytes,
    likewise) are those of the source when it was compiled; `source_hash` its 8 bytes of hash.
    """

    magic: int
    mode: Mode
    mtime: int | None = None
    size: int | None = None
    source_hash: bytes | None = None

    def is_of(self, source: bytes) -> bool:
        """Tell whether it was compiled from this very source, as far as it says."""
        if self.mode is Mode.TIMESTAMP:
            return self.size == len(source) & 0xFFFFFFFF
        return self.source_hash == hash_of(self.magic, source)


def header(content: bytes) -> Header:
    """Read the header of a .pyc from its first 16 bytes or more. Raises BytecodeError."""
    if len(content) < HEADER_BYTES or content[2:4] != _MAGIC_END:
        raise BytecodeError("it does not begin with a magic number and a header of 16 bytes")
    magic = int.from_bytes(content[:2], "little")
    flags, first, second = (_field(content, at) for at in (1, 2, 3))
    if flags == 0:
        return Header(magic, Mode.TIMESTAMP, mtime=first, size=second)
    if not flags & _HASHED or flags & ~(_HASHED | _CHECKED):
        raise BytecodeError(f"its flags {flags:#x} are unknown")
    mode = Mode.CHECKED_HASH if flags & _CHECKED else Mode.UNCHECKED_HASH
    return Header(magic, mode, source_hash=content[8:HEADER_BYTES])


def unchecked(magic: int, source: bytes, body: bytes) -> bytes:
    """Return a .pyc that is used without a look at its source; `body` is the marshalled code."""
    flags = _HASHED.to_bytes(_FIELD_BYTES, "little")
    return magic_bytes(magic) + flags + hash_of(magic, source) + body


def magic_bytes(magic: int) -> bytes:
    """Return a magic number as it is written: 4 bytes."""
    return magic.to_bytes(2, "little") + _MAGIC_END


def hash_of(magic: int, source: bytes) -> bytes:
    """Return the hash of a source that a Python with this magic number writes: 8 bytes."""
    # `importlib.util.source_hash` would take the number of the Python that runs here.
    return _imp.source_hash(int.from_bytes(magic_bytes(magic), "little"), source)


def _field(content: bytes, index: int) -> int:
    at = index * _FIELD_BYTES
    return int.from_bytes(content[at : at + _FIELD_BYTES], "little")
