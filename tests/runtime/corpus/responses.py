"""Responses as bytes, each beside what it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Case:
    """One response; `endless` is True where only the end of the connection ends the body.

    `closing` is what the transport must know: no second response comes on this connection.
    """

    name: str
    data: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    closing: bool = False
    endless: bool = False


_CHUNKED: Final = {"transfer-encoding": "chunked"}
_TOKEN: Final = "!#$%&'*+-.^_`|~09azAZ"
_EVENT: Final = b'{"key": "value", "text": "\xc3\xa9\\r\\n\\r\\n"}'
_LARGE: Final = bytes(range(256)) * 300

RESPONSES: Final = (
    Case(
        "an event as the platform sends it",
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: application/json\r\n"
        b"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
        b"Lambda-Runtime-Deadline-Ms: 1542409706888\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(_EVENT), _EVENT),
        headers={
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "lambda-runtime-deadline-ms": "1542409706888",
            "content-length": str(len(_EVENT)),
        },
        body=_EVENT,
    ),
    Case(
        "an answer as the platform sends it",
        b'HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n',
        status=202,
        headers={"content-length": "16"},
        body=b'{"status":"OK"}\n',
    ),
    Case(
        "no body", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", headers={"content-length": "0"}
    ),
    Case(
        "no reason phrase",
        b"HTTP/1.1 413\r\nContent-Length: 1\r\n\r\nx",
        status=413,
        headers={"content-length": "1"},
        body=b"x",
    ),
    Case(
        "an empty reason phrase",
        b"HTTP/1.1 500 \r\nContent-Length: 1\r\n\r\nx",
        status=500,
        headers={"content-length": "1"},
        body=b"x",
    ),
    Case(
        "a body that reads like a head",
        b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\nHTTP/1.1 500 No\r\n\r\n\r\n",
        headers={"content-length": "21"},
        body=b"HTTP/1.1 500 No\r\n\r\n\r\n",
    ),
    Case(
        "a large body of every byte",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_LARGE), _LARGE),
        headers={"content-length": str(len(_LARGE))},
        body=_LARGE,
    ),
    Case(
        "a length with leading zeros",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0003\r\n\r\nabc",
        headers={"content-length": "0003"},
        body=b"abc",
    ),
    Case(
        "one length told twice",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        headers={"content-length": "3"},
        body=b"abc",
    ),
    Case(
        "space around values, and none",
        b"HTTP/1.1 200 OK\r\nA: \t b c \t\r\nB:d\r\nC:\r\nD: \r\nContent-Length:0\r\n\r\n",
        headers={"a": "b c", "b": "d", "c": "", "d": "", "content-length": "0"},
    ),
    Case(
        "a value with colons",
        b"HTTP/1.1 200 OK\r\nArn: arn:aws:lambda\r\nContent-Length: 0\r\n\r\n",
        headers={"arn": "arn:aws:lambda", "content-length": "0"},
    ),
    Case(
        "a header repeated: the last one counts",
        b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\na: 2\r\n\r\n",
        headers={"a": "2", "content-length": "0"},
    ),
    Case(
        "bytes beyond ASCII in a value",
        b"HTTP/1.1 200 OK\r\nA: \xc3\xa9\xff\r\nContent-Length: 0\r\n\r\n",
        headers={"a": "Ã©ÿ", "content-length": "0"},
    ),
    Case(
        "bytes around a value that are space in Latin-1 but not in HTTP",
        b"HTTP/1.1 200 OK\r\nA: \xa0b\x85 \r\nContent-Length: 0\r\n\r\n",
        headers={"a": "\xa0b\x85", "content-length": "0"},
    ),
    Case(
        "every kind of character of a name",
        b"HTTP/1.1 200 OK\r\n%b: 1\r\nContent-Length: 0\r\n\r\n" % _TOKEN.encode(),
        headers={_TOKEN.lower(): "1", "content-length": "0"},
    ),
    Case(
        "chunks",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n",
        headers=_CHUNKED,
        body=b"hello world",
    ),
    Case(
        "chunks spelled otherwise",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n00a;x=y\r\n0123456789\r\nB \r\nabcdefghijk\r\n000\r\n\r\n",
        headers={"transfer-encoding": "Chunked"},
        body=b"0123456789abcdefghijk",
    ),
    Case(
        "a chunk that reads like the end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        headers=_CHUNKED,
        body=b"0\r\n\r\n",
    ),
    Case(
        "a large chunk",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%X\r\n%b\r\n0\r\n\r\n"
        % (len(_LARGE), _LARGE),
        headers=_CHUNKED,
        body=_LARGE,
    ),
    Case(
        "no chunk but the last",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        headers=_CHUNKED,
    ),
    Case(
        "trailers",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\n",
        headers=_CHUNKED,
        body=b"a",
    ),
    Case(
        "chunks outrank a length",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        headers={"content-length": "99", "transfer-encoding": "chunked"},
        body=b"a",
    ),
    Case(
        "a body that ends with the connection",
        b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nhello\r\n\r\n",
        headers={"a": "1"},
        body=b"hello\r\n\r\n",
        closing=True,
        endless=True,
    ),
    Case(
        "nothing but a status, until the end",
        b"HTTP/1.0 200 OK\r\n\r\n",
        closing=True,
        endless=True,
    ),
    Case(
        "no body by its status, whatever its length says",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        status=304,
        headers={"content-length": "5"},
    ),
    Case("no content", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    Case(
        "interim answers first",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        headers={"content-length": "1"},
        body=b"x",
    ),
    Case(
        "the last of its connection",
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx",
        headers={"connection": "Close", "content-length": "1"},
        body=b"x",
        closing=True,
    ),
    Case(
        "HTTP/1.0",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        headers={"content-length": "1"},
        body=b"x",
        closing=True,
    ),
    Case(
        "HTTP/1.0 on a connection that stays",
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
        headers={"connection": "Keep-Alive", "content-length": "1"},
        body=b"x",
    ),
)
