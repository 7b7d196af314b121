"""What the function prints or logs reaches the platform at once, and in the platform's form.

`print` goes out unbuffered. `logging` is set up when the function imports it, and not before: its
import takes longer than all of Runtime Init.
"""

import posix
import sys
from _frozen_importlib_external import PathFinder
from _io import TextIOWrapper  # from 3.14 on `io` is not loaded at start, nor what it imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
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
        set_up_logging()
    else:
        _watch_for_logging()


def _fill_closed_streams() -> None:
    """Use up the numbers of closed standard streams, so that no connection gets one of them."""
    while posix.open("/dev/null", posix.O_RDWR) <= STDERR:
        pass


def _unbuffered(stream: "Any") -> "Any":
    if not isinstance(stream, TextIOWrapper):
        return stream  # the function's own, put there before us
    encoding, errors = stream.encoding, stream.errors
    unbuffered = UnbufferedText(stream.detach(), encoding, errors)
    vars(unbuffered)["mode"] = "w"
    return unbuffered


def _watch_for_logging() -> None:
    """Have `logging` set up as soon as it has been executed, by any import.

    It is the path finder that finds it, and that finders ask which want a say in every import: one
    of ours on `sys.meta_path` would be passed over by those that stand before it.
    """
    original = vars(PathFinder)["find_spec"]
    if not hasattr(original, "__get__"):  # some tracer's callable object
        original = staticmethod(original)

    def find_spec(
        cls: "type[PathFinder]",
        fullname: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        spec: ModuleSpec | None = original.__get__(None, cls)(fullname, path, target)
        if fullname == "logging" and spec is not None and spec.loader is not None:
            _follow(spec.loader)
        return spec

    def _follow(loader: "Any") -> None:
        execute = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            execute(module)
            if vars(PathFinder)["find_spec"] is watched:  # and not what others made of it by now
                PathFinder.find_spec = original  # type: ignore[method-assign]
            set_up_logging()

        loader.exec_module = exec_module

    watched: Any = classmethod(find_spec)
    PathFinder.find_spec = watched  # type: ignore[method-assign]


def set_up_logging() -> None:
    """Set `logging` up if it is loaded, and has not been set up."""
    module = sys.modules.get("logging")
    # A function's own module of that name is not what is to be set up.
    if f"{__package__}.log_records" not in sys.modules and all(
        hasattr(module, name) for name in ("Formatter", "LogRecord", "getLogger")
    ):
        from .log_records import set_up

        set_up()
