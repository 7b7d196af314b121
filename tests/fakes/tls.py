"""A front that ends TLS and passes the bytes on, as a proxy before the Runtime API would.

with RuntimeAPI(Event(b"1")) as api, TlsFront(api.address, authority) as front:
    RuntimeProcess(OURS, "app.handler", front.url, …)
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import trustme

LOOPBACK = "127.0.0.1"


class TlsFront:
    """Listens on loopback with a certificate of `authority`, for `address` behind it."""

    def __init__(self, address: str, authority: trustme.CA) -> None:
        self._behind = address.rpartition(":")
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(LOOPBACK).configure_cert(self._context)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""

    def __repr__(self) -> str:
        """Name the address in front."""
        return f"<TlsFront {self.url}>"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.url = f"https://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop listening, and drop what is open."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=self._context)
        return self._server

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._behind
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(OSError):
            await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
