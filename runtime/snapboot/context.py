"""The context object that a handler receives as its second argument."""

from time import time

from .environment import FUNCTION_VARIABLES, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .api import Invocation

W3C_FIELDS = ("traceparent", "tracestate", "baggage")


class CognitoIdentity:
    """Who called, as far as Amazon Cognito knows; both ids are None without it."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.cognito_identity_id: str | None = fields.get("cognitoIdentityId")
        self.cognito_identity_pool_id: str | None = fields.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return _fields(self, self.__slots__)


class Client:
    """The mobile application that called, from the AWS Mobile SDK's client context."""

    __slots__ = (
        "app_package_name",
        "app_title",
        "app_version_code",
        "app_version_name",
        "installation_id",
    )
    installation_id: "str | None"
    app_title: "str | None"
    app_version_name: "str | None"
    app_version_code: "str | None"
    app_package_name: "str | None"

    def __init__(self, fields: "dict[str, Any]") -> None:
        for name in self.__slots__:
            setattr(self, name, fields.get(name))

    def __repr__(self) -> str:
        return _fields(self, self.__slots__)


class ClientContext:
    """What the caller sent as client context: `custom`, `env` as they are, `client` an object."""

    __slots__ = ("client", "custom", "env")

    def __init__(self, fields: "dict[str, Any]") -> None:
        self.custom: Any = fields.get("custom")
        self.env: Any = fields.get("env")
        client = fields.get("client")
        self.client: Client | None = None if client is None else Client(client)

    def __repr__(self) -> str:
        return _fields(self, self.__slots__)


class Context:
    """The invocation, function and execution environment, as AWS's Python runtime describes them.

    `memory_limit_in_mb` is text, as there. Attributes that the environment has no variable for are
    None. Has a `__dict__` on purpose: libraries hang things on it, people print `vars(context)`.
    """

    aws_request_id: str
    log_group_name: "str | None"
    log_stream_name: "str | None"
    function_name: "str | None"
    memory_limit_in_mb: "str | None"
    function_version: "str | None"
    invoked_function_arn: str
    tenant_id: "str | None"
    client_context: "ClientContext | None"
    identity: CognitoIdentity

    def __init__(
        self,
        invocation: "Invocation",
        function: "dict[str, str | None]",
        client_context: "dict[str, Any] | None" = None,
        cognito_identity: "dict[str, Any] | None" = None,
    ) -> None:
        """Take the parsed JSON of the two headers; `client_context` loses its key `w3c`."""
        self.aws_request_id = invocation.request_id
        self.__dict__.update(function)
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id or None
        self._w3c_fields = _take_w3c(client_context)
        self.client_context = None if client_context is None else ClientContext(client_context)
        self.identity = CognitoIdentity(cognito_identity or {})
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left until the invocation times out, 0 at the least."""
        return max(0, self._epoch_deadline_time_in_ms - int(time() * 1000))

    def w3c(self) -> dict[str, str]:
        """Return those of traceparent, tracestate and baggage that the caller sent."""
        return dict(self._w3c_fields)

    def log(self, msg: object) -> None:
        """Write `str(msg)` to the function's log as it is: no level, no newline added."""
        from .logs import sink

        sink().write(str(msg))

    def __repr__(self) -> str:
        names = (
            "aws_request_id",
            *FUNCTION_VARIABLES,
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return _fields(self, names)


def context_of(invocation: "Invocation") -> Context:
    """Return the context of an invocation. Raises Fault when a header with JSON has none."""
    return Context(
        invocation,
        environment.function,
        _parsed(invocation.client_context, "Client Context"),
        _parsed(invocation.cognito_identity, "Cognito Identity"),
    )


def current_context() -> "Context | None":
    """Return the context of the invocation being served, or the last one served; None before it."""
    return environment.context


def _parsed(header: str, name: str) -> "dict[str, Any] | None":
    if not header:
        return None
    import json

    try:
        return json.loads(header.encode("latin-1"))  # type: ignore[no-any-return]
    except ValueError as exc:
        from .faults import Fault

        raise Fault(
            "Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {exc}"
        ) from exc


def _take_w3c(client_context: "dict[str, Any] | None") -> dict[str, str]:
    sent = client_context.pop("w3c", None) if client_context else None
    if not isinstance(sent, dict):
        return {}
    return {name: sent[name] for name in W3C_FIELDS if isinstance(sent.get(name), str)}


def _fields(instance: object, names: "tuple[str, ...]") -> str:
    listed = ",".join(f"{name}={getattr(instance, name)}" for name in names)
    return f"{type(instance).__name__}([{listed}])"
