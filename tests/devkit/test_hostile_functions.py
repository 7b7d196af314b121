"""Functions that do their worst: each is ended in time, leaves nothing, and harms no other."""

import asyncio
import gc
import json
import sys
from pathlib import Path

import pytest

from snapboot_devkit.host import InvokeError, Source, Status
from snapboot_devkit.host.http.connection import MAX_CONNECTIONS
from tests.devkit.hosted import document, hosted, invoked, request, runs

LINUX = sys.platform == "linux"
MIB = 1024 * 1024
KEPT = 8 * MIB


async def first_slow_after(host):
    """Invoke with 0, with 1, and with 0 again."""
    return [await host.invoke(event) for event in (0, 1, 0)]


@pytest.mark.parametrize("handler", ["stop_itself", "leave_the_group"])
def test_the_timeout_ends_a_function_whatever_it_does_to_its_process(handler):
    first, slow, after = hosted(handler, first_slow_after, timeout_s=2.0)
    assert slow.report.status is Status.TIMEOUT
    assert not runs(int(first.payload))
    assert after.report.status is Status.SUCCESS


@pytest.mark.skipif(not LINUX, reason="/proc lists a process's children")
def test_a_function_that_kills_the_hosts_children_has_killed_itself():
    _, killed, after = hosted("kill_the_hosts_children", first_slow_after)
    assert document(killed)["errorMessage"].endswith("signal: killed")
    assert after.payload == b"0"


def test_a_function_that_closes_every_descriptor_is_reported_as_exited():
    assert document(invoked("close_every_descriptor"))["errorType"] == "Runtime.ExitError"


@pytest.mark.skipif(not LINUX, reason="only /proc leads to a process that has left the group")
def test_a_daemon_does_not_outlive_the_host():
    assert not runs(int(invoked("leave_a_daemon_behind").payload))


def test_connections_beyond_the_limit_are_refused_and_the_invocation_goes_on():
    assert invoked("crowd_the_api", MAX_CONNECTIONS).payload == b"true"


def test_of_a_line_without_end_the_log_keeps_the_last_part_and_the_sink_gets_all():
    seen = 0

    def count(line):
        nonlocal seen
        seen += len(line.text) if line.source is Source.FUNCTION else 0

    async def scenario(host):
        return await host.invoke(50)

    result = hosted("print_megabytes", scenario, log=count)
    assert seen == 50 * MIB
    assert sum(map(len, result.logs)) <= KEPT
    assert result.logs[0].endswith(" lines before this one are left out")
    assert result.logs[-1].startswith("REPORT RequestId: ")


@pytest.mark.parametrize("text", ["x", "\n"], ids=["one line", "empty lines"])
def test_output_without_end_keeps_no_other_from_an_answer_and_ends_with_the_timeout(text):
    async def scenario(host):
        flood = asyncio.ensure_future(host.invoke(text))
        while not flood.done():
            status, _, body = await request(host, "GET", "/health")
            assert (status, json.loads(body)["state"] != "dead") == (200, True)
        return await flood

    result = hosted("print_for_ever", scenario, timeout_s=2.0)
    assert result.report.status is Status.TIMEOUT
    assert sum(map(len, result.logs)) <= KEPT


def test_a_sink_that_fails_is_reported_to_the_loop_and_fails_no_invocation():
    reported = []

    def fail(line):
        raise ValueError(line.text)

    async def scenario(host):
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )
        return await host.invoke(["hello\n"])

    assert hosted("say", scenario, log=fail).payload == b"null"
    assert [str(context["exception"])[:5] for context in reported] == [
        "INIT_",
        "START",
        "hello",
        "END R",
        "REPOR",
    ]


def test_more_invocations_than_there_may_be_environments_are_refused():
    async def scenario(host):
        running = [asyncio.ensure_future(host.invoke(1)) for _ in range(3)]
        # The tasks run up to their first wait.
        await asyncio.sleep(0)
        with pytest.raises(InvokeError, match="let an invocation end") as refused:
            await host.invoke(1)
        status, headers, _ = await request(host)
        for task in running:
            task.cancel()
        return refused.value.status, status, headers["x-amzn-errortype"]

    settings = {"concurrency": 3}
    assert hosted("hang", scenario, **settings) == (429, 429, "TooManyRequestsException")


def test_large_results_come_together_for_many_callers():
    size = 6 * MIB

    async def scenario(host):
        bodies = [str(size).encode()] * 8
        return await asyncio.gather(*(request(host, body=body) for body in bodies))

    answers = hosted("many_bytes", scenario, memory_mb=512)
    assert [len(body) for _, _, body in answers] == [size] * 8


def held():
    """Return what grows if anything does: descriptors, tasks, objects."""
    gc.collect()
    descriptors = Path("/proc/self/fd") if LINUX else Path("/dev/fd")
    return len(list(descriptors.iterdir())), len(asyncio.all_tasks()), len(gc.get_objects())


def test_thousands_of_invocations_leave_nothing_in_the_host():
    async def scenario(host):
        async def after(count):
            for _ in range(20):
                await request(host)
            for _ in range(count):
                await host.invoke()
            return held()

        return await after(100), [await after(400) for _ in range(3)]

    few, later = hosted("echo", scenario)
    assert [many[:2] for many in later] == [few[:2]] * 3
    # Timers that are about to end come and go by the dozen; what is kept never goes.
    assert min(many[2] for many in later) < few[2] + 100
