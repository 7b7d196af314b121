"""One HTTP exchange as values: the head of a request, its body, the response."""

from __future__ import annotations

import json
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from snapboot_devkit.host import protocol
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Head:
    """A request's line and headers; header names are lower-case bytes.

    A header that came several times stands once, with its values joined as HTTP joins them. Heads
    whose headers are equal, but for the id of a runtime's delivery, may share what is in `alike`.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    version: str = "1.1"
    alike: object = field(default=None, repr=False, compare=False)

    def header(self, name: bytes) -> str | None:
        """Return one header, or None; bytes that are not UTF-8 are replaced."""
        value = self.headers.get(name)
        return None if value is None else value.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body; `size` counts the bytes that were read, kept or not.

    `trailers` are the headers that a body in chunks may have behind it, with lower-case names.
    """

    content: bytes | bytearray
    size: int
    trailers: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; `headers` are lines, each with its end, to which its length is added.

    Lines, and not names and values as for a stream, since most of them come from a pattern.
    One that is not `of_function` is the host's own: if it is an error, the log says so.
    """

    status: int
    headers: bytes = b""
    body: bytes | bytearray = b""
    of_function: bool = field(default=False, kw_only=True, compare=False)

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers as names and values."""
        lines = self.headers.split(b"\r\n")[:-1]
        return tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))


def header_lines(*headers: tuple[bytes, bytes]) -> bytes:
    """Return names and values as a response holds them."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def json_response(
    status: int, document: Mapping[str, Any], *extra: tuple[bytes, bytes]
) -> Response:
    """Return a JSON document as a response."""
    headers = header_lines((protocol.CONTENT_TYPE, protocol.JSON.encode()), *extra)
    return Response(status, headers, json.dumps(document, separators=(",", ":")).encode())


def error_response(
    status: int, error_type: str, message: str, *extra: tuple[bytes, bytes]
) -> Response:
    """Return an error as the Runtime API words it."""
    response = json_response(status, {"errorMessage": message, "errorType": error_type}, *extra)
    return replace(response, body=response.body + b"\n")


def text_response(status: int, text: str) -> Response:
    """Return a line of text as a response."""
    headers = header_lines((protocol.CONTENT_TYPE, protocol.PLAIN.encode()))
    return Response(status, headers, text.encode())


def no_such_page(head: Head) -> Response:
    """Answer a path that does not exist here, as the platform's own router does."""
    return text_response(404, f"404 page not found: {head.path}\n")


def wrong_method(head: Head, allowed: str) -> Response:
    """Answer a method that the path does not know."""
    message = f"{head.method} {head.path} is not served; use {allowed}"
    return error_response(405, "MethodNotAllowed", message, (b"allow", allowed.encode()))
