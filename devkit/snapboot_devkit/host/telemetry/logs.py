"""The log of one environment: every line goes to the sink, and is kept for its invocation."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Final

from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

# Of an invocation that prints more only the end is kept; the sink has seen it all. In characters,
# and each line counts for some more, which is about what it takes in memory.
_MAX_KEPT: Final = 8 * 1024 * 1024
_LINE_OVERHEAD: Final = 64


class Source(Enum):
    """Who wrote a line of the log."""

    FUNCTION = "function"
    EXTENSION = "extension"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log, without its end. Where it comes from makes no other line of it."""

    source: Source
    text: str
    function: str = field(default="", compare=False)
    log_stream: str = field(default="", compare=False)


class LogStream:
    """Where the lines of one environment go."""

    def __init__(self, sink: Callable[[LogLine], None], function: str = "", name: str = "") -> None:
        """Pass every line on to `sink`, as of log stream `name` of a function."""
        self._sink = sink
        self._origin = function, name
        self._kept: deque[str] = deque()
        self._size = 0
        self._left_out = 0

    def __repr__(self) -> str:
        return f"<LogStream, {len(self._kept)} lines kept>"

    def write(self, source: Source, text: str) -> None:
        """Take one line. A sink that fails is the event loop's to tell, and not a failed host."""
        self._keep(text)
        try:
            self._sink(LogLine(source, text, *self._origin))
        except Exception as exc:  # noqa: BLE001 - the sink is the user's code
            told = {"message": f"the log's sink failed with {text!r}", "exception": exc}
            asyncio.get_running_loop().call_exception_handler(told)

    def take(self) -> tuple[str, ...]:
        """Return the lines since the last call: those of one invocation and its init."""
        note = (f"snapboot: {self._left_out} lines before this one are left out",)
        lines = (*(note if self._left_out else ()), *self._kept)
        self._kept.clear()
        self._size = self._left_out = 0
        return lines

    def _keep(self, text: str) -> None:
        self._kept.append(text)
        self._size += len(text) + _LINE_OVERHEAD
        while self._size > _MAX_KEPT:
            self._size -= len(self._kept.popleft()) + _LINE_OVERHEAD
            self._left_out += 1
