"""Signals: Python handlers run while the runtime waits in `next`, with no thread of ours."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import OURS
from tests.fakes.runtime_api import Call, Event, Reply, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

if TYPE_CHECKING:
    from tests.fakes.function import Function

GOODBYE = """
import os, signal, sys

def say_goodbye(number, frame):
    os.write(1, b"goodbye\\n")  # print is not made to be interrupted by itself
    {then}

signal.signal(signal.SIGTERM, say_goodbye)

def handler(event, context):
    return event
"""


@contextlib.contextmanager
def waiting(function: Function, environment, *events: Event):
    """Run the function until it waits in `next`."""
    with (
        RuntimeAPI(*events) as api,
        RuntimeProcess(
            OURS, "app.handler", api.address, task_root=function.root, environment=environment
        ) as process,
    ):
        api.wait_idle()
        yield api, process


@pytest.mark.parametrize("events", [(), (Event(b"1"),)], ids=["first next", "after an event"])
def test_a_handler_of_sigterm_runs_while_the_runtime_waits(function: Function, over, events):
    function.code(GOODBYE.format(then="sys.exit(0)"))
    with waiting(function, over, *events) as (_, process):
        process.signal(signal.SIGTERM)
        ending = process.wait()
    assert (ending.returncode, ending.stdout) == (0, b"goodbye\n")


# The kernel gives the signal to the other thread, so nothing interrupts the main one: it is the same
# for it as a signal that comes just before it begins to wait.
BESIDE = """
import signal, threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
"""


@pytest.mark.parametrize("events", [(), (Event(b"1"),)], ids=["first next", "after an event"])
def test_a_signal_that_does_not_interrupt_the_wait_is_handled_at_once(function, over, events):
    function.code(BESIDE + GOODBYE.format(then="sys.exit(0)"))
    with waiting(function, over, *events) as (_, process):
        process.signal(signal.SIGTERM)
        ending = process.wait()
    assert (ending.returncode, ending.stdout) == (0, b"goodbye\n")


def test_the_wait_goes_on_after_a_signal_that_did_not_interrupt_it(function: Function, over):
    function.code(
        BESIDE + GOODBYE.format(then="pass").replace("return event", "return os.listdir('/dev/fd')")
    )
    with waiting(function, over, Event()) as (api, process):
        for number in range(1, 6):
            process.signal(signal.SIGTERM)
            process.wait_for_output(b"goodbye\n" * number)
            api.send(Event())
            api.wait_for(Call.RESPONSE, number + 1)
        first, *others = (api.wait_for(Call.RESPONSE, count).json() for count in range(1, 7))
    assert others == [first] * 5, "a descriptor is left behind"


def test_the_functions_own_event_loop_hears_of_signals_that_came_while_the_runtime_waited(
    function: Function, over
):
    function.code("""
        import asyncio, signal

        loop = asyncio.new_event_loop()
        heard = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, lambda: (print("heard"), heard.set()))

        def handler(event, context):
            if event == "wait":
                loop.run_until_complete(asyncio.wait_for(heard.wait(), 20))
                return "heard"
    """)
    with waiting(function, over, Event(b'"first"')) as (api, process):
        process.signal(signal.SIGTERM)
        api.send(Event(b'"wait"'))
        assert api.wait_for(Call.RESPONSE, 2).json() == "heard"


def test_a_wake_up_descriptor_that_a_handler_sets_stays_set(function: Function, over):
    function.code("""
        import os, signal

        woken, wakeup = os.pipe()
        os.set_blocking(wakeup, False)

        def heed(number, frame):
            signal.set_wakeup_fd(wakeup)
            os.write(1, b"heard\\n")

        signal.signal(signal.SIGTERM, heed)

        def handler(event, context):
            return signal.set_wakeup_fd(-1) == wakeup
    """)
    with waiting(function, over) as (api, process):
        process.signal(signal.SIGTERM)
        process.wait_for_output(b"heard\n")
        api.send(Event())
        assert api.wait_for(Call.RESPONSE).json() is True


def test_a_process_without_standard_streams_waits_all_the_same(function: Function, over):
    function.code(
        GOODBYE.format(then="os._exit(3)").replace('os.write(1, b"goodbye\\n")', "pass")
        + "    \nos.closerange(0, 3)\n"
    )
    with waiting(function, over, Event()) as (_, process):
        process.signal(signal.SIGTERM)
        assert process.wait().returncode == 3


def test_a_process_without_descriptors_left_waits_all_the_same(function: Function, over):
    function.code(
        GOODBYE.format(then="pass")
        + "import resource\n"
        + "low = os.dup(0)\n"
        + "os.close(low)\n"
        + "resource.setrlimit(resource.RLIMIT_NOFILE, (low + 1, low + 1))\n"
    )
    with waiting(function, over, Event(b"1")) as (api, _):
        api.send(Event(b"2"))
        assert api.wait_for(Call.RESPONSE, 2).json() == 2


def test_after_a_signal_handler_that_returns_the_wait_goes_on(function: Function, over):
    function.code(GOODBYE.format(then="pass"))
    with waiting(function, over) as (api, process):
        for number in (1, 2, 3):
            process.signal(signal.SIGTERM)
            process.wait_for_output(b"goodbye\n" * number)
        api.send(Event(b'"served"'))
        assert api.wait_for(Call.RESPONSE).json() == "served"
        assert len({request.connection for request in api.requests}) == 1


def test_a_handler_of_sigterm_runs_while_restore_next_blocks(function: Function, over):
    function.code(GOODBYE.format(then="sys.exit(0)"))
    faults = {Call.RESTORE_NEXT: [Reply(pause_s=60, body=b"12")]}
    environment = {**over, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with (
        RuntimeAPI(faults=faults) as api,
        RuntimeProcess(
            OURS, "app.handler", api.address, task_root=function.root, environment=environment
        ) as process,
    ):
        api.wait_for(Call.RESTORE_NEXT)
        process.signal(signal.SIGTERM)
        process.wait_for_output(b"goodbye\n")


def test_without_a_handler_sigterm_ends_the_process_at_once(function: Function, over):
    function.code("def handler(event, context): return event")
    with waiting(function, over) as (_, process):
        process.signal(signal.SIGTERM)
        assert process.wait().returncode == -signal.SIGTERM


def test_a_signal_handler_that_raises_ends_the_process_with_its_traceback(function: Function, over):
    function.code(GOODBYE.format(then="raise ValueError('in a signal handler')"))
    with waiting(function, over) as (_, process):
        process.signal(signal.SIGTERM)
        ending = process.wait()
    assert ending.returncode == 1
    # Not the last line: `http.client` may complain of a response that was interrupted half made.
    assert b"ValueError: in a signal handler" in ending.stderr.splitlines()


def test_a_signal_while_the_function_runs_is_its_own(function: Function, over):
    # The wake-up descriptor: a wait for anything else can begin just after the signal has come.
    function.code("""
        import os, select, signal

        caught = []
        signal.signal(signal.SIGUSR1, lambda *_: caught.append(True))
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)

        def handler(event, context):
            print("running")
            select.select([woken], [], [], 20)
            return caught
    """)
    with (
        RuntimeAPI(Event()) as api,
        RuntimeProcess(
            OURS, "app.handler", api.address, task_root=function.root, environment=over
        ) as process,
    ):
        process.wait_for_output(b"running")
        process.signal(signal.SIGUSR1)
        assert api.wait_for(Call.RESPONSE).json() == [True]


def test_the_handler_runs_in_the_main_thread_and_there_is_no_other(function: Function, over):
    function.code("""
        import threading

        def handler(event, context):
            return [threading.current_thread() is threading.main_thread(), threading.active_count()]
    """)
    run = function.run(Event(), Event(), environment=over)
    assert run.results == [[True, 1], [True, 1]]
