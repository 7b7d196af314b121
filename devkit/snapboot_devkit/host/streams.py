"""The standard streams of the host's own process, which may be closed, unread or broken."""

from __future__ import annotations

import contextlib
import os
import re
import select
import stat
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

STDOUT: Final = 1
STDERR: Final = 2

# Of a log that is not read this much waits; what comes on top of it is dropped. Each line counts
# for some more, which is about what it takes in memory.
_MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
_LINE_OVERHEAD_BYTES: Final = 64
_LINES: Final = re.compile(rb"[^\n]*\n|[^\n]+")
_MISSED: Final = b"snapboot: %d lines dropped, as no one read the log\n"
# Lines are gathered for so long: too short for a reader to notice. To write at the end of each turn
# of the event loop took a thirtieth of an invocation's time.
_GATHERED_S: Final = 0.01


def write_all(fd: int, content: bytes) -> None:
    """Write every byte, however long the reader takes. Raises OSError."""
    rest = memoryview(content)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            # The shell's other programs may have made the stream non-blocking.
            select.select([], [fd], [])


class PieceWriter:
    """Writes pieces one behind the other in a thread of its own: a slow reader stops no event loop.

    The thread does not keep the process from its end.
    """

    def __init__(self, fd: int) -> None:
        """Write to the descriptor `fd`."""
        self._fd = fd
        self._pieces: SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = SimpleQueue()
        threading.Thread(target=self._run, name="piece writer", daemon=True).start()

    def __repr__(self) -> str:
        return f"<PieceWriter to descriptor {self._fd}>"

    async def write(self, content: bytes) -> None:
        """Return when every byte is written. Raises OSError."""
        import asyncio  # noqa: PLC0415 - not for a command that has no loop

        written = asyncio.get_running_loop().create_future()
        self._pieces.put((content, written))
        await written

    def close(self) -> None:
        """End the thread, once it has written what it was given."""
        self._pieces.put(None)

    def _run(self) -> None:
        while (given := self._pieces.get()) is not None:
            content, written = given
            failure = None
            try:
                write_all(self._fd, content)
            except OSError as exc:
                failure = exc
            with contextlib.suppress(RuntimeError):  # a loop that has ended meanwhile
                written.get_loop().call_soon_threadsafe(_settle, written, failure)


def _settle(written: asyncio.Future[None], failure: OSError | None) -> None:
    if written.done():
        return
    if failure is None:
        written.set_result(None)
    else:
        written.set_exception(failure)


class LogWriter:
    """Writes a log without letting the host wait for its reader.

    What comes within some milliseconds is written by one call. What a pipe does not take at once
    is left to a thread, and so is everything at a terminal. A line says what a slow reader has
    missed; once the reader has gone the rest is dropped.
    """

    def __init__(self, fd: int) -> None:
        """Write to the descriptor `fd`. It is `broken` once it cannot be written to."""
        self.broken = False
        self._fd = fd
        self._act: Callable[[], object] = bool
        self._direct = _non_blocking(fd)
        # What is to be written next.
        self._texts: list[str] = []
        # Guards what follows, which the thread uses, too.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        # Lines, and in their places the numbers of those that were dropped.
        self._waiting: list[bytes | int] = []
        self._size = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        # While the thread has something to write no one else writes.
        self._thread_writes = False

    def __repr__(self) -> str:
        return f"<LogWriter {'broken' if self.broken else f'{self._size} bytes waiting'}>"

    def write(self, text: str) -> None:
        """Take text to write, and return at once; in one thread, `close` in the end."""
        self._texts.append(text)
        if len(self._texts) == 1:
            self._flush_soon()

    def on_broken(self, act: Callable[[], object]) -> None:
        """Call `act`, in any thread, when the descriptor turns out to be broken."""
        self._act = act

    def close(self, wait_s: float | None = None) -> None:
        """Wait until all is written, but no longer than `wait_s` seconds."""
        self.flush()
        with self._lock:
            self._closed = True
            self._changed.notify()
            if self._direct is not None and self._direct != self._fd:
                os.close(self._direct)
            self._direct = None
        if self._thread is not None:
            self._thread.join(wait_s)

    def _flush_soon(self) -> None:
        """Write in a moment, or now where no loop runs or the thread does it in any case."""
        import asyncio  # noqa: PLC0415 - not for a command that has no loop

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._direct is None:
            self.flush()
        else:
            loop.call_later(_GATHERED_S, self.flush)

    def flush(self) -> None:
        """Write what can be written now; the rest is the thread's."""
        is_broken = False
        with self._lock:
            texts, self._texts = self._texts, []
            rest = memoryview("".join(texts).encode("utf-8", "replace"))
            if self.broken:
                return
            is_direct = not self._thread_writes and len(rest) < _MAX_WAITING_BYTES
            try:
                while rest and is_direct and self._direct is not None:
                    rest = rest[os.write(self._direct, rest) :]
            except BlockingIOError:
                pass
            except OSError:
                is_broken = True
            if rest and not is_broken:
                self._leave(bytes(rest))
        if is_broken:
            self._break()

    def _leave(self, content: bytes) -> None:
        """Have the thread write this, but no more lines than may wait."""
        # Not at a carriage return, which joins the lines of one record.
        for line in _LINES.findall(content):
            size = len(line) + _LINE_OVERHEAD_BYTES
            if self._size + size <= _MAX_WAITING_BYTES:
                self._waiting.append(line)
                self._size += size
            elif self._waiting and isinstance(last := self._waiting[-1], int):
                self._waiting[-1] = last + 1
            else:
                self._waiting.append(1)
        self._thread_writes = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _run(self) -> None:
        try:
            while content := self._next():
                write_all(self._fd, content)
        except OSError:
            self._break()

    def _next(self) -> bytes:
        """Return what waits for the thread, or nothing at the end."""
        with self._lock:
            self._thread_writes = bool(self._waiting)
            self._changed.wait_for(lambda: self._waiting or self._closed)
            content = b"".join(
                [one if isinstance(one, bytes) else _MISSED % one for one in self._waiting]
            )
            self._waiting.clear()
            self._size = 0
            return content

    def _break(self) -> None:
        with self._lock:
            self.broken = True
            self._waiting.clear()
        with contextlib.suppress(RuntimeError):  # a loop that has ended meanwhile
            self._act()


def _non_blocking(fd: int) -> int | None:
    """Return a descriptor of the same file that never makes its writer wait; None if there is none.

    A pipe is opened once more: its other users, whose descriptors share one state, still wait. To
    look first whether it takes more would not do, for another of its writers may be quicker.
    """
    try:
        kind = os.fstat(fd).st_mode
        if stat.S_ISREG(kind):
            return fd
        if stat.S_ISFIFO(kind):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no /proc, a reader that has gone, another user's pipe
        pass
    return None
