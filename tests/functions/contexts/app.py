"""Returns all it can see from inside: the context, the environment, the interpreter."""

import os
import sys
import threading
from typing import Any

ATTRIBUTES = (
    "aws_request_id",
    "invoked_function_arn",
    "tenant_id",
    "function_name",
    "function_version",
    "memory_limit_in_mb",
    "log_group_name",
    "log_stream_name",
)
CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code")


def attributes(context: Any) -> object:
    """Return each attribute with its type."""
    return {name: [type(value := getattr(context, name)).__name__, value] for name in ATTRIBUTES}


def client_context(context: Any) -> object:
    """Return what came of the client context."""
    found = context.client_context
    if found is None:
        return None
    client = found.client and {name: getattr(found.client, name) for name in CLIENT}
    return {"custom": found.custom, "env": found.env, "client": client}


def remaining(context: Any) -> object:
    """Return whether the time left is a sensible int."""
    left = context.get_remaining_time_in_millis()
    return [
        type(left).__name__,
        0 < left <= 300_000,
        type(context._epoch_deadline_time_in_ms).__name__,
    ]


QUESTIONS: dict[str, Any] = {
    "attributes": attributes,
    "identity": lambda c: [c.identity.cognito_identity_id, c.identity.cognito_identity_pool_id],
    "client context": client_context,
    "w3c": lambda c: [c.w3c(), client_context(c)],
    "remaining": remaining,
    "trace": lambda _: os.environ.get("_X_AMZN_TRACE_ID"),
    "names": lambda c: sorted(n for n in dir(c) if not n.startswith("_")),
    "cwd": lambda _: os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
    "module": lambda _: [__name__, __file__],
    "handler variable": lambda _: os.environ.get("_HANDLER"),
    "first on the path": lambda _: sys.path[0],
    "thread": lambda _: threading.current_thread() is threading.main_thread(),
    "exit": lambda _: [callable(__builtins__.get(n)) for n in ("exit", "quit")],
    "unpaid variables": lambda _: sorted(n for n in os.environ if n.startswith("_LAMBDA")),
    "standard input": lambda _: sys.stdin.read(),
    "assigns": lambda c: setattr(c, "mine", 1) or c.mine,
}


def handler(event: str, context: object) -> object:
    """Answer the question `event`."""
    return QUESTIONS[event](context)
