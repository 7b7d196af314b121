"""Writes and logs in every way: `event` names which."""

import decimal
import logging
import os
import sys
import warnings
from typing import Any

logging.getLogger("at.import").warning("while the module is imported")
logger = logging.getLogger("my.module")


def exception(text: str = "boom") -> None:
    """Log an exception with its traceback."""
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("it failed")


def chained_exception() -> None:
    """Log an exception that has a cause."""
    try:
        try:
            raise ValueError("first")
        except ValueError as exc:
            raise KeyError("second") from exc
    except KeyError:
        logger.exception("it failed twice")


def levels() -> None:
    """Log at each level, and at one between them."""
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "level %d", level)
    logger.log(35, "level 35")


def own_level() -> None:
    """Log below the root's level, allowed by the logger's own."""
    logger.setLevel(logging.DEBUG)
    logger.debug("now heard")
    logger.setLevel(logging.NOTSET)


def no_newline() -> None:
    """Write without the end of a line."""
    sys.stdout.write("half a line, ")
    sys.stdout.write("and its other half\n")


def descriptors() -> None:
    """Write past every buffer, between two that are buffered."""
    print("before")
    os.write(1, b"straight to the descriptor\n")
    print("after")


WRITERS: dict[str, Any] = {
    "print": lambda _: print("printed"),
    "print to stderr": lambda _: print("to stderr", file=sys.stderr),
    "print lines": lambda _: print("one\n  two\nthree"),
    "print unicode": lambda _: print("bö 日本 🙂"),
    "print surrogate": lambda _: print("a\ud800b"),
    "print long": lambda _: print("x" * 300_000),
    "writelines": lambda _: sys.stdout.writelines(["a\n", "b\n"]),
    "no newline": lambda _: no_newline(),
    "descriptors": lambda _: descriptors(),
    "bytes": lambda _: sys.stdout.buffer.write(b"raw bytes\n"),
    "levels": lambda _: levels(),
    "own level": lambda _: own_level(),
    "arguments": lambda _: logger.warning("%s and %d", "text", 5),
    "bad arguments": lambda _: logger.warning("%d", "text"),
    "lines": lambda _: logger.warning("one\n  two"),
    "unicode": lambda _: logger.warning("bö 日本 🙂"),
    "surrogate": lambda _: logger.warning("a\ud800b"),
    "extra": lambda _: logger.warning("with extra", extra={"order": 5, "none": None, "list": [1]}),
    "extra object": lambda _: logger.warning("x", extra={"price": decimal.Decimal("1.5")}),
    "dict": lambda _: logger.warning({"order": 5, "text": "bö"}),
    "dict with arguments": lambda _: logger.warning("%(a)s", {"a": 1}),
    "list": lambda _: logger.warning([1, "two"]),
    "exception": lambda _: exception(),
    "unicode exception": lambda _: exception("bö"),
    "chained exception": lambda _: chained_exception(),
    "stack": lambda _: logger.warning("with stack", stack_info=True),
    "no exception": lambda _: logger.error("no exception", exc_info=True),
    "root": lambda _: logging.warning("by the root logger"),
    "warn": lambda _: warnings.warn("a warning", stacklevel=1),
    "context": lambda context: context.log("context.log\n"),
    "context without newline": lambda context: (context.log("one, "), context.log("two\n")),
    "handlers": lambda _: [type(handler).__mro__[-3].__name__ for handler in logging.root.handlers],
    "isatty": lambda _: [sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.errors],
}


def handler(event: str, context: object) -> object:
    """Write as `event` says; return what comes of it where that is JSON."""
    value = WRITERS[event](context)
    return value if isinstance(value, list) else None


def failing(event: str, _context: object) -> object:
    """Raise a ValueError about `event`."""
    raise ValueError(event)
