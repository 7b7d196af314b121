"""A response on standard output: a stream as it comes, anything else when it is whole."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from snapboot_devkit.cli import printing
from snapboot_devkit.host.streams import STDOUT, PieceWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host import InvokeResult, LocalHost
    from snapboot_devkit.host.callers.in_process import InProcessCaller


class PrintedResponse:
    """Prints the response to one event; `note` takes what is said beside it.

    `flush` writes what was said by now, since both may go to one terminal. Status and headers of a
    streamed HTTP response are noted, and not printed: its output is the body alone.
    """

    def __init__(self, note: Callable[[str], object], flush: Callable[[], object]) -> None:
        """Print nothing before `read`."""
        self._note = note
        self._flush = flush
        self._streamed = False

    def __repr__(self) -> str:
        return f"<PrintedResponse {'streamed' if self._streamed else 'whole'}>"

    async def read(self, host: LocalHost, payload: bytes) -> InvokeResult:
        """Invoke the function, and print a stream; return how the invocation ended.

        Raises BrokenPipeError when the output's reader has gone, and UsageError.
        """
        program = host.stream(payload)
        last = b"\n"
        with contextlib.closing(PieceWriter(STDOUT)) as writer:
            async with contextlib.aclosing(program.pieces()) as pieces:
                async for piece in pieces:
                    self._begin(program)
                    if self._streamed:
                        self._flush()
                        with printing.explained():
                            await writer.write(piece)
                        last = piece
            self._begin(program)
            if not last.endswith(b"\n") and sys.stdout.isatty():
                await writer.write(b"\n")
        return await program.outcome()

    def end(self, result: InvokeResult) -> None:
        """Print a result that came whole, or say how a stream ended if that was an error."""
        if not self._streamed:
            printing.payload(result)
        elif result.function_error:
            printing.complaint(f"the stream ended with an error: {_words(result.payload)}")

    def _begin(self, program: InProcessCaller) -> None:
        if self._streamed or program.content_type is None:
            return
        self._streamed = True
        if program.http is not None:
            headers = (f"{name.decode()}: {text.decode()}" for name, text in program.http.headers)
            self._note(f"snapboot: HTTP {program.http.status}; {'; '.join(headers)}\n")
        elif program.invalid is not None:
            self._note(f"snapboot: a function URL would answer 502: {program.invalid}\n")


def _words(document: bytes) -> str:
    """Return an error's document as one line."""
    try:
        error: Any = json.loads(document)
        return f"{error['errorType']}: {error['errorMessage']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return document.decode(errors="replace")
