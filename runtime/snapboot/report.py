"""An exception as it is reported to the platform: error document, log lines, X-Ray cause."""

import posix
from _json import encode_basestring_ascii, make_encoder

from .codec import json_text
from .faults import Fault
from .frames import formatted, frames_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .frames import Frame

# The least that any edition of the platform takes as an error body (1 MiB), with room to spare
# for escapes: a control character takes six bytes.
MAX_MESSAGE_CHARS = 96 * 1024
MAX_STACK_CHARS = 256 * 1024
MAX_STACK_ENTRIES = 200
# Beyond, the platform crops the cause by rules of its own.
MAX_CAUSE_BYTES = 64 * 1024
MAX_CAUSE_MESSAGE_CHARS = 1024
MAX_CAUSE_FRAMES = 32

# What X-Ray shows for an error that is not an exception of the user's.
VALIDATION_ERROR = "LambdaValidationError"


class Report:
    """One error as it is reported to the platform.

    `fields` is the error document: errorMessage, errorType, requestId, stackTrace. `xray_cause` is
    the header's value, "" where it would be too long. `header_type` is errorType fit for a header.
    """

    __slots__ = ("fields", "header_type", "xray_cause")

    def __init__(self, error: BaseException, request_id: str = "", as_type: str = "") -> None:
        """Describe an error; `as_type` is what the header calls it, if not by its own type."""
        if isinstance(error, Fault):
            error_type, frames, stack = error.error_type, [], error.stack
            cause_type = VALIDATION_ERROR
        else:
            frames = frames_of(error.__traceback__)
            error_type = cause_type = type(error).__name__
            stack = list(_cut_stack(list(formatted(frames))))
        message = _cut(_text(error), MAX_MESSAGE_CHARS)
        self.fields: dict[str, Any] = {
            "errorMessage": message,
            "errorType": error_type,
            "requestId": request_id,
            "stackTrace": stack,
        }
        self.header_type = header_text(as_type or error_type)
        self.xray_cause = _xray_cause(cause_type, message, frames)

    def __repr__(self) -> str:
        return f"<Report of {self.header_type}>"

    @property
    def document(self) -> bytes:
        """The error document, JSON in UTF-8."""
        return json_text(self.fields).encode("utf-8", "backslashreplace")

    def lines(self) -> "list[str]":
        """Return the lines of the log record."""
        error_type, message = self.fields["errorType"], self.fields["errorMessage"]
        first = f"[ERROR] {error_type}: {message}" if message else f"[ERROR] {error_type}"
        trace = [line for entry in self.fields["stackTrace"] for line in entry.splitlines()]
        return [first, "Traceback (most recent call last):", *map(_indented, trace)]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # the user's own `__str__`
        return f"<{type(error).__name__} that has no text: its __str__ failed>"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}... (cut: {len(text)} characters)"


def _cut_stack(entries: "list[str]") -> "Iterator[str]":
    """Leave out the middle of a stack too long to send."""
    half = MAX_STACK_ENTRIES // 2
    left_out = len(entries) - 2 * half
    for position, entry in enumerate(entries):
        if left_out <= 0 or position < half or position >= half + left_out:
            yield _cut(entry, MAX_STACK_CHARS // MAX_STACK_ENTRIES)
        elif position == half:
            yield f"  [{left_out} frames left out]\n"


def _xray_cause(error_type: str, message: str, frames: "list[Frame]") -> str:
    cause = _ascii_json(_cause(error_type, message, frames))
    if len(cause) <= MAX_CAUSE_BYTES:
        return cause
    short = _cut(message, MAX_CAUSE_MESSAGE_CHARS)
    cause = _ascii_json(_cause(error_type, short, frames[-MAX_CAUSE_FRAMES:]))
    return cause if len(cause) <= MAX_CAUSE_BYTES else ""


def _cause(error_type: str, message: str, frames: "list[Frame]") -> "dict[str, Any]":
    stack = [{"label": name, "path": path, "line": line} for path, line, name, _ in frames]
    return {
        "working_directory": _working_directory(),
        "exceptions": [{"message": message, "type": error_type, "stack": stack}],
        "paths": list(dict.fromkeys(path for path, *_ in frames)),
    }


def _working_directory() -> str:
    try:
        return posix.getcwd()
    except OSError:  # it has been removed
        return ""


def _indented(line: str) -> str:
    """Return a line whose indentation is of no-break spaces, which CloudWatch does not trim."""
    text = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(text)) + text


def _ascii_json(value: object) -> str:
    return "".join(_encoded(value, 0))


def header_text(text: str) -> str:
    """Return a text fit for a header: ASCII, escaped as in JSON."""
    return encode_basestring_ascii(text)[1:-1]


# indent, separators, then: sort the keys, skip the wrong ones, allow NaN.
_FORMAT = (None, ":", ",", False, False, False)
_encoded = make_encoder(None, repr, encode_basestring_ascii, *_FORMAT)
