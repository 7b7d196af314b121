"""The Invoke API on the wire: requests become invocations, results become responses. No I/O.

Also the path of AWS's emulator, which is the same one with a fixed function name, and the older
path for asynchronous invokes. How a streamed response looks is in `invoke_stream`.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Body,
    Head,
    Response,
    header_lines,
    json_response,
    text_response,
    wrong_method,
)
from snapboot_devkit.host.identity import Identity
from snapboot_devkit.host.routes.invocation import (
    NO_OPTIONS,
    InvokeOptions,
    checked_invocation,
    checked_payload,
)
from snapboot_devkit.host.routes.naming import Invokable, resolve
from snapboot_devkit.host.routes.refusals import (
    RefusedError,
    bad_content,
    bad_parameter,
    render_failure,
)
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation

__all__ = [
    "InvocationType",
    "InvokeCall",
    "RefusedError",
    "page",
    "parse",
    "render",
    "render_failure",
    "render_taken",
]


class InvocationType(Enum):
    """What a caller of Invoke wants, as `X-Amz-Invocation-Type` spells it."""

    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


class Operation(Enum):
    """The API's operations, by the two parts of a path around the function's name."""

    INVOKE = (protocol.FUNCTIONS, protocol.INVOCATIONS)
    STREAM = (protocol.STREAMING_FUNCTIONS, protocol.STREAMING_INVOCATIONS)
    ASYNC = (protocol.ASYNC_FUNCTIONS, protocol.ASYNC_INVOCATIONS)


# By which paths functions are invoked is looked at once.
_PATHS_KEPT: Final = 64
_PATHS: Final = tuple((operation, *operation.value) for operation in Operation)
_TYPES: Final = {
    Operation.INVOKE: tuple(InvocationType),
    Operation.STREAM: (InvocationType.REQUEST_RESPONSE, InvocationType.DRY_RUN),
}


# The headers of each result, to be filled in.
_RESULT: Final = header_lines(
    (protocol.CONTENT_TYPE, b"%b"),
    (protocol.INVOKE_REQUEST_ID, b"%b"),
    (protocol.INVOKE_TRACE_ID, b"%b"),
    (protocol.EXECUTED_VERSION, b"%b"),
)
# A request without any of them is a plain invocation.
_OPTION_HEADERS: Final = frozenset(
    {
        protocol.INVOCATION_TYPE,
        protocol.LOG_TYPE,
        protocol.INVOKE_REQUEST_ID,
        protocol.INVOKE_TRACE_ID,
        protocol.INVOKE_CLIENT_CONTEXT,
        protocol.INVOKE_TENANT_ID,
    }
)


@dataclass(frozen=True, slots=True)
class InvokeTarget:
    """What a path asks for, and of which function."""

    operation: Operation
    function: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a head asks for, once its function is known. One that `is_plain` has no options."""

    operation: Operation
    function: Invokable
    kind: InvocationType
    is_plain: bool


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """An invoke request that has passed every check, and whom it is for.

    With `streamed` the response is to be sent as it comes.
    """

    invocation: Invocation
    kind: InvocationType = InvocationType.REQUEST_RESPONSE
    with_log_tail: bool = False
    identity: Identity = Identity("")
    streamed: bool = False


@functools.lru_cache(_PATHS_KEPT)
def target(path: str) -> InvokeTarget | None:
    """Return what a path asks for, or None if it is nothing of this API."""
    # The older path is written with a slash behind it.
    path = path.removesuffix("/")
    for operation, before, after in _PATHS:
        if path.startswith(before) and path.endswith(after):
            return InvokeTarget(operation, unquote(path[len(before) : -len(after)]))
    return None


def page(
    head: Head, asked: InvokeTarget | None, health: Callable[[], Mapping[str, Any]]
) -> Response | None:
    """Return the response to anything but an invoke, or None when this is one.

    `health` returns the document with the state of the host.
    """
    if asked is not None:
        return None if head.method == "POST" else wrong_method(head, "POST")
    if head.path == protocol.HEALTH:
        return json_response(200, health())
    if head.path == protocol.PING:
        return text_response(200, "pong")
    return text_response(
        404,
        f"404 page not found: {head.path}; to invoke, POST "
        f"{protocol.FUNCTIONS}NAME/invocations, or ask for {protocol.URL_PATH}NAME/\n",
    )


def resolved(asked: InvokeTarget, head: Head, functions: Mapping[str, Invokable]) -> Resolved:
    """Return what every request with this head asks for. Raises RefusedError.

    `functions` are those served here, by name; the emulator's path leads to the first.
    """
    qualifier = parse_qs(head.query).get("Qualifier", [""])[0] if head.query else ""
    function = resolve(asked.function, qualifier, functions)
    is_plain = asked.operation is Operation.INVOKE and _OPTION_HEADERS.isdisjoint(head.headers)
    return Resolved(asked.operation, function, _kind(head, asked.operation), is_plain)


def parse(asked: Resolved, head: Head, body: Body) -> InvokeCall:
    """Return the invoke that a request asks for. Raises RefusedError."""
    function, kind = asked.function, asked.kind
    if asked.is_plain:
        invocation = checked_invocation(checked_payload(body), NO_OPTIONS, function)
        return InvokeCall(invocation, kind, identity=function.identity)
    payload = checked_payload(body, asynchronous=kind is InvocationType.EVENT)
    invocation = checked_invocation(payload, _options(head, kind), function)
    return InvokeCall(
        invocation,
        kind,
        with_log_tail=_wants_log_tail(head) and kind is InvocationType.REQUEST_RESPONSE,
        identity=function.identity,
        streamed=asked.operation is Operation.STREAM,
    )


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
    invocation = call.invocation
    headers = _RESULT % (
        result.content_type.encode(),
        invocation.request_id.encode(),
        invocation.trace_id.encode(),
        version.encode(),
    )
    if result.function_error:
        headers += header_lines((protocol.FUNCTION_ERROR, result.function_error.encode()))
    if log is not None:
        headers += header_lines((protocol.LOG_RESULT, log_tail(log)))
    return Response(200, headers, result.payload)


def render_taken(call: InvokeCall) -> Response:
    """Answer an invoke whose caller does not wait for a result."""
    status = 202 if call.kind is InvocationType.EVENT else 204
    return Response(status, header_lines(*ids(call.invocation)))


def ids(invocation: Invocation) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that name an invocation."""
    return (
        (protocol.INVOKE_REQUEST_ID, invocation.request_id.encode()),
        (protocol.INVOKE_TRACE_ID, invocation.trace_id.encode()),
    )


def log_tail(log: bytes) -> bytes:
    """Return the end of a log as base64."""
    return base64.b64encode(log[-protocol.LOG_TAIL_BYTES :])


def _kind(head: Head, operation: Operation) -> InvocationType:
    if operation is Operation.ASYNC:
        return InvocationType.EVENT
    asked = head.header(protocol.INVOCATION_TYPE)
    if not asked:
        return InvocationType.REQUEST_RESPONSE
    for kind in _TYPES[operation]:
        if kind.value == asked:
            return kind
    choices = ", ".join(kind.value for kind in _TYPES[operation])
    raise bad_parameter("X-Amz-Invocation-Type", asked, f"one of {choices}")


def _options(head: Head, kind: InvocationType) -> InvokeOptions:
    context = decoded_client_context(head.header(protocol.INVOKE_CLIENT_CONTEXT))
    return InvokeOptions(
        request_id=head.header(protocol.INVOKE_REQUEST_ID),
        trace_id=head.header(protocol.INVOKE_TRACE_ID),
        # It does not get to functions that are invoked asynchronously (API reference, Invoke).
        client_context="" if kind is InvocationType.EVENT else context,
        tenant_id=head.header(protocol.INVOKE_TENANT_ID),
    )


def _wants_log_tail(head: Head) -> bool:
    asked = head.header(protocol.LOG_TYPE) or "None"
    if asked not in ("None", "Tail"):
        raise bad_parameter("X-Amz-Log-Type", asked, "one of None, Tail")
    return asked == "Tail"


def _bad_client_context(detail: str) -> RefusedError:
    return bad_content(f"X-Amz-Client-Context must be a base64-encoded JSON document; {detail}")
