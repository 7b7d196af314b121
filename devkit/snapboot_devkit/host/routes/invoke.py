"""The Invoke API on the wire: requests become invocations, results become responses. No I/O.

Also the path of AWS's emulator, which is the same one with a fixed function name.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import parse_qs, unquote
from uuid import UUID

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Body,
    Head,
    Response,
    json_response,
    no_such_page,
    text_response,
    wrong_method,
)
from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure

if TYPE_CHECKING:
    from snapboot_devkit.host.identity import Identity, Tracing

# A name alone, behind an account, or at the end of an ARN; then perhaps a qualifier.
_FUNCTION_NAME: Final = re.compile(
    r"(?:(?:arn:[^:]+:lambda:[^:]+:)?\d{12}:function:)?([^:]+)(?::([^:]+))?"
)
_TENANT_ID: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")


class InvocationType(Enum):
    """What a caller of Invoke wants, as `X-Amz-Invocation-Type` spells it."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """An invoke request that has passed every check."""

    invocation: Invocation
    kind: InvocationType = InvocationType.REQUEST_RESPONSE
    with_log_tail: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller may say of an invocation besides its event; `client_context` is JSON text."""

    request_id: str | None = None
    trace_id: str | None = None
    client_context: str = ""
    tenant_id: str | None = None


class RefusedError(Exception):
    """The request cannot be served; `failure` is what its sender is told."""

    def __init__(self, status: int, exception: str, message: str) -> None:
        """Refuse with an HTTP status, the name of a service exception, and a text."""
        super().__init__(message)
        self.failure = ServiceFailure(status, exception, message)


def page(head: Head, state: str) -> Response | None:
    """Return the response to anything but an invoke, or None when this is one."""
    if head.path == protocol.HEALTH:
        return json_response(200, {"state": state})
    if head.path == protocol.PING:
        return text_response(200, "pong")
    if not _is_invoke(head.path):
        return no_such_page(head)
    return None if head.method == "POST" else wrong_method(head, "POST")


def parse(head: Head, body: Body, identity: Identity, tracing: Tracing) -> InvokeCall:
    """Return the invoke that a request asks for. Raises RefusedError."""
    _check_function(head, identity)
    kind = _kind(head)
    payload = checked_payload(body, asynchronous=kind is InvocationType.EVENT)
    wishes = Wishes(
        request_id=head.header(protocol.INVOKE_REQUEST_ID),
        trace_id=head.header(protocol.INVOKE_TRACE_ID),
        client_context=decoded_client_context(head.header(protocol.INVOKE_CLIENT_CONTEXT)),
        tenant_id=head.header(protocol.INVOKE_TENANT_ID),
    )
    invocation = checked_invocation(payload, wishes, identity, tracing)
    return InvokeCall(invocation, kind, _wants_log_tail(head))


def checked_invocation(
    payload: bytes | bytearray, wishes: Wishes, identity: Identity, tracing: Tracing
) -> Invocation:
    """Return an invocation with the ids its caller left out. Raises RefusedError."""
    return Invocation(
        request_id=_checked_request_id(wishes.request_id) or tracing.new_request_id(),
        payload=payload,
        arn=identity.arn,
        trace_id=_checked_trace_id(wishes.trace_id) or tracing.new_trace_id(),
        client_context=wishes.client_context,
        tenant_id=_checked_tenant_id(wishes.tenant_id),
    )


def checked_payload(body: Body, *, asynchronous: bool = False) -> bytes | bytearray:
    """Return the event; an empty one is an empty object. Raises RefusedError."""
    limit = protocol.MAX_ASYNC_PAYLOAD_BYTES if asynchronous else protocol.MAX_PAYLOAD_BYTES
    if body.size > limit:
        raise RefusedError(
            413,
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the invoke operation; "
            f"it has {body.size}",
        )
    if not body.content:
        return b"{}"
    _check_json(body.content)
    return body.content


def decoded_client_context(encoded: str | None) -> str:
    """Return the JSON text of a client context. Raises RefusedError."""
    if not encoded:
        return ""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        document = json.loads(text)
    except (binascii.Error, ValueError) as exc:
        raise _bad_client_context(f"it is not ({exc})") from exc
    if len(encoded) > protocol.MAX_CLIENT_CONTEXT_BYTES:
        raise _bad_client_context(f"of at most {protocol.MAX_CLIENT_CONTEXT_BYTES} bytes")
    # A header cannot hold line ends, JSON does not need them.
    return json.dumps(document)


def render(call: InvokeCall, result: FunctionResult, version: str, log: bytes | None) -> Response:
    """Return a function's result as a response, with the end of its log where there is one."""
    headers = [(protocol.CONTENT_TYPE, result.content_type.encode()), *_ids(call.invocation)]
    headers.append((protocol.EXECUTED_VERSION, version.encode()))
    if result.function_error:
        headers.append((protocol.FUNCTION_ERROR, result.function_error.encode()))
    if log is not None:
        tail = log[-protocol.LOG_TAIL_BYTES :]
        headers.append((protocol.LOG_RESULT, base64.b64encode(tail)))
    return Response(200, tuple(headers), result.payload)


def render_taken(call: InvokeCall) -> Response:
    """Answer an invoke whose result nobody waits for."""
    return Response(202 if call.kind is InvocationType.EVENT else 204, _ids(call.invocation))


def render_failure(failure: ServiceFailure) -> Response:
    """Return a refusal as a response, with the text under both names that AWS's models use."""
    return json_response(
        failure.status,
        {
            "Type": "User" if failure.status < 500 else "Service",
            "Message": failure.message,
            "message": failure.message,
        },
        (protocol.EXCEPTION_NAME, failure.exception.encode()),
    )


def _is_invoke(path: str) -> bool:
    return path.startswith(protocol.FUNCTIONS) and path.endswith(protocol.INVOCATIONS)


def _ids(invocation: Invocation) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (protocol.INVOKE_REQUEST_ID, invocation.request_id.encode()),
        (protocol.INVOKE_TRACE_ID, invocation.trace_id.encode()),
    )


def _check_function(head: Head, identity: Identity) -> None:
    """Accept a name, a partial ARN or an ARN, with or without a qualifier."""
    asked = unquote(head.path[len(protocol.FUNCTIONS) : -len(protocol.INVOCATIONS)])
    found = _FUNCTION_NAME.fullmatch(asked)
    name, qualifier = found.groups() if found else (asked, None)
    qualifier = qualifier or parse_qs(head.query).get("Qualifier", [""])[0]
    if name not in (protocol.EMULATOR_FUNCTION, identity.name):
        raise _not_found(asked, f"this host serves {identity.name!r}")
    if qualifier not in ("", identity.version):
        raise _not_found(f"{name}:{qualifier}", f"the only version here is {identity.version!r}")


def _kind(head: Head) -> InvocationType:
    asked = head.header(protocol.INVOCATION_TYPE) or InvocationType.REQUEST_RESPONSE.value
    try:
        return InvocationType(asked)
    except ValueError:
        choices = ", ".join(kind.value for kind in InvocationType)
        raise _bad_parameter("X-Amz-Invocation-Type", asked, f"one of {choices}") from None


def _wants_log_tail(head: Head) -> bool:
    asked = head.header(protocol.LOG_TYPE) or "None"
    if asked not in ("None", "Tail"):
        raise _bad_parameter("X-Amz-Log-Type", asked, "one of None, Tail")
    return asked == "Tail"


def _checked_request_id(asked: str | None) -> str | None:
    try:
        return str(UUID(asked)) if asked else None
    except ValueError:
        raise _bad_content(f"x-amzn-RequestId {asked!r} must be a UUID, or be left out") from None


def _checked_trace_id(asked: str | None) -> str | None:
    if asked and not asked.isprintable():
        raise _bad_parameter("X-Amzn-Trace-Id", asked, "one line of printable text")
    return asked


def _checked_tenant_id(tenant_id: str | None) -> str:
    if tenant_id is not None and not _TENANT_ID.fullmatch(tenant_id):
        remedy = "1 to 256 letters, digits, blanks or ._:/=+-@"
        raise _bad_parameter("X-Amz-Tenant-Id", tenant_id, remedy)
    return tenant_id or ""


def _check_json(content: bytes | bytearray) -> None:
    try:
        # The numbers are of no interest, and Python refuses very long ones.
        json.loads(content.decode(), parse_int=float, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise _bad_content(f"Could not parse request body into json: {exc}") from exc


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _bad_client_context(detail: str) -> RefusedError:
    return _bad_content(f"X-Amz-Client-Context must be a base64-encoded JSON document; {detail}")


def _bad_content(message: str) -> RefusedError:
    return RefusedError(400, "InvalidRequestContentException", message)


def _bad_parameter(header: str, asked: str, remedy: str) -> RefusedError:
    message = f"{header} {asked!r} must be {remedy}"
    return RefusedError(400, "InvalidParameterValueException", message)


def _not_found(asked: str, remedy: str) -> RefusedError:
    return RefusedError(
        404, "ResourceNotFoundException", f"Function not found: {asked!r}; {remedy}"
    )
