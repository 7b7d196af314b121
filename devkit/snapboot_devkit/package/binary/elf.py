"""What an ELF file needs of the system it runs on.

Read from the file's own tables, within limits: a damaged or hostile file costs no more than a
sound one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from elftools.elf.segments import InterpSegment

from snapboot_devkit.host.protocol import MIB
from snapboot_devkit.package.binary.limits import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC: Final = b"\x7fELF"
# Under this name an interpreter, or its library, exports `sys.hexversion` (since Python 3.11).
PYTHON_VERSION: Final = "Py_Version"

# As AWS names Lambda's two architectures; another machine keeps the name of the ELF standard.
_MACHINES: Final = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64"}
_BITS: Final = {32: "EM_X86_64"}
_GLIBC: Final = re.compile(r"GLIBC_(\d{1,4})\.(\d{1,4})(?:\.\d+)?")
# Versions that stand for a feature of the dynamic linker, and the glibc that has it first.
_FEATURES: Final = {"GLIBC_ABI_DT_RELR": (2, 36)}
# Far more than the tables of any library take (LLVM's: 6 MB in 470,000 reads). How long they are is
# the file's own word: entries without end, and names of many megabytes, could be promised in some
# hundred bytes.
_MAX_READ_BYTES: Final = 8 * MIB
_MAX_READS: Final = 1_000_000
_MAX_TABLES: Final = 4_096
_MAX_ENTRIES: Final = 65_536
# What `strip --strip-debug` removes.
_DEBUG_SECTIONS: Final = (".debug_", ".zdebug_", ".gdb_index")
# What pyelftools raises for tables that do not hold what they promise.
_DAMAGES: Final = (
    ELFError, ConstructError, AssertionError, AttributeError, KeyError, IndexError, MemoryError,
    OverflowError, StopIteration, TypeError, UnicodeError, ValueError,
)  # fmt: skip


# The header of a 64-bit file: e_shoff, then e_shnum and e_shstrndx.
_CLASS: Final = 64
_HEADER_BYTES: Final = 64
_SECTION_FIELDS: Final = ((40, 48), (60, 64))


_FOLDER_TAGS: Final = ("DT_RUNPATH", "DT_RPATH")


class ElfError(Exception):
    """The file is not an ELF file, or is damaged: replace it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A folder, or several, as an ELF file names them, and where in the file they stand."""

    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Needs:
    """The system that a file was built for.

    `machine` is `x86_64`, `arm64` or the name of the ELF standard; `libraries` are the names of
    shared libraries it is linked with, without the folders that some are named with; `glibc` is the
    least version that has all symbols it uses, None when it uses none of glibc; `interpreter` is a
    program's dynamic linker.
    """

    machine: str
    libraries: tuple[str, ...]
    glibc: tuple[int, int] | None
    interpreter: str | None = None

    @property
    def musl(self) -> bool:
        """Whether it is linked with musl."""
        return any(name.startswith(("libc.musl-", "ld-musl-")) for name in self._loaders())

    def _loaders(self) -> Iterator[str]:
        yield from self.libraries
        yield (self.interpreter or "").rpartition("/")[2]


class _Limited:
    """A stream that ends in an error once too much was read from it, or too often."""

    def __init__(self, file: BinaryIO, steps: Steps | None) -> None:
        self._file = file
        self._left = _MAX_READ_BYTES
        self._reads = Steps(_MAX_READS)
        self._steps = steps or self._reads
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._reads.take()
        if self._steps is not self._reads:
            self._steps.take()
        content = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError("its tables are longer than those of any library")
        return content


def is_elf(path: Path) -> bool:
    """Tell whether a file begins as an ELF file does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def dotted(version: tuple[int, int]) -> str:
    """Return a version of glibc as people write it: "2.34"."""
    return f"{version[0]}.{version[1]}"


def needs(path: Path) -> Needs:
    """Return what an ELF file needs. Raises ElfError, and OSError when it cannot be read."""
    with path.open("rb") as file:
        return needs_of(file, str(path))


def needs_of(file: BinaryIO, name: str, steps: Steps | None = None) -> Needs:
    """Return what the ELF file in a seekable stream needs. Raises ElfError, which names it.

    Each read counts as one of `steps`, here and below.
    """
    with _reading(file, name, steps) as elf:
        return _read(elf)


def constant_of(file: BinaryIO, name: str, symbol: str, steps: Steps | None = None) -> int | None:
    """Return a 32-bit number that the ELF file in a seekable stream exports, None if it does not.

    Raises ElfError, which names the file.
    """
    with _reading(file, name, steps) as elf:
        return _constant(elf, symbol)


def debug_bytes_of(file: BinaryIO, name: str, steps: Steps | None = None) -> int:
    """Return how much of the ELF file in a seekable stream only a debugger reads.

    Raises ElfError, which names the file.
    """
    with _reading(file, name, steps) as elf:
        sections = islice(elf.iter_sections(), _MAX_TABLES)
        return sum(one["sh_size"] for one in sections if one.name.startswith(_DEBUG_SECTIONS))


def folders_of(file: BinaryIO, name: str, steps: Steps | None = None) -> list[Text]:
    """Return the folders in which the ELF file in a seekable stream looks for its libraries.

    Raises ElfError, which names the file.
    """
    with _reading(file, name, steps) as elf:
        return _folders(elf)


def loads_the_same(before: bytes, after: bytes) -> bool:
    """Tell whether two ELF files are one and the same once they are in memory.

    All that their segments say and hold is compared, byte by byte, at the same places of the files.
    """
    try:
        segments = [_segments(content) for content in (before, after)]
    except ElfError:
        return False
    if segments[0] != segments[1]:
        return False
    # Where the tables of sections are: only tools read that.
    pieces = [bytearray(content[:_HEADER_BYTES]) for content in (before, after)]
    for piece in pieces:
        for start, end in _SECTION_FIELDS:
            piece[start:end] = bytes(end - start)
    if pieces[0] != pieces[1]:
        return False
    places = ((one["p_offset"], one["p_filesz"]) for one in segments[0])
    starts = ((max(at, _HEADER_BYTES), at + size) for at, size in places)
    return all(
        end <= len(after) and memoryview(before)[at:end] == memoryview(after)[at:end]
        for at, end in starts
        if end > at
    )


def _segments(content: bytes) -> list[dict[str, Any]]:
    with _reading(BytesIO(content), "the file", None) as elf:
        if elf.elfclass != _CLASS:
            raise ElfError("it is not a 64-bit file")
        return [dict(one.header) for one in islice(elf.iter_segments(), _MAX_TABLES)]


@contextmanager
def _reading(file: BinaryIO, name: str, steps: Steps | None) -> Iterator[ELFFile]:
    try:
        yield ELFFile(_Limited(file, steps))  # type: ignore[arg-type]
    except _DAMAGES as exc:
        raise ElfError(
            f"cannot read {name!r} as an ELF file: {str(exc) or type(exc).__name__}; build "
            "or download it again"
        ) from exc


def _constant(elf: ELFFile, symbol: str) -> int | None:
    table = elf.get_section_by_name(".dynsym")
    if not isinstance(table, SymbolTableSection):
        return None
    for one in islice(table.iter_symbols(), _MAX_ENTRIES):
        if one.name == symbol and isinstance(one["st_shndx"], int) and one["st_shndx"]:
            elf.stream.seek(next(iter(elf.address_offsets(one["st_value"]))))
            return int.from_bytes(elf.stream.read(4), "little")
    return None


def _read(elf: ELFFile) -> Needs:
    libraries: list[str] = []
    interpreter = None
    for segment in islice(elf.iter_segments(), _MAX_TABLES):
        if isinstance(segment, DynamicSegment):
            tags = islice(segment.iter_tags(), _MAX_ENTRIES)
            needed = (_text(tag, "needed") for tag in tags if tag.entry.d_tag == "DT_NEEDED")
            # uv's interpreters name theirs with a folder: $ORIGIN/../lib/libpython3.12.so.1.0.
            libraries += [name.rpartition("/")[2] for name in needed]
        elif isinstance(segment, InterpSegment):
            interpreter = str(segment.get_interp_name())
    return Needs(_machine(elf), tuple(libraries), max(_glibc(elf), default=None), interpreter)


def _folders(elf: ELFFile) -> list[Text]:
    tags = [
        tag
        for segment in islice(elf.iter_segments(), _MAX_TABLES)
        if isinstance(segment, DynamicSegment)
        for tag in islice(segment.iter_tags(), _MAX_ENTRIES)
    ]
    table = next((tag.entry.d_ptr for tag in tags if tag.entry.d_tag == "DT_STRTAB"), None)
    if table is None:
        return []
    start = next(iter(elf.address_offsets(table)))
    named = [tag for tag in tags if tag.entry.d_tag in _FOLDER_TAGS]
    return [
        Text(start + tag.entry.d_val, _text(tag, tag.entry.d_tag[3:].lower()).encode())
        for tag in named
    ]


def _text(tag: Any, name: str) -> str:
    """Return what pyelftools gives a tag of this kind beside the fields all tags have."""
    return str(getattr(tag, name))


def _machine(elf: ELFFile) -> str:
    """Return the architecture; the 32-bit code of a 64-bit machine is another one."""
    name = str(elf["e_machine"])
    return f"{name}/32" if _BITS.get(elf.elfclass) == name else _MACHINES.get(name, name)


def _glibc(elf: ELFFile) -> Iterator[tuple[int, int]]:
    for name in islice(_version_names(elf), _MAX_ENTRIES):
        if match := _GLIBC.fullmatch(name):
            yield int(match[1]), int(match[2])
        elif name in _FEATURES:
            yield _FEATURES[name]


def _version_names(elf: ELFFile) -> Iterator[str]:
    for section in islice(elf.iter_sections(), _MAX_TABLES):
        if isinstance(section, GNUVerNeedSection):
            for _, names in islice(section.iter_versions(), _MAX_TABLES):
                yield from (str(entry.name) for entry in names)
