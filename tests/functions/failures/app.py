"""Fails in every way: `event` names which."""

import asyncio
import json
import os
import signal
import sys
import warnings

from nested import thrower


class CustomError(Exception):
    """A class of the function's own."""


class UnprintableError(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        """Fail."""
        message = "no text"
        raise RuntimeError(message)


class Leave(BaseException):
    """What `except Exception` does not see."""


class Outer:
    """A namespace."""

    class InnerError(Exception):
        """A class with a qualified name."""


def chained() -> None:
    """Raise an exception with a cause."""
    try:
        thrower.fail()
    except LookupError as exc:
        raise CustomError("outer") from exc


def in_context() -> None:
    """Raise an exception while another is handled."""
    try:
        thrower.fail()
    except LookupError:
        raise CustomError("second")


def group() -> None:
    """Raise several at once."""
    raise ExceptionGroup("group", [ValueError("one"), ExceptionGroup("inner", [TypeError("two")])])


def recursion() -> None:
    """Go on without an end."""
    recursion()


def with_notes() -> None:
    """Raise an exception that carries notes."""
    exc = ValueError("noted")
    exc.add_note("first note")
    raise exc


def import_broken() -> None:
    """Import a module that cannot be compiled."""
    import broken_module


def executed() -> None:
    """Fail in code that no file holds."""
    exec("def inner():\n    raise ValueError('from a string')\ninner()")


def many_lines() -> None:
    """Fail in a call that spans lines."""
    thrower.fail_with(
        "spans",
        "lines",
    )


def throw(exc: BaseException) -> None:
    """Raise what is given."""
    raise exc


FAILURES = {
    "ValueError": lambda: throw(ValueError("boom")),
    "no message": lambda: throw(ValueError()),
    "KeyError": lambda: {}["missing"],
    "two arguments": lambda: throw(ValueError("a", 1)),
    "lines": lambda: throw(ValueError("one\n  two\n\nthree")),
    "unicode": lambda: throw(ValueError("bö 日本 🙂")),
    "custom": lambda: throw(CustomError("own")),
    "inner class": lambda: throw(Outer.InnerError("inner")),
    "chained": chained,
    "in context": in_context,
    "group": group,
    "recursion": recursion,
    "memory": lambda: throw(MemoryError()),
    "unprintable": lambda: throw(UnprintableError()),
    "10 MB": lambda: throw(ValueError("x" * 10_000_000)),
    "lone surrogate": lambda: throw(ValueError("a\ud800b")),
    "control characters": lambda: throw(ValueError("a\x00\x1b[31mb\r\nc")),
    "notes": with_notes,
    "StopIteration": lambda: throw(StopIteration("stop")),
    "stdlib frames": lambda: json.loads("{"),
    "SyntaxError": import_broken,
    "no file": executed,
    "many lines": many_lines,
    "OSError": lambda: open("/does/not/exist"),
    "warning as error": lambda: throw(DeprecationWarning("old")),
    "assertion": lambda: throw(AssertionError("claim")),
    "UnicodeDecodeError": lambda: b"\xff".decode(),
    # These end the process, or should not.
    "BaseException": lambda: throw(Leave("leave")),
    "KeyboardInterrupt": lambda: throw(KeyboardInterrupt()),
    "GeneratorExit": lambda: throw(GeneratorExit("closed")),
    "CancelledError": lambda: throw(asyncio.CancelledError()),
    "exit 0": lambda: sys.exit(0),
    "exit 3": lambda: sys.exit(3),
    "exit with text": lambda: sys.exit("a last word"),
    "os._exit": lambda: os._exit(7),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "warn": lambda: warnings.warn("a warning", stacklevel=1),
}


def handler(event: str, _context: object) -> object:
    """Fail as `event` says."""
    return FAILURES[event]()
