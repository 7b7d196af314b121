"""What people build with the real frameworks, served by the runtime as a process."""

from __future__ import annotations

import gzip
import json
from urllib.parse import unquote

import pytest

from tests.fakes import http_events
from tests.fakes.http_events import MAKERS, content_of, headers_of, sent
from tests.fakes.runtime_api import Call, Reply

BOUNDARY = "----boundary"
UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode() + (b"\0\xff" * 50_000 + f"\r\n--{BOUNDARY}--\r\n".encode())
MULTIPART = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
FRAMEWORKS = [
    ("fastapi", "handler"),
    ("flask", "handler"),
    ("django", "handler"),
    ("django", "by_asgi"),
]
every = pytest.mark.parametrize(("framework", "handler"), FRAMEWORKS)


def url(*arguments, **options):
    """Return a request by a function URL."""
    return sent(http_events.function_url(*arguments, **options))


def streamed(run, at=0):
    """Return the prelude and the body of a streamed response."""
    request = run.answers[at]
    assert request.call is Call.RESPONSE, request.body
    assert request.header("Lambda-Runtime-Function-Response-Mode") == "streaming"
    assert request.trailers == ()
    prelude, _, body = bytes(request.body).partition(bytes(8))
    return json.loads(prelude), body


@every
def test_each_integration_has_its_requests_routed(serve, framework, handler):
    events = [make("GET", "/items/a%20b/%C3%A9", "tag=1&tag=%26") for make in MAKERS.values()]
    run = serve(framework, *map(sent, events), handler=handler)
    for name, result in zip(MAKERS, run.results, strict=True):
        assert result["statusCode"] == 200, result
        found = json.loads(content_of(result))
        assert found["name"] == "a b/é"
        assert found["tags"] == (["&"] if name == "load balancer" else ["1", "&"])
        root = "/prod" if name == "REST API" else ""
        assert found["url"].startswith("https://")
        assert f"{root}/items/a b/é?tag=" in unquote(found["url"])
        assert found.get("address", "203.0.113.7") == "203.0.113.7"
        assert found.get("same_loop", True)


@every
def test_each_integration_sets_and_reads_cookies(serve, framework, handler):
    cookie = [("Cookie", "session=7; other=8")]
    events = [make("GET", "/cookies", headers=cookie) for make in MAKERS.values()]
    for result in serve(framework, *map(sent, events), handler=handler).results:
        assert content_of(result) == b"session 7"
        cookies = sorted(value for name, value in headers_of(result) if name == "set-cookie")
        assert [value[:4] for value in cookies] == ["a=1;", "b=2;"]


@every
def test_a_file_is_uploaded_by_each_integration(serve, framework, handler):
    events = [make("POST", "/upload", headers=MULTIPART, body=UPLOAD) for make in MAKERS.values()]
    for result in serve(framework, *map(sent, events), handler=handler).results:
        found = json.loads(content_of(result))
        assert (found["name"], found["size"]) == ("a.bin", 100_000)


@pytest.mark.parametrize("framework", ["fastapi", "flask", "django"])
def test_a_streaming_response_is_streamed(serve, framework):
    run = serve(framework, url(path="/stream"), handler="streaming")
    prelude, body = streamed(run)
    assert prelude["headers"]["content-type"].startswith("text/plain")
    assert [line[-1:] for line in body.splitlines()] == [b"0", b"1", b"2"]
    assert run.answers[0].chunks >= 1
    buffered = serve(framework, url(path="/stream")).result
    assert content_of(buffered) == body


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_an_image_is_base64_and_an_error_of_the_frameworks_is_a_response(serve, framework):
    run = serve(framework, url(path="/image"), url(path="/missing"), url(path="/broken"))
    image, missing, broken = run.results
    assert (image["isBase64Encoded"], content_of(image)[:4]) == (True, b"\x89PNG")
    assert (missing["statusCode"], broken["statusCode"]) == (404, 500)
    assert "RuntimeError: no table" in run.stdout + run.stderr


def test_links_have_the_stage_and_the_base_path(serve):
    for framework in ("flask", "django"):
        result = serve(framework, sent(http_events.rest(path="/links"))).result
        assert content_of(result).startswith(b"/prod/")


# --- FastAPI ------------------------------------------------------------------------------------


def test_a_websocket_route_of_fastapi_is_refused_cleanly(serve):
    headers = [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-key", "x")]
    run = serve("fastapi", url(path="/chat", headers=headers), url(path="/stream"))
    assert [result["statusCode"] for result in run.results] == [501, 200]
    assert "WebSocket" in run.results[0]["body"]
    assert "GET /chat was answered 501" in run.stdout


@pytest.mark.parametrize("handler", ["handler", "streaming"])
def test_a_background_task_of_fastapi_is_done_before_the_next_event(serve, handler):
    run = serve("fastapi", *[url("POST", "/mails")] * 3, handler=handler)
    delivered = [
        answer.body.partition(bytes(8))[2] or answer.json()["body"] for answer in run.answers
    ]
    assert [len(json.loads(text)["delivered"]) for text in delivered] == [0, 1, 2]


def test_a_function_of_fastapi_in_a_thread_has_the_context_of_its_event(serve):
    run = serve("fastapi", url(path="/in-a-thread"), url(path="/in-a-thread"))
    ids = [json.loads(result["body"]) for result in run.results]
    assert ids == [answer.request_id for answer in run.answers]


def test_the_documentation_of_fastapi_finds_its_schema_below_the_stage(serve):
    events = [http_events.rest(path=path) for path in ("/docs", "/openapi.json")]
    page, schema = serve("fastapi", *map(sent, events)).results
    assert "/prod/openapi.json" in page["body"]
    assert json.loads(schema["body"])["servers"] == [{"url": "/prod"}]


# --- Starlette ----------------------------------------------------------------------------------


def test_server_sent_events_of_starlette_are_streamed(serve):
    run = serve("starlette", url(path="/events"), handler="streaming")
    prelude, body = streamed(run)
    assert prelude["headers"]["content-type"].startswith("text/event-stream")
    assert prelude["headers"]["x-stamp"] == "GET"
    assert body.count(b"\n\n") == 3
    assert "no more events" in run.stdout


def test_a_refused_stream_ends_the_events_of_starlette_without_an_error(serve):
    faults = {Call.RESPONSE: [Reply(status=413, early=True)]}
    events = [url(path="/events", query="count=1000000"), url(path="/file")]
    run = serve("starlette", *events, handler="streaming", faults=faults)
    assert "no more events" in run.stdout
    assert "ERROR" not in run.stdout
    assert streamed(run, 1)[0]["statusCode"] == 200


@pytest.mark.parametrize("handler", ["handler", "streaming"])
def test_middleware_background_tasks_and_mounts_of_starlette_work(serve, handler):
    gzipped = [("accept-encoding", "gzip")]
    events = [url(path=path, headers=gzipped) for path in ("/page", "/site/page", "/file")]
    run = serve("starlette", *events, handler=handler)
    bodies = []
    for at, answer in enumerate(run.answers):
        head, body = streamed(run, at) if handler == "streaming" else (answer.json(), b"")
        assert head["headers"]["content-encoding"] == "gzip"
        bodies.append(gzip.decompress(body or content_of(head)).decode())
    base = "https://abcdef.lambda-url.us-east-1.on.aws"
    assert bodies[0].startswith(f"{base}/page [] ")
    assert bodies[1].startswith(f"{base}/page ['task'] ")
    assert "server-sent events".casefold() in bodies[2].casefold()
