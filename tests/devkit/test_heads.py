"""Usual heads, which one expression reads: h11's verdict on the same bytes is the truth."""

import random

import pytest

from snapboot_devkit.host.http import heads
from snapboot_devkit.host.http.unusual import RequestBegun, UnusualRequest

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"
INVOKE = (
    b"POST /2015-03-31/functions/f/invocations?Qualifier=%24LATEST HTTP/1.1\r\n"
    b"Host: localhost:9000\r\nAccept-Encoding: identity\r\nX-Amz-Date: 20260101T000000Z\r\n"
    b"Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/lambda/aws4_request, "
    b'SignedHeaders=host;x-amz-date, Signature=00\r\nContent-Length: 7\r\n\r\n{"a":1}'
)
CURL = (
    b"POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    b"X-Empty:\r\nX-Blank: \t\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"content-length: 2\r\nConnection: Close\r\n\r\n{}GET / HTTP/1.1\r\n"
)
USUAL = [NEXT, INVOKE, CURL]
UNUSUAL = {
    "nothing": b"",
    "a head that is not whole": NEXT[:-1],
    "a blank line before it": b"\r\n" + NEXT,
    "bare line feeds": NEXT.replace(b"\r\n", b"\n"),
    "HTTP/1.0": NEXT.replace(b"1.1", b"1.0"),
    "no host": b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "two hosts": NEXT.replace(b"Host: ", b"Host: a\r\nhost: "),
    "chunks": CURL.replace(b"content-length: 2", b"Transfer-Encoding: chunked"),
    "an expectation": INVOKE.replace(b"Accept-Encoding: identity", b"Expect: 100-continue"),
    "an upgrade": NEXT.replace(b"\r\n\r\n", b"\r\nUpgrade: h2c\r\n\r\n"),
    "a folded line": NEXT.replace(b"\r\n\r\n", b"\r\nA: b\r\n c\r\n\r\n"),
    "a blank before the colon": NEXT.replace(b"Host:", b"Host :"),
    "a blank behind a value": NEXT.replace(b":9\r", b":9 \r"),
    "bytes beyond ASCII": NEXT.replace(b"\r\n\r\n", b"\r\nA: \xc3\xa9\r\n\r\n"),
    "a null byte": NEXT.replace(b":9", b":\0"),
    "a length with a sign": INVOKE.replace(b": 7", b": +7"),
    "a list of lengths": INVOKE.replace(b": 7", b": 7, 7"),
    "a length of many digits": INVOKE.replace(b": 7", b": 0000000000000000000000007"),
    "another method": NEXT.replace(b"GET", b"get"),
    "an absolute target": NEXT.replace(b" /", b" http://h/"),
}


def read_by_h11(data):
    request = UnusualRequest()
    request.feed(data)
    begun = request.next_event()
    assert isinstance(begun, RequestBegun), data
    return begun, request.rest


def check(data):
    """Compare both readings of what the expression takes, and return whether it does."""
    usual = heads.usual(data)
    if usual is None:
        return False
    head, length, lasting, body_at = usual
    begun, rest = read_by_h11(data)
    assert head == begun.head, data
    assert length == (begun.length or 0), data
    assert data[body_at:] == rest, data
    assert lasting is begun.lasting, data
    return True


@pytest.mark.parametrize("data", USUAL, ids=["runtime", "boto3", "curl"])
def test_what_runtimes_and_clients_send_is_usual(data):
    assert check(data)


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL.keys())
def test_what_is_unusual_is_left_to_h11(data):
    assert heads.usual(data) is None


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_expression_takes_h11_reads_the_same(seed):
    chance = random.Random(seed)
    pieces = [bytes([code]) for code in range(256)]
    pieces += [
        b"\r\n",
        b": ",
        b":",
        b"Host: h\r\n",
        b"content-length: 3\r\n",
        b" HTTP/1.1\r\n",
        b"\r\n\r\n",
    ]
    pieces += [b"Connection: close\r\n", b"TE: trailers\r\n", b"/", b"?", b" ", b"\t", b"#", b"%00"]
    taken = 0
    for _ in range(4000):
        data = bytearray(chance.choice([*USUAL * 10, *UNUSUAL.values()]))
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(data) + 1)
            data[place : place + chance.randint(0, 3)] = chance.choice(pieces)
        taken += check(bytes(data))
    assert taken > 300


def test_a_long_hostile_head_takes_linear_time():
    many = b"A:" + b" \t" * 200_000 + b"\r\n"
    blanks = b"A: x" + b" " * 400_000 + b"\r\n"
    names = b"a" * 400_000
    for line in (many, blanks, names, b"A: \r\n" * 60_000):
        assert heads.usual(b"GET / HTTP/1.1\r\n" + line) is None


def test_a_short_head_is_read_once_whatever_follows_it():
    head, length, _, body_at = heads.usual(INVOKE)
    again, *_ = heads.usual(INVOKE + b"more")
    assert again is head
    assert INVOKE[body_at : body_at + length] == b'{"a":1}'


def test_many_and_long_heads_are_let_go():
    long = NEXT.replace(b"\r\n\r\n", b"\r\nA: " + b"a" * 4096 + b"\r\n\r\n")
    assert heads.usual(long)[0] is not heads.usual(long)[0]
    first = heads.usual(NEXT)[0]
    for number in range(1000):
        heads.usual(NEXT.replace(b":9", b":%d" % (9000 + number)))
    assert heads.usual(NEXT)[0] is not first


def test_the_fields_behind_a_request_line_are_read_once_whatever_the_path_is() -> None:
    fields = b"Host: 127.0.0.1:9001\r\nContent-Length: 2\r\n\r\n"
    first = heads.usual(b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\n" + fields)
    second = heads.usual(b"POST /2018-06-01/runtime/invocation/b/response HTTP/1.1\r\n" + fields)
    assert first is not None
    assert second is not None
    assert first[0].path != second[0].path
    assert first[0].headers is second[0].headers


DELIVERY = b"6d0e1a3c-7b4f-4c58-9a51-0c8a3b1d2e4f"
NAMED = b"\r\nLambda-Runtime-Invocation-Id: %b"


def test_the_id_of_a_delivery_is_each_heads_own() -> None:
    line = b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: 127.0.0.1:9001"
    ids = DELIVERY, DELIVERY.replace(b"6", b"7")
    first, second = (heads.usual(line + NAMED % one + b"\r\n\r\n") for one in ids)
    assert first is not None
    assert second is not None
    assert [head[0].headers[b"lambda-runtime-invocation-id"] for head in (first, second)] == [*ids]
    assert first[0].alike is second[0].alike
    for number, lines in enumerate((NAMED * 2 % ids, NAMED % b"x" + NAMED % ids[0])):
        assert heads.usual(line + lines + b"\r\n\r\n") is None, number
