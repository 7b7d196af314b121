"""Where a tool sends what it has to say: HTTP and datagrams on loopback, kept as they arrive."""

from __future__ import annotations

import gzip
import http.server
import socketserver
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Post:
    """What was sent to a path."""

    path: str
    body: bytes


class Sink:
    """Listens from `with` on; `url` and `address` are where."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._posts: list[Post] = []
        self._datagrams: list[bytes] = []
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._udp = socketserver.UDPServer(("127.0.0.1", 0), self._receiver())
        self._servers = (self._http, self._udp)
        self.address = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.address}"
        self.udp_address = f"127.0.0.1:{self._udp.server_address[1]}"

    def __repr__(self) -> str:
        """Say what has arrived."""
        return f"<Sink {self.url} with {len(self.posts)} posts, {len(self.datagrams)} datagrams>"

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._threads = [threading.Thread(target=server.serve_forever) for server in self._servers]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Stop listening."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join(DEADLINE_S)
            server.server_close()

    @property
    def posts(self) -> list[Post]:
        """What has arrived by HTTP, whatever the method."""
        with self._changed:
            return list(self._posts)

    @property
    def datagrams(self) -> list[bytes]:
        """What has arrived by UDP."""
        with self._changed:
            return list(self._datagrams)

    def wait_for(self, condition: Callable[[Sink], bool]) -> None:
        """Return once the condition holds of what has arrived."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: condition(self), DEADLINE_S)
        assert arrived, f"waited {DEADLINE_S} s at {self!r}: {self._posts} {self._datagrams}"

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = _unpacked(self._body(), self.headers.get("content-encoding"))
                with sink._changed:
                    sink._posts.append(Post(self.path, body))
                    sink._changed.notify_all()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_PUT = do_POST  # noqa: N815 - the names of http.server

            def _body(self) -> bytes:
                if "chunked" not in (self.headers.get("transfer-encoding") or ""):
                    return self.rfile.read(int(self.headers.get("content-length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size + 2)[:-2]
                self.rfile.readline()
                return body

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def _receiver(self) -> type[socketserver.BaseRequestHandler]:
        sink = self

        class Receiver(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with sink._changed:
                    sink._datagrams.append(self.request[0])
                    sink._changed.notify_all()

        return Receiver


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body
