"""What a function prints reaches the platform at once; broken pipes neither hang nor end it unseen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING, Self

import pytest

from tests.fakes.contenders import OURS, Contender, function_environment
from tests.fakes.frames import frames
from tests.fakes.runtime_api import Call, Event, RuntimeAPI

if TYPE_CHECKING:
    from tests.fakes.function import Function

DEADLINE_S = 20
FAIL_OR_ECHO = """
def handler(event, context):
    if event == "fail":
        raise ValueError("no table")
    return event
"""


def redirected(redirection: str) -> Contender:
    """Return our runtime, started with its standard streams as the shell's redirection has it."""
    return Contender(
        redirection,
        lambda handler: ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *OURS.command(handler)],
        dict,
    )


# --- unbuffered ---------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "statement",
    [
        "print('half a line', end='', file=sys.{stream})",
        "sys.{stream}.write('half a line')",
        "sys.{stream}.writelines(['half ', 'a line'])",
        "sys.__{stream}__.write('half a line')",
    ],
)
def test_what_is_written_is_out_before_the_process_dies(function: Function, stream, statement):
    function.code(f"""
        import os, sys

        def handler(event, context):
            {statement.format(stream=stream)}
            os._exit(3)
    """)
    run = function.run(Event())
    assert run.returncode == 3
    assert getattr(run, stream) == "half a line"


def test_print_is_out_while_the_function_is_being_imported(function: Function):
    function.code("import os\nprint('at init', end='')\nos._exit(3)")
    assert function.run().stdout == "at init"


def test_bytes_written_below_the_text_keep_their_order(function: Function):
    function.code("""
        import os, sys

        def handler(event, context):
            print("one")
            sys.stdout.buffer.write(b"two\\n")
            sys.stdout.buffer.flush()
            print("three")
            os.write(1, b"four\\n")
    """)
    assert function.run(Event()).stdout == "one\ntwo\nthree\nfour\n"


def test_any_text_can_be_printed(function: Function):
    function.code("def handler(event, context): print('é €', chr(0x1f40d))")
    assert function.run(Event(), environment={"LANG": None}).stdout == "é € \U0001f40d\n"


def test_the_standard_streams_are_still_what_libraries_expect(function: Function):
    function.code("""
        import io, sys

        def handler(event, context):
            sys.stdout.reconfigure(line_buffering=True)
            return [
                isinstance(sys.stdout, io.TextIOBase), sys.stdout.fileno(), sys.stderr.fileno(),
                sys.stdout.encoding, sys.stdout.isatty(), sys.stdout is sys.__stdout__,
            ]
    """)
    assert function.run(Event()).result == [True, 1, 2, "utf-8", False, True]


def test_an_error_is_logged_where_stdout_cannot_take_its_characters(function: Function):
    function.code("def handler(event, context): raise ValueError('no é')")
    run = function.run(Event(), environment={"PYTHONIOENCODING": "ascii"})
    assert run.document["errorMessage"] == "no é"
    assert "[ERROR] ValueError: no " in run.stdout


# --- streams that are not there -----------------------------------------------------------------

CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">&- 2>&-"]


@pytest.mark.parametrize("redirection", CLOSED)
def test_with_streams_closed_at_the_start_events_are_answered(
    function: Function, over, redirection
):
    function.code("print('at init')\n" + FAIL_OR_ECHO)
    run = function.run(
        Event(b'"fail"'), Event(b"1"), contender=redirected(redirection), environment=over
    )
    assert run.returncode is None, run.stderr
    assert run.document["errorMessage"] == "no table"
    assert run.answers[1].json() == 1


@pytest.mark.parametrize("redirection", CLOSED)
def test_with_streams_closed_at_the_start_an_init_error_is_reported(
    function: Function, redirection
):
    function.code("import logging\nlogging.error('x')\nraise ValueError('no table')")
    run = function.run(contender=redirected(redirection))
    assert run.document["errorMessage"] == "no table"
    assert run.returncode == 1


@pytest.mark.parametrize("redirection", CLOSED)
def test_no_connection_takes_the_place_of_a_closed_stream(function: Function, over, redirection):
    function.code("""
        import contextlib, os

        def handler(event, context):
            for descriptor in (1, 2):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b"what native code prints\\r\\n\\r\\n")
            return event
    """)
    run = function.run(Event(b"1"), contender=redirected(redirection), environment=over)
    assert run.result == 1


@pytest.mark.parametrize("statement", ["sys.stdout.close()", "sys.stdout = None", "os.close(1)"])
def test_a_function_that_closes_its_stdout_is_served_on(function: Function, statement):
    function.code(f"import os, sys\n{statement}\n" + FAIL_OR_ECHO)
    run = function.run(Event(b'"fail"'), Event(b"1"))
    assert run.document["errorMessage"] == "no table"
    assert run.answers[1].json() == 1
    assert run.returncode is None


def test_a_function_whose_stdout_fails_in_its_own_way_is_served_on(function: Function):
    function.code("""
        import sys

        class Broken:
            def write(self, text):
                raise RuntimeError("broken in its own way")

        sys.stdout = Broken()

        def handler(event, context):
            if event == "fail":
                raise ValueError("no table")
            return event
    """)
    run = function.run(Event(b'"fail"'), Event(b"1"))
    assert run.document["errorMessage"] == "no table"
    assert run.answers[1].json() == 1


# --- pipes --------------------------------------------------------------------------------------


class Pipe:
    """A pipe whose reader looks away until it is asked to read to the end."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._reader.is_alive():
            self._reader.join(DEADLINE_S)
        os.close(self._reading)

    def wait_until_full(self) -> None:
        """Return once it has no room; of its 64 KiB small writes leave the ends of pages unused."""
        poll = threading.Event()
        for _ in range(int(DEADLINE_S / 0.01)):
            answer = fcntl.ioctl(self._reading, termios.FIONREAD, bytes(4))
            held = int.from_bytes(answer, sys.byteorder)
            if held > 50_000:
                return
            poll.wait(0.01)
        raise AssertionError(f"the pipe holds {held} bytes; nobody fills it")

    def drain(self) -> None:
        """Read on from here, beside the test."""
        self._reader.start()

    def contents(self) -> bytes:
        """Return all that was written, once there is no writer any more."""
        self._reader.join(DEADLINE_S)
        assert not self._reader.is_alive(), "somebody still holds the pipe open"
        return b"".join(self._chunks)

    def _read(self) -> None:
        while chunk := os.read(self._reading, 65536):
            self._chunks.append(chunk)


@contextlib.contextmanager
def started(
    function: Function, api: RuntimeAPI, stdout: int, log_fd: int | None = None, **environment: str
):
    """Run our runtime with one descriptor as its stdout, and one as the platform's for the log."""
    logged_to = {} if log_fd is None else {"_LAMBDA_TELEMETRY_LOG_FD": str(log_fd)}
    process = subprocess.Popen(
        OURS.command("app.handler"),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        pass_fds=[] if log_fd is None else [log_fd],
        cwd=function.root,
        env={
            **function_environment(function.root),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            **logged_to,
            **environment,
        },
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=DEADLINE_S)


def test_a_log_pipe_without_a_reader_fails_the_print_and_not_the_function(function: Function, over):
    function.code("""
        def handler(event, context):
            if event == "print":
                print("to nobody")
            if event == "fail":
                raise ValueError("no table")
            return event
    """)
    reading, writing = os.pipe()
    os.close(reading)
    events = [Event(b'"print"'), Event(b'"fail"'), Event(b"1")]
    with RuntimeAPI(*events) as api, started(function, api, writing, **over) as process:
        os.close(writing)
        assert api.wait_idle_or(lambda: process.poll() is not None)
        (printed, failed), (answered,) = api.sent(Call.ERROR), api.sent(Call.RESPONSE)
    assert printed.json()["errorType"] == "BrokenPipeError"
    assert failed.json()["errorMessage"] == "no table"
    assert answered.json() == 1


def test_a_full_log_pipe_is_waited_for_and_loses_nothing(function: Function):
    function.code("""
        import logging, signal

        signal.signal(signal.SIGUSR1, lambda *_: None)

        def handler(event, context):
            for number in range(300):
                print(f"{number:04d}", "x" * 995)
            logging.warning("last")
            return "printed"
    """)
    with Pipe() as pipe, RuntimeAPI(Event()) as api:
        with started(function, api, pipe.writing) as process:
            os.close(pipe.writing)
            pipe.wait_until_full()
            process.send_signal(signal.SIGUSR1)  # interrupts the write
            pipe.drain()
            assert api.wait_for(Call.RESPONSE).json() == "printed"
        lines = pipe.contents().splitlines()
    assert lines[:300] == [b"%04d %s" % (number, b"x" * 995) for number in range(300)]
    assert lines[300].endswith(b"\tlast")


@pytest.mark.parametrize("length", [500, 5000], ids=["smaller than a page", "larger than a page"])
def test_a_signal_handler_that_logs_while_a_frame_waits_for_room_neither_hangs_nor_cuts_it(
    function: Function, length
):
    function.code(f"""
        import logging, signal

        signal.signal(signal.SIGUSR1, lambda *_: logging.warning("from the signal handler"))

        def handler(event, context):
            for number in range(200):
                logging.warning("x" * {length})
            return "logged"
    """)
    with Pipe() as pipe, RuntimeAPI(Event()) as api:
        with started(function, api, subprocess.DEVNULL, log_fd=pipe.writing) as process:
            os.close(pipe.writing)
            pipe.wait_until_full()
            process.send_signal(signal.SIGUSR1)  # interrupts the write
            pipe.drain()
            assert api.wait_for(Call.RESPONSE).json() == "logged"
        texts = [frame.text.rpartition("\t")[2] for frame in frames(pipe.contents())]
    assert sorted(texts) == ["from the signal handler\n", *["x" * length + "\n"] * 200]


def test_logging_is_set_up_behind_a_finder_of_the_old_kind(function: Function):
    function.code("""
        import sys
        sys.meta_path.append(object())
        import logging

        def handler(event, context):
            return [type(each).__name__ for each in logging.getLogger().handlers]
    """)
    assert function.run(Event()).result == ["LambdaLoggerHandler"]


def test_a_stdout_that_was_there_before_the_runtime_stays(function: Function):
    function.write(
        "early/sitecustomize.py",
        """
        import sys

        class Tee:
            def __init__(self, stream): self.stream = stream
            def write(self, text): return self.stream.write(text.upper())
            def flush(self): self.stream.flush()

        sys.stdout = Tee(sys.stdout)
    """,
    )
    function.code("def handler(event, context): print('seen')")
    python_path = {"PYTHONPATH": str(function.root / "early")}
    # Under `-S` it is made after we have dressed stdout; what counts is that both live.
    assert "SEEN" in function.run(Event(), environment=python_path).stdout


def test_a_child_of_a_thread_stuck_in_the_log_can_log(function: Function, tmp_path):
    function.code("""
        import os, signal, threading

        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writing, True)

        def handler(event, context):
            from snapboot.logs import FramedSink
            sink = FramedSink(writing)
            stuck = threading.Thread(target=sink.write, args=("stuck",), daemon=True)
            stuck.start()
            while not sink._waiting:
                pass
            child = os.fork()
            if not child:
                signal.alarm(10)
                threading.Thread(target=os.read, args=(reading, 1 << 20), daemon=True).start()
                sink.write("from the child")
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            os.read(reading, 1 << 20)
            return os.waitstatus_to_exitcode(status)
    """)
    assert function.run(Event()).result == 0
