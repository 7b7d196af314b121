"""What the command prints: colour and indentation on a terminal, plain text without one."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any, Final, NoReturn

from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host.streams import STDERR, STDOUT, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console

    from snapboot_devkit.host import InvokeResult, LogLine, Report

# Text and its style, in rich's words; without a terminal the text alone counts.
Piece = tuple[str, str]

_HEADING: Final = "Traceback (most recent call last):"
# How a record of AWS's client begins; in one of the function's own logging a tab follows.
_CLIENTS_ERROR: Final = "[ERROR] "
_PLATFORM_STYLE: Final = "dim"
# Of milliseconds, as in the platform's records.
_DIGITS: Final = 3
_LABEL_COLOURS: Final = ("cyan", "green", "magenta", "blue", "yellow")


def payload(result: InvokeResult) -> None:
    """Print what the function returned; other than JSON is passed through byte by byte.

    Raises UsageError and BrokenPipeError, as `json_object` does.
    """
    if sys.stdout.isatty() and (text := _json_text(result.payload)) is not None:
        _print_json(text)
    else:
        _print(result.payload + b"\n")


def json_object(result: InvokeResult, hint: str | None = None) -> None:
    """Print the whole outcome as one JSON object; a result that is not JSON becomes a string."""
    text = _json_text(result.payload)
    document: dict[str, Any] = {
        "result": result.payload.decode(errors="replace") if text is None else json.loads(text),
        "functionError": result.function_error,
        "logs": result.logs,
        "report": _figures(result.report),
    }
    if hint:
        document["hint"] = hint
    _print(json.dumps(document).encode() + b"\n")


def table(rows: Mapping[str, str]) -> None:
    """Print names and what they stand for; with the names in colour on a terminal."""
    width = max(map(len, rows))
    styled(((f"{name:{width}}  ", "cyan"), (title, "")) for name, title in rows.items())


def text(content: str) -> None:
    """Print text as it is."""
    _print(content.encode("utf-8", "backslashreplace"))


def styled(lines: Iterable[tuple[Piece, ...]]) -> None:
    """Print lines of text, in their styles on a terminal."""
    if not sys.stdout.isatty():
        text("".join(f"{''.join(piece for piece, _ in line)}\n" for line in lines))
        return
    from rich.console import Console  # noqa: PLC0415 - for a terminal alone, here and below
    from rich.text import Text  # noqa: PLC0415

    for line in lines:
        Console().print(Text.assemble(*line), soft_wrap=True)


def document(content: bytes) -> None:
    """Print JSON as it is, with colour on a terminal."""
    if sys.stdout.isatty():
        _print_json(content.decode())
    else:
        _print(content + b"\n")


def is_terminal() -> bool:
    """Return whether the log goes to a terminal."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def rendered(line: LogLine, label: str = "", *, coloured: bool) -> str:
    """Return a line of the log for standard error, on a terminal with the platform's own dimmed.

    The label of its function and environment goes before each line, in a colour of its own.
    """
    before = f"{label} | " if label else ""
    text = line.text
    if not coloured and "\r" not in text and "\n" not in text:
        return f"{before}{text}\n"
    # A runtime joins a record of several lines with carriage returns, to keep it one event.
    lines = text.replace("\r", "\n").split("\n")
    if lines[0].startswith(_CLIENTS_ERROR) and lines[-1] == _HEADING:
        lines.pop()  # which AWS's client writes also where no traceback follows
    if not coloured:
        return "".join([f"{before}{text}\n" for text in lines])
    from snapboot_devkit.host import Source  # noqa: PLC0415

    style = _PLATFORM_STYLE if line.source is Source.PLATFORM else ""
    return _coloured([((before, _colour(label)), (text, style)) for text in lines])


def complaint(text: str) -> None:
    """Say why the command was not carried out."""
    with contextlib.suppress(OSError):
        write_all(STDERR, f"snapboot: {text}\n".encode())


def hint(text: str | None) -> None:
    """Say what can be done about a function error, if anything is known."""
    if text is None:
        return
    with contextlib.suppress(OSError):
        write_all(STDERR, rendered_hint(text).encode())


def rendered_hint(text: str, label: str = "") -> str:
    """Return a hint for standard error, with colour on a terminal."""
    before, line = f"{label} | " if label else "", f"hint: {text}"
    if not is_terminal():
        return f"{before}{line}\n"
    return _coloured([((before, _colour(label)), (line, "yellow"))])


def spinner(text: str, elapsed_s: float) -> str:
    """Return a line for a terminal, without its end, that begins with a sign that turns."""
    from rich.spinner import Spinner  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    turning = Spinner("dots", Text(text))
    turning.start_time = 0.0
    console = _terminal()
    with console.capture() as shown:
        console.print(turning.render(elapsed_s), style="dim", end="")
    return shown.get()


def _coloured(lines: Iterable[tuple[Piece, ...]]) -> str:
    from rich.text import Text  # noqa: PLC0415

    console = _terminal()
    with console.capture() as shown:
        for line in lines:
            console.print(Text.assemble(*line))
    return shown.get()


def _print_json(content: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.json import JSON  # noqa: PLC0415

    Console().print(JSON(content))


def _colour(label: str) -> str:
    """Return the same colour for the same label, in every run."""
    return _LABEL_COLOURS[zlib.crc32(label.encode()) % len(_LABEL_COLOURS)]


def _print(content: bytes) -> None:
    with explained():
        write_all(STDOUT, content)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Make a UsageError of an output that cannot be written; a reader that has gone stays one."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise UsageError(f"cannot write the result to standard output: {exc.strerror}") from exc


@functools.cache
def _terminal() -> Console:
    from rich.console import Console  # noqa: PLC0415

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
    return {name: _rounded(value) for name, value in figures.items() if value is not None}


def _rounded(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value
