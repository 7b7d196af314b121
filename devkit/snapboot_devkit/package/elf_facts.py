"""What is known of ELF files by their contents: each is read once, and not again in later runs.

A library of a wheel, and all of an interpreter, is met when the package is made, when it is looked
at and when it is audited, and in each run again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from io import BytesIO
from typing import TYPE_CHECKING, Any

from snapboot_devkit.package.binary import elf
from snapboot_devkit.package.store import NOTHING, Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.package.binary.limits import Steps


class ElfFacts:
    """Reads ELF files, unless it knows them. Each method raises ElfError, which names the file."""

    def __init__(self, store: Store = NOTHING) -> None:
        self._store = store
        self._known: dict[bytes, dict[str, Any]] = {}
        self._fresh: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"<ElfFacts of {len(self._known)}>"

    def needs(self, content: bytes, name: str, steps: Steps | None = None) -> elf.Needs:
        """Return what a file needs of the system."""
        found = self._of(
            "needs", content, lambda: asdict(elf.needs_of(BytesIO(content), name, steps))
        )
        glibc = found["glibc"] and (found["glibc"][0], found["glibc"][1])
        return elf.Needs(found["machine"], tuple(found["libraries"]), glibc, found["interpreter"])

    def hexversion(self, content: bytes, name: str, steps: Steps | None = None) -> int | None:
        """Return `sys.hexversion` of an interpreter, None of what is none."""

        def read() -> int | None:
            return elf.constant_of(BytesIO(content), name, elf.PYTHON_VERSION, steps)

        found: int | None = self._of("hexversion", content, read)
        return found

    def debug_bytes(self, content: bytes, name: str, steps: Steps | None = None) -> int:
        """Return how much of a file only a debugger reads."""
        return int(
            self._of("debug", content, lambda: elf.debug_bytes_of(BytesIO(content), name, steps))
        )

    def folders(self, content: bytes, name: str) -> list[elf.Text]:
        """Return in which folders a file looks for its libraries."""

        def read() -> list[list[Any]]:
            texts = elf.folders_of(BytesIO(content), name)
            return [
                [text.offset, text.content.decode("utf-8", "surrogateescape")] for text in texts
            ]

        found = self._of("folders", content, read)
        return [elf.Text(at, text.encode("utf-8", "surrogateescape")) for at, text in found]

    def keep(self) -> None:
        """Keep what was read for later runs."""
        self._store.keep(self._fresh)
        self._fresh.clear()

    def _of(self, kind: str, content: bytes, read: Callable[[], Any]) -> Any:
        """Return a fact about a file; what is stored are all that are known about it."""
        key = digest(b"elf", content)
        if key not in self._known:
            self._known[key] = json.loads(self._store.find([key]).get(key, b"{}"))
        known = self._known[key]
        if kind not in known:
            known[kind] = read()
            self._fresh[key] = json.dumps(known).encode()
        return known[kind]
