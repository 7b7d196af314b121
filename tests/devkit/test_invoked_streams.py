"""`snapboot invoke` with a function that streams, under the runtime that ships."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devkit.hosted import DEADLINE_S, runs
from tests.devkit.outside import OriginPolicy

FUNCTION = """
import os
import snapboot

def handler(event, context):
    if event == "buffered":
        return {"statusCode": 200}
    if event == "early":
        raise KeyError("early")
    if event == "http":
        headers = {"content-type": "text/csv"}
        return snapboot.HttpResponse(201, headers, ["a=1"], pieces(event))
    return pieces(event)

def pieces(event):
    print("function", os.getpid())
    if event == "nothing":
        return
    yield "one\\n"
    if event == "for ever":
        while True:
            yield "more\\n"
    if event == "late":
        raise ValueError("late")
    if "GATE" in os.environ:
        with open(os.environ["GATE"], "rb", 0) as gate:
            gate.read(1)
    yield "two\\n"
"""


@pytest.fixture
def command(tmp_path):
    """Return what a shell would be given, for an event."""
    (tmp_path / "app.py").write_text(FUNCTION)

    def words(event, *options):
        return [
            *(sys.executable, "-m", "snapboot_devkit", "invoke", "app.handler", json.dumps(event)),
            *("--task-root", str(tmp_path), "--timeout", "60", *options),
        ]

    return words


@pytest.fixture
def gate(tmp_path):
    with contextlib.closing(OriginPolicy(tmp_path)) as gate:
        yield gate


@contextlib.contextmanager
def started(words, **settings):
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    with subprocess.Popen(words, **settings) as process:
        try:
            yield process
        finally:
            process.kill()


def done(words):
    return subprocess.run(words, capture_output=True, timeout=DEADLINE_S, check=False)


def test_a_chunk_is_printed_while_the_function_waits_to_yield_the_next(command, gate):
    with started(command("gated", "--env", f"GATE={gate.path}")) as process:
        assert process.stdout.readline() == b"one\n"
        gate.open()
        rest, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, rest) == (0, b"two\n")


def test_a_stream_is_printed_as_it_is_and_a_result_in_a_line(command):
    assert done(command("plain")).stdout == b"one\ntwo\n"
    assert done(command("buffered")).stdout == b'{"statusCode":200}\n'
    assert done(command("nothing")).stdout == b""


def test_status_and_headers_are_noted_beside_the_body(command):
    run = done(command("http"))
    assert (run.returncode, run.stdout) == (0, b"one\ntwo\n")
    assert "snapboot: HTTP 201; content-type: text/csv; set-cookie: a=1" in run.stderr.decode()


def test_what_is_said_before_a_piece_stands_before_it_where_both_go_to_one_place(command):
    run = subprocess.run(
        command("http"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE_S,
        check=True,
    )
    places = [
        run.stdout.index(text) for text in (b"START ", b"snapboot: HTTP 201", b"one\n", b"two\n")
    ]
    assert places == sorted(places)


def test_an_error_amid_the_stream_is_reported_and_is_an_exit_code(command):
    run = done(command("late"))
    assert (run.returncode, run.stdout) == (1, b"one\n")
    assert "snapboot: the stream ended with an error: ValueError: late\n" in run.stderr.decode()


def test_an_error_ahead_of_the_stream_is_the_result_as_ever(command):
    run = done(command("early"))
    assert run.returncode == 1
    assert json.loads(run.stdout)["errorType"] == "KeyError"


def test_one_json_object_holds_the_stream_as_a_whole(command):
    assert json.loads(done(command("plain", "--json")).stdout)["result"] == "one\ntwo\n"


def test_a_reader_that_goes_away_ends_an_endless_stream_and_its_function(command):
    with started(command("for ever")) as process:
        line = b""
        while not line.startswith(b"function"):
            line = process.stderr.readline()
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        printed = process.stderr.read()
        assert process.wait(DEADLINE_S) == 141
    assert b"Traceback" not in printed
    assert not runs(int(line.split()[1]))


def test_a_signal_ends_a_stream_that_no_one_reads(command):
    with started(command("for ever")) as process:
        line = b""
        while not line.startswith(b"function"):
            line = process.stderr.readline()
        # What is written next waits for a reader from here on.
        assert select.select([process.stdout], [], [], DEADLINE_S)[0]
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(DEADLINE_S) == 130
    assert not runs(int(line.split()[1]))


def test_an_output_that_is_full_is_named(command):
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            command("plain"), stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False
        )
    assert run.returncode == 2
    assert b"snapboot: cannot write the result to standard output: No space left" in run.stderr


def test_the_prompt_of_a_terminal_comes_on_a_line_of_its_own(tmp_path, command):
    (tmp_path / "app.py").write_text("def handler(event, context): yield 'without an end'\n")
    ours, theirs = pty.openpty()
    with started(command(1), stdout=theirs) as process:
        os.close(theirs)
        process.communicate(timeout=DEADLINE_S)
    assert os.read(ours, 100) == b"without an end\r\n"
    os.close(ours)
