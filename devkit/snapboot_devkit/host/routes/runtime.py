"""The Runtime API on the wire: requests become messages, replies become responses. No I/O.

A call is passed to the lifecycle when it is complete. Only an answer to an invocation is passed
twice, when it begins and when it has ended, because the states in between are part of the rules.
"""

from __future__ import annotations

import base64
import binascii
from enum import Enum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Body,
    Head,
    Response,
    error_response,
    header_lines,
    no_such_page,
    text_response,
    wrong_method,
)
from snapboot_devkit.host.lifecycle import effects, terms
from snapboot_devkit.host.lifecycle import messages as msg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host.lifecycle.terms import CallToken


class Route(Enum):
    """The calls of the Runtime API."""

    __hash__ = object.__hash__

    NEXT = "next"
    RESPONSE = "response"
    ERROR = "error"
    INIT_ERROR = "init/error"
    RESTORE_NEXT = "restore/next"
    RESTORE_ERROR = "restore/error"
    PING = "ping"


_FIXED: Final = {
    protocol.RUNTIME_NEXT: Route.NEXT,
    protocol.RUNTIME_INIT_ERROR: Route.INIT_ERROR,
    protocol.RUNTIME_RESTORE_NEXT: Route.RESTORE_NEXT,
    protocol.RUNTIME_RESTORE_ERROR: Route.RESTORE_ERROR,
    protocol.PING: Route.PING,
}
_USUAL_TYPE: Final = protocol.JSON.encode()
_OF_AN_INVOCATION: Final = {"response": Route.RESPONSE, "error": Route.ERROR}
_READ_WITH_GET: Final = frozenset({Route.NEXT, Route.RESTORE_NEXT, Route.PING})
_SNAPSTART_ONLY: Final = frozenset({Route.RESTORE_NEXT, Route.RESTORE_ERROR})


def route(head: Head, *, snapstart: bool = False) -> Route | Response:
    """Return which call a request is, or the response that refuses it."""
    found = _FIXED.get(head.path) or _invocation_route(head.path)
    if found is None or (found in _SNAPSTART_ONLY and not snapstart):
        return no_such_page(head)
    method = "GET" if found in _READ_WITH_GET else "POST"
    return found if head.method == method else wrong_method(head, method)


def opening(found: Route, call: CallToken, head: Head) -> msg.ResponseBegun | msg.ErrorBegun | None:
    """Return the lifecycle's message for a call whose head has arrived, if there is one."""
    if found is Route.RESPONSE:
        return msg.ResponseBegun(
            call,
            _request_id(head.path),
            head.header(protocol.INVOCATION_ID),
            head.header(protocol.RESPONSE_MODE),
            _content_type(head),
        )
    if found is Route.ERROR:
        return msg.ErrorBegun(
            call, _request_id(head.path), head.header(protocol.INVOCATION_ID), _error_type(head)
        )
    return None


def is_kept(begun: msg.ResponseBegun | msg.ErrorBegun) -> bool:
    """Tell whether an answer is kept until it is whole, and not passed on as it comes."""
    return isinstance(begun, msg.ErrorBegun) or begun.mode is None


def closing(found: Route, call: CallToken, head: Head, body: Body) -> msg.RuntimeCall | Response:
    """Return the lifecycle's message for a complete call; `ping` is answered at once."""
    if found is Route.NEXT:
        return msg.NextCalled(call)
    if found is Route.RESPONSE or found is Route.ERROR:
        error = _trailing_error(body.trailers) if body.trailers else ()
        return msg.AnswerEnded(call, body.content, body.size, _content_type(head), *error)
    if found is Route.INIT_ERROR:
        return msg.InitErrorPosted(call, _error_type(head), body.content)
    if found is Route.RESTORE_NEXT:
        return msg.RestoreNextCalled(call)
    if found is Route.RESTORE_ERROR:
        return msg.RestoreErrorPosted(call, _error_type(head), body.content)
    return PONG


def render(content: effects.Content) -> Response:
    """Return a reply of the lifecycle as a response."""
    if content is effects.ACCEPTED:
        return ACCEPTED
    match content:
        case terms.Delivery():
            return _render_delivery(content)
        case effects.Restored():
            return Response(200)
        case effects.Denied(status, error_type, message):
            return error_response(status, error_type, message)
    raise TypeError(f"{content!r} is not a reply of the Runtime API")


ACCEPTED: Final = Response(
    202, header_lines((protocol.CONTENT_TYPE, _USUAL_TYPE)), b'{"status":"OK"}\n'
)
PONG: Final = text_response(200, "pong")
# The headers of each delivery, to be filled in.
_DELIVERY: Final = header_lines(
    (protocol.CONTENT_TYPE, b"%b"),
    (protocol.REQUEST_ID, b"%b"),
    (protocol.INVOCATION_ID, b"%b"),
    (protocol.DEADLINE_MS, b"%d"),
    (protocol.FUNCTION_ARN, b"%b"),
)
_TRACE_ID: Final = header_lines((protocol.TRACE_ID, b"%b"))


def _invocation_route(path: str) -> Route | None:
    if not path.startswith(protocol.RUNTIME_INVOCATION):
        return None
    request_id, _, kind = path[len(protocol.RUNTIME_INVOCATION) :].partition("/")
    return _OF_AN_INVOCATION.get(kind) if request_id else None


def _request_id(path: str) -> str:
    request_id = path[len(protocol.RUNTIME_INVOCATION) :].partition("/")[0]
    if "%" not in request_id:
        return request_id
    from urllib.parse import unquote  # noqa: PLC0415 - no id of ours has one

    return unquote(request_id)


def _content_type(head: Head) -> str:
    given = head.headers.get(protocol.CONTENT_TYPE)
    return given.decode("utf-8", "replace") if given and given != _USUAL_TYPE else protocol.JSON


def _trailing_error(trailers: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """Return type and document of an error behind a streamed body, both empty without one."""
    error_type = trailers.get(protocol.ERROR_TYPE, b"").decode("utf-8", "replace")
    encoded = trailers.get(protocol.ERROR_BODY, b"")
    try:
        return error_type, base64.b64decode(encoded, validate=True)
    except binascii.Error:
        # The document is for the caller to read; one that is not encoded is better than none.
        return error_type, encoded


def _error_type(head: Head) -> str:
    return head.header(protocol.ERROR_TYPE) or ""


def _render_delivery(delivery: terms.Delivery) -> Response:
    invocation = delivery.invocation
    headers = _DELIVERY % (
        invocation.content_type.encode(),
        invocation.request_id.encode(),
        delivery.invocation_id.encode(),
        delivery.deadline_ms,
        invocation.arn.encode(),
    )
    # The classic platform leaves empty headers out.
    if invocation.trace_id:
        headers += _TRACE_ID % invocation.trace_id.encode()
    if invocation.client_context:
        headers += header_lines((protocol.CLIENT_CONTEXT, invocation.client_context.encode()))
    if invocation.cognito_identity:
        headers += header_lines((protocol.COGNITO_IDENTITY, invocation.cognito_identity.encode()))
    if invocation.tenant_id:
        headers += header_lines((protocol.TENANT_ID, invocation.tenant_id.encode()))
    return Response(200, headers, invocation.payload)
