"""Bytecode that Python would run in the place of another version of its source.

Python compares the time of a source in whole seconds, and its size: of two equally long saves in
one second it runs the first, once something has compiled that. Only such files are removed; Python
compiles them again.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# PEP 552: a magic number, flags, and without flags the time and the size of the source.
_HEADER_BYTES: Final = 16
_NO_FLAGS: Final = bytes(4)
_WORD: Final = 0xFFFFFFFF


def forget(sources: Iterable[str]) -> None:
    """Remove the bytecode that passes for that of sources which have just been written."""
    _forget(sources, lambda source, compiled: True)  # noqa: ARG005


def forget_outdated(sources: Iterable[str]) -> None:
    """Remove the bytecode that passes for that of its source, but is older."""
    _forget(sources, lambda source, compiled: compiled.st_mtime_ns < source.st_mtime_ns)


def _forget(
    sources: Iterable[str], condition: Callable[[os.stat_result, os.stat_result], bool]
) -> None:
    by_folder: dict[Path, set[str]] = defaultdict(set)
    for source in map(Path, sources):
        if source.suffix == ".py":
            by_folder[source.parent].add(source.stem)
    for folder, stems in by_folder.items():
        for compiled in _compiled(folder / "__pycache__"):
            stem = compiled.name.partition(".")[0]
            # It may be gone by now, or in a folder that only others may write to.
            with contextlib.suppress(OSError):
                if stem in stems and _passes(folder / f"{stem}.py", compiled, condition):
                    compiled.unlink()


def _compiled(cache: Path) -> list[Path]:
    try:
        return [path for path in cache.iterdir() if path.suffix == ".pyc"]
    except OSError:
        return []


def _passes(
    source: Path, compiled: Path, condition: Callable[[os.stat_result, os.stat_result], bool]
) -> bool:
    status = source.stat()
    with compiled.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if not condition(status, os.fstat(file.fileno())):
            return False
    words = (int(status.st_mtime) & _WORD, status.st_size & _WORD)
    expected = _NO_FLAGS + b"".join(word.to_bytes(4, "little") for word in words)
    return header[4:] == expected
