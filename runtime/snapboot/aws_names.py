"""AWS's Python runtime by the names that error reporters and tracers look for, and patch.

They take `__main__.bootstrap`, `__main__.awslambdaricmain.bootstrap` or `awslambdaric.bootstrap`
and replace `handle_event_request` there, and of its `LambdaRuntimeClient` `post_init_error`,
`post_invocation_result` and `post_invocation_error`. This module is that `bootstrap`, with the
signatures of awslambdaric 4.2.2. Loading it makes the loop call them; a function without such a
tool never does.

Where the function has imported an installed `awslambdaric.bootstrap` first, that one is what tools
find. As long as it is patched, it serves the events.
"""

import sys

from . import main
from .api import JSON_TYPE, Invocation, RuntimeAPI
from .codec import decode_exactly
from .context import context_of
from .environment import TRACE_ID, environment, variable
from .faults import Fault
from .handler import named
from .logs import ERROR, emit_lines, sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .api import StreamedResult
    from .main import Handler
    from .report import Report

_get_handler = named


class LambdaRuntimeClient:
    """Posts the answers. Tools patch the methods of the class."""

    def __init__(self, api: RuntimeAPI) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"<LambdaRuntimeClient over {self._api!r}>"

    def post_init_error(
        self, error_response_data: "dict[str, Any]", error_type_override: "str | None" = None
    ) -> None:
        """Post why Function Init failed."""
        from .exact_json import encode

        document = _Document(encode(error_response_data), error_type_override)
        _post_init_error(self._api, document)

    def post_invocation_result(
        self,
        invoke_id: str,
        result_data: "str | bytes",
        content_type: str = JSON_TYPE,
        invocation_id: "str | None" = None,
    ) -> None:
        """Post a result: JSON text, or bytes as they are."""
        if isinstance(result_data, str):
            result_data = result_data.encode("utf-8", "surrogateescape")
        _post_result(_Invocation(self, invoke_id, invocation_id), result_data, content_type)

    def post_invocation_error(
        self,
        invoke_id: str,
        error_response_data: str,
        xray_fault: str,
        invocation_id: "str | None" = None,
    ) -> None:
        """Post an error document and the cause that X-Ray shows, both of them JSON text."""
        document = _Document(error_response_data, xray_cause=xray_fault)
        _post_error(_Invocation(self, invoke_id, invocation_id), document)


def handle_event_request(  # noqa: PLR0913, PLR0917 - as in awslambdaric
    lambda_runtime_client: "Any",
    request_handler: "Handler",
    invoke_id: str,
    event_body: "bytes | bytearray",
    content_type: "str | None",
    client_context_json: "str | None",
    cognito_identity_json: "str | None",
    invoked_function_arn: "str | None",
    epoch_deadline_time_in_ms: int,
    tenant_id: "str | None",
    log_sink: object,  # noqa: ARG001 - errors are logged where the loop logs them
    invocation_id: "str | None" = None,
) -> None:
    """Have one event handled, and answer it through the client."""
    invocation = _Invocation(lambda_runtime_client, invoke_id, invocation_id)
    invocation.body = event_body
    invocation.content_type = content_type or ""
    invocation.deadline_ms = int(epoch_deadline_time_in_ms)
    invocation.function_arn = invoked_function_arn or ""
    invocation.trace_id = variable(TRACE_ID) or ""
    invocation.tenant_id = tenant_id or ""
    invocation.client_context = client_context_json or ""
    invocation.cognito_identity = cognito_identity_json or ""
    _handle(invocation, request_handler)


class _Invocation(Invocation):
    """An invocation as a tool has let it pass; `client` is what answers it."""

    __slots__ = ("client",)

    def __init__(self, client: "Any", request_id: str, invocation_id: "str | None") -> None:
        self.client = client
        self._api = getattr(client, "_api", None)  # type: ignore[assignment]  # a tool's client
        self.request_id = request_id
        self.invocation_id = invocation_id or ""


class _Document:
    """An error document as a tool has let it pass: what is posted of a Report."""

    __slots__ = ("document", "header_type", "xray_cause")

    def __init__(
        self, text: "str | bytes", error_type: "str | None" = None, xray_cause: str = ""
    ) -> None:
        from .report import header_text

        self.document = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        self.header_type = header_text(error_type or _type_in(self.document))
        self.xray_cause = xray_cause


def _type_in(document: bytes) -> str:
    try:
        return str(decode_exactly(document)["errorType"])
    except (KeyError, RecursionError, TypeError, ValueError):  # what a tool has made of it
        return "Unhandled"


class _LogSink:
    """What awslambdaric hands to `handle_event_request` for the log."""

    def log(self, msg: str, frame_type: "bytes | None" = None) -> None:  # noqa: ARG002
        """Write a record as it is."""
        sink().write(msg)

    def log_error(self, message_lines: "list[str]") -> None:
        """Write an error's lines as one record."""
        emit_lines(message_lines, ERROR)


# --- what the loop calls in the place of its own ----------------------------------------------


def _serve(invocation: Invocation, handler: "Handler") -> None:
    environment.set_trace_id(invocation.trace_id)
    try:
        environment.enter(context_of(invocation))
    except Fault:  # met again where it is answered
        environment.context = None
    if not _is_in_force(bootstrap):
        _handle(invocation, handler)
        return
    bootstrap.handle_event_request(
        _client(invocation._api),  # noqa: SLF001
        handler,
        invocation.request_id,
        bytes(invocation.body),
        invocation.content_type or None,
        invocation.client_context or None,
        invocation.cognito_identity or None,
        invocation.function_arn or None,
        invocation.deadline_ms,
        invocation.tenant_id or None,
        _LogSink(),
        invocation.invocation_id or None,
    )


def _succeed(invocation: Invocation, body: "bytes | StreamedResult", content_type: str) -> None:
    if not isinstance(body, bytes):  # AWS's client cannot stream, so no tool looks at it
        _post_result(invocation, body, content_type)
        return
    _answering(invocation).post_invocation_result(
        invocation.request_id,
        str(body, "utf-8", "surrogateescape") if content_type == JSON_TYPE else body,
        content_type,
        invocation.invocation_id or None,
    )


def _fail(invocation: Invocation, report: "Report") -> None:
    _answering(invocation).post_invocation_error(
        invocation.request_id,
        report.document.decode(),
        report.xray_cause,
        invocation.invocation_id or None,
    )


def _init_error(api: RuntimeAPI, report: "Report") -> None:
    from .report import header_text

    is_other = report.header_type != header_text(report.fields["errorType"])
    override = (report.header_type,) if is_other else ()
    _client(api).post_init_error(report.fields, *override)


def _answering(invocation: Invocation) -> "Any":
    client = getattr(invocation, "client", None)
    return client or _client(invocation._api)  # noqa: SLF001


def _client(api: RuntimeAPI) -> "Any":
    if bootstrap is _ours or not _is_in_force(bootstrap):
        return LambdaRuntimeClient(api)
    return bootstrap.LambdaRuntimeClient(variable("AWS_LAMBDA_RUNTIME_API"))


def _is_in_force(names: "Any") -> bool:
    """Whether it serves the events: ours always does, the installed one while it is patched."""
    if names is _ours:
        return True
    client = names.LambdaRuntimeClient
    functions = (
        names.handle_event_request,
        client.post_init_error,
        client.post_invocation_result,
        client.post_invocation_error,
    )
    return not all(map(_is_of_aws, functions))


def _is_of_aws(function: "Any") -> bool:
    """Whether it is awslambdaric's own. A wrapper copies `__module__`, but not `__globals__`."""
    if type(function) is not type(_is_of_aws):
        return False
    return str(function.__globals__.get("__name__")).startswith("awslambdaric.")


def _stand_in() -> "Any":
    """Be found by AWS's names from now on; return what is found by them."""
    found = sys.modules.setdefault(main.AWS_BOOTSTRAP, _ours)
    if found is _ours:
        sys.modules["awslambdaric.lambda_runtime_client"] = _ours
        try:
            import awslambdaric  # the installed one or, last on the path, ours
        except Exception:  # a broken one, of the function's
            return found
        vars(awslambdaric).update(bootstrap=_ours, lambda_runtime_client=_ours)
    return found


_ours = sys.modules[__name__]
bootstrap = _stand_in()

_loop: "Any" = main
_answers: "Any" = Invocation
_calls: "Any" = RuntimeAPI
_handle, _loop._serve = _loop._serve, _serve  # noqa: SLF001
_post_result, _answers.succeed = _answers.succeed, _succeed
_post_error, _answers.fail = _answers.fail, _fail
_post_init_error, _calls.init_error = _calls.init_error, _init_error
