"""Who invokes: clients over HTTP, on a connection for all or for each, and programs beside."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, TypeAlias

from snapboot_devkit.host import InvokeError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from benchmarks.soak.mix import Event
    from benchmarks.soak.tally import Tally
    from snapboot_devkit.host import LocalHost

PATH: Final = "/2015-03-31/functions/function/invocations"
# No answer takes as long, whatever happens; one that does is lost.
DEADLINE_S: Final = 60.0


class Connection:
    """One connection to the Invoke API. Raises OSError and EOFError where it ends too early."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def __repr__(self) -> str:
        return f"<Connection to {self._writer.get_extra_info('peername')}>"

    @classmethod
    async def open(cls, host: LocalHost) -> Connection:
        """Connect to a host."""
        assert host.address is not None
        name, _, port = host.address.rpartition(":")
        return cls(*await asyncio.open_connection(name, int(port)))

    async def invoke(self, event: Event) -> tuple[str, bytes, bool]:
        """Return the request id of the answer, its body, and whether the function failed."""
        self._ask(event)
        status, headers = await self._read_head()
        answer = await self._reader.readexactly(int(headers["content-length"]))
        failed = status != 200 or "x-amz-function-error" in headers
        return headers.get("x-amzn-requestid", ""), answer, failed

    async def hang_up(self, event: Event) -> None:
        """Invoke, and be gone."""
        self._ask(event)
        self._writer.close()
        await self._writer.wait_closed()

    async def close(self) -> bytes:
        """Say that no more will come, and return what the host still had to say."""
        self._writer.write_eof()
        rest = await self._reader.read()
        self._writer.close()
        await self._writer.wait_closed()
        return rest

    def _ask(self, event: Event) -> None:
        body = json.dumps(event.document).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nx-amzn-RequestId: {event.request_id}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def _read_head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        return int(lines[0].split()[1]), headers


Client: TypeAlias = "Callable[[LocalHost, Iterable[Event], Tally], Coroutine[None, None, None]]"


async def over_http(host: LocalHost, events: Iterable[Event], tally: Tally) -> None:
    """Invoke with one event after the other, on one connection for all."""
    connection = await Connection.open(host)
    for event in events:
        if event.answers:
            await _ask(connection, event, tally)
        else:
            await _ask_and_leave(host, event, tally)
    if rest := await connection.close():
        tally.fault(event, f"after it came {rest[:200]!r} without being asked for")


async def over_many_connections(host: LocalHost, events: Iterable[Event], tally: Tally) -> None:
    """Invoke with one event after the other, on a connection each."""
    for event in events:
        await over_http(host, (event,), tally)


async def within(host: LocalHost, events: Iterable[Event], tally: Tally) -> None:
    """Invoke with one event after the other from this process, and look at the log of each."""
    for event in events:
        if not event.answers:
            await _ask_and_leave(host, event, tally)
            continue
        try:
            async with asyncio.timeout(DEADLINE_S):
                result = await host.invoke(event.document, request_id=event.request_id)
        except (InvokeError, TimeoutError) as exc:
            tally.fault(event, f"no answer: {exc!r}")
            continue
        tally.answered(event, result.payload, failed=result.function_error is not None)
        if result.report.request_id != event.request_id:
            tally.fault(event, f"its report is that of {result.report.request_id}")
        if sum(line.startswith("REPORT") for line in result.logs) != 1:
            tally.fault(event, f"its log has not one REPORT: {result.logs[-3:]!r}")


async def by_pieces(host: LocalHost, events: Iterable[Event], tally: Tally) -> None:
    """Invoke with one event after the other from this process, as one who reads a stream."""
    for event in events:
        if not event.answers:
            await _ask_and_leave(host, event, tally)
            continue
        try:
            async with asyncio.timeout(DEADLINE_S):
                program = host.stream(event.document, request_id=event.request_id)
                pieces = b"".join([piece async for piece in program.pieces()])
                result = await program.outcome()
        except (InvokeError, TimeoutError) as exc:
            tally.fault(event, f"no answer: {exc!r}")
            continue
        failed = result.function_error is not None
        tally.answered(event, result.payload if failed else pieces, failed=failed)


async def _ask(connection: Connection, event: Event, tally: Tally) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            request_id, answer, failed = await connection.invoke(event)
    except (OSError, EOFError, TimeoutError) as exc:
        tally.fault(event, f"no answer: {exc!r}")
        return
    if request_id != event.request_id:
        tally.fault(event, f"the answer is that of {request_id}")
    tally.answered(event, answer, failed=failed)


async def _ask_and_leave(host: LocalHost, event: Event, tally: Tally) -> None:
    """Invoke without waiting for the answer, but so that no more are at work than clients."""
    tally.left(event)
    try:
        async with asyncio.timeout(DEADLINE_S):
            connection = await Connection.open(host)
            await connection.hang_up(event)
            await tally.report_of(event.number)
    except (OSError, TimeoutError) as exc:
        tally.fault(event, f"no end: {exc!r}")
