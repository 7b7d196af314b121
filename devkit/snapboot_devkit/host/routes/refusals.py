"""Why the front end does not serve a request, and how the Invoke API words it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import json_response
from snapboot_devkit.host.lifecycle.terms import ServiceFailure

if TYPE_CHECKING:
    from snapboot_devkit.host.http.exchange import Response

# Environments on one machine are free again soon, if ever.
_RETRY_AFTER_S: Final = 1


class RefusedError(Exception):
    """The request cannot be served; `failure` is what its sender receives."""

    def __init__(self, status: int, exception: str, message: str) -> None:
        """Refuse with an HTTP status, the name of a service exception, and a text."""
        super().__init__(message)
        self.failure = ServiceFailure(status, exception, message)


def render_failure(failure: ServiceFailure) -> Response:
    """Return a refusal as a response, with the text under both names that AWS's models use."""
    document = {
        "Type": "User" if failure.status < 500 else "Service",
        "Message": failure.message,
        "message": failure.message,
    }
    headers = [(protocol.EXCEPTION_NAME, failure.exception.encode())]
    if failure.reason:
        document["Reason"] = failure.reason
    if failure.status == 429:
        headers.append((protocol.RETRY_AFTER, b"%d" % _RETRY_AFTER_S))
    return json_response(failure.status, document, *headers)


def bad_content(message: str) -> RefusedError:
    """Refuse a document that cannot be read."""
    return RefusedError(400, "InvalidRequestContentException", message)


def bad_parameter(header: str, asked: str, remedy: str) -> RefusedError:
    """Refuse a header's value; `remedy` is what it must be."""
    return invalid(f"{header} {asked!r} must be {remedy}")


def invalid(message: str) -> RefusedError:
    """Refuse parameters that do not go together."""
    return RefusedError(400, "InvalidParameterValueException", message)


def not_found(asked: str, remedy: str) -> RefusedError:
    """Refuse a function or a version of it that is not here."""
    return RefusedError(404, "ResourceNotFoundException", f"Function not found: {asked}; {remedy}")


def too_large(size: int, limit: int) -> RefusedError:
    """Refuse an event of `size` bytes."""
    return RefusedError(
        413,
        "RequestTooLargeException",
        f"Request must be smaller than {limit} bytes for the invoke operation; it has {size}",
    )
