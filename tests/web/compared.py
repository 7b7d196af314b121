"""A program: events of standard input, each handled by ours and by another's adapter, as JSON.

    python compared.py mangum < events.json

The application is the same: it notes what it was given, and answers what its path asks for.
"""

from __future__ import annotations

import base64
import json
import sys
from urllib.parse import parse_qsl

# What an application is asked to answer, by the name of the case.
RESPONSES = {
    "text": (200, [("content-type", "text/plain")], "é".encode()),
    "json": (201, [("content-type", "application/json")], b"{}"),
    "nothing": (204, [], b""),
    "image": (200, [("content-type", "image/png")], b"\x89PNG\0\xff"),
    "latin": (200, [("content-type", "text/plain; charset=latin-1")], b"\xe9"),
    "download": (200, [("content-type", "application/octet-stream")], b"plain"),
    "untyped": (200, [], b"plain"),
    "encoded": (200, [("content-type", "text/plain"), ("content-encoding", "br")], b"\x0b\x80"),
    "cookies": (
        200,
        [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
        b"",
    ),
    "repeated": (200, [("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2")], b""),
    "failed": (503, [("content-type", "text/plain")], b"busy"),
}

seen: dict[str, object] = {}


async def asgi_app(scope, receive, send):
    body = (await receive())["body"]
    seen.clear()
    seen.update({name: scope[name] for name in ("method", "path", "scheme", "root_path")})
    headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    _see(scope["query_string"].decode(), headers, body)
    seen["server"], seen["client"] = list(scope["server"]), scope["client"][0]
    seen["event"] = scope["aws.event"] is not None and "aws.context" in scope
    status, headers, body = RESPONSES[scope["path"].rpartition("/")[2]]
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def wsgi_app(environ, start_response):
    seen.clear()
    body = environ["wsgi.input"].read()
    names = {
        "method": "REQUEST_METHOD",
        "path": "PATH_INFO",
        "scheme": "wsgi.url_scheme",
        "root_path": "SCRIPT_NAME",
        "client": "REMOTE_ADDR",
        "length": "CONTENT_LENGTH",
        "type": "CONTENT_TYPE",
        "principal": "REMOTE_USER",
    }
    seen.update({name: environ.get(key, "") for name, key in names.items()})
    headers = [
        (key.removeprefix("HTTP_").replace("_", "-").lower(), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    _see(environ["QUERY_STRING"], headers, body)
    seen["server"] = [environ["SERVER_NAME"], environ["SERVER_PORT"]]
    status, headers, body = RESPONSES[environ["PATH_INFO"].rpartition("/")[2]]
    start_response(f"{status} Any", headers)
    return [body]


def _see(query, headers, body):
    seen["query"] = sorted(parse_qsl(query, keep_blank_values=True))
    seen["headers"] = sorted(headers)
    seen["body"] = body.decode("latin-1")


def answered(handler, event):
    """Return what the application saw, and what becomes of its response."""
    try:
        document = handler(event, None)
    except Exception as exc:  # noqa: BLE001 - it is the outcome
        return {"error": type(exc).__name__}
    body = document.get("body") or ""
    content = base64.b64decode(body) if document.get("isBase64Encoded") else body.encode()
    pairs = [(name.lower(), value) for name, value in (document.get("headers") or {}).items()]
    for name, values in (document.get("multiValueHeaders") or {}).items():
        pairs = [pair for pair in pairs if pair[0] != name.lower()]
        pairs += [(name.lower(), value) for value in values]
    pairs += [("set-cookie", value) for value in document.get("cookies") or []]
    return {
        **seen,
        "status": document["statusCode"],
        "response headers": sorted(pairs),
        "content": content.decode("latin-1"),
        "base64": bool(document.get("isBase64Encoded")),
        "description": document.get("statusDescription"),
    }


def handlers(adapter):
    """Return our handler and the other's."""
    import snapboot

    if adapter == "mangum":
        from mangum import Mangum

        return snapboot.asgi(asgi_app, lifespan="off"), Mangum(asgi_app, lifespan="off")
    ours = snapboot.wsgi(wsgi_app)
    if adapter == "serverless-wsgi":
        import serverless_wsgi

        return ours, lambda *given: serverless_wsgi.handle_request(wsgi_app, *given)
    from apig_wsgi import make_lambda_handler

    return ours, make_lambda_handler(wsgi_app, binary_support=True)


if __name__ == "__main__":
    both = handlers(sys.argv[1])
    outcomes = [[answered(handler, event) for handler in both] for event in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(outcomes))
