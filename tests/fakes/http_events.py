"""One HTTP request as each integration delivers it: the shapes of the platform's guide."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote

from tests.fakes.scenario import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Pairs = Sequence[tuple[str, str]]

ADDRESS: Final = "203.0.113.7"
API_HOST: Final = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
URL_HOST: Final = "abcdef.lambda-url.us-east-1.on.aws"
ALB_HOST: Final = "orders-123.us-east-1.elb.amazonaws.com"
FORWARDED: Final = (
    ("x-forwarded-for", ADDRESS),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
)


def _body(body: bytes | None) -> dict[str, Any]:
    if body is None:
        return {"body": None, "isBase64Encoded": False}
    try:
        return {"body": body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _grouped(pairs: Pairs) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def rest(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Pairs = (),
    body: bytes | None = None,
    *,
    stage: str = "prod",
) -> dict[str, Any]:
    """Return the event of a REST API, called by its default domain."""
    return _payload_1_0(method, path, query, headers, body, whole=f"/{stage}{path}")


def http_1_0(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Pairs = (),
    body: bytes | None = None,
) -> dict[str, Any]:
    """Return the event of an HTTP API with payload 1.0: the path is decoded."""
    decoded = unquote(path)
    event = _payload_1_0(method, decoded, query, headers, body, whole=decoded)
    return {"version": "1.0"} | event


def _payload_1_0(
    method: str, path: str, query: str, headers: Pairs, body: bytes | None, *, whole: str
) -> dict[str, Any]:
    pairs = [("Host", API_HOST), *((name.title(), value) for name, value in FORWARDED)]
    pairs += headers
    parameters = parse_qsl(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(pairs),
        "multiValueHeaders": _grouped(pairs),
        "queryStringParameters": dict(parameters) or None,
        "multiValueQueryStringParameters": _grouped(parameters) or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "authorizer": {"principalId": "ada"},
            "domainName": API_HOST,
            "domainPrefix": "a1b2c3d4e5",
            "httpMethod": method,
            "identity": {"sourceIp": ADDRESS, "userAgent": "curl"},
            "path": whole,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6",
            "resourcePath": "/{proxy+}",
            "stage": whole.strip("/").partition("/")[0] or "prod",
        },
    } | _body(body)


def function_url(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Pairs = (),
    body: bytes | None = None,
) -> dict[str, Any]:
    """Return the event of a function URL: the path is as it was sent."""
    return _payload_2_0(method, path, query, headers, body, host=URL_HOST)


def http_2_0(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Pairs = (),
    body: bytes | None = None,
    *,
    stage: str = "$default",
) -> dict[str, Any]:
    """Return the event of an HTTP API: the path is decoded, with the stage if that has a name."""
    sent = unquote(path) if stage == "$default" else f"/{stage}{unquote(path)}"
    return _payload_2_0(method, sent, query, headers, body, host=API_HOST, stage=stage)


def _payload_2_0(
    method: str,
    path: str,
    query: str,
    headers: Pairs,
    body: bytes | None,
    *,
    host: str,
    stage: str = "$default",
) -> dict[str, Any]:
    pairs = [("host", host), *FORWARDED]
    pairs += [(name.lower(), value) for name, value in headers if name.lower() != "cookie"]
    cookies = [value for name, value in headers if name.lower() == "cookie"]
    parameters = _grouped(parse_qsl(query, keep_blank_values=True))
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name: ",".join(values) for name, values in _grouped(pairs).items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": host.partition(".")[0],
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": ADDRESS,
                "userAgent": "curl",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": stage,
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
    } | _body(body)
    if cookies:
        event["cookies"] = [part for value in cookies for part in value.split("; ")]
    if parameters:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in parameters.items()
        }
    return event


def alb(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Pairs = (),
    body: bytes | None = None,
    *,
    multiple: bool = False,
) -> dict[str, Any]:
    """Return the event of a load balancer: nothing of the query is decoded."""
    pairs = [("host", ALB_HOST), *FORWARDED, *((name.lower(), value) for name, value in headers)]
    parameters = [
        (name, value)
        for name, _, value in (part.partition("=") for part in query.split("&"))
        if name
    ]
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1"}},
        "httpMethod": method,
        "path": path,
    }
    if multiple:
        event["multiValueQueryStringParameters"] = _grouped(parameters)
        event["multiValueHeaders"] = _grouped(pairs)
    else:
        event["queryStringParameters"] = dict(parameters)
        event["headers"] = dict(pairs)
    sent = _body(body)
    return event | sent | {"body": sent["body"] or ""}


def alb_multiple(*arguments: Any, **options: Any) -> dict[str, Any]:
    """Return the event of a load balancer whose target group has multi-value headers."""
    return alb(*arguments, multiple=True, **options)


MAKERS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "REST API": rest,
    "HTTP API 1.0": http_1_0,
    "HTTP API 2.0": http_2_0,
    "function URL": function_url,
    "load balancer": alb,
    "load balancer, multi-value": alb_multiple,
}
# Both have the path still encoded.
ENCODED_PATHS: Final = ("REST API", "function URL", "load balancer", "load balancer, multi-value")

WEBSOCKET: Final = {
    "requestContext": {
        "apiId": "a1b2c3d4e5",
        "connectionId": "ZLr9QeNLmMTYeQ=",
        "domainName": API_HOST,
        "eventType": "CONNECT",
        "routeKey": "$connect",
        "stage": "prod",
    },
    "headers": {"Host": API_HOST, "Sec-WebSocket-Key": "x"},
    "isBase64Encoded": False,
}


def sent(event: object) -> Event:
    """Return what the Runtime API delivers for an event."""
    return Event(json.dumps(event).encode())


def content_of(document: dict[str, Any]) -> bytes:
    """Return the body of a response, decoded."""
    body = document.get("body", "")
    return base64.b64decode(body) if document.get("isBase64Encoded") else body.encode()


def headers_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the headers of a response in order, in lower case, cookies included."""
    pairs = [(name, value) for name, value in document.get("headers", {}).items()]
    for name, values in document.get("multiValueHeaders", {}).items():
        pairs += [(name, value) for value in values]
    pairs += [("set-cookie", value) for value in document.get("cookies", [])]
    return sorted((name.lower(), value) for name, value in pairs)


def quoted(text: str) -> str:
    """Return a text as it is in a query."""
    return quote(text, safe="")
