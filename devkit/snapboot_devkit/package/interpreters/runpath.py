"""Where a program looks for its own shared libraries: made relative to its own place.

What `chrpath` does: the text is replaced in its place, which a shorter one always allows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.package.binary.elf import ElfError
from snapboot_devkit.package.elf_facts import ElfFacts
from snapboot_devkit.package.errors import PackageError

if TYPE_CHECKING:
    from pathlib import Path

    from snapboot_devkit.package.binary.elf import Text


def relocate(path: Path, folder: str, facts: ElfFacts | None = None) -> None:
    """Have an ELF file look for its libraries in `folder`, relative to its own, if anywhere.

    A file that names no folder, or one relative already, stays as it is; another is replaced, as it
    may be one file with that of the interpreter that it is of. Raises PackageError when there is
    not enough room.
    """
    content = path.read_bytes()
    changed = bytearray(content)
    for text in texts(path, content, facts or ElfFacts()):
        if b"$ORIGIN" in text.content:
            continue
        wanted = f"$ORIGIN/{folder}".encode()
        if len(wanted) > len(text.content):
            raise PackageError(
                f"{str(path)!r} looks for its libraries in {text.content.decode()!r}, and there is "
                f"no room for {wanted.decode()!r}; give an interpreter that can be moved, such as "
                "one of `uv python install`"
            )
        end = text.offset + len(text.content)
        changed[text.offset : end] = wanted.ljust(len(text.content), b"\0")
    if changed != content:
        mode = path.stat().st_mode
        path.unlink()
        path.write_bytes(changed)
        path.chmod(mode)


def texts(path: Path, content: bytes, facts: ElfFacts) -> list[Text]:
    """Return the folders in which an ELF file looks for libraries. Raises PackageError."""
    try:
        return facts.folders(content, str(path))
    except ElfError as exc:
        raise PackageError(str(exc)) from exc
