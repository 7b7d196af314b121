"""Bytes that are no response, each beside the words of the error they must end in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from snapboot.framing import MAX_CHUNK_LINE_BYTES
from snapboot.wire import MAX_BODY_BYTES, MAX_HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes, and what the message of the ProtocolError says of them."""

    name: str
    data: bytes
    words: str


_OK: Final = b"HTTP/1.1 200 OK\r\n"
_CHUNKED: Final = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _sized(length: bytes) -> bytes:
    return _OK + b"Content-Length: " + length + b"\r\n\r\nabc"


MALFORMED: Final = (
    # The first bytes.
    Malformed("garbage", b"\x00\x01\x02\x03\xff\xfe\r\n\r\n", "a response starts with "),
    Malformed("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", "a response starts with "),
    Malformed("HTTP/2", b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "a response starts with "),
    Malformed("a request", b"GET / HTTP/1.1\r\n\r\n", "a response starts with "),
    Malformed("an empty line first", b"\r\n" + _sized(b"3"), "a response starts with "),
    Malformed("lower case", b"http/1.1 200 OK\r\n\r\n", "a response starts with "),
    # The status line.
    Malformed("another minor version", b"HTTP/1.2 200 OK\r\n\r\n", "not a status line"),
    Malformed("no status", b"HTTP/1.1\r\n\r\n", "not a status line"),
    Malformed("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", "not a status line"),
    Malformed("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "not a status line"),
    Malformed("a status of letters", b"HTTP/1.1 abc OK\r\n\r\n", "not a status line"),
    Malformed("a status of superscripts", b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n", "not a status line"),
    Malformed("a status below 100", b"HTTP/1.1 099 OK\r\n\r\n", "not a status line"),
    Malformed("a signed status", b"HTTP/1.1 +20 OK\r\n\r\n", "not a status line"),
    Malformed("two spaces", b"HTTP/1.1  200 OK\r\n\r\n", "not a status line"),
    # Headers.
    Malformed("a header without a colon", _OK + b"Content-Length\r\n\r\n", "not a header line"),
    Malformed(
        "a header without a colon, of a name seen before",
        _OK + b"Content-Type: text/plain\r\nContent-Type\r\nContent-Length: 0\r\n\r\n",
        "not a header line: 'Content-Type'",
    ),
    Malformed("a header without a name", _OK + b": value\r\n\r\n", "not a header line"),
    Malformed("a space before the colon", _OK + b"Content-Length : 0\r\n\r\n", "not a header line"),
    Malformed("a name beyond ASCII", _OK + b"N\xc3\xa4me: 1\r\n\r\n", "not a header line"),
    Malformed(
        "a folded header", _OK + b"A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", "not a header line"
    ),
    Malformed(
        "bare line feeds", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", "control character"
    ),
    Malformed("a bare carriage return", _OK + b"A: 1\r2\r\n\r\n", "control character"),
    Malformed("a null", _OK + b"A: 1\x002\r\n\r\n", "control character"),
    Malformed("a head without an end", _OK + b"A: " + b"a" * MAX_HEAD_BYTES, "longer than 1048576"),
    Malformed(
        "a head that ends too late",
        _OK + b"A: " + b"a" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
        "longer than 1048576",
    ),
    # The length of a body.
    Malformed("a negative length", _sized(b"-1"), "not a body length: '-1'"),
    Malformed("a signed length", _sized(b"+3"), "not a body length: '+3'"),
    Malformed("an empty length", _sized(b""), "not a body length: ''"),
    Malformed("a length in hexadecimal", _sized(b"0x3"), "not a body length: '0x3'"),
    Malformed("a length of superscripts", _sized(b"\xb3"), "not a body length: '³'"),
    Malformed("a length with an underscore", _sized(b"1_0"), "not a body length: '1_0'"),
    Malformed("a list of lengths", _sized(b"3, 3"), "not a body length: '3, 3'"),
    Malformed("a length beyond 64 bits", _sized(b"9" * 5000), "not a body length: '9999"),
    Malformed("a length beyond reason", _sized(b"%d" % (MAX_BODY_BYTES + 1)), "the limit is"),
    Malformed(
        "two lengths", _OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "'3' and '4'"
    ),
    # The coding of a body.
    Malformed("a coding unknown", _OK + b"Transfer-Encoding: gzip\r\n\r\n", "'gzip'"),
    Malformed(
        "codings upon each other", _OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "'gzip,"
    ),
    Malformed(
        "codings upon each other, in two lines",
        _OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "'gzip' and 'chunked'",
    ),
    Malformed("an empty coding", _OK + b"Transfer-Encoding:\r\n\r\n", "transfer encoding ''"),
    # Chunks.
    Malformed("a chunk size of letters", _CHUNKED + b"xyz\r\n", "not a chunk size: b'xyz'"),
    Malformed("an empty chunk size", _CHUNKED + b"\r\n", "not a chunk size: b''"),
    Malformed("an extension without a size", _CHUNKED + b";a=b\r\n", "not a chunk size: b';a=b'"),
    Malformed("a negative chunk size", _CHUNKED + b"-1\r\n", "not a chunk size: b'-1'"),
    Malformed("a chunk size with 0x", _CHUNKED + b"0x1\r\na\r\n", "not a chunk size: b'0x1'"),
    Malformed(
        "a chunk size with a space first", _CHUNKED + b" 1\r\na\r\n", "not a chunk size: b' 1'"
    ),
    Malformed("a chunk size of 17 digits", _CHUNKED + b"0" * 17 + b"\r\n", "not a chunk size"),
    Malformed("a chunk size beyond reason", _CHUNKED + b"f" * 16 + b"\r\na", "the limit is"),
    Malformed(
        "chunks that add up beyond reason", _CHUNKED + b"1\r\na\r\n8000000\r\n", "the limit is"
    ),
    Malformed("a chunk longer than its size", _CHUNKED + b"1\r\nabc\r\n", "followed by b'bc'"),
    Malformed(
        "line feeds alone between chunks", _CHUNKED + b"1\r\na\n1\na\n", r"followed by b'\n1'"
    ),
    Malformed(
        "a size line without an end",
        _CHUNKED + b"1;" + b"a" * MAX_CHUNK_LINE_BYTES,
        "longer than 4096",
    ),
    Malformed(
        "a trailer without an end",
        _CHUNKED + b"0\r\n" + b"a" * (MAX_HEAD_BYTES + 1),
        "longer than 1048576",
    ),
)
