"""Functions that do to a stream what no one expects: they are answered, and so is the next event."""

from __future__ import annotations

import base64
import json

import pytest

from tests.fakes.contenders import OURS
from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, Reply, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
LONG_S = 300.0
KINDS = pytest.mark.parametrize("kind", ["def", "async def"])
NEXT = """
def handler(event, context):
    return "next" if event else pieces(context)
"""


def error_of(request):
    """Return the document in the trailers, None without one."""
    text = dict(request.trailers).get(ERROR_BODY)
    return json.loads(base64.b64decode(text)) if text else None


def streamed_and_next(function, code, *, over=None, faults=None):
    """Run `pieces` for one event, and return its answer and the run, once the next is answered."""
    function.write("app.py", code + NEXT)
    run = function.run(Event(b"0"), Event(b"1"), environment=over, faults=faults)
    assert run.returncode is None, run.stderr
    first, second = run.answers
    assert second.json() == "next"
    return first, run


@KINDS
def test_what_is_yielded_after_the_deadline_is_refused_and_the_generator_closed(
    function: Function, over, kind
):
    code = f"""
import time

{kind} pieces(context):
    try:
        while context.get_remaining_time_in_millis():
            time.sleep(0.001)
        while True:
            yield b"late" * 20_000
    finally:
        print("closed after the deadline")
"""
    function.write("app.py", code + NEXT)
    late = {Call.RESPONSE: [Reply(status=410, early=True)]}
    events = Event(b"0", timeout_s=0.05), Event(b"1")
    run = function.run(*events, environment=over, faults=late)
    assert run.answers[-1].json() == "next"
    assert "closed after the deadline" in run.stdout


@KINDS
@pytest.mark.parametrize("closing", ["raise LookupError('in finally')", "yield b'x' * 100_000"])
def test_a_generator_that_does_not_close_well_when_it_is_refused_is_in_the_log(
    function: Function, over, kind, closing
):
    code = f"""
{kind} pieces(context):
    try:
        while True:
            yield b"x" * 100_000
    finally:
        {closing}
"""
    refusal = {Call.RESPONSE: [Reply(status=413, early=True)]}
    _, run = streamed_and_next(function, code, over=over, faults=refusal)
    error = "in finally" if "raise" in closing else "ignored GeneratorExit"
    assert error in run.stdout


@KINDS
def test_an_error_in_finally_after_the_last_chunk_is_in_the_trailers(function, over, kind):
    code = f"""
{kind} pieces(context):
    try:
        yield "one"
    finally:
        raise LookupError("in finally")
"""
    first, _ = streamed_and_next(function, code, over=over)
    assert bytes(first.body) == b"one"
    assert error_of(first)["errorMessage"] == "in finally"


def test_a_generator_that_another_thread_drives_as_well_says_so_and_goes_on(function, over):
    code = """
import threading

def made(context):
    def drive():
        try:
            next(generator)
        except ValueError as exc:
            refused.append(str(exc))

    refused = []
    yield "one "
    thread = threading.Thread(target=drive)
    thread.start()
    thread.join(20)
    yield refused[0]

def pieces(context):
    global generator
    generator = made(context)
    return generator
"""
    first, _ = streamed_and_next(function, code, over=over)
    assert bytes(first.body) == b"one generator already executing"


def test_chunks_may_come_from_a_thread(function: Function, over):
    code = """
import queue
import threading

def pieces(context):
    made = queue.Queue(1)

    def make():
        for number in range(1000):
            made.put(str(number % 10))
        made.put(None)

    threading.Thread(target=make).start()
    yield from iter(made.get, None)
"""
    first, _ = streamed_and_next(function, code, over=over)
    assert bytes(first.body) == b"0123456789" * 100


@pytest.mark.slow
@KINDS
def test_ten_million_empty_chunks_end_and_keep_nothing(function: Function, kind):
    code = f"""
import sys

{kind} pieces(context):
    before = sys.getallocatedblocks()
    for _ in range(10_000_000):
        yield ""
    yield str(sys.getallocatedblocks() - before)
"""
    function.write("app.py", code + NEXT)
    with (
        RuntimeAPI(Event(b"0"), Event(b"1"), deadline_s=LONG_S) as api,
        RuntimeProcess(OURS, "app.handler", api.address, task_root=function.root),
    ):
        api.wait_idle()
        first, second = api.sent(Call.RESPONSE)
    assert second.json() == "next"
    assert int(first.body) < 100


HARMS = {
    "blocks the loop": ("time.sleep(0.05)", b"onetwo", None),
    "cancels itself": ("asyncio.current_task().cancel()", b"one", "CancelledError"),
    "stops the loop": ("asyncio.get_running_loop().stop()", b"one", "RuntimeError"),
    "closes the loop": ("asyncio.get_running_loop().close()", b"one", "RuntimeError"),
    "cancels everything": ("[t.cancel() for t in asyncio.all_tasks()]", b"one", "CancelledError"),
}


@pytest.mark.parametrize(("harm", "body", "error"), HARMS.values(), ids=HARMS)
def test_a_stream_that_harms_the_loop_ends_and_the_next_event_is_served(
    function: Function, over, harm, body, error
):
    code = f"""
import asyncio, time

async def pieces(context):
    yield "one"
    await asyncio.sleep(0)
    {harm}
    await asyncio.sleep(0.001)
    yield "two"
"""
    first, _ = streamed_and_next(function, code, over=over)
    assert bytes(first.body) == body
    assert (error_of(first) or {}).get("errorType") == error


def test_a_blocked_loop_keeps_the_tasks_of_before_and_they_go_on(function: Function):
    function.code("""
        import asyncio
        import time

        done = []

        async def background():
            await asyncio.sleep(0)
            done.append("went on")

        async def handler(event, context):
            if not event:
                tasks.add(asyncio.create_task(background()))
                time.sleep(0.05)
                return "blocked"
            await asyncio.gather(*tasks)
            return done

        tasks = set()
    """)
    assert function.run(Event(b"0"), Event(b"1")).results == ["blocked", ["went on"]]
