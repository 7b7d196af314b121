"""Web applications, in every layout; details are in tests/runtime."""

from __future__ import annotations

import json
import signal

import pytest

from tests.fakes import http_events
from tests.fakes.http_events import MAKERS, sent
from tests.fakes.runtime_api import RuntimeAPI

ASGI = """
import snapboot

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["started"] = "yes"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = (await receive())["body"]
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for piece in (scope["path"].encode(), body, scope["state"]["started"].encode()):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})

handler = snapboot.asgi(app, stream=STREAM, compress=True)
"""
WSGI = """
import snapboot

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Type", "text/plain"), ("Set-Cookie", "a=1")])
    yield (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode()
    yield body + b"yes"

handler = snapboot.wsgi(app, stream=STREAM, compress=True)
"""
apps = pytest.mark.parametrize("source", [ASGI, WSGI], ids=["asgi", "wsgi"])


@apps
def test_a_web_application_is_served_to_each_integration(layout, source):
    layout.code(source.replace("STREAM", "False"))
    events = [make("POST", "/x", body=b"data") for make in MAKERS.values()]
    for result in layout.run(*map(sent, events)).results:
        assert result["statusCode"] == 201
        assert result["body"].endswith("/xdatayes")
        assert ("set-cookie", "a=1") in http_events.headers_of(result)


@apps
def test_a_web_application_streams(layout, source):
    layout.code(source.replace("STREAM", "True"))
    (answer,) = layout.run(sent(http_events.function_url("POST", "/x", body=b"data"))).answers
    prelude, body = bytes(answer.body).split(bytes(8))
    assert answer.header("Lambda-Runtime-Function-Response-Mode") == "streaming"
    assert json.loads(prelude)["cookies"] == ["a=1"]
    assert body == b"/xdatayes"


@apps
def test_a_web_application_compresses(layout, source):
    layout.code(source.replace("STREAM", "False"))
    headers = [("accept-encoding", "gzip")]
    event = http_events.function_url("POST", "/x", headers=headers, body=b"data" * 1000)
    result = layout.run(sent(event)).result
    assert result["headers"]["content-encoding"] == "gzip"
    assert result["isBase64Encoded"] is True


def test_a_web_application_is_shut_down_by_sigterm(layout):
    layout.code(ASGI.replace("STREAM", "False"))
    with RuntimeAPI() as api, layout.start(api) as process:
        api.wait_idle()
        process.signal(signal.SIGTERM)
        assert b"shut down" in process.wait().stdout
