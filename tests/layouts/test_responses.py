"""Streams and asynchronous handlers, in every layout."""

from __future__ import annotations

import base64
import json

from tests.fakes.runtime_api import Call, Event


def test_a_generator_is_streamed_and_its_error_is_in_the_trailers(layout):
    layout.code("""
        def handler(event, context):
            yield "begun"
            raise ValueError("late")
    """)
    answer = layout.run(Event()).answers[0]
    assert (answer.call, bytes(answer.body)) == (Call.RESPONSE, b"begun")
    document = base64.b64decode(dict(answer.trailers)["Lambda-Runtime-Function-Error-Body"])
    assert json.loads(document)["errorMessage"] == "late"


def test_an_asynchronous_handler_keeps_its_loop_and_streams_an_http_response(layout):
    layout.code("""
        import asyncio
        import snapboot

        @snapboot.on_init
        async def start():
            global loop
            loop = asyncio.get_running_loop()

        async def body():
            yield "hello"

        async def handler(event, context):
            assert asyncio.get_running_loop() is loop
            return snapboot.HttpResponse(201, body=body()) if event else "whole"
    """)
    streamed, whole = layout.run(Event(b"1"), Event(b"0")).answers
    prelude, text = bytes(streamed.body).split(bytes(8))
    assert (json.loads(prelude)["statusCode"], text) == (201, b"hello")
    assert whole.json() == "whole"
