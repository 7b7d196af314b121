"""What a handler returns to set status, headers and cookies of an HTTP response."""

from .streaming import is_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from typing import Any

    Body = bytes | str | Iterator[bytes | str] | AsyncIterator[bytes | str]

# What separates the metadata from the body in a streamed response.
DELIMITER = bytes(8)


class HttpResponse:
    """A response to a function URL, an API Gateway or a load balancer.

    With a body of `bytes` or `str` it is returned whole; an iterator or asynchronous iterator is
    streamed, for which the integration must be set up (RESPONSE_STREAM). `headers` are text by
    name, or pairs: the values of a repeated name are joined with a comma (RFC 9110, 5.3). `cookies`
    are the values of `Set-Cookie`, one each. Raises TypeError and ValueError for what cannot be
    sent.
    """

    __slots__ = ("body", "cookies", "headers", "status")
    __lambda_response__ = True

    def __init__(
        self,
        status: int = 200,
        headers: "Mapping[str, str] | Iterable[tuple[str, str]] | None" = None,
        cookies: "Iterable[str]" = (),
        body: "Body" = b"",
    ) -> None:
        if not 100 <= number_of(status) <= 599:
            raise ValueError(f"the status of an HTTP response is {status!r}; it must be 100 to 599")
        if isinstance(cookies, str):
            raise TypeError(f"cookies are {cookies!r}; give a list, one Set-Cookie value each")
        self.status = status
        self.headers: dict[str, str] = {}
        given: Any = headers or ()
        for name, value in given.items() if hasattr(given, "items") else given:
            _check("header", name)
            _check(f"header {name!r}", value)
            before = self.headers.get(name)
            if before is not None and name.lower() == "set-cookie":
                raise ValueError(f"header {name!r} is repeated; give its values as cookies")
            self.headers[name] = value if before is None else f"{before}, {value}"
        self.cookies = list(cookies)
        for cookie in self.cookies:
            _check("a cookie", cookie)
        if not isinstance(body, (bytes, str)) and not is_source(body):
            raise TypeError(
                f"the body of an HTTP response is of type {type(body).__name__!r}; it can be bytes,"
                " str, an iterator or an asynchronous iterator (for JSON, json.dumps(...); await a"
                " coroutine, call a generator function)"
            )
        self.body = body

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status}>"

    def prelude(self) -> bytes:
        """Return what goes ahead of a streamed body: the metadata, and eight NULs."""
        from .codec import json_text

        metadata: dict[str, Any] = {"statusCode": int(self.status), "headers": self.headers}
        if self.cookies:
            metadata["cookies"] = self.cookies
        return json_text(metadata).encode() + DELIMITER

    def document(self) -> "dict[str, Any]":
        """Return what the integrations take for a response that is whole."""
        document: dict[str, Any] = {"statusCode": int(self.status), "headers": self.headers}
        if self.cookies:
            document["cookies"] = self.cookies
        if isinstance(self.body, bytes):
            from binascii import b2a_base64

            document["body"] = b2a_base64(self.body, newline=False).decode()
            document["isBase64Encoded"] = True
        else:
            document["body"] = self.body
        return document


def number_of(status: object) -> int:
    """Return a status as the number it is, 0 for anything that is none."""
    return int(status) if isinstance(status, int) else 0


def _check(what: str, text: object) -> None:
    """Raise TypeError or ValueError for what is not the text of a header."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is {text!r}; names and values must be str")
    if any(mark in text for mark in "\r\n\0"):
        raise ValueError(
            f"{what} is {text!r}, with a line break or a NUL: remove it, as it would let others add"
            " headers"
        )
