"""A request body sent piece by piece over a socket: chunked, with trailers (RFC 9112, 7.1).

A piece never waits for the next one, and yet many small pieces that come at once are few system
calls. The first piece after a pause goes out at once. What follows it closely is gathered, and sent
by what gets to run first: the next piece that fills the buffer, or a thread that sleeps until
something is gathered, when the generator blocks or has computed for the interpreter's switch
interval (5 ms). On an event loop, a callback takes the thread's place, and a piece waits while the
function blocks the loop.
"""

import _socket
from _thread import allocate_lock, start_new_thread
from time import monotonic_ns

from .socket_transport import WHOLE, block, send_all
from .wire import field_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from typing import Protocol

    from .wire import Response

    class Transport(Protocol):
        """The owner of the connection: `SocketTransport`."""

        look: Callable[[int], list[tuple[int, int]]]

        def receive_last(self) -> Response:
            """Return the response, and close. Raises RuntimeAPIError."""

    Data = bytes | bytearray | memoryview

# A piece of at least this size is sent by itself.
LARGE_BYTES = 1 << 13
# What is gathered at the most before it is sent.
FULL_BYTES = 1 << 16
# A piece that comes this long after the last one does not belong to a burst.
PAUSE_NS = 1_000_000
# How long after a look at the connection there is none: one takes as long as a tenth of 64 KB.
LOOK_NS = 1_000_000
DONT_WAIT = _socket.MSG_DONTWAIT
CRLF = b"\r\n"


class SocketUpload:
    """The body of one POST whose head has gone out."""

    __slots__ = (
        "_connection",
        "_drained",
        "_gathered",
        "_guard",
        "_last_ns",
        "_look",
        "_looked_ns",
        "_loop",
        "_rest",
        "_sender",
        "_sending",
        "_transport",
        "accepting",
    )

    def __init__(
        self, transport: "Transport", connection: _socket.socket, *, accepting: bool
    ) -> None:
        self._transport = transport
        self._connection = connection
        self._look = transport.look
        self._looked_ns = 0
        self._gathered = bytearray()
        self._last_ns = 0
        # False once the peer has answered, or takes no more.
        self.accepting = accepting
        self._guard = allocate_lock()  # of what is gathered
        self._sending = allocate_lock()  # of the order of what is sent
        self._sender: _Sender | None = None
        # On an event loop: what the kernel did not take yet, and who waits until it has.
        self._loop: AbstractEventLoop | None = None
        self._rest = memoryview(b"")
        self._drained: Future[None] | None = None

    def __repr__(self) -> str:
        return f"<SocketUpload, {len(self._gathered)} bytes gathered>"

    def write(self, data: bytes) -> bool:
        """Send a piece; return False when the peer takes no more."""
        size = len(data)
        now_ns = monotonic_ns()
        if size >= LARGE_BYTES:
            if self._sender is None:  # nothing is gathered, and no other thread sends
                self._send(data, size)
            else:
                self._flush()
                with self._sending:
                    self._send(data, size)
        elif now_ns - self._last_ns > PAUSE_NS and not self._gathered:
            with self._sending:
                self._send(data, size)
        else:
            self._gather(data)
        self._last_ns = now_ns
        return self.accepting

    def finish(self, trailers: "list[tuple[str, str]]") -> "Response":
        """End the body and return the response.

        Raises ConnectionLostError when there is none, ProtocolError when it is not HTTP.
        """
        if self._sender is not None:
            self._sender.end()
        if self._loop is not None:
            self._leave_loop()
        self._flush()
        if self.accepting:
            last = f"0\r\n{field_lines(trailers)}\r\n".encode("latin-1")
            self._send_parts((last,), len(last))
        return self._transport.receive_last()  # the platform asks to close after a stream

    # On an event loop.

    async def write_soon(self, data: bytes) -> bool:
        """Do what `write` does, and let the event loop run while the peer is slow."""
        if self._loop is None:
            self._enter_loop()
        now_ns = monotonic_ns()
        self._gathered += data
        if now_ns - self._last_ns > PAUSE_NS or len(self._gathered) >= LARGE_BYTES:
            self._send_what_goes()
        elif not self._rest and len(self._gathered) == len(data):
            assert self._loop is not None
            self._loop.call_soon(self._send_what_goes)
        if self._rest and len(self._gathered) >= FULL_BYTES:
            assert self._loop is not None
            self._drained = self._loop.create_future()
            await self._drained
        self._last_ns = now_ns
        return self.accepting

    def _enter_loop(self) -> None:
        from asyncio import get_running_loop

        self._loop = get_running_loop()

    def _leave_loop(self) -> None:
        """Send the rest as a plain program does: the handler is done, and the loop stands still."""
        assert self._loop is not None
        if self._rest:
            self._loop.remove_writer(self._connection.fileno())
            rest, self._rest = self._rest, memoryview(b"")
            self._send_parts((rest,), len(rest))
        self._loop = None

    def _send_what_goes(self) -> None:
        """Send what the kernel takes now; have the loop call again for the rest."""
        if self._loop is None:
            return  # all has been sent by `finish`
        had_rest = bool(self._rest)
        if not had_rest:
            data, self._gathered = self._gathered, bytearray()
            if not data or not self._is_accepting():
                self._wake()
                return
            self._rest = memoryview(b"".join((b"%x\r\n" % len(data), data, CRLF)))
        try:
            self._rest = self._rest[self._connection.send(self._rest, DONT_WAIT) :]
        except BlockingIOError:
            pass
        except OSError:
            self.accepting = False
            self._rest = memoryview(b"")
        if self._rest and not had_rest:
            self._loop.add_writer(self._connection.fileno(), self._send_what_goes)
        elif had_rest and not self._rest:
            self._loop.remove_writer(self._connection.fileno())
        if not self._rest:
            self._wake()
            if self._gathered:
                self._loop.call_soon(self._send_what_goes)

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # Off it.

    def _gather(self, data: bytes) -> None:
        with self._guard:
            self._gathered += data
            size = len(self._gathered)
        if self._sender is None:
            try:
                self._sender = _Sender(self._flush)
            except RuntimeError:  # the process may have no more threads
                self._flush()
                return
        if size >= FULL_BYTES:
            self._flush()
        elif size == len(data):
            self._sender.wake()

    def _flush(self) -> None:
        with self._sending:
            with self._guard:
                data, self._gathered = self._gathered, bytearray()
            if data:
                self._send(data, len(data))

    def _send(self, data: "Data", size: int) -> None:
        if size and self._is_accepting():
            head = b"%x\r\n" % size
            self._send_parts((head, data, CRLF), len(head) + size + len(CRLF))

    def _is_accepting(self) -> bool:
        """Whether the peer still listens: it may have answered, or be gone."""
        now_ns = monotonic_ns()
        if self.accepting and now_ns - self._looked_ns > LOOK_NS:
            self._looked_ns = now_ns
            self.accepting = not self._look(0)
        return self.accepting

    def _send_parts(self, parts: "tuple[Data, ...]", size: int) -> None:
        """Send the parts one behind the other, gathered by the kernel.

        A signal handler of the function's may raise in here, and then nothing can follow what has
        gone out: the peer is not to wait for the rest.
        """
        connection = self._connection
        whole = False
        try:
            try:
                sent = connection.sendmsg(parts)
            except BlockingIOError:
                block(connection)
                sent = connection.sendmsg(parts)
            whole = sent == size or send_all(connection, b"".join(parts)[sent:]) is WHOLE
        except OSError as exc:
            if exc.errno is None:  # not the kernel's
                raise
        finally:
            if not whole:
                self._end_sending()

    def _end_sending(self) -> None:
        self.accepting = False
        try:
            self._connection.shutdown(_socket.SHUT_WR)
        except OSError:
            pass


class _Sender:
    """A thread that calls `flush` whenever it is woken, and ends when it is asked to."""

    __slots__ = ("_ended", "_flush", "_over", "_wanted")

    def __init__(self, flush: "Callable[[], None]") -> None:
        self._flush = flush
        self._wanted = allocate_lock()
        self._wanted.acquire()
        self._over = False
        self._ended = allocate_lock()
        self._ended.acquire()
        start_new_thread(self._run, ())

    def __repr__(self) -> str:
        return f"<_Sender {'over' if self._over else 'at work'}>"

    def wake(self) -> None:
        """Have it flush soon."""
        if self._wanted.locked():
            self._wanted.release()

    def end(self) -> None:
        """Return when the thread has ended."""
        self._over = True
        self.wake()
        self._ended.acquire()

    def _run(self) -> None:
        try:
            while not self._over:
                self._wanted.acquire()
                self._flush()
        finally:
            self._ended.release()
