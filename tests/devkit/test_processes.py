"""The host with real processes: what a runtime may do, and what is left of it."""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from snapboot_devkit.host import InitializationType, InvokeError, LocalHost, LogLine, Source, Status
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.hosted import DEADLINE_S, HERE, config, document, hosted, invoked, request, runs

LINUX = sys.platform == "linux"


def test_an_event_is_echoed_with_true_figures():
    result = invoked("echo", {"a": "ä"}, memory_mb=256)
    assert json.loads(result.payload) == {"a": "ä"}
    assert result.function_error is None
    report = result.report
    assert report.status is Status.SUCCESS
    assert 0 < report.duration_ms < report.billed_ms
    assert report.duration_ms + report.init_ms <= report.billed_ms
    assert report.memory_size_mb == 256


def test_the_log_of_an_invocation_is_bracketed_by_the_platforms_lines():
    init, start, line, end, report = invoked("say", ["hello\n"], timeout_s=20).logs
    assert init == "INIT_START Runtime Version: provided:local"
    assert line == "hello"
    request_id = start.split()[2]
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert end == f"END RequestId: {request_id}"
    name, duration, billed, size, *rest = report.split("\t")
    assert name == f"REPORT RequestId: {request_id}"
    assert duration.startswith("Duration: ")
    assert duration.endswith(" ms")
    assert billed.startswith("Billed Duration: ")
    assert size == "Memory Size: 128 MB"
    assert rest[-2].startswith("Init Duration: ")
    assert rest[-1] == ""


def test_a_print_without_a_newline_is_a_line_of_its_invocation():
    assert invoked("say", ["no ", "newline"]).logs[2:-2] == ("no newline",)


def test_standard_error_is_logged_too():
    assert "oops" in invoked("complain", "oops\n").logs


def test_a_line_longer_than_the_largest_log_event_is_broken():
    lines = invoked("say", ["x" * 1_500_000, "y\n"]).logs[2:-2]
    assert "".join(lines) == "x" * 1_500_000 + "y"
    assert len(lines) == 2


def test_every_line_goes_to_the_log_with_its_source():
    lines = []
    invoked("say", ["hello\n"], log=lines.append)
    assert lines[2] == LogLine(Source.FUNCTION, "hello")
    assert [line.source for line in lines[3:]] == [Source.PLATFORM, Source.PLATFORM]


@pytest.mark.skipif(not LINUX, reason="/proc tells the peak of a running process")
def test_the_report_shows_the_peak_of_the_memory_and_keeps_it():
    async def scenario(host):
        small = await host.invoke(1)
        large = await host.invoke(64)
        after = await host.invoke(1)
        return [result.report.max_memory_used_mb for result in (small, large, after)]

    small, large, after = hosted("swallow_memory", scenario)
    assert large >= small + 60
    assert after == large


@pytest.mark.skipif(not LINUX, reason="/proc tells the peak of a running process")
def test_the_report_counts_the_functions_children():
    async def scenario(host):
        before = await host.invoke({"new session": False})
        after = await host.invoke({"new session": False})
        return before.report.max_memory_used_mb, after.report.max_memory_used_mb

    one_child, two_children = hosted("leave_a_child_behind", scenario)
    assert two_children > one_child


def test_an_error_is_passed_on_as_it_was_posted():
    result = invoked("fail", "boom")
    assert document(result) == {"errorMessage": "boom", "errorType": "ValueError"}
    assert result.report.error_type == "Function.Failed"
    assert result.logs[-1].endswith("\tStatus: error\tError Type: Function.Failed")


@pytest.mark.parametrize(
    ("handler", "event", "text"),
    [
        ("leave", 0, "Runtime exited without providing a reason"),
        ("leave", 3, "Runtime exited with error: exit status 3"),
        ("fall", signal.SIGKILL, "Runtime exited with error: signal: killed"),
    ],
)
def test_a_crash_is_reported_and_the_next_invocation_has_a_new_process(handler, event, text):
    async def scenario(host):
        return await host.invoke(event), await host.invoke(event)

    for result in hosted(handler, scenario):
        problem = document(result)
        assert problem["errorType"] == "Runtime.ExitError"
        assert problem["errorMessage"].endswith(f" Error: {text}")


def test_a_timeout_is_reported_and_the_next_invocation_has_a_new_process():
    async def scenario(host):
        return [await host.invoke(seconds) for seconds in (0, 1, 0)]

    first, slow, after = hosted("hang", scenario, timeout_s=2.0)
    assert document(slow)["errorMessage"].endswith("Task timed out after 2.00 seconds")
    assert slow.report.status is Status.TIMEOUT
    assert slow.report.duration_ms >= 2000
    assert not runs(int(first.payload))
    assert first.payload != after.payload
    assert after.report.init_ms is None


def test_an_init_that_fails_once_is_saved_by_the_suppressed_one(tmp_path):
    settings = {"env": {"INIT": "fails once", "MARKER": str(tmp_path / "failed")}}
    result = invoked("echo", 1, **settings)
    assert result.payload == b"1"
    assert result.logs[1].startswith("INIT_REPORT Init Duration: ")
    assert result.logs[1].endswith("\tPhase: init\tStatus: error\tError Type: Function.Failed")
    assert result.report.init_ms is None


def test_an_init_that_always_fails_is_reported_to_every_caller():
    async def scenario(host):
        return await host.invoke(), await host.invoke()

    for result in hosted("echo", scenario, env={"INIT": "fails"}):
        assert document(result)["errorMessage"] == "no init today"


def test_a_handler_that_does_not_exist_is_the_runtimes_error():
    assert document(invoked("nothing"))["errorType"] == "AttributeError"


def test_an_init_at_its_limit_is_run_again_under_the_function_timeout():
    result = invoked("echo", env={"INIT": "hangs"}, init_limit_s=0.5, timeout_s=1.0)
    assert result.logs[1].endswith("\tPhase: init\tStatus: timeout")
    assert document(result)["errorType"] == "Sandbox.Timedout"


def test_a_command_that_does_not_exist_is_an_invalid_entrypoint():
    problem = document(invoked("echo", bootstrap="/no/such/bootstrap"))
    assert problem["errorType"] == "Runtime.InvalidEntrypoint"
    assert "/no/such/bootstrap" in problem["errorMessage"]


def test_the_largest_payload_goes_both_ways():
    text = json.dumps("x" * (MAX_PAYLOAD_BYTES - 2)).encode()
    result = invoked("echo", text)
    assert result.payload == text


def test_a_larger_result_is_refused_and_the_environment_lives_on():
    async def scenario(host):
        large = await host.invoke(MAX_PAYLOAD_BYTES + 1)
        return large, await host.invoke(10)

    large, after = hosted("many_bytes", scenario)
    assert document(large) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size (6291557 bytes) exceeded maximum allowed payload "
        "size (6291556 bytes).",
    }
    assert len(after.payload) == 10
    assert "INIT_REPORT" not in "".join(after.logs)


def test_a_larger_event_is_refused():
    with pytest.raises(InvokeError, match="must be smaller than 6291556 bytes") as refused:
        invoked("echo", b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"')
    assert refused.value.exception == "RequestTooLargeException"


def test_a_chunked_answer_is_taken():
    result = invoked("answer_chunked", ["[1,", "2", "]"])
    assert result.payload == b"[1,2]"


def test_an_answer_that_breaks_off_fails_the_invocation_and_the_environment_lives_on():
    async def scenario(host):
        return await host.invoke(), await host.invoke()

    first, second = hosted("break_off", scenario)
    assert document(first)["errorType"] == "Runtime.TruncatedResponse"
    assert first.report.error_type == "Runtime.TruncatedResponse"
    assert first.report.init_ms is not None
    assert second.report.init_ms is None
    assert "Runtime.ExitError" not in second.payload.decode()


def test_nonsense_from_a_function_is_refused_and_does_no_harm():
    response = json.loads(invoked("talk_nonsense").payload)
    assert response.startswith("HTTP/1.1 400 Bad Request\r\n")


def test_calls_at_the_wrong_moment_are_refused_and_the_invocation_goes_on():
    calls = {
        ("POST", "/init/error"): 403,
        ("POST", "/invocation/another/response"): 400,
        ("GET", "/restore/next"): 404,
        ("GET", "/nowhere"): 404,
        ("DELETE", "/invocation/next"): 405,
        ("GET", "/invocation/next"): 200,
    }
    assert json.loads(invoked("try_calls", list(calls)).payload) == list(calls.values())


def test_invocations_that_come_together_have_an_environment_each():
    async def scenario(host):
        return await asyncio.gather(*(host.invoke(number) for number in range(4)))

    results = hosted("echo", scenario)
    assert [int(result.payload) for result in results] == list(range(4))
    assert [result.report.init_ms is not None for result in results] == [True] * 4


def test_a_runtime_sees_the_platforms_variables_and_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("A_VARIABLE_OF_THE_HOST", "secret")
    result = json.loads(invoked("about", env={"STAGE": "test"}, memory_mb=512).payload)
    env = result["env"]
    assert "A_VARIABLE_OF_THE_HOST" not in env
    assert env["STAGE"] == "test"
    assert env["_HANDLER"] == "about"
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert env["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/test_function"
    assert env["LAMBDA_TASK_ROOT"] == str(HERE)
    assert env["TZ"] == ":UTC"


def test_a_runtime_gets_all_headers_of_the_event():
    async def scenario(host):
        return await host.invoke(
            client_context={"custom": {"ä": 1}},
            tenant_id="blue",
            trace_id="Root=1-2-3",
            request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        )

    headers = json.loads(hosted("about", scenario, per_tenant=True).payload)["headers"]
    assert headers["lambda-runtime-aws-request-id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    assert headers["lambda-runtime-trace-id"] == "Root=1-2-3"
    assert headers["lambda-runtime-aws-tenant-id"] == "blue"
    assert json.loads(headers["lambda-runtime-client-context"]) == {"custom": {"ä": 1}}
    assert headers["lambda-runtime-invoked-function-arn"] == (
        "arn:aws:lambda:us-east-1:012345678912:function:test_function"
    )
    assert int(headers["lambda-runtime-deadline-ms"]) > 1_700_000_000_000
    assert headers["lambda-runtime-invocation-id"]
    assert "lambda-runtime-cognito-identity" not in headers


def test_a_runtime_starts_in_the_task_root_and_leads_its_own_group():
    result = json.loads(invoked("where").payload)
    assert result["cwd"] == str(HERE)
    assert result["pid"] == result["group"]


def test_a_snapshot_is_restored_by_its_first_invocation():
    snap_start = InitializationType.SNAP_START
    result = invoked("about", initialization=snap_start)
    _, init, begun, restore, start, *_ = result.logs
    assert init.startswith("INIT_REPORT Init Duration: ")
    assert init.endswith("\tPhase: snap-start\tStatus: success")
    assert begun == "RESTORE_START Runtime Version: provided:local"
    assert restore.startswith("RESTORE_REPORT Restore Duration: ")
    assert start.startswith("START RequestId: ")
    assert result.report.restore_ms > 0
    assert "AWS_LAMBDA_LOG_STREAM_NAME" not in json.loads(result.payload)["env"]


@pytest.mark.parametrize(
    "new_session",
    [
        False,
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                not LINUX, reason="only /proc leads to a process that has left the group"
            ),
        ),
    ],
)
def test_nothing_that_a_function_leaves_behind_outlives_the_host(new_session):
    child = int(invoked("leave_a_child_behind", {"new session": new_session}).payload)
    assert not runs(child)


def test_a_runtime_that_ignores_sigterm_does_not_outlive_the_host():
    assert not runs(int(invoked("ignore_sigterm").payload))


def test_a_host_that_stops_refuses_waiting_callers():
    async def scenario(host):
        waiting = asyncio.ensure_future(host.invoke(1))
        # The task runs up to its first wait, with its invocation handed in.
        await asyncio.sleep(0)
        return waiting

    async def play():
        async with asyncio.timeout(DEADLINE_S):
            async with LocalHost(config("hang")) as host:
                waiting = await scenario(host)
            with pytest.raises(InvokeError, match="is stopping"):
                await waiting

    asyncio.run(play())


def test_an_environment_can_be_initialised_ahead_of_its_first_invocation():
    async def scenario(host):
        host.initialise()
        return await host.invoke(1)

    assert hosted("echo", scenario).payload == b"1"


def test_the_task_root_may_be_given_as_text():
    assert config("echo", task_root=str(HERE)).task_root == Path(HERE)


def test_a_page_in_a_browser_cannot_pose_as_the_runtime():
    async def scenario(host):
        environment = json.loads((await host.invoke()).payload)["env"]
        api = SimpleNamespace(address=environment["AWS_LAMBDA_RUNTIME_API"])
        path = "/2018-06-01/runtime/invocation/next"
        foreign = {"Host": "evil.example"}, {"Origin": "http://localhost"}
        return [(await request(api, "GET", path, None, **headers))[0] for headers in foreign]

    assert hosted("about", scenario, freeze=False) == [403, 403]


def test_a_runtime_that_ends_in_its_init_has_its_memory_on_the_report():
    report = invoked("echo", env={"INIT": "fails"}).report
    assert 0 < report.max_memory_used_mb <= report.memory_size_mb


def test_isolated_code_is_read_only_and_the_folder_for_temporary_files_is_its_own():
    notes = []
    with tempfile.NamedTemporaryFile(dir="/tmp") as ours:
        result = invoked("look_around", isolate=True, log=lambda line: notes.append(line.text))
    if any("files as they are" in note for note in notes):
        pytest.skip("this machine grants no view of its own")
    seen = json.loads(result.payload)
    assert seen["code"] == "Read-only file system"
    assert "kept" in seen["tmp"]
    assert Path(ours.name).name not in seen["tmp"]
    assert not Path("/tmp/kept").exists()
