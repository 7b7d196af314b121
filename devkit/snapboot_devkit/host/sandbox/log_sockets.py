"""Where the workers of one runtime send their output: a Unix socket that all of them connect to.

A multi-concurrent runtime is told its path by `_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET`. Each of
its workers connects twice and makes the connections its standard output and standard error; what
the main process prints comes by its pipes as ever (awslambdaric, `lambda_multi_concurrent_utils`).
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import folders
from snapboot_devkit.host.sandbox.output import LineReader

if TYPE_CHECKING:
    from collections.abc import Callable

# The variable that tells a runtime the path.
LOG_SOCKET: Final = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
# All workers may come at the same moment; who does not fit in blocks until there is room.
_BACKLOG: Final = 128
# The host has no descriptor left: ask again when some may have been given back.
_RETRY_S: Final = 1.0


class LogSocket:
    """A Unix socket whose connections are read line by line; `path` is its name."""

    def __init__(self, printed: Callable[[str], None]) -> None:
        """Listen, and tell `printed` every line, without its end; to be made in a running loop."""
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
        """Tell all lines that have been printed by now.

        One that has only begun is left: what ends at this moment for one worker does not for the
        others, and awslambdaric writes a line of `print` in several pieces.
        """
        self._take_waiting()
        for reader in self._readers:
            reader.catch_up()

    def close(self) -> None:
        """Tell what has been printed by now, and let go of everything."""
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
