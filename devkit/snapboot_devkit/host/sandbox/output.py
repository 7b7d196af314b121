"""A process's output, cut into lines as it arrives."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# As much is read at one go, so that a flood of output cannot keep the host from its work.
_READ_BYTES: Final = 64 * 1024
# A line that never ends is broken here; it is also the largest event CloudWatch Logs takes.
_MAX_LINE_BYTES: Final = 1024 * 1024


class LineReader:
    """One output pipe of the process, cut into lines."""

    def __init__(self, pipe: IO[bytes], printed: Callable[[str], None]) -> None:
        """Own the reading end, unbuffered, and tell `printed` every line, without its end."""
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe
        self._printed = printed
        self._rest = bytearray()
        asyncio.get_running_loop().add_reader(pipe, self._read)

    def __repr__(self) -> str:
        return f"<LineReader {'closed' if self._pipe.closed else self._pipe.fileno()}>"

    def catch_up(self) -> None:
        """Tell the lines that have arrived whole."""
        arrived = self._arrived()
        while arrived > 0 and (size := self._read()):
            arrived -= size

    def flush(self) -> None:
        """Tell what has arrived, up to the last byte, as if a line ended here."""
        self.catch_up()
        if self._rest:
            self._tell()

    def close(self) -> None:
        """Tell the rest and let go of the pipe."""
        self.flush()
        self._release()

    def _arrived(self) -> int:
        """Return how many bytes wait in the pipe; more may come while they are read."""
        if self._pipe.closed:
            return 0
        return int.from_bytes(fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _read(self) -> int:
        """Tell the lines that end in the next piece of output, and return its size."""
        if self._pipe.closed:
            return 0
        chunk = self._pipe.read(_READ_BYTES)
        if chunk:
            self._cut(chunk)
        elif chunk is not None:
            self._release()
        return len(chunk or b"")

    def _release(self) -> None:
        if not self._pipe.closed:
            asyncio.get_running_loop().remove_reader(self._pipe)
            self._pipe.close()

    def _cut(self, chunk: bytes) -> None:
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._rest += line
            self._tell()
        self._rest += rest
        if len(self._rest) > _MAX_LINE_BYTES:
            self._tell()

    def _tell(self) -> None:
        line = self._rest.decode("utf-8", "replace")
        self._rest.clear()
        self._printed(line)
