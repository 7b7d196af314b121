"""A response that is written piece by piece."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.protocol import KIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snapboot_devkit.host.http.connection import Connection

# Up to here one copy is cheaper than two more system calls.
_JOINED_BYTES: Final = 64 * KIB


class Framing(Enum):
    """How a peer finds the end of the body."""

    CHUNKS = "chunks"
    UNTIL_CLOSE = "until close"
    NOTHING = "no body"


def nothing() -> None:
    """Wait for no one."""


class ResponseStream:
    """The body of a response, piece by piece.

    What is written before the request has been read to its end waits for that. `on_writable` is
    called when it makes sense to write again, also because the peer has gone: what is written
    then, or after the end, is let go.
    """

    __slots__ = (
        "_complete",
        "_connection",
        "_early",
        "_trailers",
        "framing",
        "headers",
        "on_writable",
        "status",
    )

    def __init__(
        self, connection: Connection, status: int, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        self._connection = connection
        self._early: list[bytes] = []
        self._complete: bool | None = None
        self._trailers: tuple[tuple[bytes, bytes], ...] = ()
        self.status = status
        self.headers = headers
        self.framing: Framing | None = None
        self.on_writable: Callable[[], None] = nothing

    def __repr__(self) -> str:
        state = "open" if self._complete is None else "ended"
        return f"<ResponseStream {self.status} {state}>"

    @property
    def writable(self) -> bool:
        """Whether more may be written without piling up; `write` takes it in any case."""
        if not self._connection.holds(self):
            return True
        return self.framing is not None and self._connection.keeps_up

    def write(self, data: bytes) -> None:
        """Write a piece of the body."""
        if not data or self._complete is not None:
            return
        if self.framing is None:
            self._early.append(data)
        else:
            self._send(data)

    def end(self, trailers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """End the body; only one in chunks can have trailers, other peers miss them."""
        self._close(complete=True, trailers=tuple(trailers))

    def abort(self) -> None:
        """Break the body off, so that the peer notices."""
        self._close(complete=False)

    def start(self, framing: Framing) -> None:
        """Write what has waited: the request is whole, and the head is written."""
        self.framing = framing
        for piece in self._early:
            self._send(piece)
        self._early.clear()
        if self._complete is None:
            self.on_writable()
        else:
            self._finish()

    def _send(self, data: bytes) -> None:
        if not self._connection.holds(self) or self.framing is Framing.NOTHING:
            return
        if self.framing is Framing.UNTIL_CLOSE:
            self._connection.send(data)
        elif len(data) < _JOINED_BYTES:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._connection.send(b"%x\r\n" % len(data))
            self._connection.send(data)
            self._connection.send(b"\r\n")

    def _close(self, *, complete: bool, trailers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        if self._complete is None:
            self._complete = complete
            self._trailers = trailers
            if self.framing is not None:
                self._finish()

    def _finish(self) -> None:
        if not self._connection.holds(self):
            return
        if self._complete and self.framing is Framing.CHUNKS:
            lines = [b"0", *(b"%b: %b" % trailer for trailer in self._trailers)]
            self._connection.send(b"\r\n".join([*lines, b"", b""]))
        self._connection.finish(complete=bool(self._complete))
