"""`sys.path` as Lambda promises it, and `_HANDLER` turned into the user's function.

No `site` has run (`python -S`): what it would have done for a Lambda function is done here, and in
`path_files.py` where there is a `.pth` file or a `sitecustomize`.
"""

import builtins
import posix
import sys
from _frozen_importlib_external import SourceLoader
from time import perf_counter_ns

from .environment import HANDLER, TASK_ROOT, environment, set_variable, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LAYERS = "/opt/python"
CUSTOMIZE = "sitecustomize.py"


def prepare_path(own: str) -> None:
    """Lay out `sys.path` in the order of AWS's Python runtime, with our own folder last.

    The function's code, the layers' folders, what PYTHONPATH names, the interpreter's
    site-packages, the standard library. When the user or a wrapper has set PYTHONPATH, the layers'
    come behind all these, where AWS's runtime leaves them out; else child processes get the
    PYTHONPATH that AWS's runtime gives them.

    The folder with the packages of a managed runtime comes before the standard library, but ahead
    of a PYTHONPATH, since AWS's script is in it; site-packages are then the last.
    """
    managed = environment.managed
    after_library = managed is not None and variable("PYTHONPATH") is not None
    if sys.flags.no_site:
        add_site_packages(after_library=after_library)
    if managed is not None:
        sys.path.insert(0 if after_library else _standard_library(), managed)
    folders = [task_root()]
    layers = [f"{LAYERS}/lib/{_python()}/site-packages", LAYERS]
    if variable("PYTHONPATH") is None:
        folders += layers
        set_variable("PYTHONPATH", variable("LAMBDA_RUNTIME_DIR"))
        sys.path[:0] = folders
    else:
        layers = [layer for layer in layers if layer not in sys.path and _exists(layer)]
        sys.path[:] = *folders, *sys.path, *layers
        folders += layers
    for folder in folders:
        _read_path_files([folder])
    if own != folders[0]:  # where pip has put us into the function's own folder
        sys.path.append(own)


def add_site_packages(*, after_library: bool = False) -> None:
    """Do for the interpreter what `site` would have done, had it run."""
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    named = _standard_library()
    folders = _site_packages()
    at = len(sys.path) if after_library else named
    sys.path[at:at] = folders
    length = len(sys.path)
    names = _read_path_files(folders)
    others = [*sys.path[:named], *sys.path[length:], _stdlib()]
    if CUSTOMIZE in names or any(_exists(f"{folder}/{CUSTOMIZE}") for folder in others):
        from .path_files import customize

        customize()


def _standard_library() -> int:
    """Return where on `sys.path` the standard library begins: with a zip that need not exist."""
    archive = f"{_python().replace('.', '')}.zip"
    at = 0
    while at < len(sys.path) and not sys.path[at].endswith(archive):
        at += 1
    return at


def load() -> "Callable[[Any, Any], Any]":
    """Import the module that `_HANDLER` names and return its function; see `named`."""
    _open_archive(task_root())
    return named(variable(HANDLER) or "")


def named(handler: str) -> "Callable[[Any, Any], Any]":
    """Import the module of a handler's name and return the function.

    Raises Fault for what AWS's runtime has an error type of its own, otherwise whatever the
    import raises.
    """
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        raise _faults().malformed_handler_name(handler)
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise _faults().built_in_module(module_name)
    dotted = module_name.replace("/", ".")
    if dotted[:1] == ".":  # in the words of `importlib.import_module`, as at AWS's
        words = "the 'package' argument is required to perform a relative import for"
        raise TypeError(f"{words} {dotted!r}")
    try:
        module = _import(dotted)
    except (ImportError, SyntaxError) as exc:
        raise _faults().unusable_module(module_name, exc) from exc
    try:
        return getattr(module, name)  # type: ignore[no-any-return]
    except AttributeError:
        raise _faults().handler_not_found(name, module_name) from None


def task_root() -> str:
    """Return the folder of the function's code."""
    return variable("LAMBDA_TASK_ROOT") or TASK_ROOT


def _open_archive(folder: str) -> None:
    if _exists(f"{folder}/snapboot.modules"):
        from .archive import install

        install(folder)


def _import(name: str) -> "Any":
    if posix.access(task_root(), posix.W_OK):
        __import__(name)
    else:
        sys.dont_write_bytecode = True  # each import would try in vain
        if environment.managed is None:
            _import_watched(name)
        else:  # a function that was packaged for AWS's client logs what it logs there
            __import__(name)
    return sys.modules[name]


def _import_watched(name: str) -> None:
    """Import a module, and log what had to be compiled: so it will be at each cold start."""
    original = SourceLoader.source_to_code
    spent_ns: list[int] = []

    def source_to_code(*arguments: "Any", **options: "Any") -> "Any":
        begin = perf_counter_ns()
        code = original(*arguments, **options)
        spent_ns.append(perf_counter_ns() - begin)
        return code

    # Tracebacks leave out the import system's frames by their file: this is to be one of them.
    source_to_code.__code__ = source_to_code.__code__.replace(
        co_filename=original.__code__.co_filename
    )
    SourceLoader.source_to_code = source_to_code  # type: ignore[method-assign]
    try:
        __import__(name)
    finally:
        if SourceLoader.source_to_code is source_to_code:  # and not the function's own by now
            SourceLoader.source_to_code = original  # type: ignore[method-assign]
    if spent_ns:
        from .logs import log_compilation

        log_compilation(len(spent_ns), sum(spent_ns))


def _faults() -> "Any":
    from . import faults

    return faults


def _python() -> str:
    """Return the name of the interpreter's own folder: a free-threaded build's is `python3.14t`."""
    free_threaded = "t" if "t" in sys.abiflags else ""
    return f"python{sys.version_info[0]}.{sys.version_info[1]}{free_threaded}"


def _site_packages() -> "list[str]":
    """Return the interpreter's own package folders, or those of its virtual environment.

    `site` would have found them. Debian keeps packages in `dist-packages`, Fedora and Amazon Linux
    the compiled ones under `lib64`.
    """
    folders = _enter_virtual_environment()
    if folders is not None:
        return folders
    debian = [
        f"/usr/local/lib/{_python()}/dist-packages",
        "/usr/lib/python3/dist-packages",
        f"/usr/lib/{_python()}/dist-packages",
    ]
    if sys.prefix == "/usr" and any(map(_exists, debian)):
        return debian
    return _packages_below(sys.prefix)


def _packages_below(prefix: str) -> "list[str]":
    directories = ["lib"] if sys.platlibdir == "lib" else [sys.platlibdir, "lib"]
    return [f"{prefix}/{name}/{_python()}/site-packages" for name in directories]


def _enter_virtual_environment() -> "list[str] | None":
    """Set the prefixes to the virtual environment's and return its package folders, if in one."""
    root = sys.executable.rpartition("/")[0].rpartition("/")[0]
    try:
        with open(f"{root}/pyvenv.cfg", encoding="utf-8") as file:
            settings = file.read().replace(" ", "").lower()
    except OSError:
        return None
    sys.prefix = sys.exec_prefix = root
    outer = sys.base_prefix if "include-system-site-packages=true" in settings else None
    return [*_packages_below(root), *(_packages_below(outer) if outer else ())]


def _read_path_files(folders: "list[str]") -> "list[str]":
    """Do what `site` does with the `.pth` files of these folders; return all names in them."""
    listed = {folder: _listed(folder) for folder in folders}
    names = [name for names in listed.values() for name in names]
    if any(name.endswith((".pth", ".start")) for name in names):
        from . import load_unchecked

        load_unchecked(("path_files",))
        from .path_files import read

        read(listed)
    return names


def _stdlib() -> str:
    return sys._stdlib_dir  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _exists(path: str) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def _listed(folder: str) -> "list[str]":
    try:
        return posix.listdir(folder)
    except OSError:
        return []
