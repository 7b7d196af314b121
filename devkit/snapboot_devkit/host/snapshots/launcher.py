"""The script that the interpreter of a snapshot is given: other files of ours, kept out of sight.

What they define must not be found in `__main__`, where a function's tools look for the runtime.
The first argument names the files, whose last one has `run`.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _launch() -> None:
    scope = globals()
    files, *arguments = sys.argv[1:]
    own: dict[str, Any] = {"__name__": "snapboot_snapshot", "__builtins__": __builtins__}
    for path in files.split(":"):
        descriptor = posix.open(path, posix.O_RDONLY)
        source = posix.read(descriptor, 1 << 20)
        posix.close(descriptor)
        own["__file__"] = path
        exec(compile(source, path, "exec", dont_inherit=True), own)  # noqa: S102 - our own files
    for name in [name for name in scope if not name.startswith("__")]:
        del scope[name]
    own["run"](arguments, scope)


_launch()
