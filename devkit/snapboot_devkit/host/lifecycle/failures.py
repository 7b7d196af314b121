"""How things go wrong in an environment: what the caller gets, and how the record names it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.effects import Denied
from snapboot_devkit.host.lifecycle.states import ExtensionState
from snapboot_devkit.host.lifecycle.terms import FunctionResult, Status
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.messages import AnswerEnded, ErrorBegun
    from snapboot_devkit.host.lifecycle.states import RuntimeState
    from snapboot_devkit.host.lifecycle.terms import TelemetryApi

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

_EXTENSION_ENDINGS: Final = {
    ExtensionState.INIT_ERROR: protocol.EXTENSION_INIT_ERROR,
    ExtensionState.EXIT_ERROR: protocol.EXTENSION_EXIT_ERROR,
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

REGISTRATION_CLOSED: Final = Denied(
    403, "Extension.RegistrationClosed", "Extension registration closed already"
)
TOO_MANY_EXTENSIONS: Final = Denied(
    403, "Extension.TooManyExtensions", f"Extension limit ({protocol.MAX_EXTENSIONS}) reached"
)
NAME_TAKEN: Final = Denied(
    403, "Extension.InvalidExtensionState", "Extension with this name already registered"
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
        return FunctionResult(self.document, self.content_type, protocol.UNHANDLED, self.error_type)

    @property
    def text(self) -> str:
        """The failure as a part of another message."""
        return self.document.decode(errors="replace") or self.status.value


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


def unknown_extension(identifier: str) -> Denied:
    """Refuse an identifier that was given to no extension."""
    return Denied(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")


def illegal_extension_transition(who: str, state: ExtensionState, asked_for: str) -> Denied:
    """Refuse a call that the state of an extension, given by name or identifier, does not allow."""
    return Denied(
        403,
        "Extension.InvalidExtensionState",
        f"State transition from {state.value} to {asked_for} failed for extension {who}. "
        "Error: State transition is not allowed",
    )


def invalid_event(event: str, reason: str) -> Denied:
    """Refuse a registration for an event that cannot be had."""
    return Denied(403, "Extension.InvalidEventType", f"{event}: {reason}")


def subscription_closed(api: TelemetryApi) -> Denied:
    """Refuse a subscription after the init."""
    return Denied(403, f"{api.value}.SubscriptionClosed", f"{api.value} API subscription is closed")


def both_apis(api: TelemetryApi) -> Denied:
    """Refuse a subscription to one API by an extension that has subscribed to the other."""
    text = f"the {api.value} API cannot be used beside the other one; subscribe to one of them"
    return Denied(400, f"{api.value}.ValidationError", text)


def exited(request_id: str, code: int) -> Failure:
    """Return a process's end as a failure; a negative code is the signal that ended it."""
    return _platform_error(protocol.EXIT_ERROR, f"RequestId: {request_id} Error: {_ending(code)}")


def not_started(request_id: str, reason: str) -> Failure:
    """Return a process that could not be started as a failure."""
    return _platform_error(protocol.INVALID_ENTRYPOINT, f"RequestId: {request_id} Error: {reason}")


def extension_exited(request_id: str, state: ExtensionState, code: int) -> Failure:
    """Return the end of an extension's process as a failure: what it posted before names it."""
    error_type = _EXTENSION_ENDINGS.get(state, protocol.EXTENSION_CRASH)
    ending = _exit_status(code) if code else "exit code 0"
    return _platform_error(error_type, f"RequestId: {request_id} Error: {ending}")


def extension_not_started(request_id: str, reason: str) -> Failure:
    """Return an extension that could not be started as a failure."""
    return _platform_error(
        protocol.EXTENSION_LAUNCH_ERROR, f"RequestId: {request_id} Error: {reason}"
    )


def timed_out(request_id: str, limit_s: float) -> Failure:
    """Return the failure of an invoke that ran into its limit: today's text, with an error type."""
    text = f"RequestId: {request_id} Error: Task timed out after {limit_s:.2f} seconds"
    return Failure(Status.TIMEOUT, None, _document(protocol.TIMED_OUT, text))


def too_slow(error_type: str | None = None) -> Failure:
    """Return the failure of an init or a restore at its limit, which only the log shows."""
    return Failure(Status.TIMEOUT, error_type, b"")


def posted(error_type: str, body: bytes | bytearray) -> Failure:
    """Return a failure that the runtime reported; its document goes to the caller unchanged."""
    return Failure(Status.ERROR, clean_error_type(error_type), body, _sniffed_type(body))


def of_invocation(begun: ErrorBegun, ended: AnswerEnded) -> Failure:
    """Return the failure that the runtime reported of an invocation."""
    error_type = clean_error_type(begun.error_type)
    return Failure(Status.ERROR, error_type, ended.body, ended.content_type)


def too_large(size: int) -> Failure:
    """Return the failure of a result that does not fit; `size` in bytes."""
    text = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({protocol.MAX_PAYLOAD_BYTES} bytes)."
    )
    return _platform_error(protocol.RESPONSE_TOO_LARGE, text)


def stream_too_large(limit: int) -> Failure:
    """Return the failure of a stream that was cut at its limit, in bytes."""
    text = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    return _platform_error(protocol.RESPONSE_TOO_LARGE, text)


def streamed(error_type: str, body: bytes) -> FunctionResult:
    """Return the result of a stream whose trailers have an error."""
    return FunctionResult(body, protocol.JSON, protocol.UNHANDLED, error_type)


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
    document = {"errorType": error_type, "errorMessage": text}
    return json.dumps(document, separators=(",", ":")).encode()


def _ending(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: {_exit_status(code)}"


def _exit_status(code: int) -> str:
    if code > 0:
        return f"exit status {code}"
    return f"signal: {_SIGNAL_NAMES.get(-code, f'signal {-code}')}"


def _sniffed_type(body: bytes | bytearray) -> str:
    try:
        json.loads(body)
    except ValueError:
        return protocol.OCTETS
    return protocol.JSON
