"""What the function prints or logs reaches the platform at once, and in the platform's form.

`print` goes out unbuffered. `logging` is set up when the function imports it, and not before: its
import takes longer than all of Runtime Init.
"""

import posix
import sys
from _io import TextIOWrapper  # from 3.14 on `io` is not loaded at start, nor what it imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


STDERR = 2


class UnbufferedText(TextIOWrapper):
    """A text stream that holds nothing back, not even a line without its end.

    `python -u` does the same with no buffer below, and then loses what a full pipe does not take.
    """

    def write(self, text: str, /) -> int:
        """Write the text and flush it."""
        size = super().write(text)
        self.flush()
        return size


def prepare_output() -> None:
    """Make stdout and stderr unbuffered, and have `logging` set up at its first import."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _fill_closed_streams()
    if sys.stdout is not None:
        sys.stdout = sys.__stdout__ = _unbuffered(sys.stdout)  # type: ignore[misc]
    if sys.stderr is not None:
        sys.stderr = sys.__stderr__ = _unbuffered(sys.stderr)  # type: ignore[misc]
    if "logging" in sys.modules:
        _set_up_logging()
    else:
        sys.meta_path.insert(0, LoggingWatch())


def _fill_closed_streams() -> None:
    """Give the numbers of closed standard streams away, lest a connection gets one of them."""
    while posix.open("/dev/null", posix.O_RDWR) <= STDERR:
        pass


def _unbuffered(stream: "Any") -> "Any":
    if not isinstance(stream, TextIOWrapper):
        return stream  # somebody's own, put there before us
    encoding, errors = stream.encoding, stream.errors
    unbuffered = UnbufferedText(stream.detach(), encoding, errors)
    vars(unbuffered)["mode"] = "w"
    return unbuffered


class LoggingWatch:
    """A finder that finds nothing but the moment `logging` is imported."""

    def find_spec(
        self, name: str, _path: object = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return None, or the spec of `logging` with our set-up to follow its execution."""
        if name != "logging":
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, None, target) if find else None
            if spec is not None and spec.loader is not None:
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: "Any") -> None:
        execute = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            del loader.exec_module
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                _set_up_logging()

        loader.exec_module = exec_module


def _set_up_logging() -> None:
    # A function's own module of that name is not what is to be set up.
    if all(
        hasattr(sys.modules["logging"], name) for name in ("Formatter", "LogRecord", "getLogger")
    ):
        from .log_records import set_up

        set_up()
