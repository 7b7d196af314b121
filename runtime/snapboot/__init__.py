"""snapboot: a Python runtime for AWS Lambda. Its public API, and how its parts get loaded.

Importing it costs microseconds: each name is loaded at its first use. The file `bootstrap` calls
`start`, which loads what every function needs in the quickest way there is.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER
from marshal import loads
from time import perf_counter_ns, process_time_ns

__version__ = "0.1.0"

# When our first line ran, and the CPU time until then: what `init_report.py` reckons from. Read in
# any case, as that takes 1 µs and no setting is known yet.
_LOADED_AT = perf_counter_ns(), process_time_ns()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import NoReturn

    from .aio import on_init
    from .asgi_handler import asgi
    from .client_context import Client, ClientContext
    from .codec import set_codec
    from .context import CognitoIdentity, Context, current_context
    from .hooks import after_restore, before_snapshot
    from .http_response import HttpResponse
    from .wsgi_handler import wsgi

__all__ = [
    "Client",
    "ClientContext",
    "CognitoIdentity",
    "Context",
    "HttpResponse",
    "after_restore",
    "asgi",
    "before_snapshot",
    "current_context",
    "on_init",
    "set_codec",
    "wsgi",
]

_HOMES = {
    "Client": "client_context",
    "ClientContext": "client_context",
    "CognitoIdentity": "context",
    "Context": "context",
    "HttpResponse": "http_response",
    "after_restore": "hooks",
    "asgi": "asgi_handler",
    "before_snapshot": "hooks",
    "current_context": "context",
    "on_init": "aio",
    "set_codec": "codec",
    "wsgi": "wsgi_handler",
}


if not TYPE_CHECKING:  # a type checker would take it for a promise of every name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
        value = globals()[name] = getattr(home, name)
        return value


# How bytecode starts whose source is not to be looked at: the version's number, and flags.
UNCHECKED = MAGIC_NUMBER + b"\1\0\0\0"

# Three times the largest of the hot modules.
MAX_BYTECODE_BYTES = 1 << 16

# What is loaded before the first `next`, each after what it imports.
HOT = (
    "wire",
    "api",
    "environment",
    "codec",
    "context",
    "handler",
    "output",
    "socket_transport",
    "main",
)


def start(arguments: "list[str]") -> None:
    """Serve a function, as the file `bootstrap` does; it has put two folders on `sys.path`."""
    del sys.path[:2]
    load_unchecked(HOT)
    from .main import bootstrap

    bootstrap(arguments)


def start_in_place_of(script: str, home: str) -> "Callable[[], NoReturn]":
    """Prepare to serve a function as AWS's `script` on a managed runtime would; return what serves.

    The file `exec` does this; it has put `home`, our folder, on `sys.path`. Up to here nothing of
    the function has run, so that whatever is raised can be answered by starting AWS's script.
    """
    sys.path.remove(home)
    if not sys.flags.safe_path:  # a second wrapper has left out `-P`: the folder of `exec`
        del sys.path[0]
    load_unchecked(HOT)
    from .main import prepare_in_place_of

    return prepare_in_place_of(script, home)


def load_unchecked(names: "tuple[str, ...]") -> None:
    """Load modules of ours straight from their bytecode, as far as that is never to be checked.

    Such is the bytecode that ships (PEP 552, unchecked hash). The import system would find, stat
    and open the same files, and take 0.5 ms of CPU more (50 pairs on CPython 3.13). One file for
    all of them, read with the collector at work, would save 24 system calls, 0.2 % of the
    instructions, and no time (400 pairs). What the import system alone can judge is left to it, and
    all of it when the imports are watched.
    """
    if sys.flags.optimize or sys.flags.verbose or sys.pycache_prefix is not None:
        return
    folder = __path__[0]
    for name in names:
        bytecode = _read(f"{folder}/__pycache__/{name}.{sys.implementation.cache_tag}.pyc")
        if bytecode[:8] != UNCHECKED or len(bytecode) == MAX_BYTECODE_BYTES:
            return
        code = loads(memoryview(bytecode)[16:])  # noqa: S302 - our own file
        _execute(f"{__name__}.{name}", f"{folder}/{name}.py", code)


def _read(path: str) -> bytes:
    try:
        descriptor = posix.open(path, posix.O_RDONLY)
    except OSError:
        return b""
    content = posix.read(descriptor, MAX_BYTECODE_BYTES)
    posix.close(descriptor)
    return content


def _execute(name: str, path: str, code: "CodeType") -> None:
    module = type(sys)(name)
    loader = type(globals()["__loader__"])(name, path)
    module.__spec__ = ModuleSpec(name, loader, origin=path)
    module.__spec__.has_location = True
    vars(module).update(__file__=path, __loader__=loader, __package__=__name__)
    sys.modules[name] = module
    globals()[name.rpartition(".")[2]] = module
    exec(code, vars(module))  # noqa: S102 - as the import system does


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
