"""A reply as bytes, in the parts between which something can go wrong."""

from __future__ import annotations

import http
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.scenario import Framing, Reply, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """The bytes of one reply: head, and the body in two halves."""

    head: bytes
    first_half: bytes
    second_half: bytes

    def parts(self, cut: Stage | None) -> Iterator[bytes]:
        """Yield what is sent when the connection is cut at `cut`."""
        if cut is Stage.MID_HEAD:
            yield self.head[: len(self.head) // 2]
            return
        yield self.head
        yield self.first_half
        if cut is not Stage.MID_BODY:
            yield self.second_half


def render(reply: Reply, status: int, headers: Headers, body: bytes) -> Rendered:
    """Return the bytes of a reply, where `reply` has the last word on each of its parts."""
    if reply.raw is not None:
        return Rendered(reply.raw, b"", b"")
    body = body if reply.body is None else reply.body
    lines = [f"{reply.version} {status} {http.HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in (*headers, *reply.headers)]
    lines += _framing_lines(reply, len(body))
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
    half = len(body) // 2
    if reply.framing is not Framing.CHUNKED:
        return Rendered(head, body[:half], body[half:])
    return Rendered(head, _chunk(body[:half]), _chunk(body[half:]) + b"0\r\n\r\n")


def pieces(data: bytes, size: int | None) -> Iterator[bytes]:
    """Yield `data` in pieces of `size` bytes; whole, when that is None."""
    step = size or max(len(data), 1)
    for start in range(0, len(data), step):
        yield data[start : start + step]


def _framing_lines(reply: Reply, length: int) -> list[str]:
    lines = {
        Framing.LENGTH: [f"Content-Length: {length}"],
        Framing.CHUNKED: ["Transfer-Encoding: chunked"],
        Framing.UNTIL_CLOSE: [],
    }[reply.framing]
    return [*lines, "Connection: close"] if reply.closing else lines


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
