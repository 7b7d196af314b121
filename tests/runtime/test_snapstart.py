"""SnapStart: hooks of one registry, in order, around the snapshot; what fails, and by which code."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import socketserver
import threading
from typing import TYPE_CHECKING

import pytest

from oracles import awslambdaric
from tests.fakes.contenders import OURS
from tests.fakes.runtime_api import Call, Cut, Ending, Event, Reply, RuntimeAPI, Stage
from tests.fakes.runtime_process import RuntimeProcess

if TYPE_CHECKING:
    from tests.fakes.function import Function, Run

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
ECHO = "\ndef handler(event, context): return event\n"
BOTH_NAMES = """
import snapboot
import snapshot_restore_py

{first}

def handler(event, context):
    return snapshot_restore_py.__file__
"""
HOOKS_OF_BOTH_NAMES = """
@snapboot.before_snapshot
def one(): print("before 1")

@snapshot_restore_py.register_before_snapshot
def two(): print("before 2")

snapboot.before_snapshot(print, "before", "3", end="!\\n")
snapshot_restore_py.register_before_snapshot(print, "before 4", end="\\n")

@snapboot.after_restore
def three(): print("after 1")

@snapshot_restore_py.register_after_restore
def four(): print("after 2")

snapboot.after_restore(print, "after", "3", end="!\\n")
snapshot_restore_py.register_after_restore(print, "after 4")
"""
IN_ORDER = [
    "before 4", "before 3!", "before 2", "before 1", "after 1", "after 2", "after 3!", "after 4",
]  # fmt: skip


def snapped(function: Function, source: str, *events: Event, faults=None, **environment) -> Run:
    function.code(source)
    return function.run(*events, faults=faults, environment={**SNAP_START, **environment})


# --- one registry, one order --------------------------------------------------------------------


def test_hooks_run_around_the_snapshot_in_their_order(function: Function, over):
    source = BOTH_NAMES.format(first=HOOKS_OF_BOTH_NAMES)
    run = snapped(function, source, Event(), **over)
    assert run.stdout.splitlines() == IN_ORDER
    calls = [request.call for request in run.requests]
    assert calls == [Call.RESTORE_NEXT, Call.NEXT, Call.RESPONSE, Call.NEXT]


def test_asynchronous_hooks_run_on_the_loop_of_the_events(function: Function, over):
    source = """
import asyncio
import snapboot

loops = []

async def hook(*args):
    await asyncio.sleep(0)
    loops.append(id(asyncio.get_running_loop()))

snapboot.before_snapshot(hook)
snapboot.after_restore(hook, 1)

async def handler(event, context):
    await hook()
    return [len(loops), len(set(loops))]
"""
    assert snapped(function, source, Event(), **over).result == [3, 1]


def test_a_copy_of_awss_package_in_the_function_is_the_one_registry(function: Function, over):
    shutil.copy(awslambdaric.folder() / "snapshot_restore_py.py", function.root)
    source = BOTH_NAMES.format(first=HOOKS_OF_BOTH_NAMES)
    run = snapped(function, source, Event(), **over)
    assert run.result == str(function.root / "snapshot_restore_py.py")
    assert run.stdout.splitlines() == IN_ORDER


def test_a_copy_of_awss_package_that_is_never_named_is_the_registry_too(function: Function):
    shutil.copy(awslambdaric.folder() / "snapshot_restore_py.py", function.root)
    source = "import snapboot\nsnapboot.after_restore(print, 'restored')" + ECHO
    assert snapped(function, source).stdout == "restored\n"


def test_a_hook_is_returned_as_it_was_so_that_it_can_be_called(function: Function):
    function.code("""
        import snapboot, snapshot_restore_py

        @snapboot.before_snapshot
        @snapboot.after_restore
        @snapshot_restore_py.register_before_snapshot
        @snapshot_restore_py.register_after_restore
        def hook(): return "called"

        def handler(event, context):
            return hook()
    """)
    assert function.run(Event()).result == "called"


def test_without_snap_start_hooks_are_registered_and_never_run(function: Function):
    function.code(BOTH_NAMES.format(first=HOOKS_OF_BOTH_NAMES))
    run = function.run(Event())
    assert run.stdout == ""
    assert not [request for request in run.requests if request.call is Call.RESTORE_NEXT]


def test_before_hooks_run_before_the_platform_is_notified_and_after_hooks_after_it(
    function: Function, over
):
    source = "import os, snapboot\nsnapboot.before_snapshot(os._exit, 3)" + ECHO
    run = snapped(function, source, **over)
    assert (run.returncode, run.requests) == (3, ())
    source = "import os, snapboot\nsnapboot.after_restore(os._exit, 3)" + ECHO
    run = snapped(function, source, **over)
    assert [request.call for request in run.requests] == [Call.RESTORE_NEXT]


def test_the_snapshot_modules_are_not_loaded_without_snap_start(function: Function):
    function.code("""
        import sys

        def handler(event, context):
            names = {"snapboot.snapstart", "snapboot.hooks", "snapboot.restore_safety",
                     "snapshot_restore_py"}
            return sorted(names & set(sys.modules))
    """)
    assert function.run(Event()).result == []


def test_an_environment_is_served_after_its_restore(function: Function, over):
    run = snapped(function, ECHO, Event(b"1"), Event(b"2"), **over)
    assert run.results == [1, 2]


# --- failures -----------------------------------------------------------------------------------

FAILING_HOOK = """
import snapboot

@snapboot.{kind}
def hook():
    {statement}
"""


# kind of hook -> the call that reports it, its error type, the exit code
REPORTED = {
    "before_snapshot": (Call.INIT_ERROR, "Runtime.BeforeSnapshotError", 64),
    "after_restore": (Call.RESTORE_ERROR, "Runtime.AfterRestoreError", 65),
}


@pytest.mark.parametrize(
    "raised",
    [
        ("raise ValueError('no table')", "ValueError", "no table"),
        ("raise SystemExit(9)", "SystemExit", "9"),
        ("raise BaseException('odd')", "BaseException", "odd"),
    ],
)
@pytest.mark.parametrize("kind", REPORTED)
def test_a_hook_that_fails_is_reported_and_ends_the_process(function: Function, over, kind, raised):
    (statement, error_type, message), (call, header, code) = raised, REPORTED[kind]
    source = FAILING_HOOK.format(kind=kind, statement=statement) + ECHO
    run = snapped(function, source, **over)
    assert run.returncode == code
    assert run.error.call is call
    assert run.error.header("Lambda-Runtime-Function-Error-Type") == header
    assert run.error.header("Content-Type") == "application/json"
    assert run.document["errorType"] == error_type
    assert run.document["errorMessage"] == message
    (entry,) = run.document["stackTrace"]
    assert entry.startswith(f'  File "{function.root}/app.py", line 6, in hook\n')
    assert f"[ERROR] {error_type}: {message}" in run.stdout
    assert Call.NEXT not in [request.call for request in run.requests]


def test_after_a_hook_that_fails_no_other_hook_runs(function: Function):
    source = (
        """
import snapboot
snapboot.before_snapshot(print, "never")
snapboot.before_snapshot(int, "x")
snapboot.before_snapshot(print, "first")
"""
        + ECHO
    )
    run = snapped(function, source)
    assert run.returncode == 64
    assert run.stdout.startswith("first\n")
    assert "never" not in run.stdout


def test_an_init_error_comes_before_any_hook(function: Function):
    run = snapped(function, "import snapboot\nsnapboot.before_snapshot(print, 'hook')\n1 / 0")
    assert run.returncode == 1
    assert run.error.header("Lambda-Runtime-Function-Error-Type") == "ZeroDivisionError"
    assert "hook\n" not in run.stdout


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_platform_that_refuses_the_snapshot_is_an_error_before_it(
    function: Function, over, status
):
    faults = {Call.RESTORE_NEXT: [Reply(status=status)]}
    run = snapped(function, ECHO, faults=faults, **over)
    assert run.returncode == 64
    assert run.error.call is Call.INIT_ERROR
    assert run.error.header("Lambda-Runtime-Function-Error-Type") == "Runtime.BeforeSnapshotError"
    assert str(status) in run.document["errorMessage"]
    assert "/restore/next" in run.document["errorMessage"]


# --- across the snapshot ------------------------------------------------------------------------


def test_the_connection_is_made_again_after_the_restore(function: Function, over):
    run = snapped(function, ECHO, Event(b"1"), **over)
    by_call = {request.call: request.connection for request in run.requests}
    assert by_call[Call.NEXT] != by_call[Call.RESTORE_NEXT]
    assert by_call[Call.NEXT] == by_call[Call.RESPONSE]


@pytest.mark.parametrize("ending", Ending)
def test_a_connection_lost_across_the_snapshot_is_made_again(function: Function, over, ending):
    faults = {Call.RESTORE_NEXT: [Reply(cut=Cut(Stage.BEFORE_REPLY, ending))]}
    source = BOTH_NAMES.format(first=HOOKS_OF_BOTH_NAMES)
    run = snapped(function, source, Event(), faults=faults, **over)
    assert run.stdout.splitlines() == IN_ORDER
    assert len(run.results) == 1


def test_a_lost_connection_whose_restore_has_happened_already_goes_on(function: Function, over):
    faults = {Call.RESTORE_NEXT: [Reply(cut=Cut(Stage.BEFORE_REPLY)), Reply(status=403)]}
    run = snapped(function, ECHO, Event(b"1"), faults=faults, **over)
    assert run.result == 1


def test_a_connection_kept_by_the_platform_and_dead_by_the_first_event_is_made_again(
    function: Function, over
):
    faults = {Call.RESTORE_NEXT: [Reply(cut=Cut(Stage.AFTER_REPLY, Ending.CLOSE))]}
    assert snapped(function, ECHO, Event(b"1"), faults=faults, **over).result == 1


class Relay(socketserver.ThreadingTCPServer):
    """A proxy before the Runtime API, as extensions put one there.

    With `forgets`, it has lost its connections when it is restored itself: it answers none of the
    calls that it had passed on by then.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, *, forgets: bool) -> None:
        host, _, port = address.rpartition(":")
        self._upstream = host, int(port)
        self._forgets = forgets
        self.accepted = 0
        super().__init__(("127.0.0.1", 0), None)  # finish_request handles them

    def finish_request(self, request, _client) -> None:
        self.accepted += 1
        with socket.create_connection(self._upstream) as upstream:
            answers = threading.Thread(target=self._pass_on, args=(upstream, request))
            answers.start()
            self._pass_on(request, upstream)
            answers.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65_536):
                if self._forgets and b"/restore/next " in content:
                    self._forgets = False
                    source.shutdown(socket.SHUT_RDWR)  # before there can be an answer
                sink.sendall(content)
        for one in (sink, source):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("forgets", [False, True])
def test_the_connection_through_a_proxy_is_made_again(function: Function, over, forgets):
    function.code(ECHO)
    with RuntimeAPI(Event(b"1")) as api, Relay(api.address, forgets=forgets) as relay:
        thread = threading.Thread(target=relay.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        host, port = relay.server_address
        variables = {**SNAP_START, **over}
        address = f"{host}:{port}"
        with RuntimeProcess(
            OURS, "app.handler", address, task_root=function.root, environment=variables
        ):
            answer = api.wait_for(Call.RESPONSE)
            api.wait_for(Call.RESTORE_NEXT, 1 + forgets)
            api.wait_idle()
        relay.shutdown()
        thread.join()
    assert answer.body == b"1"
    restored = api.sent(Call.RESTORE_NEXT)
    assert len(restored) == 1 + forgets
    assert relay.accepted == 2 + forgets
    assert answer.connection not in {one.connection for one in restored}


# --- what a restored process must not share with its siblings -----------------------------------


def test_random_numbers_are_not_those_the_snapshot_would_have_led_to(function: Function):
    run = snapped(
        function,
        """
import os, random, tempfile
import snapboot

random.seed(5)
expected = random.Random(5).random()
first_name = next(tempfile._get_candidate_names())
names = tempfile._get_candidate_names()
names.rng.seed(5)
expected_name = next(names)
names.rng.seed(5)

def handler(event, context):
    return [random.random() == expected, next(tempfile._get_candidate_names()) == expected_name]
""",
        Event(),
    )
    assert run.result == [False, False]


def test_nothing_is_imported_for_the_sake_of_randomness(function: Function):
    source = """
import sys

def handler(event, context):
    return sorted({"random", "numpy", "tempfile", "ssl"} & set(sys.modules))
"""
    assert snapped(function, source, Event()).result == []


def test_a_seed_set_by_an_after_hook_stands(function: Function):
    source = """
import random, snapboot
expected = random.Random(5).random()
snapboot.after_restore(random.seed, 5)

def handler(event, context):
    return random.random() == expected
"""
    assert snapped(function, source, Event()).result is True


def test_the_log_of_a_failing_hook_is_json_on_request(function: Function):
    source = FAILING_HOOK.format(kind="after_restore", statement="1 / 0") + ECHO
    run = snapped(function, source, AWS_LAMBDA_LOG_FORMAT="JSON")
    (record,) = map(json.loads, run.stdout.splitlines())
    assert record["errorType"] == "ZeroDivisionError"


@pytest.mark.parametrize("name", ["random", "ssl", "tempfile"])
def test_a_module_of_the_functions_named_as_one_that_is_renewed_is_left_alone(
    function: Function, name
):
    function.write(f"{name}.py", "MINE = 1")
    source = f"import {name}\n\ndef handler(event, context):\n    return {name}.MINE\n"
    assert snapped(function, source, Event()).result == 1
