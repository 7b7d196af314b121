"""The script that a rehearsed function's interpreter is given: `template.py`, kept out of sight.

What it defines must not be found in `__main__`, where a function's tools look for the runtime.
"""

import posix
import sys


def _rehearse() -> None:
    scope = globals()
    path = scope["__file__"].rpartition("/")[0] + "/template.py"
    descriptor = posix.open(path, posix.O_RDONLY)
    source = posix.read(descriptor, 1 << 20)
    posix.close(descriptor)
    arguments = sys.argv[1:]
    own = {"__name__": "snapboot_rehearsal", "__file__": path, "__builtins__": __builtins__}
    exec(compile(source, path, "exec", dont_inherit=True), own)  # noqa: S102 - our own file
    for name in [name for name in scope if not name.startswith("__")]:
        del scope[name]
    own["run"](arguments, scope)


_rehearse()
