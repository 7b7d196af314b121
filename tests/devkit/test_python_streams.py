"""Streams as a test's author reads them: to the end, in part, or not at all."""

import contextlib

import pytest

from snapboot_devkit.testing import LambdaFunction
from tests.devkit.hosted import HERE
from tests.devkit.outside import Gate, streaming

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


def test_whoever_leaves_early_does_not_hold_the_function_up(function):
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
        contextlib.closing(Gate(tmp_path)) as gate,
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
