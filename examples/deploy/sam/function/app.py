"""The function that these templates deploy: put your own in its place."""

import snapboot


def handler(event, context):
    """Answer one request of a function URL (payload format 2.0) by a stream."""
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    headers = {"content-type": "text/plain; charset=utf-8"}
    return snapboot.HttpResponse(200, headers, body=greeting(name))


def greeting(name):
    """Yield the chunks of the response."""
    yield "Hello, "
    yield f"{name}!\n"
