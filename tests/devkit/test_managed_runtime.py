"""Amazon's own runtime as managed instances run it: several events at once in one environment."""

import asyncio
import contextlib
import json
import os
import signal

import pytest

from oracles import awslambdaric
from snapboot_devkit.host import FunctionConfig, InitializationType, InvokeError, LocalHost, Source
from tests.conftest import required
from tests.devkit.hosted import DEADLINE_S, document, runs

WORKERS = 4
RETRY_S = 0.01

# A handler meets the test: it says who it is, and waits to be let go.
FUNCTION = """
import json, os, socket

def handler(event, context):
    print("at work on", event["number"], flush=True)
    with socket.create_connection(("127.0.0.1", event["port"])) as meeting:
        process = {"number": event["number"], "pid": os.getpid(), "main": os.getppid()}
        meeting.sendall(json.dumps(process).encode() + b"\\n")
        meeting.recv(1)
    return event["number"]
"""


@pytest.fixture
def function(tmp_path):
    packages = required(awslambdaric.folder)
    (tmp_path / "app.py").write_text(FUNCTION)

    def described(**settings):
        return FunctionConfig(
            "app.handler",
            task_root=tmp_path,
            bootstrap=[*awslambdaric.command(), "app.handler"],
            image_env={"PYTHONPATH": f"{packages}:{tmp_path}"},
            initialization=InitializationType.MANAGED_INSTANCES,
            max_concurrency=WORKERS,
            memory_mb=2048,
            concurrency=1,
            **({"timeout_s": DEADLINE_S} | settings),
        )

    return described


class Meeting:
    """Where handlers wait until they are let go."""

    def __init__(self, host, port, arrivals):
        self._host = host
        self._port = port
        self._arrivals = arrivals
        self._waiting = {}

    async def begin(self, number):
        """Have an event worked on; return its coming result and who works on it."""
        while True:
            coming = asyncio.create_task(self._host.invoke({"number": number, "port": self._port}))
            arriving = asyncio.create_task(self._arrivals.get())
            await asyncio.wait([coming, arriving], return_when=asyncio.FIRST_COMPLETED)
            if arriving.done():
                process, self._waiting[number] = arriving.result()
                assert process["number"] == number
                return coming, process
            arriving.cancel()
            # The other workers may not have begun to ask for events; a client tries again.
            with contextlib.suppress(InvokeError):
                raise AssertionError(coming.result())
            await asyncio.sleep(RETRY_S)

    def let_go(self, number):
        self._waiting.pop(number).close()

    def close(self):
        for number in tuple(self._waiting):
            self.let_go(number)


def met(scenario, function, **options):
    """Run a scenario with a meeting, beside a host."""

    async def play():
        arrivals = asyncio.Queue()

        async def arrived(reader, writer):
            await arrivals.put((json.loads(await reader.readline()), writer))

        async with asyncio.timeout(DEADLINE_S):
            server = await asyncio.start_server(arrived, "127.0.0.1", 0)
            async with server, LocalHost(function, **options) as host:
                port = server.sockets[0].getsockname()[1]
                with contextlib.closing(Meeting(host, port, arrivals)) as meeting:
                    return await scenario(meeting)

    return asyncio.run(play())


def test_one_environment_works_on_several_events_at_once_and_all_that_is_printed_is_in_the_log(
    function,
):
    async def scenario(meeting):
        begun = [await meeting.begin(number) for number in range(WORKERS)]
        # All of them are at work now, and they end in another order.
        for number in reversed(range(WORKERS)):
            meeting.let_go(number)
        return [(await coming).payload for coming, _ in begun], [process for _, process in begun]

    lines = []
    results, workers = met(scenario, function(), log=lines.append)
    assert results == [b"0", b"1", b"2", b"3"]
    assert len({worker["pid"] for worker in workers}) == WORKERS
    assert len({worker["main"] for worker in workers}) == 1
    printed = [line.text for line in lines if line.source is Source.FUNCTION]
    for number in range(WORKERS):
        assert any(f"at work on {number}" in text for text in printed), printed
    # A worker that asked too late has a call refused; what the host notes is of no stream.
    assert len({line.log_stream for line in lines if line.log_stream}) == 1


def test_the_timeout_of_one_event_is_that_of_no_other(function):
    async def scenario(meeting):
        slow, worker = await meeting.begin(0)
        failed = await slow
        # Its worker is still busy with it, and the environment goes on.
        quick, other = await meeting.begin(1)
        meeting.let_go(1)
        after = await quick
        meeting.let_go(0)
        # Each of the workers is free again, the late one included.
        again = [await meeting.begin(number) for number in range(2, 2 + WORKERS)]
        for number in range(2, 2 + WORKERS):
            meeting.let_go(number)
        results = [(await coming).payload for coming, _ in again]
        return failed, after, worker, other, results, [process for _, process in again]

    failed, after, worker, other, results, again = met(scenario, function(timeout_s=2))
    assert "Task timed out after 2.00 seconds" in document(failed)["errorMessage"]
    assert (after.payload, results) == (b"1", [b"2", b"3", b"4", b"5"])
    assert worker["pid"] != other["pid"]
    assert {worker["pid"], other["pid"]} < {process["pid"] for process in again}
    assert {process["main"] for process in again} == {worker["main"]}


def test_the_end_of_the_main_process_fails_all_at_work_and_a_new_environment_takes_over(function):
    async def scenario(meeting):
        begun = [await meeting.begin(number) for number in range(2)]
        old = [process for _, process in begun]
        os.kill(old[0]["main"], signal.SIGKILL)
        failed = [await coming for coming, _ in begun]
        coming, new = await meeting.begin(2)
        meeting.let_go(2)
        return failed, old, (await coming).payload, new

    failed, old, after, new = met(scenario, function())
    for result in failed:
        assert document(result)["errorType"] == "Runtime.ExitError"
        assert document(result)["errorMessage"].endswith("signal: killed")
    assert after == b"2"
    assert new["main"] != old[0]["main"]
    assert not [worker["pid"] for worker in [*old, new] if runs(worker["pid"])]
