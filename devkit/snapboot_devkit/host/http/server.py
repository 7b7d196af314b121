"""HTTP/1.1 over asyncio: requests in, responses out.

Knows nothing of Lambda. A service receives a request's head, then its whole body; it answers
when it likes, at the earliest on the head.
"""

from __future__ import annotations

import asyncio
import errno

from snapboot_devkit.host.errors import AddressInUseError, ConfigError, HostError
from snapboot_devkit.host.http.connection import Connection, Refused, Service, unheard
from snapboot_devkit.host.protocol import MAX_PORT


class Server:
    """A listening socket and its connections."""

    def __init__(self, listener: asyncio.Server, connections: set[Connection]) -> None:
        self._listener = listener
        self._connections = connections
        self.host: str
        self.port: int
        self.host, self.port = listener.sockets[0].getsockname()[:2]

    def __repr__(self) -> str:
        return f"<Server {self.address}, {len(self._connections)} connections>"

    @property
    def address(self) -> str:
        """Where to connect to, as `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def hang_up(self, note: object = None) -> None:
        """End all connections, or those that bear a note, and go on listening."""
        for connection in tuple(self._connections):
            if note is None or connection.note == note:
                connection.close()

    async def close(self) -> None:
        """Stop listening and end all connections."""
        self._listener.close()
        self.hang_up()
        await self._listener.wait_closed()


async def listen(
    service: Service,
    host: str,
    port: int,
    *,
    patience_s: float | None = None,
    refused: Refused = unheard,
) -> Server:
    """Serve HTTP on an address; port 0 takes a free one. Raises AddressInUseError and ConfigError.

    A peer has `patience_s` seconds to send a request whole, counted from its connection or the
    last response. Without a limit it may idle for ever, as a runtime whose handler works does.
    `refused` hears of every request that got an error which is not a function's.
    """
    connections: set[Connection] = set()
    try:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(service, connections, patience_s, refused), host, port
        )
    except (OSError, OverflowError, UnicodeError) as exc:
        raise _no_address(host, port, exc) from exc
    return Server(listener, connections)


def _no_address(host: str, port: int, exc: Exception) -> HostError:
    """Return the error for an address that cannot be had, with what to do about it."""
    number = exc.errno if isinstance(exc, OSError) else None
    reason = (exc.strerror if isinstance(exc, OSError) else None) or exc
    text = f"cannot listen on {host}:{port}: {reason}"
    if number == errno.EADDRINUSE:
        return AddressInUseError(f"{text}; stop what listens there or choose another port")
    if not 0 <= port <= MAX_PORT:
        return ConfigError(
            f"cannot listen on port {port}: ports end at {MAX_PORT}; choose another port"
        )
    if number == errno.EACCES:
        return ConfigError(f"{text}; choose a port above 1023")
    if number in {errno.EMFILE, errno.ENFILE}:
        return ConfigError(f"{text}; allow more open files (ulimit -n)")
    return ConfigError(f"{text}; give an address of this machine, such as 127.0.0.1")
