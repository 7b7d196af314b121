"""A process of its own that imports a handler as on Lambda, and tells what that imported.

Started bare, `python -SsP tracing.py RUNTIME [INCLUDED…]`, in the function's environment. Whatever
it imported itself before the handler would be taken for the function's: it makes do with what each
interpreter has loaded already. It answers on stdout, in `marshal`: a `json` may be the user's own.
What the function prints goes to stderr.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, PathFinder, SourceFileLoader
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # Name, file, whether it is Python source, size in bytes, time of change in ns.
    Found = tuple[str, str, bool, int, int]

# Ours alone: what a function has of these names is never sealed.
OURS = ("snapboot", "snapshot_restore_py", "__main__")
LAYERS = "/opt/python/"


class Order:
    """A finder that finds nothing, and notes the order in which modules are begun.

    `sys.modules` has the order in which they were completed; the code is read in this one.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note the name."""
        del path, target
        self.names.setdefault(name)


def main(runtime: str, included: "list[str]") -> None:
    """Answer with the modules, or with what went wrong, and end at once."""
    answer = posix.dup(1)  # which no child process inherits
    posix.dup2(2, 1)
    try:
        told: dict[str, Any] = trace(runtime, included)
    except BaseException as exc:  # noqa: BLE001 - it is user code; the answer carries it
        told = _failure(exc)
    content = memoryview(dumps(told, 4))
    while content:
        content = content[posix.write(answer, content) :]
    sys.stdout.flush()
    sys.stderr.flush()
    posix._exit(0)  # noqa: SLF001 - threads of the function's may run


def trace(runtime: str, included: "list[str]") -> "dict[str, Any]":
    """Do Function Init; return what there is to seal.

    That is {"modules": [Found], "packages": [folder], "path": `sys.path`, "patterns": [Pattern]}.
    """
    packages = _lay_out_path(runtime)
    before = set(sys.modules)  # on Lambda, too, these are there before the archive is opened
    order = Order()
    sys.meta_path.insert(0, order)
    _load_handler()
    for name in included:
        __import__(name.removesuffix(".*"))
    begun = filter(_is_text, {**order.names, **sys.modules})
    loaded = [name for name in begun if name in sys.modules]
    names = [name for name in loaded if name not in before and not _is_ours(name)]
    found = {spec.name: spec for name in names if (spec := _spec(name))}
    for name in included:
        if name.endswith(".*"):
            _add_members(name.removesuffix(".*"), found)
    modules = [_described(spec) for spec in found.values()]
    path = list(filter(_is_text, sys.path))
    return {"modules": modules, "packages": packages, "path": path, "patterns": _patterns()}


def _patterns() -> "list[Any]":
    from importlib.machinery import SourceFileLoader  # noqa: PLC0415 - the modules are listed
    from importlib.util import module_from_spec, spec_from_loader  # noqa: PLC0415

    name, file = "snapboot_inside_patterns", f"{__file__.rpartition('/')[0]}/patterns.py"
    spec = spec_from_loader(name, SourceFileLoader(name, file))
    patterns = module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(patterns)  # type: ignore[union-attr]
    return patterns.compiled()  # type: ignore[no-any-return]


def _lay_out_path(runtime: str) -> "list[str]":
    """Make `sys.path` what it is on Lambda; return the interpreter's own package folders."""
    sys.path.insert(0, runtime)
    from snapboot.codec import codec  # noqa: PLC0415 - from the folder that was named
    from snapboot.handler import prepare_path  # noqa: PLC0415

    del codec, sys.path[0]  # what it imports is there on Lambda before the handler is loaded
    before = sys.path[:]
    prepare_path(runtime)
    added = [folder for folder in sys.path if folder not in before and folder[:12] != LAYERS]
    return [folder for folder in added if folder.endswith("-packages")]


def _load_handler() -> None:
    """Do what the runtime does in Function Init."""
    from snapboot.codec import codec  # noqa: PLC0415
    from snapboot.environment import setting  # noqa: PLC0415
    from snapboot.handler import load  # noqa: PLC0415

    load()
    codec.settle(setting("SNAPBOOT_JSON"))


def _is_ours(name: object) -> bool:
    return isinstance(name, str) and name.partition(".")[0] in OURS


def _is_text(entry: object) -> bool:
    # What else is on a path, or in `sys.modules`, is passed over by the import system.
    return isinstance(entry, str)


def _spec(name: str) -> "ModuleSpec | None":
    """Return what the search of the path finds under a name, if it is the module that was loaded.

    Not what the module says of itself: one may have put something else into `sys.modules`.
    """
    parent = name.rpartition(".")[0]
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else sys.path
    if path is None:
        return None
    spec = PathFinder.find_spec(name, list(path))
    if spec is None or type(spec.loader) not in {SourceFileLoader, ExtensionFileLoader}:
        return None
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, ModuleSpec) and loaded.origin != spec.origin:
        return None
    return spec


def _add_members(package: str, found: "dict[str, ModuleSpec]") -> None:
    """Add everything below a package, without importing it."""
    for folder in list(getattr(sys.modules[package], "__path__", ())):
        _add_folder(package, folder, found)


def _add_folder(package: str, folder: str, found: "dict[str, ModuleSpec]") -> None:
    for member in sorted({name.partition(".")[0] for name in posix.listdir(folder)}):
        if not member.isidentifier() or member in {"__init__", "__pycache__"}:
            continue
        name = f"{package}.{member}"
        spec = PathFinder.find_spec(name, [folder])
        if spec is None:
            continue
        if type(spec.loader) in {SourceFileLoader, ExtensionFileLoader}:
            found.setdefault(name, spec)
        for inner in list(spec.submodule_search_locations or ()):
            _add_folder(name, inner, found)


def _described(spec: "ModuleSpec") -> "Found":
    origin = spec.origin or ""
    status = posix.stat(origin)
    is_source = type(spec.loader) is SourceFileLoader
    return spec.name, origin, is_source, status.st_size, status.st_mtime_ns


def _failure(error: BaseException) -> "dict[str, Any]":
    """Return what happened, in the exception's own words, from the user's first frame on.

    `kind` is the type that the platform has for it, if it has one.
    """
    fault = getattr(sys.modules.get("snapboot.faults"), "Fault", ())
    kind = error.error_type if isinstance(error, fault) else ""
    cause = error.__cause__ if kind else error
    text = "" if cause is None else _traceback(cause, chain=not kind)
    told = {"type": type(error).__name__, "kind": kind, "message": str(error)}
    return {**told, "traceback": text}


def _traceback(cause: BaseException, *, chain: bool) -> str:
    from traceback import format_exception  # noqa: PLC0415 - the modules have been listed

    while cause.__traceback__ and _is_ours(
        cause.__traceback__.tb_frame.f_globals.get("__name__", "")
    ):
        cause.__traceback__ = cause.__traceback__.tb_next
    return "".join(format_exception(cause, chain=chain))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
