"""A streamed response on its way from the runtime to its caller.

The runtime is held back whenever its caller, or the bandwidth that Lambda grants, cannot keep up.
For a caller who wants the response whole it is collected here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.bandwidth import TokenBucket
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES, MAX_STREAM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.bandwidth import Bandwidth
    from snapboot_devkit.host.callers.in_process import Sink
    from snapboot_devkit.host.http.connection import Exchange

# Without a limit of bandwidth a piece is through when it is written.
_AT_ONCE: Final = 0.0


class Relay:
    """Passes the pieces of one response on, and counts them; `size` in bytes."""

    def __init__(
        self,
        exchange: Exchange,
        sink: Sink | None,
        overrun: Callable[[int], None],
        bandwidth: Bandwidth | None = None,
    ) -> None:
        """Take the body of `exchange`; `overrun` is called once, with the limit that it exceeds."""
        self.size = 0
        self.collected = bytearray()
        self._exchange = exchange
        self._sink = sink
        self._overrun = overrun
        self._limit = MAX_PAYLOAD_BYTES if sink is None else MAX_STREAM_BYTES
        self._loop = asyncio.get_running_loop()
        self._bucket = TokenBucket(bandwidth, self._loop.time()) if bandwidth else None
        self._pause: asyncio.TimerHandle | None = None
        self._open = True
        if sink is not None:
            sink.on_writable = self._go_on
        exchange.receive(self._take)

    def __repr__(self) -> str:
        return f"<Relay {self.size} bytes, {'open' if self._open else 'cut'}>"

    def cut(self) -> None:
        """Pass nothing on any more; what still comes is let go."""
        self._open = False
        self._stop_pausing()
        self._exchange.resume()

    def _take(self, piece: bytes) -> None:
        self.size += len(piece)
        if not self._open:
            return
        if self.size > self._limit:
            self.collected.clear()
            self.cut()
            self._overrun(self._limit)
        elif self._sink is None:
            self.collected += piece
        else:
            self._sink.write(piece)
            self._keep_pace(len(piece))

    def _keep_pace(self, size: int) -> None:
        wait_s = self._bucket.take(size, self._loop.time()) if self._bucket else _AT_ONCE
        if wait_s > 0:
            self._stop_pausing()
            self._pause = self._loop.call_later(wait_s, self._end_pause)
        if self._must_wait:
            self._exchange.pause()

    @property
    def _must_wait(self) -> bool:
        unread = self._sink is not None and not self._sink.writable
        return self._open and (self._pause is not None or unread)

    def _go_on(self) -> None:
        if not self._must_wait:
            self._exchange.resume()

    def _end_pause(self) -> None:
        self._pause = None
        self._go_on()

    def _stop_pausing(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
