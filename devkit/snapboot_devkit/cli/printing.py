"""What the command prints: colour and indentation on a terminal, plain text without one."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich.console import Console
from rich.json import JSON
from rich.text import Text

from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host import LogLine, Source
from snapboot_devkit.host.streams import STDERR, STDOUT, write_all

if TYPE_CHECKING:
    from snapboot_devkit.host import InvokeResult, Report

_PLATFORM_STYLE: Final = "dim"


def payload(result: InvokeResult) -> None:
    """Print what the function returned; other than JSON is passed through byte by byte.

    Raises UsageError and BrokenPipeError, as `json_object` does.
    """
    if sys.stdout.isatty() and (text := _json_text(result.payload)) is not None:
        Console().print(JSON(text))
    else:
        _print(result.payload + b"\n")


def json_object(result: InvokeResult) -> None:
    """Print the whole outcome as one JSON object; a result that is not JSON becomes a string."""
    text = _json_text(result.payload)
    document = {
        "result": result.payload.decode(errors="replace") if text is None else json.loads(text),
        "functionError": result.function_error,
        "logs": result.logs,
        "report": _figures(result.report),
    }
    _print(json.dumps(document).encode() + b"\n")


def rendered(line: LogLine) -> str:
    """Return a line of the log for standard error, the platform's own ones dimmed."""
    # A runtime joins a record of several lines with carriage returns, to keep it one event.
    text = line.text.replace("\r", "\n")
    if not sys.stderr.isatty():
        return f"{text}\n"
    style = _PLATFORM_STYLE if line.source is Source.PLATFORM else ""
    console = _terminal()
    with console.capture() as shown:
        console.print(Text(text, style))
    return shown.get()


def complaint(text: str) -> None:
    """Say why the command was not carried out."""
    with contextlib.suppress(OSError):
        write_all(STDERR, f"snapboot: {text}\n".encode())


def _print(content: bytes) -> None:
    try:
        write_all(STDOUT, content)
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise UsageError(f"cannot write the result to standard output: {exc.strerror}") from exc


@functools.cache
def _terminal() -> Console:
    return Console(stderr=True, soft_wrap=True)


def _json_text(content: bytes) -> str | None:
    try:
        text = content.decode()
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return text


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _figures(report: Report) -> dict[str, Any]:
    """Name the figures as the platform's `platform.report` record does."""
    figures = {
        "requestId": report.request_id,
        "status": report.status.value,
        "errorType": report.error_type,
        "durationMs": report.duration_ms,
        "billedDurationMs": report.billed_ms,
        "memorySizeMB": report.memory_size_mb,
        "maxMemoryUsedMB": report.max_memory_used_mb,
        "initDurationMs": report.init_ms,
        "restoreDurationMs": report.restore_ms,
    }
    return {name: value for name, value in figures.items() if value is not None}
