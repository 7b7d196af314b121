"""The Extensions API on the wire: requests become messages, replies become responses. No I/O.

Whom an extension is allowed to be, and in which state it may call, is the lifecycle's business.
Here a request is only refused when it is none. The texts are those of the platform's own
implementation (its emulator, `rapi/handler/agent*.go`).
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final, TypeAlias
from uuid import UUID

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Body,
    Head,
    Response,
    error_response,
    json_response,
    no_such_page,
    text_response,
    wrong_method,
)
from snapboot_devkit.host.lifecycle import effects, failures, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.lazy_dataclass import dataclass


class ExtensionCall(Enum):
    """The calls of the Extensions API."""

    REGISTER = "register"
    NEXT = "event/next"
    INIT_ERROR = "init/error"
    EXIT_ERROR = "exit/error"


@dataclass(frozen=True, slots=True)
class FunctionDetails:
    """What an extension gets to know of its function when it registers."""

    name: str
    version: str
    handler: str
    account: str


Call: TypeAlias = msg.RegisterCalled | msg.ExtensionNextCalled | msg.ExtensionErrorPosted

_ROUTES: Final = {
    protocol.EXTENSION_REGISTER_PATH: ExtensionCall.REGISTER,
    protocol.EXTENSION_NEXT_PATH: ExtensionCall.NEXT,
    protocol.EXTENSION_INIT_ERROR_PATH: ExtensionCall.INIT_ERROR,
    protocol.EXTENSION_EXIT_ERROR_PATH: ExtensionCall.EXIT_ERROR,
}

_EMPTY_NAME: Final = error_response(403, "Extension.InvalidExtensionName", "Empty extension name")
_MISSING_IDENTIFIER: Final = error_response(
    403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"
)
_INVALID_IDENTIFIER: Final = error_response(
    403, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"
)
_MISSING_ERROR_TYPE: Final = error_response(
    403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found"
)
_CONFIGURATION_KEYS: Final = "configurationKeys are deprecated; use environment variables instead"


class _RefusedError(Exception):
    """The request is no call of this API; `response` says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body)
        self.response = response


def route(head: Head) -> ExtensionCall | Response:
    """Return which call a request is, or the response that refuses it."""
    found = _ROUTES.get(head.path)
    if found is None:
        return no_such_page(head)
    method = "GET" if found is ExtensionCall.NEXT else "POST"
    return found if head.method == method else wrong_method(head, method)


def closing(found: ExtensionCall, call: terms.CallToken, head: Head, body: Body) -> Call | Response:
    """Return the lifecycle's message when a call is whole, or the response that refuses it."""
    try:
        match found:
            case ExtensionCall.REGISTER:
                return _registration(call, head, body)
            case ExtensionCall.NEXT:
                return msg.ExtensionNextCalled(call, _identifier(head))
            case ExtensionCall.INIT_ERROR | ExtensionCall.EXIT_ERROR:
                exiting = found is ExtensionCall.EXIT_ERROR
                return msg.ExtensionErrorPosted(call, _identifier(head), _error_type(head), exiting)
    except _RefusedError as refused:
        return refused.response


def render(content: effects.Content, details: FunctionDetails) -> Response:
    """Return a reply of the lifecycle as a response."""
    match content:
        case effects.Registered():
            return _render_registered(content, details)
        case effects.InvokeEvent():
            return _render_invoke(content)
        case effects.ShutdownEvent():
            return _render_shutdown(content)
        case effects.Accepted():
            return ACCEPTED
        case effects.Denied(status, error_type, message):
            return error_response(status, error_type, message)
    raise TypeError(f"{content!r} is not a reply of the Extensions API")


ACCEPTED: Final = json_response(202, {"status": "OK"})


# ---- requests --------------------------------------------------------------------------------


def _registration(call: terms.CallToken, head: Head, body: Body) -> msg.RegisterCalled:
    name = head.header(protocol.EXTENSION_NAME)
    if not name:
        raise _RefusedError(_EMPTY_NAME)
    if body.size > protocol.MAX_EXTENSION_BODY_BYTES:
        too_large = failures.PAYLOAD_TOO_LARGE
        text = f"Exceeded maximum allowed payload size ({protocol.MAX_EXTENSION_BODY_BYTES} bytes)."
        raise _RefusedError(error_response(too_large.status, too_large.error_type, text))
    return msg.RegisterCalled(call, name, _events(body.content), _wants_account(head))


def _events(content: bytes | bytearray) -> tuple[str, ...]:
    """Return the events a registration asks for; which exist is not checked here."""
    document = _document(content)
    if _strings(document, "configurationKeys"):
        raise _bad_format(_CONFIGURATION_KEYS)
    return _strings(document, "events")


def _document(content: bytes | bytearray) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise _bad_format(f"{_EXAMPLE}; the body is not JSON ({exc})") from exc
    # Go, in which the platform is written, reads `null` as the empty value of any type.
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _bad_format(f"{_EXAMPLE}; the body is {document!r}")
    return document


def _strings(document: dict[str, Any], key: str) -> tuple[str, ...]:
    values = document.get(key) or ()
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise _bad_format(f"{_EXAMPLE}; {key} is {values!r}")
    return tuple(values)


def _wants_account(head: Head) -> bool:
    asked = head.header(protocol.EXTENSION_ACCEPT_FEATURE) or ""
    return protocol.EXTENSION_FEATURE_ACCOUNT in (part.strip() for part in asked.split(","))


def _identifier(head: Head) -> str:
    """Return the identifier in the one spelling that the host hands out."""
    identifier = head.header(protocol.EXTENSION_IDENTIFIER)
    if not identifier:
        raise _RefusedError(_MISSING_IDENTIFIER)
    try:
        return str(UUID(identifier))
    except ValueError:
        raise _RefusedError(_INVALID_IDENTIFIER) from None


def _error_type(head: Head) -> str:
    error_type = head.header(protocol.EXTENSION_ERROR_TYPE)
    if not error_type:
        raise _RefusedError(_MISSING_ERROR_TYPE)
    return error_type


_EXAMPLE: Final = 'register takes a document such as {"events": ["INVOKE", "SHUTDOWN"]}'


def _bad_format(message: str) -> _RefusedError:
    return _RefusedError(error_response(403, "InvalidRequestFormat", message))


# ---- replies ---------------------------------------------------------------------------------


def _render_registered(registered: effects.Registered, details: FunctionDetails) -> Response:
    document = {
        "functionName": details.name,
        "functionVersion": details.version,
        "handler": details.handler,
    }
    if registered.with_account:
        document["accountId"] = details.account
    identifier = registered.identifier.encode()
    return json_response(200, document, (protocol.EXTENSION_IDENTIFIER, identifier))


def _render_invoke(event: effects.InvokeEvent) -> Response:
    """Announce an invocation; its payload is not an extension's business."""
    invocation = event.delivery.invocation
    document: dict[str, Any] = {
        "eventType": terms.INVOKE,
        "deadlineMs": event.delivery.deadline_ms,
        "requestId": invocation.request_id,
        "invokedFunctionArn": invocation.arn,
    }
    if invocation.trace_id:
        document["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
    identifier = event.event_id.encode()
    return json_response(200, document, (protocol.EXTENSION_EVENT_IDENTIFIER, identifier))


def _render_shutdown(event: effects.ShutdownEvent) -> Response:
    """Announce the end: with no identifier, and as text, which is how the platform sends it."""
    document = {
        "eventType": terms.SHUTDOWN,
        "deadlineMs": event.deadline_ms,
        "shutdownReason": event.reason.value,
    }
    return text_response(200, json.dumps(document))
