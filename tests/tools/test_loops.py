"""Real packages on the runtime's event loop, in its tasks and in threads of their own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from oracles import OracleUnavailable, tools
from tests.fakes.fixtures import function
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

__all__ = ["function"]

W3C = '{"custom": {}, "w3c": {"traceparent": "00-abc-def-01"}}'
VARIABLES = {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}


def with_tool(name: str) -> dict[str, str]:
    """Return variables with which the function finds a package; skip where it cannot be had."""
    try:
        return {**VARIABLES, "PYTHONPATH": str(tools.folder(name))}
    except OracleUnavailable as exc:
        pytest.skip(str(exc))


def http_event(path: str) -> Event:
    """Return an event of an HTTP API."""
    http = {"method": "GET", "path": path, "sourceIp": "1.2.3.4", "protocol": "HTTP/1.1"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {},
        "requestContext": {"http": http, "stage": "$default", "requestId": "1"},
        "isBase64Encoded": False,
    }
    return Event(json.dumps(event).encode())


def test_powertools_resolves_asynchronous_routes_on_the_loop_of_the_events(function: Function):
    function.code("""
        import asyncio
        import snapboot
        from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

        app = APIGatewayHttpResolver()
        loops = set()

        @snapboot.on_init
        async def start():
            loops.add(asyncio.get_running_loop())

        @app.get("/orders/<number>")
        async def order(number):
            await asyncio.sleep(0)
            loops.add(asyncio.get_running_loop())
            request = snapboot.current_context().aws_request_id
            return {"order": number, "loops": len(loops), "request": request}

        async def handler(event, context):
            return await app.resolve_async(event, context)
    """)
    events = http_event("/orders/1"), http_event("/orders/2"), http_event("/none")
    run = function.run(*events, environment=with_tool("powertools"))
    bodies = [json.loads(result["body"]) for result in run.results[:2]]
    assert [(body["order"], body["loops"]) for body in bodies] == [("1", 1), ("2", 1)]
    assert [body["request"] for body in bodies] == [answer.request_id for answer in run.answers[:2]]
    assert run.results[2]["statusCode"] == 404


def test_the_durable_sdks_threads_find_the_invocation_in_flight(function: Function):
    function.code("""
        import contextvars
        import threading
        import snapboot
        from aws_durable_execution_sdk_python import durable_execution

        @durable_execution
        def handler(event, durable_context):
            context = snapboot.current_context()
            fresh = not [v for v in contextvars.copy_context() if "snapboot" in v.name]
            return [
                threading.current_thread().name[:11], fresh, event, context.aws_request_id,
                context.w3c(),
            ]
    """)
    operation = {
        "Id": "1",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "ExecutionDetails": {"InputPayload": '{"order": 4711}'},
    }
    document = {
        "DurableExecutionArn": "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable/1",
        "CheckpointToken": "token",
        "InitialExecutionState": {"Operations": [operation], "NextMarker": ""},
    }
    body = json.dumps(document).encode()
    headers = {"Lambda-Runtime-Client-Context": W3C}
    events = (Event(body, request_id="one", headers=headers), Event(body, request_id="two"))
    run = function.run(*events, environment=with_tool("durable"))
    assert [result["Status"] for result in run.results] == ["SUCCEEDED"] * 2, run.stdout
    first, second = (json.loads(result["Result"]) for result in run.results)
    fields = {"traceparent": "00-abc-def-01"}
    assert first == ["dex-handler", True, {"order": 4711}, "one", fields]
    assert second[3:] == ["two", {}]


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="policies go with 3.16, and 3.14 warns")
def test_uvloop_serves_handlers_streams_and_tasks(function: Function):
    function.code("""
        import asyncio
        import snapboot
        import uvloop

        uvloop.install()

        @snapboot.on_init
        async def start():
            global background
            background = asyncio.create_task(count())

        async def count():
            global counted
            for counted in range(1_000_000):
                await asyncio.sleep(0)

        async def pieces(event):
            for number in range(1000):
                await asyncio.sleep(0)
                yield f"{event}"

        async def handler(event, context):
            await asyncio.sleep(0.001)
            if event % 2:
                return pieces(event)
            return [type(asyncio.get_running_loop()).__module__, counted > 0]
    """)
    events = [Event(b"%d" % number) for number in range(4)]
    run = function.run(*events, environment=with_tool("uvloop"))
    sent = [bytes(answer.body) for answer in run.answers]
    assert sent == [b'["uvloop",true]', b"1" * 1000, b'["uvloop",true]', b"3" * 1000]
