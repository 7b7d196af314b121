"""Where a program looks for its own shared libraries: made relative to where it lies.

What `chrpath` does: the text is replaced in its place, which a shorter one always allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

_TAGS: Final = ("DT_RUNPATH", "DT_RPATH")


@dataclass(frozen=True, slots=True)
class Text:
    """A folder, or several, as an ELF file names them, and where in the file they stand."""

    offset: int
    content: bytes


def relocate(path: Path, folder: str) -> None:
    """Have an ELF file look for its libraries in `folder`, relative to its own, if anywhere.

    A file that names no folder, or one relative already, stays as it is. Raises PackageError when
    there is not enough room.
    """
    for text in texts(path):
        if b"$ORIGIN" in text.content:
            continue
        wanted = f"$ORIGIN/{folder}".encode()
        if len(wanted) > len(text.content):
            raise PackageError(
                f"{str(path)!r} looks for its libraries in {text.content.decode()!r}, and there is "
                f"no room for {wanted.decode()!r}; give an interpreter that can be moved, such as "
                "one of `uv python install`"
            )
        with path.open("r+b") as file:
            file.seek(text.offset)
            file.write(wanted.ljust(len(text.content), b"\0"))


def texts(path: Path) -> list[Text]:
    """Return the folders in which an ELF file looks for libraries. Raises PackageError."""
    try:
        with path.open("rb") as file:
            return _texts(ELFFile(file))
    except ELFError as exc:
        raise PackageError(f"cannot read {str(path)!r} as an ELF file: {exc}") from exc


def _texts(elf: ELFFile) -> list[Text]:
    tags = [
        tag
        for segment in elf.iter_segments()
        if isinstance(segment, DynamicSegment)
        for tag in segment.iter_tags()
    ]
    table = next((tag.entry.d_ptr for tag in tags if tag.entry.d_tag == "DT_STRTAB"), None)
    if table is None:
        return []
    start = next(iter(elf.address_offsets(table)))
    named = [tag for tag in tags if tag.entry.d_tag in _TAGS]
    return [Text(start + tag.entry.d_val, _content(tag).encode()) for tag in named]


def _content(tag: object) -> str:
    return str(getattr(tag, "runpath", None) or getattr(tag, "rpath", ""))
