"""The samples behind a function URL of the local host, asked by a client of HTTP."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from oracles import web
from snapboot_devkit.host import FunctionConfig, LocalHost
from tests.devkit.hosted import DEADLINE_S, request
from tests.web.conftest import SAMPLES

UPLOAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n\0\xff\r\n--x--\r\n'


def asked(tmp_path, framework, handler, *requests):
    """Return status, headers and body of the responses to requests, one after the other."""
    shutil.copy(SAMPLES / f"{framework}_app.py", tmp_path)
    config = FunctionConfig(
        f"{framework}_app.{handler}",
        task_root=tmp_path,
        env={"PYTHONPATH": str(web.folder(framework))},
        stream_url=handler == "streaming",
        timeout_s=30,
        name="web",
    )

    async def play():
        async with asyncio.timeout(DEADLINE_S), LocalHost(config, port=0) as host:
            return [
                await request(host, method, f"/function-url/web{path}", body, **headers)
                for method, path, body, headers in requests
            ]

    return asyncio.run(play())


@pytest.mark.parametrize("handler", ["handler", "streaming"])
@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_client_gets_what_a_server_would_send(tmp_path, framework, handler):
    stream, image, cookies, missing, head = asked(
        tmp_path,
        framework,
        handler,
        ("GET", "/stream", b"", {}),
        ("GET", "/image", b"", {}),
        ("GET", "/cookies", b"", {"cookie": "session=7"}),
        ("GET", "/missing", b"", {}),
        ("GET" if framework == "fastapi" else "HEAD", "/image", b"", {}),
    )
    assert [line[-1:] for line in stream[2].splitlines()] == [b"0", b"1", b"2"]
    assert (image[1]["content-type"], image[2]) == ("image/png", b"\x89PNG\r\n\x1a\n\0\xff")
    assert [value[:3] for value in cookies[1].get_all("set-cookie")] == ["a=1", "b=2"]
    assert cookies[2] == b"session 7"
    assert missing[0] == 404
    assert head[0] == 200


@pytest.mark.parametrize("handler", ["handler", "streaming"])
def test_a_client_uploads_a_file(tmp_path, handler):
    headers = {"content_type": "multipart/form-data; boundary=x"}
    ((status, _, body),) = asked(tmp_path, "fastapi", handler, ("POST", "/upload", UPLOAD, headers))
    assert (status, body.partition(b'"size":')[2]) == (200, b"2}")


def test_a_client_reads_server_sent_events(tmp_path):
    ((_, headers, body),) = asked(tmp_path, "starlette", "streaming", ("GET", "/events", b"", {}))
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["transfer-encoding"] == "chunked"
    assert body.startswith(b"id: 0\ndata: at 0\n\n")
