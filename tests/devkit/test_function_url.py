"""Function URLs: requests as events of payload 2.0, results as responses. No process."""

import base64
import json

import pytest

from snapboot_devkit.host.http.exchange import Body, Head
from snapboot_devkit.host.identity import Identity
from snapboot_devkit.host.lifecycle.terms import FunctionResult
from snapboot_devkit.host.protocol import HTTP_INTEGRATION, MAX_PAYLOAD_BYTES, MAX_PRELUDE_BYTES
from snapboot_devkit.host.routes import function_url, http_result
from snapboot_devkit.host.routes.function_url import RequestContext, UrlTarget
from snapboot_devkit.host.routes.invoke import RefusedError

MARCH = 1583348638.390
HOST = {b"host": b"app.lambda-url.localhost:9000"}


@pytest.fixture(autouse=True)
def fixed_ids(monkeypatch):
    monkeypatch.setattr(function_url, "new_id", lambda: "an-id")
    monkeypatch.setattr(function_url, "new_trace_id", lambda: "Root=1-2-3")


def parsed(method="GET", path="/", query="", body=b"", **headers):
    named = HOST | {name.replace("_", "-").encode(): value for name, value in headers.items()}
    head = Head(method, path, query, named)
    asked = function_url.target(head)
    sent = RequestContext("10.1.2.3", MARCH)
    return function_url.parse(head, Body(body, len(body)), asked, Identity("app"), sent)


def event(*args, **kwargs):
    return json.loads(parsed(*args, **kwargs).payload)


@pytest.mark.parametrize(
    ("host", "path", "name", "raw_path"),
    [
        (b"app.lambda-url.localhost:9000", "/a%20b", "app", "/a%20b"),
        (b"App.Lambda-Url.Localhost", "/function-url/x/", "app", "/function-url/x/"),
        (b"localhost", "/function-url/app/a/b", "app", "/a/b"),
        (b"localhost", "/function-url/app", "app", "/"),
    ],
)
def test_a_url_is_a_host_or_a_path(host, path, name, raw_path):
    head = Head("GET", path, "", {b"host": host})
    assert function_url.target(head) == UrlTarget(name, raw_path)


def test_the_invoke_api_is_no_url():
    path = "/2015-03-31/functions/app/invocations"
    assert function_url.target(Head("POST", path, "", {b"host": b"localhost"})) is None


def test_a_request_becomes_the_documented_event():
    got = event(
        "POST",
        "/my/path",
        "a=1&a=2&b=%20x&empty=",
        b'{"k": 1}',
        content_type=b"application/json; charset=utf-8",
        cookie=b"c1=1; c2=2",
        user_agent=b"agent",
        x_twice=b"v1,v2",
        connection=b"keep-alive",
    )
    assert got == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "a=1&a=2&b=%20x&empty=",
        "cookies": ["c1=1", "c2=2"],
        "headers": {
            "host": "app.lambda-url.localhost:9000",
            "content-type": "application/json; charset=utf-8",
            "user-agent": "agent",
            "x-twice": "v1,v2",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "10.1.2.3",
            "x-forwarded-port": "9000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"a": "1,2", "b": " x", "empty": ""},
        "requestContext": {
            "accountId": "012345678912",
            "apiId": "app",
            "authentication": None,
            "authorizer": None,
            "domainName": "app.lambda-url.localhost",
            "domainPrefix": "app",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "10.1.2.3",
                "userAgent": "agent",
            },
            "requestId": "an-id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": '{"k": 1}',
        "isBase64Encoded": False,
        "pathParameters": None,
        "stageVariables": None,
    }


def test_what_a_request_does_not_have_the_event_has_not():
    assert not {"body", "cookies", "queryStringParameters"} & event().keys()


@pytest.mark.parametrize("kind", [b"text/plain", b"TEXT/HTML;x=y", b"application/xml"])
def test_a_body_of_text_is_text(kind):
    got = event("PUT", body="grün".encode(), content_type=kind)
    assert (got["body"], got["isBase64Encoded"]) == ("grün", False)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x89PNG", {"content_type": b"image/png"}),
        (b"a=1", {"content_type": b"application/x-www-form-urlencoded"}),
        (b"untyped", {}),
        (b"\xff not text", {"content_type": b"text/plain"}),
        (b"{}", {"content_type": b"application/json", "content_encoding": b"gzip"}),
    ],
)
def test_any_other_body_is_base64(body, headers):
    got = event("POST", body=body, **headers)
    assert got["isBase64Encoded"] is True
    assert base64.b64decode(got["body"]) == body


def test_a_body_that_makes_the_event_too_large_is_refused():
    with pytest.raises(RefusedError, match="6291556") as caught:
        parsed("POST", body=b"x" * (MAX_PAYLOAD_BYTES * 3 // 4))
    assert caught.value.failure.status == 413


# ---- results -----------------------------------------------------------------------------------


def rendered(document, **terms):
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    return http_result.render(FunctionResult(payload, **terms))


def test_a_result_with_a_status_is_the_response():
    response = rendered(
        {
            "statusCode": 201,
            "headers": {"X-One": "1", "X-Number": 2, "Content-Length": "99"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "grün",
        }
    )
    assert (response.status, response.body) == (201, "grün".encode())
    assert response.fields == (
        (b"x-one", b"1"),
        (b"x-number", b"2"),
        (b"content-type", b"application/json"),
        (b"set-cookie", b"a=1; Path=/"),
        (b"set-cookie", b"b=2"),
    )


def test_a_body_may_be_base64():
    body = base64.b64encode(b"\0\xff").decode()
    response = rendered({"statusCode": 200, "body": body, "isBase64Encoded": True})
    assert response.body == b"\0\xff"


@pytest.mark.parametrize("text", [b'"quoted"', b"null", b'{"a":  1}', b"[1,2]", b"7"])
def test_other_json_is_the_body_to_the_letter(text):
    response = rendered(text)
    assert (response.status, response.body) == (200, text)
    assert response.fields == ((b"content-type", b"application/json"),)


@pytest.mark.parametrize(
    "result",
    [
        b"no json",
        {"statusCode": "200"},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "headers": {"a": "1\r\nset-cookie: x"}},
        {"statusCode": 200, "headers": {"a b": "1"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a\n"]},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_result_that_is_no_response_is_a_bad_gateway_that_says_why(result):
    response = rendered(result)
    assert (response.status, json.loads(response.body)) == (
        502,
        {"Message": "Internal Server Error"},
    )
    reason = dict(response.fields)[b"snapboot-reason"]
    assert reason
    assert reason.isascii()
    assert b"\n" not in reason


def test_a_function_error_is_a_bad_gateway():
    response = rendered({"errorMessage": "boom"}, function_error="Unhandled")
    assert response.status == 502
    assert b"boom" in dict(response.fields)[b"snapboot-reason"]


# ---- streams -----------------------------------------------------------------------------------

PRELUDE = b'{"statusCode":206,"headers":{"content-type":"text/html"},"cookies":["a=1"]}'


def test_a_prelude_is_read_however_it_is_cut():
    stream = PRELUDE + b"\0" * 8 + b"payload"
    for cut in range(len(stream) + 1):
        reader = http_result.PreludeReader()
        read = reader.feed(stream[:cut])
        rest = b"" if read is None else stream[cut:]
        read = read or reader.feed(stream[cut:])
        assert read[0].status == 206
        assert read[0].headers == ((b"content-type", b"text/html"), (b"set-cookie", b"a=1"))
        assert read[1] + rest == b"payload"


def test_a_prelude_of_the_largest_size_is_read_and_no_larger_one():
    largest = PRELUDE + b" " * (MAX_PRELUDE_BYTES - len(PRELUDE))
    assert http_result.PreludeReader().feed(largest + b"\0" * 8)
    with pytest.raises(http_result.InvalidResultError, match="16384 bytes"):
        http_result.PreludeReader().feed(largest + b" " + b"\0" * 8)


def test_a_stream_that_came_whole_is_read_by_its_prelude():
    response = rendered(PRELUDE + b"\0" * 8 + b"<p>", content_type=HTTP_INTEGRATION)
    assert (response.status, response.body) == (206, b"<p>")
    assert rendered(PRELUDE, content_type=HTTP_INTEGRATION).status == 502
