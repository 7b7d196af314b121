"""The Runtime API, version 2018-06-01: its calls, and what each answer means to a runtime.

Every path, header and status of the API that the runtime sends or reads stands here; its error
types are in `faults.py`.
"""

from .wire import ConnectionLostError, ProtocolError, RuntimeAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .wire import Response

    Headers = tuple[tuple[str, str], ...]

    class ErrorReport(Protocol):
        """What is sent of an error; `fields` is the error document's content."""

        fields: dict[str, Any]

        @property
        def document(self) -> bytes:
            """The error document, JSON in UTF-8."""

        @property
        def header_type(self) -> str:
            """The error's type, fit for a header."""

        @property
        def xray_cause(self) -> str:
            """The value of the header for X-Ray, "" for none."""

    class StreamedResult(Protocol):
        """A result that sends itself."""

        def send(self, invocation: "Invocation", content_type: str) -> None:
            """Send all of it. Raises RuntimeAPIError when the process must end."""

    class Transport(Protocol):
        """What carries a call: the socket's or urllib3's."""

        def exchange(
            self, method: str, target: str, headers: "Headers", body: bytes | None
        ) -> Response:
            """Send a request, once; raise RuntimeAPIError when there is no response."""

        def begin(self, target: str, headers: "Headers") -> "Upload":
            """Begin a POST whose body is sent piece by piece. Raises RuntimeAPIError."""

        def close(self) -> None:
            """Drop the connection; the next exchange makes a new one."""

    class Upload(Protocol):
        """A request body on its way, piece by piece."""

        def write(self, data: bytes) -> bool:
            """Send a piece; return False when the peer takes no more."""

        async def write_soon(self, data: bytes) -> bool:
            """Do what `write` does, and let the event loop run while the peer is slow."""

        def finish(self, trailers: list[tuple[str, str]]) -> Response:
            """End the body and return the response; raise RuntimeAPIError when there is none."""


_BASE = "/2018-06-01/runtime"
NEXT = f"{_BASE}/invocation/next"
INVOCATION = f"{_BASE}/invocation/"
INIT_ERROR = f"{_BASE}/init/error"
RESTORE_NEXT = f"{_BASE}/restore/next"
RESTORE_ERROR = f"{_BASE}/restore/error"

# What we read of an event, in the order in which `Invocation` takes it.
EVENT_HEADERS = (
    "content-type",
    "lambda-runtime-aws-request-id",
    "lambda-runtime-invocation-id",
    "lambda-runtime-deadline-ms",
    "lambda-runtime-invoked-function-arn",
    "lambda-runtime-trace-id",
    "lambda-runtime-aws-tenant-id",
    "lambda-runtime-client-context",
    "lambda-runtime-cognito-identity",
)
# What we send.
CONTENT_TYPE = "Content-Type"
INVOCATION_ID = "Lambda-Runtime-Invocation-Id"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
XRAY_CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"
USER_AGENT = "User-Agent"
JSON_TYPE = "application/json"
BYTES_TYPE = "application/unknown"
# A response that is sent piece by piece, and how an error amid it is sent.
STREAM_TYPE = "application/octet-stream"
HTTP_TYPE = "application/vnd.awslambda.http-integration-response"
RESPONSE_MODE = ("Lambda-Runtime-Function-Response-Mode", "streaming")
STREAM_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
STREAM_ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
TRAILERS = ("Trailer", f"{STREAM_ERROR_TYPE}, {STREAM_ERROR_BODY}")

OK = 200
ACCEPTED = 202
FORBIDDEN = 403
# Refusals of one answer that leave the environment in good order: the caller has its error.
# 410: this invocation timed out. 413: the result is beyond the payload limit.
SETTLED = (ACCEPTED, 410, 413)
TRUNCATED = b'"TruncatedHTTPRequest"'


class Invocation:
    """One event and the means to answer it, exactly once: `succeed` or `fail`.

    Values are the header's text, "" where the header is missing; `deadline_ms` is Unix time.
    """

    __slots__ = (
        "_api",
        "body",
        "client_context",
        "cognito_identity",
        "content_type",
        "deadline_ms",
        "function_arn",
        "invocation_id",
        "request_id",
        "tenant_id",
        "trace_id",
    )

    def __init__(self, api: "RuntimeAPI", response: "Response") -> None:
        self._api = api
        self.body = response.body
        (
            self.content_type,
            self.request_id,
            self.invocation_id,
            deadline,
            self.function_arn,
            self.trace_id,
            self.tenant_id,
            self.client_context,
            self.cognito_identity,
        ) = response.values_of(EVENT_HEADERS)
        if not (self.request_id and deadline.isdecimal() and len(deadline) < 20):
            raise ProtocolError(
                f"an event with id {self.request_id!r} and deadline {deadline[:40]!r}"
            )
        self.deadline_ms = int(deadline)

    def __repr__(self) -> str:
        return f"<Invocation {self.request_id}>"

    def succeed(self, body: "bytes | StreamedResult", content_type: str) -> None:
        """Hand in the result. Raises RuntimeAPIError when the process must end."""
        if isinstance(body, bytes):
            self._answer("/response", ((CONTENT_TYPE, content_type),), body)
        else:
            body.send(self, content_type)

    def begin(self, content_type: str) -> "Upload":
        """Begin a result that is sent piece by piece; `finish` must follow."""
        headers = self._marked(((CONTENT_TYPE, content_type), RESPONSE_MODE, TRAILERS))
        return self._api.begin(f"{INVOCATION}{self.request_id}/response", headers)

    def finish(self, upload: "Upload", trailers: list[tuple[str, str]]) -> None:
        """End a result that was sent piece by piece. Raises RuntimeAPIError as `succeed` does."""
        target = f"{INVOCATION}{self.request_id}/response"
        try:
            response = upload.finish(trailers)
        except RuntimeAPIError as exc:
            raise type(exc)(f"POST {target}: {exc}") from exc
        _check_answer(target, response)

    def fail(self, report: "ErrorReport") -> None:
        """Hand in an error document. Raises RuntimeAPIError when the process must end."""
        headers: Headers = ((CONTENT_TYPE, JSON_TYPE), (ERROR_TYPE, report.header_type))
        if report.xray_cause:
            headers = (*headers, (XRAY_CAUSE, report.xray_cause))
        self._answer("/error", headers, report.document)

    def _answer(self, call: str, headers: "Headers", body: bytes) -> None:
        target = INVOCATION + self.request_id + call
        _check_answer(target, self._api.call("POST", target, self._marked(headers), body))

    def _marked(self, headers: "Headers") -> "Headers":
        """Return headers with the id of the invocation, where it has one beside its request's."""
        if not self.invocation_id:
            return headers
        return (*headers, (INVOCATION_ID, self.invocation_id))


class RuntimeAPI:
    """The calls a runtime makes. All raise RuntimeAPIError when the process must end."""

    __slots__ = ("_transport",)

    def __init__(self, transport: "Transport") -> None:
        self._transport = transport

    def __repr__(self) -> str:
        return f"<RuntimeAPI over {self._transport!r}>"

    def next_invocation(self) -> Invocation:
        """Wait for an event: without timeout, since the environment may be frozen meanwhile."""
        try:
            response = self.call("GET", NEXT)
        except ConnectionLostError:  # the one kept alive may have died in the freeze
            response = self.call("GET", NEXT)
        if response.status != OK:
            raise _refusal("GET", NEXT, response)
        return Invocation(self, response)

    def call(
        self,
        method: str,
        target: str,
        headers: "Headers" = (),
        body: bytes | None = None,
    ) -> "Response":
        """Make one call, once; raise RuntimeAPIError, naming it, when there is no response."""
        try:
            return self._transport.exchange(method, target, headers, body)
        except RuntimeAPIError as exc:
            raise type(exc)(f"{method} {target}: {exc}") from exc

    def begin(self, target: str, headers: "Headers") -> "Upload":
        """Begin a POST whose body is sent piece by piece."""
        try:
            return self._transport.begin(target, headers)
        except RuntimeAPIError as exc:
            raise type(exc)(f"POST {target}: {exc}") from exc

    def init_error(self, report: "ErrorReport") -> None:
        """Report that init failed. The process must exit after it, whatever the answer."""
        self._report(INIT_ERROR, report)

    def restore_error(self, report: "ErrorReport") -> None:
        """Report that an after-restore hook failed. The process must exit after it."""
        self._report(RESTORE_ERROR, report)

    def restore_next(self) -> None:
        """Say "ready for the snapshot"; return once restored, with a new connection to be made.

        When the connection is lost across the snapshot the call is made again; by then the
        platform may take this environment for restored already, and answers 403.
        """
        restored: tuple[int, ...] = (OK,)
        try:
            response = self.call("GET", RESTORE_NEXT)
        except ConnectionLostError:
            response = self.call("GET", RESTORE_NEXT)
            restored = (OK, FORBIDDEN)
        self._transport.close()
        if response.status not in restored:
            raise _refusal("GET", RESTORE_NEXT, response)

    def _report(self, target: str, report: "ErrorReport") -> None:
        headers = ((CONTENT_TYPE, JSON_TYPE), (ERROR_TYPE, report.header_type))
        response = self.call("POST", target, headers, report.document)
        if response.status != ACCEPTED:
            raise _refusal("POST", target, response)


def _check_answer(target: str, response: "Response") -> None:
    if response.status in SETTLED or (response.status == 400 and TRUNCATED in response.body):
        return
    raise _refusal("POST", target, response)


def _refusal(method: str, target: str, response: "Response") -> RuntimeAPIError:
    answer = bytes(response.body[:500]).decode("utf-8", "backslashreplace").strip()
    return RuntimeAPIError(
        f"{method} {target} was answered {response.status}: {answer or 'no text'}"
    )
