"""Between an editor and the debugpy of the function's processes.

Two ports of this machine: one for the editor, one where `launcher` reports. The latest process
that has reported is the one that is debugged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Final, Protocol, Self

from snapboot_devkit.debugging import progress
from snapboot_devkit.debugging.messages import MessageError, MessageReader
from snapboot_devkit.debugging.progress import Progress
from snapboot_devkit.host.errors import AddressInUseError
from snapboot_devkit.host.protocol import KIB, LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


_PIECE_BYTES: Final = 64 * KIB
_REPORT_LIMIT_S: Final = 10.0


class PausableClock(Protocol):
    """What deadlines run on, such as a LocalHost."""

    def pause_clock(self) -> None:
        """Let no deadline come nearer."""

    def resume_clock(self) -> None:
        """Let time pass again."""


class _Process:
    """A process of the function that has reported."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.progress = Progress.WAITING

    def __repr__(self) -> str:
        return f"<_Process {self.pid} {self.progress.value}>"


class DebugSession:
    """Lets an editor attach to the function at `port`. Use it as an asynchronous context manager.

    Open it around the host, whose processes are to be started by `command.debugged` with
    `report_port`, and `drive` its clock from within. `report` gets a line for people whenever a
    process waits for the editor. Entering raises AddressInUseError.
    """

    def __init__(self, port: int, report: Callable[[str], object]) -> None:
        """Prepare a session; nothing is opened before it is entered."""
        self._wanted_port = port
        self._report = report
        self._clock: PausableClock | None = None
        self._resting = False
        self._process: _Process | None = None
        self._arrival = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._editors: asyncio.Server
        self._reports: asyncio.Server

    def __repr__(self) -> str:
        return f"<DebugSession, {self._process or 'no process yet'}>"

    @property
    def report_port(self) -> int:
        """Where the launcher reports."""
        return _port(self._reports)

    @property
    def port(self) -> int:
        """Where an editor attaches."""
        return _port(self._editors)

    async def __aenter__(self) -> Self:
        """Open both ports."""
        try:
            self._editors = await asyncio.start_server(
                self._started(self._serve_editor), LOOPBACK, self._wanted_port
            )
        except (OSError, OverflowError) as exc:
            raise AddressInUseError(
                f"cannot listen on {LOOPBACK}:{self._wanted_port} for a debugger: "
                f"{getattr(exc, 'strerror', exc)}; choose another port"
            ) from exc
        self._reports = await asyncio.start_server(self._started(self._serve_process), LOOPBACK, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up on both sides."""
        await self.close()

    async def close(self) -> None:
        """Hang up on both sides, and let the clock run."""
        self.release()
        for server in (self._editors, self._reports):
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drive(self, clock: PausableClock) -> None:
        """Let `clock` rest whenever the function's process stands still."""
        self._clock = clock
        self._settle()

    def release(self) -> None:
        """Let the clock run for good: before the host is closed, whose deadlines need it."""
        if self._clock and self._resting:
            self._clock.resume_clock()
        self._clock, self._resting = None, False

    # ---- a process of the function -----------------------------------------------------------

    async def _serve_process(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Know a process from its report to its end."""
        del writer
        process = await _report(reader)
        if process is None:
            return
        self._process = process
        self._arrival.set()
        self._report(
            f"process {process.pid} waits for a debugger at {LOOPBACK}:{self.port}; attach to it"
        )
        # A process that is new has a clock that is new, which runs.
        self._resting = False
        self._settle()
        with contextlib.suppress(OSError):
            await reader.read()
        if self._process is process:
            self._process = None
            self._arrival.clear()
            self._settle()

    # ---- an editor ---------------------------------------------------------------------------

    async def _serve_editor(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Connect an editor with the process, until either hangs up."""
        await self._arrival.wait()
        process = self._process
        assert process is not None
        with contextlib.suppress(OSError):
            from_process, to_process = await asyncio.open_connection(LOOPBACK, process.port)
            try:
                await self._pass_on(process, (reader, to_process), (from_process, writer))
            finally:
                to_process.close()
        process.progress = progress.after_hanging_up(process.progress)
        self._settle()

    async def _pass_on(
        self,
        process: _Process,
        requests: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        answers: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        sent = MessageReader()

        def watch(data: bytes) -> None:
            for message in sent.receive(data):
                process.progress = progress.after(process.progress, message)
            self._settle()

        pumps = [
            asyncio.ensure_future(_pump(*requests, MessageReader().receive)),
            asyncio.ensure_future(_pump(*answers, watch)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    # ---- the clock ---------------------------------------------------------------------------

    def _settle(self) -> None:
        resting = self._process is not None and self._process.progress is not Progress.RUNNING
        if self._clock is None or resting == self._resting:
            return
        self._resting = resting
        (self._clock.pause_clock if resting else self._clock.resume_clock)()

    def _started(self, serve: _ServeConnection) -> Callable[..., None]:
        """Return what serves a connection in a task of ours, and closes it at the end."""

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            finally:
                writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(served(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return connected


class _ServeConnection(Protocol):
    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""


async def _report(reader: asyncio.StreamReader) -> _Process | None:
    """Return who has connected, or None for a client other than the launcher."""
    try:
        async with asyncio.timeout(_REPORT_LIMIT_S):
            hello = json.loads(await reader.readline())
        return _Process(int(hello["port"]), int(hello["pid"]))
    except (OSError, TimeoutError, ValueError, TypeError, KeyError):
        return None


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Callable[[bytes], object]
) -> None:
    """Pass bytes on until their source ends, or `watch`, who sees them first, refuses them."""
    with contextlib.suppress(OSError, MessageError):
        while data := await reader.read(_PIECE_BYTES):
            watch(data)
            writer.write(data)
            await writer.drain()


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port
