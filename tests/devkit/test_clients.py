"""Real clients against a real host: boto3, the AWS CLI and curl."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import subprocess

import pytest

from oracles import awscli
from snapboot_devkit.host import FunctionConfig, LocalHost
from tests.conftest import required
from tests.devkit.hosted import DEADLINE_S, config
from tests.devkit.outside import OriginPolicy, served, streaming

boto3 = pytest.importorskip("boto3", reason="needs boto3, of the extra `test`")
botocore = pytest.importorskip("botocore")

CURL = shutil.which("curl")
INTEGRATION = "application/vnd.awslambda.http-integration-response"
BOOM = {"errorType": "Function.Boom", "errorMessage": "boom"}
MUCH_BYTES = 20 * 1024 * 1024
TOO_MUCH_BYTES = 6 * 1024 * 1024 + 101
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def gate(tmp_path):
    with contextlib.closing(OriginPolicy(tmp_path)) as gate:
        yield gate


def client(address):
    """Return a client that asks once, to be closed."""
    settings = botocore.config.Config(
        retries={"total_max_attempts": 1}, connect_timeout=DEADLINE_S, read_timeout=DEADLINE_S
    )
    made = boto3.client(
        "lambda",
        endpoint_url=f"http://{address}",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        config=settings,
    )
    return contextlib.closing(made)


def by_boto3(scenario, *functions):
    """Run a scenario, a function of a client, beside a host; return what it returns."""

    def play(address):
        with client(address) as boto:
            return scenario(boto)

    return served(play, *functions)


def payload(answer):
    with answer["Payload"] as body:
        return body.read()


def log_of(answer):
    """Return the lines of a log tail; the first one is that of the init."""
    return base64.b64decode(answer["LogResult"]).decode().splitlines()


def streamed(script, function=None, **parameters):
    """Invoke with a response stream; return the pieces and the last event."""

    def scenario(boto):
        response = boto.invoke_with_response_stream(
            FunctionName=(function or streaming()).name, Payload=json.dumps(script), **parameters
        )
        with contextlib.closing(response["EventStream"]) as events:
            *pieces, last = events
        return [piece["PayloadChunk"]["Payload"] for piece in pieces], last["InvokeComplete"]

    return by_boto3(scenario, function or streaming())


# ---- boto3 -------------------------------------------------------------------------------------


def test_boto3_invokes_and_reads_everything_of_the_answer():
    def scenario(boto):
        answer = boto.invoke(
            FunctionName="test_function",
            Payload=b'["hello\\n"]',
            LogType="Tail",
            Qualifier="$LATEST",
        )
        return answer, payload(answer)

    answer, content = by_boto3(scenario, config("say"))
    assert (answer["StatusCode"], content) == (200, b"null")
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    request_id = answer["ResponseMetadata"]["RequestId"]
    init, start, said, end, report = log_of(answer)
    assert init.startswith("INIT_START Runtime Version: ")
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert said == "hello"
    assert end == f"END RequestId: {request_id}"
    assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")


def test_boto3_s_client_context_reaches_the_function():
    context = json.dumps({"custom": {"key": "ü"}})
    encoded = base64.b64encode(context.encode()).decode()

    def scenario(boto):
        return payload(boto.invoke(FunctionName="test_function", ClientContext=encoded))

    headers = json.loads(by_boto3(scenario, config("about")))["headers"]
    assert json.loads(headers["lambda-runtime-client-context"]) == json.loads(context)


def test_boto3_s_tenants_do_not_share_an_environment():
    def scenario(boto):
        with pytest.raises(boto.exceptions.InvalidParameterValueException):
            boto.invoke(FunctionName="test_function")
        answers = [
            json.loads(payload(boto.invoke(FunctionName="test_function", TenantId=tenant)))
            for tenant in ("blue", "red", "blue")
        ]
        return [
            (answer["headers"]["lambda-runtime-aws-tenant-id"], answer["env"]["PID"])
            for answer in answers
        ]

    blue, red, again = by_boto3(scenario, config("about", per_tenant=True))
    assert [blue[0], red[0]] == ["blue", "red"]
    assert blue == again
    assert blue[1] != red[1]


def test_boto3_sees_function_errors_and_raises_those_of_the_service():
    def scenario(boto):
        failed = boto.invoke(FunctionName="test_function", Payload=b'"boom"')
        with pytest.raises(boto.exceptions.ResourceNotFoundException) as missing:
            boto.invoke(FunctionName="nowhere")
        with pytest.raises(boto.exceptions.ResourceNotFoundException):
            boto.invoke(FunctionName="test_function", Qualifier="7")
        with pytest.raises(boto.exceptions.RequestTooLargeException):
            boto.invoke(FunctionName="test_function", Payload=b"1" * TOO_MUCH_BYTES)
        with pytest.raises(boto.exceptions.InvalidRequestContentException):
            boto.invoke(FunctionName="test_function", Payload=b"{")
        return failed["FunctionError"], payload(failed), str(missing.value)

    error, content, text = by_boto3(scenario, config("fail"))
    assert error == "Unhandled"
    assert json.loads(content) == {"errorMessage": "boom", "errorType": "ValueError"}
    assert "Function not found: 'nowhere'; this host serves 'test_function'" in text


def test_boto3_learns_that_all_environments_are_busy(gate):
    def scenario(boto):
        script = json.dumps({"pieces": ["at work"], "gate": gate.path})
        response = boto.invoke_with_response_stream(FunctionName="streaming", Payload=script)
        with contextlib.closing(response["EventStream"]) as events:
            first = next(iter(events))
            with pytest.raises(boto.exceptions.TooManyRequestsException) as refused:
                boto.invoke(FunctionName="streaming")
            gate.open()
            *_, last = events
        again = payload(boto.invoke(FunctionName="streaming"))
        return first, last, refused.value.response, again

    first, last, refused, again = by_boto3(scenario, streaming(concurrency=1))
    assert first["PayloadChunk"]["Payload"] == b"at work"
    assert refused["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert (last, again) == ({"InvokeComplete": {}}, b"")


def test_boto3_calls_without_waiting_and_without_running():
    def scenario(boto):
        kinds = [
            boto.invoke(FunctionName="test_function", InvocationType=kind)["StatusCode"]
            for kind in ("Event", "DryRun")
        ]
        older = boto.invoke_async(FunctionName="test_function", InvokeArgs=b"{}")
        return [*kinds, older["Status"]]

    assert by_boto3(scenario, config("echo")) == [202, 204, 202]


def test_boto3_reads_a_stream():
    pieces, complete = streamed({"pieces": ["one", "two", "three"]})
    assert b"".join(pieces) == b"onetwothree"
    assert complete == {}


def test_boto3_has_the_first_piece_while_the_function_still_waits_to_send_the_second(gate):
    def scenario(boto):
        script = json.dumps({"pieces": ["one", "two"], "gate": gate.path})
        response = boto.invoke_with_response_stream(FunctionName="streaming", Payload=script)
        with contextlib.closing(response["EventStream"]) as events:
            first = next(iter(events))
            gate.open()
            return [first, *events]

    assert by_boto3(scenario, streaming()) == [
        {"PayloadChunk": {"Payload": b"one"}},
        {"PayloadChunk": {"Payload": b"two"}},
        {"InvokeComplete": {}},
    ]


def test_boto3_reads_a_stream_of_many_megabytes():
    pieces, complete = streamed({"size": MUCH_BYTES})
    assert sum(len(piece) for piece in pieces) == MUCH_BYTES
    assert set(b"".join(pieces)) == {ord("x")}
    assert complete == {}


def test_boto3_learns_of_an_error_in_the_middle_of_a_stream():
    pieces, complete = streamed({"pieces": ["half"], "error": BOOM})
    assert pieces == [b"half"]
    assert complete["ErrorCode"] == "Function.Boom"
    assert json.loads(complete["ErrorDetails"]) == BOOM


@pytest.mark.parametrize("ending", ["cut", "exit"])
def test_boto3_learns_that_a_stream_broke_off(ending):
    pieces, complete = streamed({"pieces": ["half"], "ending": ending})
    assert pieces == [b"half"]
    assert complete["ErrorCode"] == "Runtime.TruncatedResponse"
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.TruncatedResponse"


def test_boto3_has_the_log_behind_a_stream():
    _, complete = streamed({"pieces": ["one"]}, LogType="Tail")
    _, start, answered, end, report = log_of(complete)
    assert start.startswith("START RequestId: ")
    assert answered == "answered HTTP/1.1 202 Accepted"
    assert end.startswith("END RequestId: ")
    assert report.startswith("REPORT RequestId: ")


def test_boto3_reads_a_whole_result_as_a_stream():
    assert streamed([1, 2], config("echo")) == ([b"[1, 2]"], {})


def test_boto3_reads_a_function_error_in_the_last_event():
    pieces, complete = streamed("boom", config("fail"))
    assert pieces == []
    # What the runtime says in its header.
    assert complete["ErrorCode"] == "Function.Failed"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "boom"


def test_a_stream_for_a_client_that_wants_it_whole_is_collected():
    def scenario(boto):
        script = {"pieces": ["one", "two"], "size": 1_000_000}
        return payload(boto.invoke(FunctionName="streaming", Payload=json.dumps(script)))

    assert by_boto3(scenario, streaming()) == b"onetwo" + b"x" * 1_000_000


def test_a_refusal_ahead_of_the_first_byte_is_a_plain_error():
    def scenario(boto):
        with pytest.raises(boto.exceptions.ResourceNotFoundException):
            boto.invoke_with_response_stream(FunctionName="nowhere")
        dry = boto.invoke_with_response_stream(FunctionName="streaming", InvocationType="DryRun")
        dry["EventStream"].close()
        return dry["StatusCode"]

    assert by_boto3(scenario, streaming()) == 204


def test_a_program_in_this_process_reads_a_stream_too():
    async def play():
        async with asyncio.timeout(DEADLINE_S), LocalHost(streaming()) as host:
            program = host.stream({"size": 4_000_000, "error": BOOM})
            size = sum([len(piece) async for piece in program.pieces()])
            return size, await program.outcome()

    size, result = asyncio.run(play())
    assert size == 4_000_000
    assert result.function_error
    assert json.loads(result.payload) == BOOM


# ---- the runtime that ships behind them --------------------------------------------------------

OURS = """
import os
import snapboot

def handler(event, context):
    if event.get("rawPath") == "/events":
        headers = {"content-type": "text/event-stream"}
        return snapboot.HttpResponse(200, headers, ["seen=1"], pieces(event))
    return pieces(event)

def pieces(event):
    yield "data: one\\n\\n"
    if event.get("gated") or "rawPath" in event:
        with open(os.environ["GATE"], "rb", 0) as gate:
            gate.read(1)
    if event.get("fails"):
        raise LookupError("amid the stream")
    yield "data: two\\n\\n"
    yield "x" * event.get("size", 0)
"""


@pytest.fixture
def ours(tmp_path, gate):
    """Return a function under our own runtime, whose URL streams."""
    (tmp_path / "app.py").write_text(OURS)
    return FunctionConfig(
        "app.handler",
        name="streaming",
        task_root=tmp_path,
        timeout_s=30.0,
        env={"GATE": gate.path},
        stream_url=True,
    )


def test_boto3_reads_our_runtimes_chunks_as_they_come(ours, gate):
    def scenario(boto):
        script = json.dumps({"gated": True})
        response = boto.invoke_with_response_stream(FunctionName="streaming", Payload=script)
        with contextlib.closing(response["EventStream"]) as events:
            first = next(iter(events))
            gate.open()
            *rest, last = events
        return first, b"".join(piece["PayloadChunk"]["Payload"] for piece in rest), last

    first, rest, last = by_boto3(scenario, ours)
    assert first == {"PayloadChunk": {"Payload": b"data: one\n\n"}}
    assert (rest, last) == (b"data: two\n\n", {"InvokeComplete": {}})


def test_boto3_reads_our_runtimes_error_amid_the_stream(ours):
    pieces, complete = streamed({"fails": True}, ours)
    assert pieces == [b"data: one\n\n"]
    assert complete["ErrorCode"] == "LookupError"
    details = json.loads(complete["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("LookupError", "amid the stream")
    assert "in pieces" in details["stackTrace"][0]


def test_boto3_reads_many_megabytes_of_our_runtimes(ours):
    pieces, complete = streamed({"size": MUCH_BYTES}, ours)
    assert sum(map(len, pieces)) == len("data: one\n\n" * 2) + MUCH_BYTES
    assert complete == {}


def test_a_stream_of_our_runtime_is_collected_for_a_client_that_wants_it_whole(ours):
    def scenario(boto):
        return payload(boto.invoke(FunctionName="streaming", Payload=b"{}"))

    assert by_boto3(scenario, ours) == b"data: one\n\ndata: two\n\n"


def test_a_reader_that_goes_away_amid_our_runtimes_stream_leaves_the_function_to_its_end(ours):
    def scenario(boto):
        script = json.dumps({"size": MUCH_BYTES})
        response = boto.invoke_with_response_stream(FunctionName="streaming", Payload=script)
        next(iter(response["EventStream"]))
        response["EventStream"].close()
        return payload(boto.invoke(FunctionName="streaming", Payload=b"{}"))

    assert by_boto3(scenario, ours) == b"data: one\n\ndata: two\n\n"


# ---- the AWS CLI -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def aws():
    """Return a function that runs the AWS CLI against a host, in a folder."""
    packages = required(awscli.folder)

    def run(address, *arguments, folder):
        settings = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "HOME": str(folder)}
        command = [*awscli.COMMAND, "lambda", *arguments, "--endpoint-url", f"http://{address}"]
        return subprocess.run(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages), **KEYS, **settings},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    return run


def test_the_aws_cli_invokes_a_function(aws, tmp_path):
    named = ("--function-name", "test_function", "--payload", '{"a": 1}', "--log-type", "Tail")

    def scenario(address):
        return aws(address, "invoke", *named, "answer.json", folder=tmp_path)

    done = served(scenario, config("echo"))
    answer = json.loads(done.stdout)
    _, start, _, _ = log_of(answer)
    del answer["LogResult"]
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert json.loads((tmp_path / "answer.json").read_text()) == {"a": 1}
    assert start.startswith("START RequestId: ")


def test_the_aws_cli_shows_a_function_error(aws, tmp_path):
    def scenario(address):
        named = ("--function-name", "test_function", "--payload", '"boom"')
        return aws(address, "invoke", *named, "answer.json", folder=tmp_path)

    done = served(scenario, config("fail"))
    assert json.loads(done.stdout)["FunctionError"] == "Unhandled"
    assert json.loads((tmp_path / "answer.json").read_text())["errorMessage"] == "boom"


def test_the_aws_cli_says_what_functions_there_are_instead(aws, tmp_path):
    def scenario(address):
        return aws(address, "invoke", "--function-name", "nowhere", "answer.json", folder=tmp_path)

    done = served(scenario, config("echo"))
    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr
    assert "this host serves 'test_function'" in done.stderr


# ---- curl --------------------------------------------------------------------------------------

needs_curl = pytest.mark.skipif(CURL is None, reason="needs curl")
AS_JSON = ("-H", "Content-Type: application/json")


def at_url(name):
    return ("-H", f"Host: {name}.lambda-url.localhost")


def curled(address, path, *options):
    """Return what curl exits with, and status, headers and body of what it got."""
    command = [CURL, "-sS", "-i", *options, f"http://{address}{path}"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return done.returncode, int(status.split()[1]), headers, body


@needs_curl
@pytest.mark.parametrize("name", ["test_function", "function"])
def test_curl_invokes_a_function_by_its_name_or_the_emulators(name):
    def scenario(address):
        return curled(address, f"/2015-03-31/functions/{name}/invocations", "-d", '{"a": 1}')

    code, status, headers, body = served(scenario, config("echo"))
    assert (code, status, body) == (0, 200, b'{"a": 1}')
    assert headers["x-amz-executed-version"] == "$latest"


@needs_curl
def test_curl_visits_a_url():
    def scenario(address):
        options = ("-d", '{"k": 1}', *AS_JSON, "-b", "c=1")
        return curled(address, "/a%20path?q=1&q=2", *at_url("test_function"), *options)

    code, status, headers, body = served(scenario, config("echo"))
    event = json.loads(body)
    assert (code, status, headers["content-type"]) == (0, 200, "application/json")
    assert event["rawPath"] == "/a%20path"
    assert event["queryStringParameters"] == {"q": "1,2"}
    assert event["cookies"] == ["c=1"]
    assert event["body"] == '{"k": 1}'
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


@needs_curl
def test_a_url_has_a_path_for_clients_without_names():
    def scenario(address):
        return curled(address, "/function-url/test_function/x")

    _, status, _, body = served(scenario, config("echo"))
    assert (status, json.loads(body)["rawPath"]) == (200, "/x")


@needs_curl
def test_a_url_streams_behind_its_prelude():
    script = {
        "type": INTEGRATION,
        "prelude": {"statusCode": 418, "headers": {"X-Tea": "yes"}, "cookies": ["a=1"]},
        "pieces": ["one", "two"],
    }

    def scenario(address):
        return curled(address, "/", *at_url("streaming"), "-d", json.dumps(script), *AS_JSON)

    code, status, headers, body = served(scenario, streaming(stream_url=True))
    assert (code, status, body) == (0, 418, b"onetwo")
    assert (headers["x-tea"], headers["set-cookie"]) == ("yes", "a=1")
    assert headers["transfer-encoding"] == "chunked"


@needs_curl
def test_curl_shows_the_first_piece_while_the_function_still_waits_to_send_the_second(gate):
    script = {"type": "text/plain", "pieces": ["one", "two"], "gate": gate.path}

    def scenario(address):
        options = ("-sS", "-N", *at_url("streaming"), "-d", json.dumps(script), *AS_JSON)
        command = [CURL, *options, f"http://{address}/"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            first = curl.stdout.read(3)
            gate.open()
            rest, _ = curl.communicate(timeout=DEADLINE_S)
        return first, rest

    assert served(scenario, streaming(stream_url=True)) == (b"one", b"two")


@needs_curl
@pytest.mark.parametrize("ending", [{"ending": "cut"}, {"error": BOOM}], ids=["cut", "error"])
def test_a_url_s_stream_that_breaks_off_does_not_look_whole(ending):
    script = {"type": "text/plain", "pieces": ["half"]} | ending

    def scenario(address):
        return curled(address, "/", *at_url("streaming"), "-d", json.dumps(script), *AS_JSON)

    code, status, headers, body = served(scenario, streaming(stream_url=True))
    # "Transfer closed with outstanding read data remaining."
    assert (code, status, body) == (18, 200, b"half")
    assert headers["content-type"] == "text/plain"


@needs_curl
def test_curl_reads_server_sent_events_of_our_runtime_as_they_come(ours, gate):
    def scenario(address):
        command = [CURL, "-sS", "-N", "-i", *at_url("streaming"), f"http://{address}/events"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            lines = iter(curl.stdout.readline, b"data: one\n")
            head = [line.strip().lower() for line in lines]
            gate.open()
            return head, curl.stdout.read(), curl.wait(DEADLINE_S)

    head, rest, code = served(scenario, ours)
    assert head[0] == b"http/1.1 200 ok"
    assert {b"content-type: text/event-stream", b"set-cookie: seen=1"} <= set(head)
    assert (rest, code) == (b"\ndata: two\n\n", 0)


@needs_curl
def test_a_url_s_stream_in_which_our_runtime_fails_does_not_look_whole(ours, tmp_path):
    code = "def handler(event, context):\n    yield 'half'\n    raise ValueError('late')\n"
    (tmp_path / "app.py").write_text(code)
    code, status, _, body = served(lambda at: curled(at, "/", *at_url("streaming")), ours)
    assert (code, status, body) == (18, 200, b"half")


@needs_curl
def test_a_function_error_behind_a_url_is_a_bad_gateway():
    def scenario(address):
        return curled(address, "/", *at_url("test_function"))

    _, status, headers, body = served(scenario, config("fail"))
    assert (status, json.loads(body)) == (502, {"Message": "Internal Server Error"})
    assert "the function failed" in headers["snapboot-reason"]


@needs_curl
def test_a_url_of_no_function_is_not_found():
    def scenario(address):
        return curled(address, "/", *at_url("nowhere"))

    _, status, _, body = served(scenario, config("echo"))
    assert status == 404
    assert "'test_function'" in json.loads(body)["Message"]
