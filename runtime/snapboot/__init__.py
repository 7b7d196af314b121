"""snapboot: a Python runtime for AWS Lambda. Its public API, and how its parts get loaded.

Importing it costs microseconds: each name is loaded at its first use. The file `bootstrap` calls
`start`, which loads what every function needs in the quickest way there is.
"""

import sys
from _frozen_importlib import ModuleSpec
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

# Their code, as `marshal` writes it, in the bytecode of this module that ships: in the source there
# is none, and the import system finds each of them.
HOT_CODE = b""


def start() -> None:
    """Serve a function, as the file `bootstrap` does; it has put two folders on `sys.path`."""
    del sys.path[:2]
    load_hot()
    from .main import bootstrap

    bootstrap(sys.argv[1:])


def start_in_place_of(script: str, home: str) -> "Callable[[], NoReturn]":
    """Prepare to serve a function as AWS's `script` on a managed runtime would; return what serves.

    The file `exec` does this; it has put `home`, our folder, on `sys.path`. Up to here nothing of
    the function has run, so that whatever is raised can be answered by starting AWS's script.
    """
    sys.path.remove(home)
    if not sys.flags.safe_path:  # a second wrapper has left out `-P`: the folder of `exec`
        del sys.path[0]
    load_hot()
    from .main import prepare_in_place_of

    return prepare_in_place_of(script, home)


def load_hot() -> None:
    """Load the hot modules from one piece of bytecode, where there is one.

    That is what ships, and is never compared with the sources (PEP 552, unchecked hash). The import
    system would find, stat and open a file for each, which takes 0.5 ms of CPU more; to open and
    read each file here, 27 system calls and 0.9 % of all instructions to `next`, since names that
    several modules have are made once. It is left to the import system where imports are watched.
    """
    global HOT_CODE
    shipped, HOT_CODE = HOT_CODE, b""
    if not shipped or sys.flags.verbose:
        return
    import gc

    gc.disable()
    for name, code in zip(HOT, loads(shipped), strict=True):  # noqa: S302 - our own code
        _execute(f"{__name__}.{name}", f"{__path__[0]}/{name}.py", code)
    # So much was made that the collector would look at all of it; it is to be what has grown old.
    gc.freeze()
    gc.unfreeze()
    gc.enable()


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
