"""The Invoke API over HTTP, as AWS's clients and the emulator's users call it."""

import asyncio
import base64
import json

import pytest

from snapboot_devkit.host import AddressInUseError, LocalHost
from snapboot_devkit.host.protocol import MAX_PAYLOAD_BYTES
from tests.devkit.hosted import config, hosted, request, requested, sent_raw, until_busy

PATH = "/2015-03-31/functions/{}/invocations"


async def until_logged(host, lines, text):
    """Wait until a line stands in the log, looking whenever an invocation has gone by."""
    while not any(line.text == text for line in lines):
        await host.invoke([])


def refused(status, exception, *args, **kwargs):
    """Send a request that is refused, and return the text that says why."""
    answer, headers, body = requested("echo", *args, **kwargs)
    assert (answer, headers["x-amzn-errortype"]) == (status, exception)
    document = json.loads(body)
    assert document["message"] == document["Message"]
    return document["message"]


@pytest.mark.parametrize(
    "name",
    [
        "function",
        "test_function",
        "test_function:$LATEST",
        "012345678912:function:test_function",
        "arn%3Aaws%3Alambda%3Aus-east-1%3A012345678912%3Afunction%3Atest_function",
    ],
)
def test_a_function_is_invoked_by_any_of_its_names(name):
    status, headers, body = requested("echo", path=PATH.format(name), body=b'{"a": 1}')
    assert (status, body) == (200, b'{"a": 1}')
    assert headers["content-type"] == "application/json"
    assert headers["x-amz-executed-version"] == "$LATEST"
    assert headers["x-amzn-requestid"]
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert "x-amz-function-error" not in headers


def test_a_function_error_is_a_success_with_a_header():
    status, headers, body = requested("fail", body=b'"boom"')
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert json.loads(body)["errorMessage"] == "boom"


def test_an_empty_event_is_an_empty_object():
    assert requested("echo", body=b"")[2] == b"{}"


def test_the_end_of_the_log_comes_along_when_asked_for():
    text = "x" * 6000 + "\n"
    _, headers, _ = requested("say", body=json.dumps([text]).encode(), X_Amz_Log_Type="Tail")
    tail = base64.b64decode(headers["x-amz-log-result"]).decode()
    assert len(tail) == 4096
    assert tail.startswith("x")
    last = tail.splitlines()[-1]
    assert last.startswith("REPORT RequestId: ")


def test_no_log_comes_along_unasked():
    assert "x-amz-log-result" not in requested("echo")[1]


def test_the_callers_context_trace_tenant_and_id_reach_the_runtime():
    context = base64.b64encode(b'{"client": {"app_title": "t"}}').decode()
    request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    _, answered, body = requested(
        "about",
        settings={"per_tenant": True},
        X_Amz_Client_Context=context,
        X_Amz_Tenant_Id="blue",
        X_Amzn_Trace_Id="Root=1-2-3",
        x_amzn_RequestId=request_id,
    )
    assert answered["x-amzn-requestid"] == request_id
    headers = json.loads(body)["headers"]
    assert json.loads(headers["lambda-runtime-client-context"])["client"] == {"app_title": "t"}
    assert headers["lambda-runtime-aws-tenant-id"] == "blue"
    assert headers["lambda-runtime-trace-id"] == "Root=1-2-3"
    assert headers["lambda-runtime-aws-request-id"] == request_id


def test_a_dry_run_runs_nothing():
    lines = []
    settings = {"log": lines.append}
    answer = requested("echo", settings=settings, X_Amz_Invocation_Type="DryRun")
    assert (answer[0], answer[2], lines) == (204, b"", [])


def test_an_event_is_taken_at_once_and_handled_later():
    async def scenario(host):
        taken = await request(host, body=b'["later\\n"]', X_Amz_Invocation_Type="Event")
        await until_logged(host, lines, "later")
        return taken

    lines = []
    status, _, body = hosted("say", scenario, log=lines.append)
    assert (status, body) == (202, b"")


def test_requests_that_come_together_are_all_answered():
    async def scenario(host):
        bodies = [str(number).encode() for number in range(10)]
        answers = await asyncio.gather(*(request(host, body=body) for body in bodies))
        return bodies, [body for _, _, body in answers]

    sent, received = hosted("echo", scenario)
    assert received == sent


def test_the_largest_payload_goes_both_ways():
    text = b'"' + b"x" * (MAX_PAYLOAD_BYTES - 2) + b'"'
    assert requested("echo", body=text)[2] == text


def test_a_chunked_event_is_taken():
    assert requested("echo", body=iter([b"[1,", b"2]"]))[2] == b"[1, 2]"


def test_a_larger_event_is_refused():
    text = b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"'
    assert "6291558" in refused(413, "RequestTooLargeException", body=text)


def test_a_larger_asynchronous_event_is_refused():
    text = b'"' + b"x" * 1024 * 1024 + b'"'
    kind = {"X_Amz_Invocation_Type": "Event"}
    assert "1048576" in refused(413, "RequestTooLargeException", body=text, **kind)


@pytest.mark.parametrize("body", [b'{"a"', b"NaN", b"\xff", b"[" * 200_000])
def test_an_event_that_is_not_json_is_refused(body):
    text = refused(400, "InvalidRequestContentException", body=body)
    assert text.startswith("Could not parse request body into json: ")


@pytest.mark.parametrize("context", ["%%%", base64.b64encode(b"{").decode()])
def test_a_client_context_that_is_none_is_refused(context):
    text = refused(400, "InvalidRequestContentException", X_Amz_Client_Context=context)
    assert "base64" in text


def test_a_client_context_that_is_too_large_is_refused():
    context = base64.b64encode(json.dumps("x" * 3000).encode()).decode()
    text = refused(400, "InvalidRequestContentException", X_Amz_Client_Context=context)
    assert "3583" in text


@pytest.mark.parametrize(
    ("header", "value", "exception"),
    [
        ("X_Amz_Invocation_Type", "Maybe", "InvalidParameterValueException"),
        ("X_Amz_Log_Type", "Head", "InvalidParameterValueException"),
        ("X_Amz_Tenant_Id", "a,b", "InvalidParameterValueException"),
        ("x_amzn_RequestId", "one", "InvalidRequestContentException"),
    ],
)
def test_a_header_that_means_nothing_is_refused_with_its_value(header, value, exception):
    assert repr(value) in refused(400, exception, **{header: value})


@pytest.mark.parametrize("name", ["another", "test_function:7", "function?Qualifier=7", "a b"])
def test_a_function_or_version_that_is_not_here_is_not_found(name):
    path = PATH.format(name.replace(" ", "%20"))
    if "?" in name:
        path = PATH.format("function") + "?Qualifier=7"
    text = refused(404, "ResourceNotFoundException", path=path)
    assert text.startswith("Function not found: ")


def test_a_version_that_is_not_here_is_named_by_its_arn():
    text = refused(404, "ResourceNotFoundException", path=PATH.format("test_function:7"))
    arn = "arn:aws:lambda:us-east-1:012345678912:function:test_function:7"
    assert text == f"Function not found: {arn}; the only version here is '$LATEST'"


def test_two_qualifiers_must_be_the_same():
    path = PATH.format("function:$LATEST") + "?Qualifier={}"
    assert requested("echo", path=path.format("$LATEST"))[0] == 200
    refused(400, "InvalidParameterValueException", path=path.format("prod"))


def test_a_tenant_must_be_named_where_tenants_are_isolated_and_only_there():
    asked = refused(400, "InvalidParameterValueException", settings={"per_tenant": True})
    assert "X-Amz-Tenant-Id" in asked
    unasked = refused(400, "InvalidParameterValueException", X_Amz_Tenant_Id="blue")
    assert "'blue'" in unasked


def test_the_older_path_takes_an_event():
    async def scenario(host):
        path = "/2014-11-13/functions/function/invoke-async/"
        taken = await request(host, path=path, body=b'["older\\n"]')
        await until_logged(host, lines, "older")
        return taken

    lines = []
    status, _, body = hosted("say", scenario, log=lines.append)
    assert (status, body) == (202, b"")


def test_a_page_of_another_site_invokes_nothing():
    lines = []
    settings = {"log": lines.append}
    answer = requested("echo", settings=settings, Origin="http://elsewhere.example")
    assert (answer[0], json.loads(answer[2])["errorType"]) == (403, "CrossSiteRequest")
    (line,) = lines
    assert line.text.startswith("snapboot: POST ")
    assert line.text.endswith("; allow it: --allow-host elsewhere.example")


def test_a_name_that_leads_here_but_is_not_ours_invokes_nothing():
    status, _, body = requested("echo", Host="rebound.example")
    assert (status, json.loads(body)["errorType"]) == (403, "ForeignHost")
    assert "--allow-host rebound.example" in json.loads(body)["errorMessage"]


def test_the_host_reports_its_state():
    async def scenario(host):
        cold = await request(host, "GET", "/health")
        await host.invoke()
        return [json.loads(body) for _, _, body in (cold, await request(host, "GET", "/health"))]

    cold, warm = hosted("echo", scenario)
    assert (cold["state"], warm["state"]) == ("cold", "ready")


def test_ping_is_answered_with_pong():
    assert requested("echo", "GET", "/2018-06-01/ping")[2] == b"pong"


def test_another_path_is_not_found():
    assert requested("echo", path="/nowhere")[0] == 404


def test_another_method_is_refused_with_the_one_to_use():
    status, headers, body = requested("echo", "PUT")
    assert (status, headers["allow"]) == (405, "POST")
    assert "POST" in json.loads(body)["errorMessage"]


def test_a_head_request_gets_no_body():
    status, headers, body = requested("echo", "HEAD", "/health")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: many\r\n\r\n",
    b"POST /x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nnope\r\n",
    b"GET /" + b"x" * 1_100_000 + b" HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=["tls", "no host", "length", "chunk", "long"])
def test_what_is_not_http_is_refused_and_the_host_goes_on(garbage):
    async def scenario(host):
        return await sent_raw(host, garbage), await host.invoke(1)

    refusal, after = hosted("echo", scenario)
    assert refusal.startswith(b"HTTP/1.1 4")
    assert b"connection: close" in refusal
    assert after.payload == b"1"


def test_requests_in_one_packet_are_answered_in_order():
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n"
    invoke = head % PATH.format("function").encode()

    async def scenario(host):
        return await sent_raw(host, invoke + b"\r\n1" + invoke + b"connection: close\r\n\r\n2")

    first, second = hosted("echo", scenario).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(b"\r\n\r\n1")
    assert second.endswith(b"\r\n\r\n2")


def test_a_client_that_waits_for_permission_to_send_gets_it():
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 1\r\n"

    async def scenario(host):
        name, _, port = host.address.rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(head % PATH.format("function").encode() + b"connection: close\r\n\r\n")
        permission = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"7")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return permission, answer

    permission, answer = hosted("echo", scenario)
    assert permission == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.endswith(b"\r\n\r\n7")


def test_a_caller_that_hangs_up_does_not_stop_the_function():
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\n"
    lines = []

    async def scenario(host):
        name, _, port = host.address.rpartition(":")
        _, writer = await asyncio.open_connection(name, int(port))
        writer.write(head % PATH.format("function").encode() + b'["on\\n"]')
        await until_busy(host)
        writer.close()
        await writer.wait_closed()
        await until_logged(host, lines, "on")

    hosted("say", scenario, log=lines.append)


def test_a_port_in_use_is_named_with_a_remedy():
    async def scenario(host):
        port = int(host.address.rpartition(":")[2])
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}.*choose another port"):
            async with LocalHost(config("echo"), port=port):
                pass

    hosted("echo", scenario)


def test_the_host_listens_on_loopback_alone():
    async def scenario(host):
        return host.address

    assert hosted("echo", scenario).startswith("127.0.0.1:")
