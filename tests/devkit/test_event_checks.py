"""Whether an event is JSON: whatever its size, the standard library's parser has the last word."""

import json
import random

import pytest

from snapboot_devkit.host.http.exchange import Body
from snapboot_devkit.host.routes.invoke import checked_payload
from snapboot_devkit.host.routes.refusals import RefusedError

# Blanks before a document belong to JSON, and make it large.
LARGE = b" " * 2048
PIECES = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"a", b"\\", b"u", b"1", b"0", b".", b"e", b"-"),
    *(b"+", b" ", b"true", b"null", b"\n", b"\xc3\xa9", b"\xff", b'"a"', b"\\u00e9", b"1.5"),
    *(b"\x01", b"n", b"f", b"t", b"/", b"\\ud800", b"\x7f", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
]
DOCUMENT = [{"a": [1.5, None, True, "x\u00e9\n"], "b": {"c": -1e5}}] * 2


def refused_constant(name):
    raise ValueError(name)


def is_json(content):
    try:
        json.loads(content.decode(), parse_int=float, parse_constant=refused_constant)
    except (ValueError, RecursionError):
        return False
    return True


def is_taken(content):
    try:
        return checked_payload(Body(content, len(content))) == content
    except RefusedError:
        return False


@pytest.mark.parametrize("before", [b"", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("made", [bytes, bytearray])
def test_any_event_is_taken_if_and_only_if_the_standard_library_reads_it(before, made):
    chance = random.Random(7)
    taken = 0
    for _ in range(3000):
        broken = bytearray(json.dumps(DOCUMENT, ensure_ascii=chance.random() < 0.5).encode())
        for _ in range(chance.randint(0, 2)):
            place = chance.randrange(len(broken))
            broken[place : place + chance.randint(0, 2)] = chance.choice(PIECES)
        for content in (b"".join(chance.choices(PIECES, k=chance.randint(1, 8))), broken):
            whole = made(before + content)
            assert is_taken(whole) == is_json(whole), whole
            taken += is_taken(whole)
    assert taken > 500


@pytest.mark.parametrize("deep", [500, 200_000])
def test_an_event_may_be_as_deep_as_python_reads_it(deep):
    content = b"[" * deep + b"]" * deep
    assert is_taken(content) == is_json(content)
