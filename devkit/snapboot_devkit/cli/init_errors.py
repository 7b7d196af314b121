"""What to do about failed inits, while a host serves, from the errors in the log."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.cli import hints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host import FunctionConfig, LogLine

# As our runtime and awslambdaric log it; the rest of the record follows a carriage return.
_AS_TEXT: Final = re.compile(r"\[ERROR\] (?P<type>Runtime\.\w+): (?P<message>[^\r\n]*)")
_NO_WRAPPER: Final = re.compile(r": (does not exist|is not an executable|cannot be executed: .*)$")
_IN_JSON: Final = '"errorType":"Runtime.'


class InitHints:
    """Finds hints on the failed inits of these functions, each once for an environment."""

    def __init__(self, functions: Mapping[str, FunctionConfig]) -> None:
        """Know the functions by their names."""
        self._functions = functions
        self._last: dict[str, tuple[str, str]] = {}

    def __repr__(self) -> str:
        return f"<InitHints for {', '.join(self._functions)}>"

    def hint(self, line: LogLine) -> str | None:
        """Return what to do about the error in a line that the function has logged, or None."""
        config = self._functions.get(line.function)
        if config is None:
            return None
        if _NO_WRAPPER.search(line.text):
            text = hints.of_wrapper(config)
        else:
            text = hints.of_error(config, *_error(line.text))
        # A failed init is tried again, and fails again.
        if text is None or self._last.get(line.function) == (line.log_stream, text):
            return None
        self._last[line.function] = line.log_stream, text
        return text


def _error(text: str) -> tuple[str, str]:
    """Return the type and the message of an error in the log; both empty where there is none."""
    if found := _AS_TEXT.match(text):
        return found["type"], found["message"]
    if _IN_JSON not in text:
        return "", ""
    try:
        record = json.loads(text)
        return str(record["errorType"]), str(record["errorMessage"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return "", ""
