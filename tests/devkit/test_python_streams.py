"""Streams as a test's author reads them: to the end, in part, or not at all."""

import contextlib
import struct
import time

import pytest

from snapboot_devkit.testing import LambdaFunction
from tests.devkit.hosted import HERE
from tests.devkit.outside import OriginPolicy, streaming

MUCH = 20_000_000


@pytest.fixture
def function():
    command = streaming().bootstrap
    with LambdaFunction("none", bootstrap=command, task_root=HERE, timeout=30) as opened:
        yield opened


def test_the_pieces_come_one_by_one(function):
    stream = function.stream({"pieces": ["one", "two"]})
    assert b"".join(stream) == b"onetwo"
    assert stream.result.function_error is None


def test_a_caller_who_leaves_early_does_not_hold_the_function_up(function):
    stream = function.stream({"pieces": ["first"], "size": MUCH})
    for piece in stream:
        assert piece
        break
    assert stream.result.report.status.value == "success"


def test_a_result_that_is_asked_for_first_lets_the_pieces_go(function):
    stream = function.stream({"size": MUCH})
    assert stream.result.report.status.value == "success"
    assert list(stream) == []


# ---- with the runtime that ships ----------------------------------------------------------------

OURS = """
import os
import snapboot

def handler(event, context):
    if event == "whole":
        return {"whole": True}
    if event == "http":
        headers = {"Content-Type": "text/csv"}
        return snapboot.HttpResponse(201, headers, ["a=1; Path=/", "b=2"], pieces(event))
    return pieces(event)

def pieces(event):
    if event == "early":
        raise KeyError("early")
    yield "begun"
    if event == "late":
        raise ValueError("late")
    if event == "gated":
        with open(os.environ["GATE"], "rb", 0) as gate:
            gate.read(1)
    yield b", ended"
"""


@pytest.fixture
def ours(tmp_path):
    (tmp_path / "app.py").write_text(OURS)
    with (
        contextlib.closing(OriginPolicy(tmp_path)) as gate,
        LambdaFunction(
            "app.handler", task_root=tmp_path, timeout=30, env={"GATE": gate.path}
        ) as opened,
    ):
        opened.gate = gate
        yield opened


def test_status_headers_and_cookies_are_there_with_the_first_piece(ours):
    stream = ours.stream("http")
    assert (stream.status, stream.headers) == (201, {"content-type": "text/csv"})
    assert stream.cookies == ["a=1; Path=/", "b=2"]
    assert stream.content_type == "application/vnd.awslambda.http-integration-response"
    assert b"".join(stream) == b"begun, ended"
    assert stream.error is None


def test_a_stream_without_a_status_has_a_type_and_a_whole_result_has_none(ours):
    stream = ours.stream()
    assert (stream.status, stream.headers, stream.cookies) == (None, {}, [])
    assert stream.content_type == "application/octet-stream"
    whole = ours.stream("whole")
    assert whole.content_type is None
    assert list(whole) == [b'{"whole":true}']


def test_a_piece_is_read_while_the_function_waits_to_yield_the_next(ours):
    stream = ours.stream("gated")
    pieces = iter(stream)
    assert next(pieces) == b"begun"
    assert stream.content_type == "application/octet-stream", "which waits for nothing now"
    ours.gate.open()
    assert list(pieces) == [b", ended"]


@pytest.mark.parametrize(
    ("event", "error", "read"), [("late", "ValueError", [b"begun"]), ("early", "KeyError", [])]
)
def test_an_error_amid_the_stream_or_ahead_of_it_is_there_in_the_end(ours, event, error, read):
    stream = ours.stream(event)
    assert list(stream) == read
    assert (stream.error["errorType"], stream.error["errorMessage"].strip("'")) == (error, event)
    assert stream.result.function_error


def test_a_stream_is_collected_for_a_test_that_wants_it_whole(ours):
    assert ours.invoke().payload == b"begun, ended"


# ---- much of it --------------------------------------------------------------------------------

PIECE = 64 * 1024
PIECES = 3052  # 200 MB
LEAD_BYTES = 32_000_000
GROWTH_KB = 2_000
# Of a function that makes no progress: for how long it is looked at.
POLL_S = 0.02
UNCHANGED = 25
LARGE = """
import os
import struct

PIECE = b"x" * 65536

def resident_kb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

{kind} handler(event, context):
    progress = os.open(os.environ["PROGRESS"], os.O_RDWR | os.O_CREAT)
    for number in range(event):
        os.pwrite(progress, struct.pack("Q", number), 0)
        yield PIECE
        if number == event // 10:
            before = resident_kb()
    print("grown by", resident_kb() - before, "kB")
"""


def made(progress):
    return (struct.unpack("Q", progress.read_bytes())[0] + 1) * PIECE


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_two_hundred_megabytes_take_no_memory_and_wait_for_a_slow_reader(tmp_path, kind):
    (tmp_path / "app.py").write_text(LARGE.format(kind=kind))
    progress = tmp_path / "progress"
    settings = {"task_root": tmp_path, "timeout": 300, "env": {"PROGRESS": str(progress)}}
    with LambdaFunction("app.handler", log=lambda _: None, **settings) as function:
        stream = function.stream(PIECES)
        pieces = iter(stream)
        read = len(next(pieces))
        # It stands still, or is far ahead.
        seen = [made(progress)]
        while len(seen) < UNCHANGED and seen[-1] - read < LEAD_BYTES:
            time.sleep(POLL_S)
            seen = [*seen, now] if (now := made(progress)) == seen[-1] else [now]
        assert seen[-1] - read < LEAD_BYTES
        read += sum(map(len, pieces))
        assert read == PIECES * PIECE
        (line,) = [line for line in function.logs if line.startswith("grown by")]
    assert int(line.split()[2]) < GROWTH_KB


def test_an_environment_whose_stream_outlasts_its_deadline_makes_room_for_a_new_one(tmp_path):
    (tmp_path / "app.py").write_text("""
import time

def handler(event, context):
    if event:
        return "next"
    return pieces(context)

def pieces(context):
    yield "begun"
    while True:
        time.sleep(0.01)
        yield "." * (context.get_remaining_time_in_millis() == 0)
""")
    with LambdaFunction("app.handler", task_root=tmp_path, timeout=1) as function:
        stream = function.stream()
        assert b"".join(stream).startswith(b"begun")
        assert "timed out after 1.00 seconds" in stream.error["errorMessage"]
        assert function.invoke(1).json() == "next"
