"""How things go wrong in an environment: what the caller is told, and how the record names it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.effects import Denied
from snapboot_devkit.host.lifecycle.terms import FunctionResult, Status

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.states import RuntimeState

_WELL_FORMED_ERROR_TYPE: Final = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")

# How Go's os/exec spells the signals, which is what the platform's messages show.
_SIGNAL_NAMES: Final = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}

INVALID_REQUEST_ID: Final = Denied(400, "InvalidRequestID", "Invalid request ID")
INVALID_INVOCATION_ID: Final = Denied(400, "InvalidInvocationId", "Invalid invocation ID")
INVALID_RESPONSE_MODE: Final = Denied(
    400, "InvalidFunctionResponseMode", "Invalid function response mode"
)
TRUNCATED_REQUEST: Final = Denied(400, "TruncatedHTTPRequest", "HTTP request detected as truncated")
PAYLOAD_TOO_LARGE: Final = Denied(
    413,
    "RequestEntityTooLarge",
    f"Exceeded maximum allowed payload size ({protocol.MAX_PAYLOAD_BYTES} bytes).",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A phase that did not succeed: the caller's document, and the record's figures."""

    status: Status
    error_type: str | None
    document: bytes | bytearray
    content_type: str = protocol.JSON

    @property
    def result(self) -> FunctionResult:
        """The failure as the caller of an invoke receives it."""
        return FunctionResult(self.document, self.content_type, protocol.UNHANDLED)


def clean_error_type(posted: str) -> str:
    """Return the error type that the records show for one a runtime posted (guide, runtimes-api).

    A value that does not contain a well-formed type becomes one of the two unknowns.
    """
    if _WELL_FORMED_ERROR_TYPE.search(posted):
        return posted
    if posted.startswith("Function."):
        return protocol.UNKNOWN_FUNCTION_ERROR
    return protocol.UNKNOWN_RUNTIME_ERROR


def illegal_transition(state: RuntimeState, asked_for: RuntimeState) -> Denied:
    """Refuse a call that the runtime's state does not allow."""
    return Denied(
        403,
        "InvalidStateTransition",
        f"State transition from {state.value} to {asked_for.value} failed for runtime. "
        "Error: State transition is not allowed",
    )


def exited(request_id: str, code: int) -> Failure:
    """Return how a process's end is told; a negative code is the signal that ended it."""
    return _platform_error(protocol.EXIT_ERROR, f"RequestId: {request_id} Error: {_ending(code)}")


def not_started(request_id: str, reason: str) -> Failure:
    """Return how a process that could not be started is told."""
    return _platform_error(protocol.INVALID_ENTRYPOINT, f"RequestId: {request_id} Error: {reason}")


def timed_out(request_id: str, limit_s: float) -> Failure:
    """Return the failure of an invoke that ran into its limit: today's text, with an error type."""
    text = f"RequestId: {request_id} Error: Task timed out after {limit_s:.2f} seconds"
    return Failure(Status.TIMEOUT, None, _document(protocol.TIMED_OUT, text))


def too_slow(error_type: str | None = None) -> Failure:
    """Return the failure of an init or a restore at its limit, of which only the log is told."""
    return Failure(Status.TIMEOUT, error_type, b"")


def posted(error_type: str, body: bytes | bytearray) -> Failure:
    """Return a failure that the runtime reported; its document goes to the caller unchanged."""
    return Failure(Status.ERROR, clean_error_type(error_type), body, _sniffed_type(body))


def too_large(size: int) -> Failure:
    """Return the failure of a result that does not fit; `size` in bytes."""
    text = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({protocol.MAX_PAYLOAD_BYTES} bytes)."
    )
    return _platform_error(protocol.RESPONSE_TOO_LARGE, text)


def truncated() -> Failure:
    """Return the failure of a response whose connection ended in its middle."""
    return _platform_error(
        protocol.TRUNCATED_RESPONSE, "The connection ended before the response was complete"
    )


def invalid_response_mode(mode: str) -> Failure:
    """Return the failure of a response in a mode that does not exist."""
    return _platform_error(
        protocol.INVALID_RESPONSE_MODE,
        f"Response mode {mode!r} does not exist; it is {protocol.RESPONSE_MODE_STREAMING!r} "
        "or the header is left out",
    )


def _platform_error(error_type: str, text: str) -> Failure:
    return Failure(Status.ERROR, error_type, _document(error_type, text))


def _document(error_type: str, text: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": text}).encode()


def _ending(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    name = _SIGNAL_NAMES.get(-code, f"signal {-code}")
    return f"Runtime exited with error: signal: {name}"


def _sniffed_type(body: bytes | bytearray) -> str:
    try:
        json.loads(body)
    except ValueError:
        return protocol.OCTETS
    return protocol.JSON
