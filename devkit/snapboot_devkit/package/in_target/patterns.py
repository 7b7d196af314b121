"""The regular expressions that Function Init compiled, as what its parser made of them.

`re.compile` parses and generates in Python: a tenth of what importing boto3 takes. What it hands to
the interpreter's own compiler in the end is kept here, for the very release it was made by.
Loaded by `tracing`, once the modules have been listed.
"""

import _sre  # type: ignore[import-not-found]
import struct
import sys
import warnings
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # The pattern, the flags it was asked for with, and what `_sre.compile` takes: flags, code
    # (unsigned, 32 bits each, little-endian), groups, {name: group}, names of groups.
    Pattern = tuple[str | bytes, int, int, bytes, int, dict[str, int], tuple[str | None, ...]]


def compiled() -> "list[Pattern]":
    """Return what `re` has compiled and remembers, the oldest first."""
    cache = getattr(sys.modules.get("re"), "_cache", None)
    if not isinstance(cache, dict):
        return []
    return [pattern for key, value in [*cache.items()] if (pattern := _taken_apart(key, value))]


def _taken_apart(key: object, remembered: object) -> "Pattern | None":
    """Return the parts of one; None for what is no plain text, or has a warning to give."""
    match key:
        case (kind, str() | bytes() as text, int(flags)) if kind is type(text) in (str, bytes):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    arguments = _arguments(text, flags)
            except Warning:
                return None
            if _sre.compile(*arguments) != remembered:
                return None
            _, final, code, *groups = arguments
            return (text, int(flags), int(final), struct.pack(f"<{len(code)}I", *code), *groups)
    return None


def _arguments(text: str | bytes, flags: int) -> "tuple[Any, ...]":
    """Return what `re` would give to `_sre.compile`."""
    from re import _compiler  # type: ignore[attr-defined]  # noqa: PLC0415 - it has been loaded

    recorder = ModuleType("_sre")
    vars(recorder).update(vars(_sre), compile=lambda *arguments: arguments)
    _compiler._sre = recorder  # noqa: SLF001
    try:
        taken: tuple[Any, ...] = _compiler.compile(text, flags)
    finally:
        _compiler._sre = _sre  # noqa: SLF001
    return taken
