"""A host with several functions and many environments, with real processes."""

import asyncio
import gc
import json
import random
import sys
from pathlib import Path

import pytest

from snapboot_devkit.host import (
    ConfigError,
    FunctionConfig,
    InitializationType,
    InvokeError,
    LocalHost,
    Source,
    Status,
)
from snapboot_devkit.host.lifecycle.rules import EventRules
from tests.devkit.hosted import DEADLINE_S, HERE, config, hosted, request, runs

LINUX = sys.platform == "linux"
MANAGED = InitializationType.MANAGED_INSTANCES
PROVISIONED = InitializationType.PROVISIONED_CONCURRENCY
INVOKE = "/2015-03-31/functions/{}/invocations"


def served(scenario, *functions, **options):
    """Run a scenario with a host of functions."""

    async def play():
        async with asyncio.timeout(DEADLINE_S):
            async with LocalHost(*functions, **options) as host:
                return await scenario(host)

    return asyncio.run(play())


def test_each_function_of_a_host_is_invoked_by_its_name():
    async def scenario(host):
        first = await host.invoke([1])
        second = await host.invoke(function="asks")
        status, _, body = await request(host, path=INVOKE.format("echoes"), body=b"[2]")
        other = await request(host, path=INVOKE.format("asks"))
        missing = await request(host, path=INVOKE.format("sleeps"))
        assert (first.payload, status, body) == (b"[1]", 200, b"[2]")
        for document in (second.payload, other[2]):
            assert json.loads(document)["env"]["AWS_LAMBDA_FUNCTION_NAME"] == "asks"
        assert missing[0] == 404
        assert list(host.functions) == ["echoes", "asks"]

    served(scenario, config("echo", name="echoes"), config("about", name="asks"), port=0)


def test_a_function_that_is_not_here_is_reported_with_those_that_are():
    async def scenario(host):
        with pytest.raises(ConfigError, match=r"'sleeps' is not here; this host has echoes, asks"):
            await host.invoke(function="sleeps")

    served(scenario, config("echo", name="echoes"), config("about", name="asks"))


def test_functions_need_names_of_their_own():
    with pytest.raises(ConfigError, match=r"\['one', 'one'\] must have a name each"):
        LocalHost(config("echo", name="one"), config("about", name="one"))
    with pytest.raises(ConfigError, match="at least one function"):
        LocalHost()


def test_a_line_of_the_log_names_its_function_and_its_log_stream():
    lines = []

    async def scenario(host):
        await asyncio.gather(*(host.invoke(["hello\n"]) for _ in range(2)))

    served(scenario, config("say", name="talker"), log=lines.append)
    said = [line for line in lines if line.source is Source.FUNCTION]
    assert [(line.text, line.function) for line in said] == [("hello", "talker")] * 2
    assert len({line.log_stream for line in said}) == 2
    assert all("/[$LATEST]" in line.log_stream for line in said)


def test_invocations_one_after_the_other_share_an_environment_over_http_too():
    async def scenario(host):
        answers = [await request(host) for _ in range(5)]
        return {json.loads(body)["env"]["PID"] for _, _, body in answers}

    assert len(hosted("about", scenario)) == 1


def test_a_reset_is_waited_for_when_there_can_be_one_environment_only():
    async def scenario(host):
        return [await host.invoke(event) for event in (1, 0)]

    slow, after = hosted("hang", scenario, timeout_s=2, concurrency=1)
    assert slow.report.status is Status.TIMEOUT
    assert after.function_error is None


def test_tenants_have_environments_of_their_own():
    async def scenario(host):
        tenants = ("blue", "red", "blue")
        results = [await host.invoke(tenant_id=tenant) for tenant in tenants]
        with pytest.raises(InvokeError, match="tenant"):
            await host.invoke()
        return [json.loads(result.payload)["env"]["PID"] for result in results]

    blue, red, blue_again = hosted("about", scenario, per_tenant=True)
    assert blue == blue_again != red


def test_provisioned_environments_are_initialised_when_the_host_is_entered():
    async def scenario(host):
        while b'["ready","ready"]' not in (await request(host, "GET", "/health"))[2]:
            pass
        result = json.loads((await host.invoke()).payload)
        return result["env"]["AWS_LAMBDA_INITIALIZATION_TYPE"]

    settings = {"initialization": PROVISIONED, "provisioned": 2}
    assert hosted("about", scenario, **settings) == "provisioned-concurrency"


def test_what_exceeds_the_provisioned_environments_is_served_on_demand():
    async def scenario(host):
        results = await asyncio.gather(*(host.invoke() for _ in range(2)))
        return {
            json.loads(result.payload)["env"]["AWS_LAMBDA_INITIALIZATION_TYPE"]
            for result in results
        }

    kinds = hosted("about", scenario, initialization=PROVISIONED)
    assert kinds == {"provisioned-concurrency", "on-demand"}


def test_an_idle_environment_makes_room_for_another_function():
    async def scenario(host):
        first = json.loads((await host.invoke()).payload)
        await host.invoke(function="other")
        health = host.health()["functions"]
        return int(first["env"]["PID"]), health

    functions = config("about"), config("echo", name="other")
    pid, health = served(scenario, *functions, max_environments=1)
    assert len(health["other"]["environments"]) == 1
    assert not runs(pid)


def test_the_host_reports_its_state_function_by_function():
    async def scenario(host):
        await host.invoke()
        return json.loads((await request(host, "GET", "/health"))[2])

    functions = config("echo", name="echoes"), config("about", name="asks")
    assert served(scenario, *functions, port=0) == {
        "state": "ready",
        "functions": {"echoes": {"environments": ["ready"]}, "asks": {"environments": []}},
    }


def test_of_calls_that_were_refused_the_host_does_not_keep_more_and_more():
    """Each names a request of its own; of some the texts are kept, so as to log them once."""
    at_once = 1_500

    async def scenario(host):
        async def blocks_after(first):
            paths = [f"/2018-06-01/runtime/invocation/{first + n}/response" for n in range(at_once)]
            result = await host.invoke([["POST", path] for path in paths])
            assert json.loads(result.payload) == [404] * at_once
            assert logged == first + at_once
            gc.collect()
            return sys.getallocatedblocks()

        return [await blocks_after(round_ * at_once) for round_ in range(5)]

    def log(line):
        nonlocal logged
        logged += line.text.startswith("snapboot: POST ")

    logged = 0
    counts = hosted("try_calls", scenario, log=log)
    assert counts[-1] - counts[1] < at_once, counts


def test_a_program_reads_a_response_by_pieces():
    async def scenario(host):
        program = host.stream(["a", "b"])
        pieces = b"".join([piece async for piece in program.pieces()])
        result = await program.outcome()
        assert result.report.status is Status.SUCCESS
        return pieces

    assert hosted("echo", scenario) == b'["a", "b"]'


def collected(scenario, handler, **settings):
    """Run a scenario that waits for lines of the log; `logged(text)` waits for one with a text."""
    lines, changed = [], asyncio.Event()

    def take(line):
        lines.append(line.text)
        changed.set()

    async def logged(text):
        while not any(text in line for line in lines):
            changed.clear()
            await changed.wait()

    served(lambda host: scenario(host, logged), config(handler, **settings), port=0, log=take)
    return lines


def test_an_event_is_taken_at_once_and_handled():
    async def scenario(host, logged):
        status, headers, body = await request(
            host, body=b'["an event\\n"]', X_Amz_Invocation_Type="Event"
        )
        assert (status, body) == (202, b"")
        await logged(f"REPORT RequestId: {headers['x-amzn-requestid']}")

    assert "an event" in collected(scenario, "say")


def test_an_event_whose_function_fails_is_tried_three_times_with_one_request_id():
    async def scenario(host, logged):
        request_id = host.send("boom")
        await logged(f"event {request_id} is dropped after 3 failed attempts")
        asked.append(request_id)

    asked = []
    lines = collected(scenario, "fail", events=EventRules(retry_delays_s=(0.01, 0.02)))
    starts = [line for line in lines if line.startswith(f"START RequestId: {asked[0]}")]
    assert len(starts) == 3
    assert sum("retries in" in line for line in lines) == 2


def test_more_events_than_environments_are_all_handled_in_the_end():
    async def scenario(host, logged):
        for request_id in [host.send(number) for number in range(12)]:
            await logged(f"REPORT RequestId: {request_id}")

    lines = collected(scenario, "echo", concurrency=2)
    assert sum(line.startswith("REPORT RequestId: ") for line in lines) == 12


def test_events_that_are_not_done_when_the_host_stops_are_counted():
    async def scenario(host, logged):
        host.send(1)
        host.send(2)
        await logged("START RequestId")

    lines = collected(scenario, "hang", concurrency=1)
    assert "snapboot: the host stops; 2 events are not done" in lines


def test_an_event_that_lambda_would_refuse_is_refused():
    async def scenario(host):
        with pytest.raises(InvokeError) as refused:
            host.send("x" * 1024 * 1024)
        return refused.value.status

    assert hosted("echo", scenario) == 413


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"concurrency": 0}, "concurrency 0 must be at least 1"),
        ({"provisioned": 1}, "needs another initialization than 'on-demand'"),
        (
            {"initialization": PROVISIONED, "provisioned": 11},
            "provisioned 11 must be from 0 to the concurrency, which is 10",
        ),
        ({"idle_s": 0}, "idle time 0 must be above 0 seconds"),
        ({"max_concurrency": 2}, "max concurrency 2 is for managed instances"),
        ({"initialization": MANAGED, "memory_mb": 2048}, "max concurrency None must be from 1"),
        (
            {"initialization": MANAGED, "max_concurrency": 2},
            "memory 128 must be from 2048 to 10240 MB",
        ),
        (
            {
                "initialization": MANAGED,
                "max_concurrency": 2,
                "memory_mb": 2048,
                "per_tenant": True,
            },
            "do not support tenant isolation",
        ),
        ({"log_format": "XML"}, "log format 'XML' must be one of Text, JSON"),
        ({"log_level": "DEBUG"}, "log level 'DEBUG' needs the log format 'JSON'"),
        (
            {"log_format": "JSON", "system_log_level": "FATAL"},
            "system log level 'FATAL' must be one of DEBUG, INFO, WARN",
        ),
        ({"layers": ["nowhere"]}, "nowhere' is not a folder or a zip"),
        ({"layers": [HERE] * 6}, "6 layers are too many"),
        ({"name": "a b"}, "function name 'a b' must be"),
        ({"handler": "", "bootstrap": None}, "there is no handler, and no 'bootstrap'"),
    ],
)
def test_a_setting_that_lambda_would_refuse_is_named(settings, text):
    with pytest.raises(ConfigError) as refused:
        config(**{"handler": "echo"} | settings)
    assert text in str(refused.value)


def test_a_function_without_a_handler_runs_the_bootstrap_of_its_code(tmp_path):
    program = (HERE / "plain_runtime.py").read_text()
    handler = "import os\nos.environ['_HANDLER'] = 'echo'\n"
    (tmp_path / "bootstrap").write_text(f"#!{sys.executable} -B\n{handler}{program}")
    (tmp_path / "bootstrap").chmod(0o755)
    (tmp_path / "behaviours.py").write_text((HERE / "behaviours.py").read_text())

    async def scenario(host):
        return (await host.invoke([1])).payload

    assert served(scenario, FunctionConfig(task_root=tmp_path)) == b"[1]"


def test_managed_instances_log_json_and_are_there_from_the_start():
    managed = config("echo", initialization=MANAGED, max_concurrency=4, memory_mb=2048)
    assert (managed.log_format, managed.provisioned) == ("JSON", 1)
    assert managed.rules.init_limit_s == 130.0


MANAGED_ECHO = {"initialization": MANAGED, "max_concurrency": 3, "memory_mb": 2048}


def test_on_managed_instances_a_quick_client_is_not_refused_between_answer_and_next():
    async def scenario(host):
        return [(await host.invoke(number)).payload for number in range(20)]

    results = hosted("echo", scenario, concurrency=1, **MANAGED_ECHO)
    assert results == [b"%d" % number for number in range(20)]


def test_managed_instances_without_a_worker_to_spare_get_company():
    async def scenario(host):
        results = await asyncio.gather(*(host.invoke(number) for number in range(3)))
        return [result.payload for result in results]

    assert hosted("echo", scenario, **MANAGED_ECHO) == [b"0", b"1", b"2"]


def left():
    """Return the descriptors and the children that this process has (Linux)."""
    children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return len(list(Path("/proc/self/fd").iterdir())), sorted(children.split())


ENVIRONMENTS = 8
INVOCATIONS = 2_000


@pytest.mark.slow
def test_whatever_happens_to_its_environments_each_invocation_has_one_answer():
    """Crashes, timeouts, errors and successes, in random order, for all environments at once."""
    drawn = random.Random(3)
    events = drawn.choices(
        ["fine", "fails", "exits", "falls", "hangs"], [900, 50, 20, 20, 10], k=INVOCATIONS
    )
    expected = {"fine": None, **dict.fromkeys(["fails", "exits", "falls", "hangs"], "Unhandled")}

    async def scenario(host):
        queue = list(enumerate(events))
        seen = {}

        async def client():
            while queue:
                number, event = queue.pop()
                result = await host.invoke({"do": event, "number": number})
                assert number not in seen
                seen[number] = result
                assert result.function_error == expected[event]
                if event == "fine":
                    assert json.loads(result.payload) == number

        await asyncio.gather(*(client() for _ in range(ENVIRONMENTS)))
        assert len(seen) == INVOCATIONS
        assert len({result.report.request_id for result in seen.values()}) == INVOCATIONS

    async def play():
        async with asyncio.timeout(600):
            function = config("do", timeout_s=2.0, concurrency=ENVIRONMENTS)
            async with LocalHost(function) as host:
                await scenario(host)

    before = left() if LINUX else None
    asyncio.run(play())
    assert before == (left() if LINUX else None)
