"""What processes print, cut into lines as it arrives: by pipes, or by a Unix socket for all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
import termios
from typing import IO, TYPE_CHECKING, Final

from snapboot_devkit.host import folders
from snapboot_devkit.host.protocol import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Callable

# As much is read at one go, so that a flood of output cannot keep the host from its work.
_READ_BYTES: Final = 64 * KIB
_NO_NUMBER: Final = bytes(4)
# A line that never ends is broken here; it is also the largest event CloudWatch Logs takes.
_MAX_LINE_BYTES: Final = MIB
# The variable with the path, for a runtime.
LOG_SOCKET: Final = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
# All workers may come at the same moment; who does not fit in blocks until there is room.
_BACKLOG: Final = 128
# The host has no descriptor left: ask again when some may have been given back.
_RETRY_S: Final = 1.0


class LineReader:
    """One output pipe of the process, cut into lines."""

    def __init__(self, pipe: IO[bytes], printed: Callable[[str], None]) -> None:
        """Own the reading end, unbuffered, and pass every line to `printed`, without its end."""
        os.set_blocking(pipe.fileno(), False)
        self._pipe = pipe
        self._printed = printed
        self._rest = bytearray()
        asyncio.get_running_loop().add_reader(pipe, self._read)

    def __repr__(self) -> str:
        return f"<LineReader {'closed' if self._pipe.closed else self._pipe.fileno()}>"

    def catch_up(self) -> None:
        """Pass on the lines that have arrived whole."""
        if self._pipe.closed:
            return
        waiting = fcntl.ioctl(self._pipe, termios.FIONREAD, _NO_NUMBER)
        if waiting == _NO_NUMBER:
            return
        # More may come while they are read.
        arrived = int.from_bytes(waiting, sys.byteorder)
        while arrived > 0 and (size := self._read()):
            arrived -= size

    def flush(self) -> None:
        """Pass on what has arrived, up to the last byte, as if a line ended here."""
        self.catch_up()
        if self._rest:
            self._pass_on()

    def close(self) -> None:
        """Pass on the rest and let go of the pipe."""
        self.flush()
        self._release()

    def _read(self) -> int:
        """Pass on the lines that end in the next piece of output, and return its size."""
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
            self._pass_on()
        self._rest += rest
        if len(self._rest) > _MAX_LINE_BYTES:
            self._pass_on()

    def _pass_on(self) -> None:
        line = self._rest.decode("utf-8", "replace")
        self._rest.clear()
        self._printed(line)


class LogSocket:
    """A Unix socket whose connections are read line by line; `path` is its name.

    A multi-concurrent runtime finds its path in `_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET`. Each of
    its workers connects twice and makes the connections its standard output and standard error;
    what the main process prints comes by its pipes as ever (awslambdaric,
    `lambda_multi_concurrent_utils`).
    """

    def __init__(self, printed: Callable[[str], None]) -> None:
        """Listen, and pass lines to `printed`, without their ends; to be made in a running loop."""
        # The temporary folder that the socket is in.
        self.folder = folders.temporary("snapboot-")
        self.path = str(self.folder / "logs")
        self._printed = printed
        self._readers: list[LineReader] = []
        self._retry: asyncio.TimerHandle | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        self._socket.bind(self.path)
        self._socket.listen(_BACKLOG)
        self._listen()

    def __repr__(self) -> str:
        return f"<LogSocket {self.path!r}, {len(self._readers)} connections so far>"

    def flush(self) -> None:
        """Pass on all lines that have been printed by now.

        One that has only begun is left: what ends at this moment for one worker does not for the
        others, and awslambdaric writes a line of `print` in several pieces.
        """
        self._take_waiting()
        for reader in self._readers:
            reader.catch_up()

    def close(self) -> None:
        """Pass on what has been printed by now, and let go of everything."""
        self._take_waiting()
        if self._retry is not None:
            self._retry.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for reader in self._readers:
            reader.close()
        folders.remove(self.folder)

    def _listen(self) -> None:
        self._retry = None
        asyncio.get_running_loop().add_reader(self._socket, self._take_waiting)

    def _take_waiting(self) -> None:
        """Take all connections that wait, or as many as there are descriptors for."""
        try:
            while True:
                self._take(self._socket.accept()[0])
        except BlockingIOError:
            return
        except OSError:
            self._rest()

    def _take(self, connection: socket.socket) -> None:
        pipe = os.fdopen(connection.detach(), "rb", buffering=0)
        self._readers.append(LineReader(pipe, self._printed))

    def _rest(self) -> None:
        """Do not ask all the time for what cannot be had."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        if self._retry is None:
            self._retry = loop.call_later(_RETRY_S, self._listen)
