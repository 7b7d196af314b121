"""The wire code: what it makes of bytes, however they arrive, and what it makes bytes of.

h11 is the oracle. Every case of the corpus is fed whole, byte by byte, in pieces and with bytes
behind it, in the two ways a transport has: `feed` alone, and `filled` wherever memory is lent.
"""

from __future__ import annotations

import itertools
import random
import sys
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snapboot.wire import (
    MAX_ALIKE,
    MAX_HEAD_BYTES,
    MAX_INTERIM,
    MAX_KNOWN_NAMES,
    MAX_LENGTHS,
    MAX_LESSONS,
    MAX_REPEATED_BYTES,
    MAX_SHAPES,
    MAX_USUAL_BYTES,
    MAX_USUAL_LINES,
    ConnectionLostError,
    ProtocolError,
    Response,
    ResponseReader,
    RuntimeAPIError,
    UsualResponse,
    field_lines,
    fixed_part,
    request,
)
from tests.fakes.fuzzing import TIMES
from tests.runtime.corpus.disagreements import DISAGREEMENTS, Disagreement
from tests.runtime.corpus.malformed import MALFORMED, Malformed
from tests.runtime.corpus.responses import RESPONSES, Case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Feeder = Callable[[ResponseReader, bytes], Response | None]

# Beyond this a case is not fed byte by byte: a million feeds show no more than a thousand do.
BYTEWISE_BYTES: Final = 4096
SEEDS: Final = range(8)
# h11 has a limit for a head that is incomplete, none for one that is there at once.
NOT_LIMITED_BY_H11: Final = {"a head that ends too late"}

QUICK: Final = settings(derandomize=True, deadline=None, max_examples=200 * TIMES, database=None)


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader made of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Two ways to give bytes to a reader, as the transports do.


def by_feed(reader: ResponseReader, data: bytes) -> Response | None:
    return reader.feed(data)


def by_body_buffer(reader: ResponseReader, data: bytes) -> Response | None:
    """Put bytes into the memory lent, as `recv_into` does, and feed the others."""
    while True:
        body_buffer = reader.body_buffer
        if body_buffer is None or not data:
            return reader.feed(data)
        size = min(len(body_buffer), len(data))
        body_buffer[:size] = data[:size]
        data = data[size:]
        response = reader.filled(size)
        if response is not None or not data:
            assert not data, "bytes behind the body cannot have come into the buffer"
            return response


FEEDERS: Final = (by_feed, by_body_buffer)


def receive(
    feeder: Feeder, pieces: Iterable[bytes], reader: ResponseReader | None = None
) -> Response:
    """Return the response made of pieces and, behind them, the end of the connection."""
    reader = reader or ResponseReader()
    for piece in pieces:
        response = feeder(reader, piece)
        if response is not None:
            return response
    response = feeder(reader, b"")
    assert response is not None, f"neither a response nor an error at the end: {reader!r}"
    return response


def outcome(feeder: Feeder, pieces: Iterable[bytes]) -> Read | type[RuntimeAPIError]:
    try:
        return as_read(receive(feeder, pieces))
    except (ProtocolError, ConnectionLostError) as exc:
        return type(exc)


def as_read(response: Response) -> Read:
    return Read(response.status, response.headers, bytes(response.body))


def expected(case: Case) -> Read:
    return Read(case.status, case.headers, case.body)


# Ways to cut bytes up.


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[position : position + 1] for position in range(len(data)))


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    edges = [
        0,
        *sorted({position for position in positions if 0 < position < len(data)}),
        len(data),
    ]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def in_pieces(data: bytes, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    return cut(data, chance.choices(range(len(data)), k=chance.randint(1, 8)))


# The oracle.


def read_by_h11(data: bytes) -> Read | None:
    """Return what h11 makes of a response and the end of its connection; None if it refuses."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    try:
        client.receive_data(data)
        client.receive_data(b"")
        return _events_as_read(client)
    except h11.RemoteProtocolError:
        return None


def _events_as_read(client: h11.Connection) -> Read | None:
    head = None
    body = bytearray()
    while True:
        event = client.next_event()
        match event:
            case h11.Response():
                head = event
            case h11.Data():
                body += event.data
            case h11.EndOfMessage() if head is not None:
                fields = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                return Read(head.status_code, fields, bytes(body))
            case h11.NEED_DATA | h11.PAUSED | h11.ConnectionClosed():
                return None


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with the coding's name as h11 has it: in lower case."""
    name = "transfer-encoding"
    return {key: value.lower() if key == name else value for key, value in headers.items()}


cases = pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
feeders = pytest.mark.parametrize("feeder", FEEDERS)
malformed = pytest.mark.parametrize("case", MALFORMED, ids=lambda case: case.name)
small = pytest.mark.parametrize(
    "case",
    [case for case in RESPONSES if len(case.data) <= BYTEWISE_BYTES],
    ids=lambda case: case.name,
)
with_an_end = pytest.mark.parametrize(
    "case", [case for case in RESPONSES if not case.endless], ids=lambda case: case.name
)


# The corpus.


@cases
@feeders
def test_a_response_is_read_whole(case: Case, feeder: Feeder) -> None:
    response = receive(feeder, [case.data])

    assert as_read(response) == expected(case)
    assert response.closing is case.closing


@small
@feeders
def test_a_response_is_read_byte_by_byte(case: Case, feeder: Feeder) -> None:
    response = receive(feeder, bytewise(case.data))

    assert as_read(response) == expected(case)
    assert response.closing is case.closing


@pytest.mark.parametrize("seed", SEEDS)
@cases
@feeders
def test_a_response_is_read_in_pieces(case: Case, feeder: Feeder, seed: int) -> None:
    assert as_read(receive(feeder, in_pieces(case.data, seed))) == expected(case)


@with_an_end
@feeders
def test_bytes_behind_a_response_are_no_part_of_it_and_are_reported(
    case: Case, feeder: Feeder
) -> None:
    reader = ResponseReader()

    response = feeder(reader, case.data + b"HTTP/1.1 2")

    assert response is not None
    assert as_read(response) == expected(case)
    assert not reader.is_idle


@with_an_end
def test_bytes_that_come_along_with_the_last_one_are_no_part_of_a_response(case: Case) -> None:
    reader = ResponseReader()

    assert reader.feed(case.data[:-1]) is None
    response = reader.feed(case.data[-1:] + b"HTTP/1.1 2")

    assert response is not None
    assert as_read(response) == expected(case)
    assert not reader.is_idle


@with_an_end
@feeders
def test_nothing_is_left_behind_a_response(case: Case, feeder: Feeder) -> None:
    reader = ResponseReader()

    receive(feeder, in_pieces(case.data, seed=1), reader)

    assert reader.is_idle
    assert reader.body_buffer is None
    assert repr(reader) == "<ResponseReader in a head, 0 bytes kept>"


@feeders
def test_one_reader_reads_response_after_response(feeder: Feeder) -> None:
    reader = ResponseReader()
    sequence = [case for case in RESPONSES if not case.endless] * 2

    responses = [receive(feeder, in_pieces(case.data, seed=2), reader) for case in sequence]

    assert [as_read(response) for response in responses] == [expected(case) for case in sequence]


def test_a_short_head_is_found_after_a_long_one_that_came_in_pieces() -> None:
    reader = ResponseReader()
    long, short = RESPONSES[0], RESPONSES[1]

    receive(by_feed, bytewise(long.data), reader)

    assert as_read(receive(by_feed, [short.data], reader)) == expected(short)


def test_a_response_that_came_along_with_the_one_before_is_read_with_its_last_byte() -> None:
    reader = ResponseReader()
    first, second = RESPONSES[0], RESPONSES[1]

    responses = [reader.feed(first.data + second.data[:-1]), reader.feed(second.data[-1:])]

    assert [as_read(response) for response in responses if response] == [
        expected(first),
        expected(second),
    ]


@small
@feeders
def test_the_end_of_the_connection_within_a_response_is_a_lost_connection(
    case: Case, feeder: Feeder
) -> None:
    whole_from = case.data.index(b"\r\n\r\n") + 4 if case.endless else len(case.data)

    for size in range(1, whole_from):
        with pytest.raises(ConnectionLostError, match=r"the connection ended (inside|before)"):
            receive(feeder, [case.data[:size]])


@feeders
def test_the_end_of_the_connection_before_a_response_is_reported_as_such(feeder: Feeder) -> None:
    with pytest.raises(ConnectionLostError, match="the connection ended before the response"):
        feeder(ResponseReader(), b"")


def test_memory_lent_that_nothing_more_comes_into_is_a_lost_connection() -> None:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")
    assert reader.body_buffer is not None
    assert len(reader.body_buffer) == 2

    with pytest.raises(ConnectionLostError, match="inside the response"):
        reader.filled(0)


def test_a_body_is_handed_out_in_the_memory_it_was_received_into() -> None:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    body_buffer = reader.body_buffer
    assert body_buffer is not None

    body_buffer[:] = b"body"
    response = reader.filled(4)

    assert response is not None
    assert response.body is body_buffer.obj


def test_a_response_says_what_it_is() -> None:
    assert repr(receive(by_feed, [RESPONSES[1].data])) == "<Response 202, 16 bytes>"


# Malformed and hostile answers.


@malformed
@feeders
def test_what_is_no_response_ends_in_a_clear_error(case: Malformed, feeder: Feeder) -> None:
    with pytest.raises(ProtocolError) as caught:
        receive(feeder, [case.data])

    assert case.words in str(caught.value)
    assert len(str(caught.value)) < 400


@malformed
@feeders
def test_what_is_no_response_ends_in_an_error_byte_by_byte(case: Malformed, feeder: Feeder) -> None:
    pieces = bytewise(case.data) if len(case.data) <= BYTEWISE_BYTES else in_pieces(case.data, 3)

    with pytest.raises(ProtocolError):
        receive(feeder, pieces)


@malformed
def test_the_error_comes_while_the_connection_is_still_open(case: Malformed) -> None:
    with pytest.raises(ProtocolError):
        ResponseReader().feed(case.data)


def test_names_that_never_repeat_do_not_pile_up() -> None:
    reader = ResponseReader()
    names = [f"X-{number}" for number in range(4 * MAX_KNOWN_NAMES)]
    lines = "".join(f"{name}: 1\r\n" for name in names)

    response = reader.feed(f"HTTP/1.1 204 OK\r\n{lines}\r\n".encode())

    assert response is not None
    assert list(response.headers) == [name.lower() for name in names]
    assert len(reader._known_names) == MAX_KNOWN_NAMES


# Work and memory in proportion to the bytes.


def chunked(chunks: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\na\r\n" * chunks
        + b"0\r\n\r\n"
    )


def calls_to_read(data: bytes) -> int:
    """Count the calls of Python functions that one feed makes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        ResponseReader().feed(data)
    finally:
        sys.setprofile(before)
    return calls


def test_a_chunk_takes_the_same_number_of_steps_however_many_there_are() -> None:
    few, many = calls_to_read(chunked(1000)), calls_to_read(chunked(20_000))

    assert (many - few) / 19_000 == pytest.approx(few / 1000, rel=0.05)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_interim_answers_are_passed_over() -> None:
    data = INTERIM * MAX_INTERIM + RESPONSES[1].data

    assert as_read(receive(by_feed, [data])) == expected(RESPONSES[1])


def test_interim_answers_without_end_are_refused() -> None:
    with pytest.raises(ProtocolError, match="interim"):
        receive(by_feed, [INTERIM] * 10 * MAX_INTERIM)


def test_trailers_without_end_are_refused() -> None:
    line = b"a: " + b"b" * 4000 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"

    with pytest.raises(ProtocolError, match="trailers"):
        receive(by_feed, [head, *[line] * 1000])


def test_a_hundred_thousand_chunks_of_one_byte_make_one_body() -> None:
    assert receive(by_feed, cut(chunked(100_000), range(0, 600_000, 65536))).body == b"a" * 100_000


def test_a_head_of_almost_a_megabyte_is_read_in_small_pieces() -> None:
    # Were each piece searched from the start again, this would compare 10^11 bytes.
    value = b"a" * (MAX_HEAD_BYTES - 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + value + b"\r\n\r\n"

    response = receive(by_feed, cut(head, range(0, len(head), 5)))

    assert response.headers["a"] == value.decode()


@pytest.mark.parametrize(
    "data",
    [
        chunked(40_000),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"a" * 2_000_000,
    ],
    ids=["chunks", "until the end", "known length"],
)
def test_a_body_takes_little_more_memory_than_its_bytes(data: bytes) -> None:
    pieces = cut(data, range(0, len(data), 65536))
    tracemalloc.start()
    try:
        receive(by_body_buffer, pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1.5 * len(data)


def test_a_length_announced_takes_no_memory_beyond_the_limit() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="a body of 999999999999999999 bytes; the limit is"):
            ResponseReader().feed(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000


# The same as h11.


@cases
def test_h11_reads_the_corpus_as_we_do(case: Case) -> None:
    read = read_by_h11(case.data)

    assert read == Read(case.status, lowered(case.headers), case.body)


@malformed
def test_h11_refuses_what_we_refuse(case: Malformed) -> None:
    on_purpose = {disagreement.name for disagreement in DISAGREEMENTS}

    assert read_by_h11(case.data) is None or case.name in on_purpose | NOT_LIMITED_BY_H11


@pytest.mark.parametrize("case", DISAGREEMENTS, ids=lambda case: case.name)
def test_where_we_and_h11_disagree_it_is_on_purpose(case: Disagreement) -> None:
    ours = outcome(by_feed, [case.data])
    theirs = read_by_h11(case.data)

    assert (isinstance(ours, Read), theirs is not None) == (case.we_accept, not case.we_accept)


# Generated responses: all that is valid, and whatever comes of spoiling it.

TOKEN: Final = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPECIAL_NAMES: Final = ("connection", "content-length", "transfer-encoding")

names = st.text(TOKEN, min_size=1, max_size=12).filter(
    lambda name: name.lower() not in SPECIAL_NAMES
)
visible = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f")
values = st.lists(st.text(visible, min_size=1, max_size=12), max_size=3).map(" ".join)
bodies = st.binary(max_size=300)
statuses = st.integers(200, 599).filter(lambda status: status not in (204, 304))
sizes = st.lists(st.integers(1, 40), max_size=12)


@st.composite
def responses(draw: st.DrawFn) -> Case:
    """Return a valid response of any framing, and what it means."""
    status = draw(statuses)
    fields = draw(
        st.lists(st.tuples(names, values), max_size=5, unique_by=lambda pair: pair[0].lower())
    )
    body = draw(bodies)
    framing = draw(st.sampled_from([sized_body, chunked_body, endless_body]))
    field, wire_body = framing(body, draw(sizes))
    reason = draw(st.sampled_from(["", " ", " OK", " Not at all"]))
    lines = [f"HTTP/1.1 {status}{reason}", *(f"{name}: {value}" for name, value in fields + field)]
    return Case(
        "generated",
        "\r\n".join([*lines, "", ""]).encode("latin-1") + wire_body,
        status=status,
        headers={name.lower(): value for name, value in fields + field},
        body=body,
        endless=not field,
    )


Framed = tuple[list[tuple[str, str]], bytes]


def sized_body(body: bytes, _sizes: list[int]) -> Framed:
    return [("Content-Length", str(len(body)))], body


def endless_body(body: bytes, _sizes: list[int]) -> Framed:
    return [], body


def chunked_body(body: bytes, sizes: list[int]) -> Framed:
    edges = [sum(sizes[:count]) for count in range(1, len(sizes) + 1)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in cut(body, edges))
    return [("Transfer-Encoding", "chunked")], chunks + b"0\r\n\r\n"


positions = st.lists(st.integers(0, 800), max_size=10)


@QUICK
@given(case=responses(), positions=positions)
def test_any_response_is_read_in_any_pieces_and_as_h11_reads_it(
    case: Case, positions: list[int]
) -> None:
    pieces = cut(case.data, positions)

    for feeder in FEEDERS:
        assert as_read(receive(feeder, pieces)) == expected(case)
    assert read_by_h11(case.data) == expected(case)


FRAGMENTS: Final = (
    b"\r\n", b"\r", b"\n", b"\r\n\r\n", b":", b" ", b"\t", b"\0", b"\xff", b"0", b"1", b"-1", b"ffffffff",
    b"0\r\n\r\n", b"HTTP/1.1 ", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.0 200 OK\r\n", b"Content-Length: 7\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b";a=b",
)  # fmt: skip
edits = st.lists(
    st.tuples(
        st.integers(0, 600),  # where
        st.integers(0, 20),  # how many bytes go
        st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=6)),  # what comes instead
    ),
    min_size=1,
    max_size=4,
)


def spoilt(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for where, count, fragment in edits:
        position = where % (len(data) + 1)
        data = data[:position] + fragment + data[position + count :]
    return data


@settings(QUICK, max_examples=400 * TIMES)
@given(case=responses(), edits=edits, positions=positions)
def test_a_spoilt_response_has_one_outcome_in_any_pieces(
    case: Case, edits: list[tuple[int, int, bytes]], positions: list[int]
) -> None:
    data = spoilt(case.data, edits)

    outcomes = [
        outcome(feeder, pieces)
        for feeder in FEEDERS
        for pieces in ([data], cut(data, positions), bytewise(data))
        if data
    ]

    assert all(other == outcomes[0] for other in outcomes), outcomes


@settings(QUICK, max_examples=400 * TIMES)
@given(case=responses(), edits=edits)
def test_what_h11_and_we_both_accept_we_read_alike(
    case: Case, edits: list[tuple[int, int, bytes]]
) -> None:
    data = spoilt(case.data, edits)

    ours, theirs = outcome(by_feed, [data]), read_by_h11(data)

    if isinstance(ours, Read) and theirs is not None:
        assert (ours.status, lowered(ours.headers), ours.body) == (
            theirs.status,
            lowered(theirs.headers),
            theirs.body,
        )


@QUICK
@given(
    data=st.binary(max_size=400), opening=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", *FRAGMENTS])
)
@example(data=b"", opening=b"")
def test_garbage_ends_in_a_response_or_an_error_of_ours(data: bytes, opening: bytes) -> None:
    whole, single = outcome(by_feed, [opening + data]), outcome(by_feed, bytewise(opening + data))

    assert whole == single


# The quick way in: a reader that has met the shape of a head takes the next one apart in C. It must
# make of any bytes what a reader makes of them that has met nothing.


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader makes of bytes that come at once, and what it is left with."""

    read: Read | type[RuntimeAPIError] | None
    closing: bool
    is_idle: bool
    lent_bytes: int


def outcome_in(reader: ResponseReader, data: bytes) -> Outcome:
    try:
        response = reader.feed(data)
    except (ProtocolError, ConnectionLostError) as exc:
        return Outcome(type(exc), closing=True, is_idle=False, lent_bytes=0)
    return Outcome(
        as_read(response) if response else None,
        closing=bool(response and response.closing),
        is_idle=reader.is_idle,
        lent_bytes=len(reader.body_buffer or b""),
    )


def taught(*lessons: bytes) -> ResponseReader:
    """Return a reader that has read these responses, each of them complete."""
    reader = ResponseReader()
    for lesson in lessons:
        assert reader.feed(lesson) is not None
        assert reader.is_idle
    return reader


def sized(head: str, body: bytes = b"{}") -> bytes:
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


def functions_called(call: Callable[[], object]) -> set[str]:
    called: set[str] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, *_: called.add(frame.f_code.co_name))
    try:
        call()
    finally:
        sys.setprofile(before)
    return called


EVENT_HEAD: Final = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nId: {}"
LESSON: Final = sized(EVENT_HEAD.format("1-%s-{}"))
ANSWER: Final = sized("HTTP/1.1 202 Accepted", b'{"status":"OK"}\n')
NEAR_MISSES: Final = {
    "a lone CR": sized(EVENT_HEAD.format("a\rb")),
    "a lone LF": sized(EVENT_HEAD.format("a\nb")),
    "a LF at the end": sized(EVENT_HEAD.format("a\n")),
    "a CR at the end": sized(EVENT_HEAD.format("a\r")),
    "a null": sized(EVENT_HEAD.format("a\0b")),
    **{
        f"{character!r} {where}": sized(EVENT_HEAD.format(form.format(character)))
        for character in "\t \x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad%"
        for where, form in [("before", "{}a"), ("within", "a{}b"), ("behind", "a{}"), ("alone", "{}")]
    },
    "no value": sized(EVENT_HEAD.format("")),
    "no blank behind a colon": sized(EVENT_HEAD.format("a").replace("Id: ", "Id:")),
    "two blanks behind a colon": sized(EVENT_HEAD.format("a").replace("Id: ", "Id:  ")),
    "a blank before a colon": sized(EVENT_HEAD.format("a").replace("Id:", "Id :")),
    "a folded line": sized(EVENT_HEAD.format("a\r\n b")),
    "another line": sized(EVENT_HEAD.format("a\r\nId: b")),
    "an end of the head within": sized(EVENT_HEAD.format("a\r\n\r\nb")),
    "another name": sized(EVENT_HEAD.format("a").replace("Id", "Ie")),
    "another case": sized(EVENT_HEAD.format("a").replace("Id", "ID")),
    "another order": sized("HTTP/1.1 200 OK\r\nId: a\r\nContent-Type: application/json"),
    "one name twice": sized("HTTP/1.1 200 OK\r\nId: a\r\nId: application/json"),
    "a name less": sized("HTTP/1.1 200 OK\r\nContent-Type: application/json"),
    "a longer reason": sized(EVENT_HEAD.format("a").replace("OK", "OKAY")),
    "another status": sized(EVENT_HEAD.format("a").replace("200", "201")),
    "a status without a body": sized(EVENT_HEAD.format("a").replace("200 OK", "204 OK"), b""),
    "an older version": sized(EVENT_HEAD.format("a").replace("1.1", "1.0")),
    "a connection that closes": sized(EVENT_HEAD.format("close").replace("Id", "Connection")),
    "a coding": sized(EVENT_HEAD.format("gzip").replace("Id", "Transfer-Encoding")),
    "two lengths": sized(EVENT_HEAD.format("3").replace("Id", "Content-Length")),
    "bytes behind": sized(EVENT_HEAD.format("a")) + b"HTTP/1.1",
    "a body that is incomplete": sized(EVENT_HEAD.format("a"))[:-1],
    "a head that is incomplete": sized(EVENT_HEAD.format("a"))[:-4],
    **{
        f"a length of {length!r}": sized(EVENT_HEAD.format("a")).replace(b"Length: 2", b"Length: " + length)
        for length in (b"02", b"+2", b"2 ", b" 2", b"2.", b"\xb2", b"-2", b"0", b"1", b"3", b"", b"2\r\n", b"2\0")
    },
}  # fmt: skip


def lessons_like(data: bytes) -> list[bytes]:
    """Return events whose heads end where this one does, at any end it has; the ids differ."""
    lessons = []
    for end in (data.find(b"\r\n\r\n"), data.rfind(b"\r\n\r\n")):
        size = max(1, end - LESSON.find(b"\r\n\r\n") + len("1-%s-{}"))
        lessons += [sized(EVENT_HEAD.format(character * size)) for character in "xyz"]
    return lessons


@pytest.mark.parametrize("data", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_what_only_resembles_an_earlier_head_is_read_as_if_it_were_the_first(data: bytes) -> None:
    reader = taught(ANSWER, *lessons_like(data))

    assert outcome_in(reader, data) == outcome_in(ResponseReader(), data)


NEXT_HEAD: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDeadline-Ms: {0}795290000123\r\n"
    "Arn: arn:aws:lambda\r\nTrace-Id: Root=1-{0}bef4de7;Sampled=1\r\nDate: Thu, 0{0} Jan"
)


def test_any_byte_of_a_usual_head_can_be_another_one() -> None:
    *lessons, usual = [sized(NEXT_HEAD.format(number)) for number in (1, 2, 3)]
    reader = taught(*lessons)
    assert "_parse" not in functions_called(lambda: reader.feed(usual))

    for position, byte in itertools.product(range(len(usual)), b"\0\t\n\r :1aZ%\x7f\x85\xa0\xff"):
        data = usual[:position] + bytes([byte]) + usual[position + 1 :]
        assert outcome_in(taught(*lessons), data) == outcome_in(ResponseReader(), data), data


@with_an_end
def test_a_response_that_comes_again_is_read_again(case: Case) -> None:
    reader = taught(case.data, case.data)

    found = outcome_in(reader, case.data)

    assert found == outcome_in(ResponseReader(), case.data)
    assert found.read == expected(case)


@malformed
def test_what_is_no_response_is_an_error_to_a_reader_that_knows_every_shape(
    case: Malformed,
) -> None:
    lessons = [case.data for case in RESPONSES if not (case.endless or case.closing)]

    with pytest.raises(ProtocolError) as caught:
        taught(LESSON, ANSWER, *lessons).feed(case.data)

    assert case.words in str(caught.value)


@settings(QUICK, max_examples=400 * TIMES)
@given(case=responses(), edits=edits, again=st.booleans())
def test_a_spoilt_response_has_the_outcome_that_it_has_without_its_original(
    case: Case, edits: list[tuple[int, int, bytes]], *, again: bool
) -> None:
    data = spoilt(case.data, edits)
    if case.endless or not data:
        return

    reader = taught(case.data, *([case.data] if again else []))

    assert outcome_in(reader, data) == outcome_in(ResponseReader(), data)


any_characters = st.characters(max_codepoint=0xFF)
# Three values of one length: of an earlier head, of another, and of the one in question.
three_texts = st.integers(0, 6).flatmap(
    lambda size: st.lists(
        st.text(any_characters, min_size=size, max_size=size), min_size=3, max_size=3
    )
)


@settings(QUICK, max_examples=400 * TIMES)
@given(
    status=st.sampled_from(["200 OK", "202 Accepted", "500 100%", "204 No", "200 a: "]),
    fields=st.lists(st.tuples(names, three_texts), min_size=1, max_size=4),
    body=bodies,
)
def test_values_of_any_bytes_are_read_as_by_a_reader_that_knows_no_shape(
    status: str, fields: list[tuple[str, list[str]]], body: bytes
) -> None:
    def made(position: int) -> bytes:
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {texts[position]}" for name, texts in fields)]
        return sized("\r\n".join(lines), body)

    reader = ResponseReader()
    for position in (0, 1):
        outcome_in(reader, made(position))
        if not reader.is_idle:
            return
    found, by_h11 = outcome_in(reader, made(2)), read_by_h11(made(2))

    assert found == outcome_in(ResponseReader(), made(2))
    if isinstance(found.read, Read) and by_h11 is not None:
        assert (found.read.status, found.read.body) == (by_h11.status, by_h11.body)
        assert lowered(found.read.headers) == lowered(by_h11.headers)


def test_a_head_of_a_known_shape_is_not_parsed_again() -> None:
    reader = taught(*(sized(EVENT_HEAD.format(number)) for number in (1, 2)))
    event = sized(EVENT_HEAD.format(3), b"[]")

    called = functions_called(lambda: reader.feed(event))

    assert not called & {"_head", "_parse", "_fields", "_body"}
    assert outcome_in(reader, event) == outcome_in(ResponseReader(), event)


def test_an_answer_that_comes_again_is_the_last_one_itself() -> None:
    reader = taught(LESSON)

    first = reader.feed(ANSWER)
    reader.feed(LESSON)

    assert reader.feed(ANSWER) is first
    assert reader.feed(ANSWER + b"H") is not first
    assert not reader.is_idle


def test_interim_answers_are_counted_for_each_response_alone() -> None:
    reader = taught(LESSON, ANSWER)

    for _ in range(2 * MAX_INTERIM):
        assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n") is None
        assert reader.feed(LESSON) is not None
        assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n") is None
        assert reader.feed(ANSWER) is not None


def test_an_event_that_comes_again_is_another_one() -> None:
    reader = taught(LESSON)

    assert reader.feed(LESSON) is not reader.feed(LESSON)


def test_heads_of_known_shapes_with_ever_new_values_keep_no_block() -> None:
    reader = taught(LESSON, ANSWER)

    def blocks_after(first: int) -> int:
        for number in range(first, first + 100):
            reader.feed(sized(EVENT_HEAD.format(number)))
            reader.feed(sized(f"HTTP/1.1 202 Accepted\r\nDate: {number}"))
        return sys.getallocatedblocks()

    blocks = [blocks_after(100 * count) for count in range(10, 20)]

    # CPython keeps up to 2000 freed tuples of a size: from then on nothing would be seen of them.
    assert max(blocks) - min(blocks) < 50, "100 heads of each kind were read between two counts"


# What varies in life from one event to the next, in turn.
SIZES: Final = [3, 47, 190, 1_234, 16, 30_000, 8, 900, 12_000, 5]
OPTIONAL: Final = [
    'Lambda-Runtime-Client-Context: {{"custom": {{"n": {0}}}}}',
    'Lambda-Runtime-Cognito-Identity: {{"cognitoIdentityId": "eu-west-1:{0:04}"}}',
    "Lambda-Runtime-Aws-Tenant-Id: tenant-{0}",
    "Lambda-Runtime-Trace-Id: Root=1-{0:08x};Parent={0:016x};Sampled=1",
]


def lively(number: int) -> bytes:
    """Return an event with ids, times, a size and optional headers of its own."""
    optional = [
        line.format(number) for place, line in enumerate(OPTIONAL) if number * 5 >> place & 1
    ]
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        f"Date: Thu, 01 Jan 2026 00:00:{number % 60:02} GMT",
        f"Lambda-Runtime-Aws-Request-Id: {number:08x}-e9f4-11e8-9739-2dfe598c3fcd",
        *optional,
        f"Lambda-Runtime-Deadline-Ms: {1_767_225_600_000 + number}",
    ]
    return sized("\r\n".join(lines), b"x" * SIZES[number % len(SIZES)])


def test_events_that_vary_in_size_and_in_optional_headers_are_not_parsed_again() -> None:
    reader = taught(*map(lively, range(200)))

    called = functions_called(lambda: [reader.feed(lively(number)) for number in range(200, 400)])

    assert not called & {"_head", "_parse", "_fields", "_body"}


def test_events_that_vary_are_read_as_if_each_were_the_first_and_as_h11_reads_them() -> None:
    reader = ResponseReader()
    for number in range(400):
        data = lively(number)

        found, by_h11 = outcome_in(reader, data), read_by_h11(data)

        assert found == outcome_in(ResponseReader(), data), number
        assert isinstance(found.read, Read)
        assert by_h11 is not None
        assert (found.read.status, found.read.body) == (by_h11.status, by_h11.body)
        assert lowered(found.read.headers) == lowered(by_h11.headers)


def test_headers_of_a_known_shape_can_be_asked_for_by_name_in_any_order() -> None:
    reader = taught(*map(lively, range(60)))
    names = ("lambda-runtime-deadline-ms", "missing", "content-type", "date", "content-length")

    for number in range(60, 120):
        for asked in (names, names[::-1]):
            response, first = reader.feed(lively(number)), ResponseReader().feed(lively(number))
            assert isinstance(response, UsualResponse)
            assert first is not None
            assert response.values_of(asked) == first.values_of(asked)
            assert response.values_of(asked) == [first.headers.get(name, "") for name in asked]
            assert response.headers == first.headers


@settings(QUICK, max_examples=100 * TIMES)
@given(number=st.integers(100, 400), edits=edits)
def test_a_spoilt_event_is_read_alike_by_a_reader_that_has_met_many_that_vary(
    number: int, edits: list[tuple[int, int, bytes]]
) -> None:
    data = spoilt(lively(number), edits)
    if data:
        reader = taught(*map(lively, range(60)))
        assert outcome_in(reader, data) == outcome_in(ResponseReader(), data)


def test_two_shapes_of_one_length_and_of_one_number_of_lines_are_both_known() -> None:
    def event(number: int) -> bytes:
        name = ("X-A", "X-B")[number % 2]
        return sized(f"{EVENT_HEAD.format(number)}\r\n{name}: {number}")

    reader = taught(*map(event, range(100, 120)))

    called = functions_called(lambda: [reader.feed(event(number)) for number in range(120, 140)])

    assert "_parse" not in called
    assert outcome_in(reader, event(140)) == outcome_in(ResponseReader(), event(140))


def test_a_body_that_is_still_coming_does_not_have_its_known_head_parsed() -> None:
    reader = taught(*(sized(EVENT_HEAD.format(number)) for number in (1, 2)))
    event = sized(EVENT_HEAD.format(3), b"x" * 100)

    called = functions_called(lambda: reader.feed(event[:-60]))

    assert not called & {"_head", "_parse"}
    assert reader.body_buffer is not None
    response = reader.feed(event[-60:])
    assert response is not None
    assert (response.headers["id"], response.body) == ("3", b"x" * 100)


def test_what_is_remembered_is_bounded() -> None:
    reader = ResponseReader()
    large = sized("HTTP/1.1 202 Accepted", b"x" * (MAX_REPEATED_BYTES + 1))
    for count in itertools.chain(range(1, 2 * MAX_USUAL_LINES), [4] * 2 * MAX_LESSONS):
        for value in "12":
            lines = "".join(f"\r\nX-{number}-{reader._lessons}: {value}" for number in range(count))
            assert reader.feed(sized(f"HTTP/1.1 200 OK{lines}")) is not None
            shapes = reader._shapes
            assert sum(map(len, shapes.values())) <= MAX_SHAPES
            assert max(map(len, shapes.values()), default=0) <= MAX_ALIKE
    for size in range(4 * MAX_LENGTHS):
        assert reader.feed(sized(f"HTTP/1.1 200 OK{lines}", b"x" * size)) is not None
    assert reader.feed(sized("HTTP/1.1 200 OK\r\nId: " + "x" * MAX_USUAL_BYTES)) is not None

    assert reader.feed(large) is not reader.feed(large)
    assert reader._lessons == MAX_LESSONS
    assert len(reader._first_values) <= MAX_KNOWN_NAMES


def test_lengths_of_heads_are_remembered_up_to_a_limit_and_the_others_read_all_the_same() -> None:
    reader = taught(*(sized(EVENT_HEAD.format(number)) for number in (1, 2)))
    events = [sized(EVENT_HEAD.format("x" * size)) for size in range(1, 4 * MAX_LENGTHS)]

    called = functions_called(lambda: [reader.feed(event) for event in events])

    assert "_parse" not in called
    assert len(reader._places) == MAX_LENGTHS
    assert outcome_in(reader, events[-1]) == outcome_in(ResponseReader(), events[-1])


# Requests.


def requests_by_h11(data: bytes) -> tuple[h11.Request, bytes]:
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = bytearray()
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage), event
    return head, bytes(body)


request_fields = st.tuples(names.filter(lambda name: name.lower() != "host"), values)


@QUICK
@given(
    method=st.sampled_from(["GET", "POST"]),
    target=st.text(TOKEN, max_size=30).map("/".__add__),
    fixed=st.lists(request_fields, max_size=2),
    fields=st.lists(request_fields, max_size=5),
    body=st.none() | bodies,
)
def test_a_request_reads_as_it_was_meant(
    method: str,
    target: str,
    fixed: list[tuple[str, str]],
    fields: list[tuple[str, str]],
    body: bytes | None,
) -> None:
    size = None if body is None else len(body)

    head, read = requests_by_h11(
        request(method, target, fixed_part("[::1]:9001", fixed) + field_lines(fields), size)
        + (body or b"")
    )

    length = [] if size is None else [(b"content-length", b"%d" % size)]
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in fixed + fields]
    assert (head.method.decode(), head.target.decode()) == (method, target)
    assert list(head.headers) == [(b"host", b"[::1]:9001"), *sent, *length]
    assert read == (body or b"")


def test_a_header_value_goes_out_in_the_bytes_it_came_in() -> None:
    response = receive(by_feed, [b"HTTP/1.1 204 OK\r\nId: \xc3\xa9\xff\x80\r\n\r\n"])

    assert b"Id: \xc3\xa9\xff\x80\r\n" in request(
        "POST", "/", fixed_part("a", [("Id", response.headers["id"])]), 0
    )
