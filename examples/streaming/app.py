"""Counts down by server-sent events, each when its second has passed."""

import json
import time

import snapboot


def handler(event, context):
    """Stream to a function URL that is set to RESPONSE_STREAM."""
    start = int((event.get("queryStringParameters") or {}).get("from", "3"))
    headers = {"content-type": "text/event-stream", "cache-control": "no-store"}
    return snapboot.HttpResponse(200, headers, body=countdown(start))


def countdown(start):
    """Yield one event of the stream for each second."""
    for left in range(start, 0, -1):
        yield f"data: {json.dumps({'left': left})}\n\n"
        time.sleep(1)
    yield "event: end\ndata: {}\n\n"
