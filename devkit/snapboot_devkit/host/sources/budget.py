"""How much a function's code and layers may take once they are unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.errors import SourceError
from snapboot_devkit.host.protocol import MIB

if TYPE_CHECKING:
    from pathlib import Path

# Lambda's quota for code, layers and a custom runtime together.
MAX_UNPACKED_BYTES: Final = 250 * MIB
# Lambda names no figure; more files than this is a mistake, such as a packed node_modules.
MAX_ENTRIES: Final = 100_000


class Budget:
    """What is left of the quota; every byte counts once it is really there."""

    def __init__(self, max_bytes: int = MAX_UNPACKED_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        """Begin with the whole quota."""
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._bytes = 0
        self._entries = 0

    def __repr__(self) -> str:
        return f"<Budget {self._bytes} of {self._max_bytes} bytes, {self._entries} entries>"

    def take_entry(self, source: Path) -> None:
        """Count a file, folder or link. Raises SourceError."""
        self._entries += 1
        if self._entries > self._max_entries:
            raise SourceError(
                f"cannot take {str(source)!r}: code and layers hold more than "
                f"{self._max_entries} files; leave out what the function does not need"
            )

    def take_bytes(self, size: int, source: Path, entry: str) -> None:
        """Count a piece of a file before it is written. Raises SourceError."""
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise SourceError(
                f"cannot take {entry!r} of {str(source)!r}: code and layers together may take "
                f"{self._max_bytes} bytes unpacked; leave out what the function does not need"
            )
