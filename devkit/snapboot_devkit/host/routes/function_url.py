"""Function URLs on the wire: any HTTP request becomes an event, any result a response. No I/O.

Locally a function's URL is `http://NAME.lambda-url.localhost:PORT/`, which browsers resolve to
loopback, or `http://HOST:PORT/function-url/NAME/` for everybody else. Events have the payload
format 2.0 of API Gateway.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import Body, Head, Response, wrong_method
from snapboot_devkit.host.http.site import host_of, port_of
from snapboot_devkit.host.identity import new_id, new_trace_id
from snapboot_devkit.host.lifecycle.terms import Invocation
from snapboot_devkit.host.routes.refusals import invalid, not_found, too_large
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host.identity import Identity
    from snapboot_devkit.host.routes.naming import F

METHODS: Final = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE")

# Bodies of these types reach the function as text, all others as base64, those of forms and
# without a type included: what API Gateway does with payload 2.0, whose list is not documented.
_TEXT_TYPES: Final = frozenset({"application/json", "application/javascript", "application/xml"})

# They belong to one connection, not to the request (RFC 9110, 7.6.1).
_OF_THE_CONNECTION: Final = frozenset(
    {"connection", "expect", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """Whose URL a request is for, and the path behind it, as it was sent."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What is not in a request's bytes: who sent it and when, `epoch` in seconds."""

    peer: str
    epoch: float


def target(head: Head) -> UrlTarget | None:
    """Return which function's URL a request is for, or None if it is for none."""
    host = host_of(head)
    if host.endswith(protocol.URL_DOMAIN):
        return UrlTarget(host.removesuffix(protocol.URL_DOMAIN), head.path)
    if not head.path.startswith(protocol.URL_PATH):
        return None
    name, _, path = head.path.removeprefix(protocol.URL_PATH).partition("/")
    return UrlTarget(unquote(name), f"/{path}")


def page(head: Head) -> Response | None:
    """Return the response to what cannot reach a function, or None."""
    return None if head.method in METHODS else wrong_method(head, ", ".join(METHODS))


def resolve(name: str, functions: Mapping[str, F]) -> F:
    """Return the function of a URL; browsers spell host names in lower case. Raises RefusedError.

    A function that isolates its tenants has no URL.
    """
    found = functions.get(name) or next(
        (function for known, function in functions.items() if known.lower() == name), None
    )
    if found is None:
        here = ", ".join(repr(known) for known in functions)
        raise not_found(repr(name), f"this host has URLs of {here}")
    if found.per_tenant:
        raise invalid(f"{name!r} isolates its tenants, so that it has no URL; use Invoke")
    return found


def parse(
    head: Head, body: Body, asked: UrlTarget, identity: Identity, sent: RequestContext
) -> Invocation:
    """Return the invocation that a request is. Raises RefusedError."""
    if body.size > protocol.MAX_PAYLOAD_BYTES:
        raise too_large(body.size, protocol.MAX_PAYLOAD_BYTES)
    request_id = new_id()
    trace_id = head.header(protocol.INVOKE_TRACE_ID) or new_trace_id()
    context = _request_context(head, asked.path, identity, sent) | {"requestId": request_id}
    headers = _event_headers(head, sent.peer, trace_id)
    event = _event(headers, head.query, asked.path, context) | _body(headers, body)
    payload = json.dumps(event).encode()
    if len(payload) > protocol.MAX_PAYLOAD_BYTES:
        raise too_large(len(payload), protocol.MAX_PAYLOAD_BYTES)
    return Invocation(request_id, payload, identity.arn, trace_id=trace_id)


def _event(
    headers: dict[str, str], query: str, path: str, context: Mapping[str, Any]
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
    }
    if cookie := headers.pop("cookie", None):
        event["cookies"] = [part.strip() for part in cookie.split(";") if part.strip()]
    event["headers"] = headers
    if query:
        event["queryStringParameters"] = _parameters(query)
    return event | {"requestContext": context, "pathParameters": None, "stageVariables": None}


def _request_context(
    head: Head, path: str, identity: Identity, sent: RequestContext
) -> dict[str, Any]:
    return {
        "accountId": identity.account,
        "apiId": identity.name,
        "authentication": None,
        "authorizer": None,
        "domainName": host_of(head),
        "domainPrefix": identity.name,
        "http": {
            "method": head.method,
            "path": path,
            "protocol": f"HTTP/{head.version}",
            "sourceIp": sent.peer,
            "userAgent": head.header(b"user-agent") or "",
        },
        "routeKey": "$default",
        "stage": "$default",
        "time": _log_time(sent.epoch),
        "timeEpoch": int(sent.epoch * 1000),
    }


def _event_headers(head: Head, peer: str, trace_id: str) -> dict[str, str]:
    """Return the headers as the function sees them, with those that AWS's front end adds."""
    sent = {name.decode("ascii"): head.header(name) or "" for name in head.headers}
    headers = {name: value for name, value in sent.items() if name not in _OF_THE_CONNECTION}
    return headers | {
        "x-amzn-trace-id": trace_id,
        "x-forwarded-for": peer,
        "x-forwarded-port": port_of(head),
        "x-forwarded-proto": "http",
    }


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body(headers: Mapping[str, str], body: Body) -> dict[str, Any]:
    """Return the body as text where its type is one, else as base64; none when there is none."""
    if not body.content:
        return {"isBase64Encoded": False}
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    is_text = media_type.startswith("text/") or media_type in _TEXT_TYPES
    if is_text and "content-encoding" not in headers:
        try:
            return {"body": body.content.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body.content).decode("ascii"), "isBase64Encoded": True}


def _log_time(epoch: float) -> str:
    """Return an instant as `12/Mar/2020:19:03:58 +0000`, whatever the locale."""
    utc = time.gmtime(epoch)
    month = _MONTHS.split()[utc.tm_mon - 1]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", utc)
