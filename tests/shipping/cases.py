"""The packages that are tried: a function each, what it is asked, and what it has to answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FUNCTIONS: Final = Path(__file__).with_name("functions")


@dataclass(frozen=True, slots=True)
class Case:
    """A function's folder, an event, and its result; `modules` are at least that many."""

    name: str
    event: Any
    result: Any
    modules: int

    def __str__(self) -> str:
        """Name it, for pytest."""
        return self.name

    @property
    def source(self) -> Path:
        """The folder of the function."""
        return FUNCTIONS / self.name


def _http_event(method: str, path: str, body: str = "", query: str = "") -> dict[str, Any]:
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "tester",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "example.com"},
        "requestContext": {"http": http, "stage": "$default", "requestId": "1"},
        "body": body,
        "isBase64Encoded": False,
    }


def _red_png(width: int, height: int) -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * width) * height
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)
    return base64.b64encode(picture).decode()


def _derived(secret: bytes, info: bytes) -> str:
    """Return 32 bytes of HKDF with SHA-256 and no salt (RFC 5869), in hexadecimal digits."""
    key = hmac.digest(bytes(32), secret, hashlib.sha256)
    return hmac.digest(key, info + b"\1", hashlib.sha256).hex()


OPTIONAL: Final = Case("optional", {}, {"pip": None}, modules=1)
PLAIN: Final = Case(
    "plain",
    [1, 2, 4],
    {
        "total": 7,
        "half": "3.5",
        "tls": True,
        "id": "00000000-0000-0000-0000-000000000007",
        "noon": "2026-01-01T12:00:00+01:00",
        "name": "test_function",
    },
    modules=20,
)
BOTO3: Final = Case(
    "boto3_s3",
    {"bucket": "pictures", "key": "cat.png"},
    {
        "url": "https://pictures.s3.amazonaws.com/cat.png",
        "item": {"M": {"bucket": {"S": "pictures"}, "key": {"S": "cat.png"}}},
    },
    modules=200,
)
CASES: Final = (
    PLAIN,
    BOTO3,
    Case(
        "powertools",
        _http_event("GET", "/hello/Ada"),
        {
            "statusCode": 200,
            "body": '{"hello":"Ada","agent":"tester"}',
            "isBase64Encoded": False,
            "headers": {"Content-Type": "application/json"},
            "cookies": [],
        },
        modules=150,
    ),
    Case(
        "fastapi_mangum",
        _http_event("POST", "/items/7", '{"name": "cup", "price": 2.5}', "note=blue"),
        {
            "statusCode": 200,
            "body": '{"number":7,"name":"cup","twice":5.0,"note":"blue"}',
            "isBase64Encoded": False,
            "headers": {"content-length": "51", "content-type": "application/json"},
        },
        modules=300,
    ),
    Case(
        "pandas_sales",
        {"csv": "day,city,amount\n2026-01-05,Ulm,2\n2026-01-09,Ulm,3\n2026-02-01,Bonn,4\n"},
        {"Ulm-1": 5, "Bonn-2": 4},
        modules=300,
    ),
    Case(
        "pydantic_order",
        {
            "due": "2026-12-24",
            "lines": [
                {"article": "CUP-1", "count": 2, "price": "1.50"},
                {"article": "BOX-12", "count": 1, "price": "4"},
            ],
        },
        {"due": "2026-12-24", "total": "7.00"},
        modules=80,
    ),
    Case(
        "cryptography_seal",
        {"text": "grüße", "secret": "open"},
        {"opened": "grüße", "key": _derived(b"open", b"seal"), "forged": False},
        modules=20,
    ),
    Case(
        "pillow_thumbnail",
        {"png": _red_png(64, 32), "width": 16},
        {name: [name, 16, 8, 16, 0, 0] for name in ("PNG", "JPEG", "WEBP")},
        modules=10,
    ),
)
