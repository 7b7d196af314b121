"""A function's result as an HTTP response: the shape of payload 2.0, and the prelude of a stream.

What is invalid becomes a 502, whose header `snapboot-reason` says what AWS leaves to be guessed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import Response, header_lines, json_response
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host.lifecycle.terms import FunctionResult, ServiceFailure

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

# The front end frames what it sends itself, and takes cookies from `cookies` alone.
_NOT_THE_FUNCTIONS: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "set-cookie",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# A status below 200 would be no answer (RFC 9110, 15.2).
_STATUSES: Final = range(200, 600)

Headers = tuple[tuple[bytes, bytes], ...]


class InvalidResultError(Exception):
    """The function's result is no HTTP response; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """Status and headers of a streamed response."""

    status: int
    headers: Headers


class PreludeReader:
    """Reads what stands before the payload of a stream, however it is cut into pieces."""

    def __init__(self) -> None:
        self._read = bytearray()

    def __repr__(self) -> str:
        return f"<PreludeReader {len(self._read)} bytes>"

    @property
    def taken(self) -> bytes:
        """All that it was fed."""
        return bytes(self._read)

    def feed(self, piece: bytes) -> tuple[ResponseStart, bytes] | None:
        """Return the start of the response and the beginning of its payload once they are there.

        Raises InvalidResultError.
        """
        self._read += piece
        limit = protocol.MAX_PRELUDE_BYTES + len(protocol.PRELUDE_END)
        end = self._read.find(protocol.PRELUDE_END, 0, limit)
        if end >= 0:
            start = _start(bytes(self._read[:end]))
            return start, bytes(self._read[end + len(protocol.PRELUDE_END) :])
        if len(self._read) >= limit:
            raise InvalidResultError(
                f"no eight NUL bytes end the prelude within {protocol.MAX_PRELUDE_BYTES} bytes"
            )
        return None


def render(result: FunctionResult) -> Response:
    """Return a whole result as a response; an error or an invalid one is a 502."""
    try:
        return _render(result)
    except InvalidResultError as exc:
        return bad_gateway(str(exc))


def bad_gateway(reason: str) -> Response:
    """Answer for a function that has not."""
    # Whatever a function has put into it must not end the header.
    text = ascii(reason)[1:-1].encode()[: protocol.KIB]
    return json_response(
        502, {"Message": "Internal Server Error"}, (protocol.SNAPBOOT_REASON, text)
    )


def render_failure(failure: ServiceFailure) -> Response:
    """Return a refusal of the service as a response."""
    extra = (protocol.EXCEPTION_NAME, failure.exception.encode())
    return json_response(failure.status, {"Message": failure.message}, extra)


def reason_of(result: FunctionResult) -> str:
    """Return the reason to tell for a function's error."""
    return (
        f"the function failed: {bytes(result.payload[: protocol.KIB]).decode('utf-8', 'replace')}"
    )


def _render(result: FunctionResult) -> Response:
    if result.function_error or result.error_type:
        raise InvalidResultError(reason_of(result))
    if result.content_type == protocol.HTTP_INTEGRATION:
        return _of_a_stream(bytes(result.payload))
    document = _document(result.payload)
    if not isinstance(document, dict) or "statusCode" not in document:
        headers = header_lines((protocol.CONTENT_TYPE, protocol.JSON.encode()))
        return Response(200, headers, result.payload)
    headers = header_lines(*_headers(document, protocol.JSON))
    return Response(_status(document), headers, _content(document), of_function=True)


def _of_a_stream(payload: bytes) -> Response:
    read = PreludeReader().feed(payload)
    if read is None:
        raise InvalidResultError("the stream ended within its prelude")
    start, content = read
    return Response(start.status, header_lines(*start.headers), content, of_function=True)


def _start(prelude: bytes) -> ResponseStart:
    document = _document(prelude)
    if not isinstance(document, dict):
        raise InvalidResultError(f"the prelude must be an object; it is {prelude[:80]!r}")
    return ResponseStart(
        _status({"statusCode": 200} | document), _headers(document, protocol.OCTETS)
    )


def _document(content: bytes | bytearray) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise InvalidResultError(f"the result is not JSON: {exc}") from exc


def _status(document: Mapping[str, Any]) -> int:
    status = document["statusCode"]
    if isinstance(status, bool) or not isinstance(status, int) or status not in _STATUSES:
        raise InvalidResultError(f"statusCode {status!r} must be a number from 200 to 599")
    return status


def _headers(document: Mapping[str, Any], usual_type: str) -> Headers:
    given = {} if document.get("headers") is None else document["headers"]
    cookies = [] if document.get("cookies") is None else document["cookies"]
    if not isinstance(given, dict) or not isinstance(cookies, list):
        raise InvalidResultError("headers must be an object, and cookies a list")
    named = {name.lower(): _text(name, value) for name, value in given.items()}
    pairs = [pair for pair in named.items() if pair[0] not in _NOT_THE_FUNCTIONS]
    if protocol.CONTENT_TYPE.decode() not in named:
        pairs.append((protocol.CONTENT_TYPE.decode(), usual_type))
    pairs += [("set-cookie", _text("set-cookie", cookie)) for cookie in cookies]
    return tuple((_name(name), value.encode("utf-8", "replace")) for name, value in pairs)


def _name(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise InvalidResultError(f"{name!r} is not a header name")
    return name.encode()


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise InvalidResultError(f"header {name!r} must be a string; it is {value!r}")
    text = str(value)
    if not _VALUE.fullmatch(text):
        raise InvalidResultError(f"header {name!r} holds a control character: {text!r}")
    return text


def _content(document: Mapping[str, Any]) -> bytes:
    body = document.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidResultError(f"body must be a string; it is of type {type(body).__name__}")
    if document.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidResultError(
            f"body is not the base64 that isBase64Encoded says: {exc}"
        ) from exc
