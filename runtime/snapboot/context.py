"""The context object that a handler receives as its second argument."""

from time import time

from .environment import FUNCTION_VARIABLES, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .api import Invocation
    from .client_context import ClientContext


class CognitoIdentity:
    """Who called, as far as Amazon Cognito knows; both ids are None without it."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    cognito_identity_id: "str | None"
    cognito_identity_pool_id: "str | None"

    if not TYPE_CHECKING:  # a type checker would take it for a promise of every name

        def __getattr__(self, name: str) -> None:
            """Return None for an id that was not set: most callers have none."""
            if name not in self.__slots__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        from .client_context import listed

        return listed(self, self.__slots__)


class Context:
    """The invocation, function and execution environment, as AWS's Python runtime describes them.

    `memory_limit_in_mb` is text, as there. Attributes that the environment has no variable for are
    None. Has a `__dict__` on purpose: libraries hang things on it, people print `vars(context)`.
    """

    def __init__(
        self,
        invocation: "Invocation",
        function: "dict[str, str | None]",
        client_context: "dict[str, Any] | None",
        cognito_identity: "dict[str, Any] | None",
    ) -> None:
        """Take the parsed JSON of the two headers; `client_context` loses its key `w3c`."""
        self.aws_request_id = invocation.request_id
        # One by one: `__dict__.update` would make a dictionary for each invocation.
        (
            self.log_group_name,
            self.log_stream_name,
            self.function_name,
            self.memory_limit_in_mb,
            self.function_version,
        ) = function.values()
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id or None
        self._w3c_fields: dict[str, str] = {}
        self.client_context: ClientContext | None = None
        if client_context is not None:
            from . import client_context as sent

            self._w3c_fields = sent.take_w3c(client_context)
            self.client_context = sent.ClientContext(client_context)
        self.identity = CognitoIdentity()
        if cognito_identity:
            self.identity.cognito_identity_id = cognito_identity.get("cognitoIdentityId")
            self.identity.cognito_identity_pool_id = cognito_identity.get("cognitoIdentityPoolId")
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
        from .client_context import listed

        names = (
            "aws_request_id",
            *FUNCTION_VARIABLES,
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return listed(self, names, "LambdaContext")  # people log it, and look for that


def context_of(invocation: "Invocation") -> Context:
    """Return the context of an invocation. Raises Fault when a header with JSON has none."""
    if not (invocation.client_context or invocation.cognito_identity):
        return Context(invocation, environment.function, None, None)
    return Context(
        invocation,
        environment.function,
        _parsed(invocation.client_context, "Client Context"),
        _parsed(invocation.cognito_identity, "Cognito Identity"),
    )


def current_context() -> "Context | None":
    """Return the context of the invocation that the code at hand belongs to; None before the first.

    It is right in a task, and in a thread that runs in its starter's context variables, even once
    another invocation is served. A thread without them gets the invocation being served, or the
    last one.
    """
    context: Context | None = environment.current()
    return context


def _parsed(header: str, name: str) -> "dict[str, Any] | None":
    if not header:
        return None
    from .codec import decode_exactly
    from .faults import unreadable_context

    try:
        value = decode_exactly(header.encode("latin-1"))
    except (RecursionError, ValueError) as exc:
        raise unreadable_context(name, exc) from exc
    if value is not None and not isinstance(value, dict):
        raise unreadable_context(name, f"{value!r:.100} is not an object")
    return value
