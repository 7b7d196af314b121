"""What the execution of each module changes beside its own names, as a run shows it.

An import that waits for its first use must not leave out what others rely on: a route that is added
to an application, a filter for warnings, a signal handler. Between the beginning and the end of a
module's execution its changes are found by comparing what is before and after: namespaces of
other modules, objects whose methods were called, and what the interpreter keeps for the process.
Also noted: which functions are called at all.

Runs in the process of `tracing`, which imports nothing that the function might.
"""

import _abc  # type: ignore[import-not-found]
import _signal  # type: ignore[import-not-found]
import _thread
import _warnings
import atexit
import gc
import posix
import sys
from _operator import is_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType
    from typing import Any

    # What an object was when it was first seen, and what is said when it has changed.
    Seen = tuple[object, Callable[[Any], object], object, str]

# Built-in functions whose call is an effect that cannot be read back.
CALLS = (
    *("_codecs.register", "_codecs.register_error", "_thread.start_new_thread", "posix.fork"),
    *("_thread.start_joinable_thread", "posix.register_at_fork"),
    *("sys.addaudithook", "sys.set_asyncgen_hooks", "sys.setprofile"),
    *("sys.settrace", "time.tzset", "faulthandler.enable", "_signal.set_wakeup_fd"),
)
# Of the standard library, what modules do that concerns their own types and threads alone.
OWN_AFFAIR = frozenset(("atexit", "abc", "posix.register_at_fork"))
# What of others changes with each use, and says nothing.
PASSING = (
    *("__main__", "_frozen_importlib", "builtins", "enum", "functools", "importlib", "logging"),
    *("re._", "snapboot", "sre_", "typing", "weakref", "_weakrefset"),
)
# Their own ways to be counted: a derived class may have another.
COUNTED = (dict.__len__, list.__len__, set.__len__)
MODULE = type(sys)
STANDARD = f"{sys._stdlib_dir}/"  # type: ignore[attr-defined]  # noqa: SLF001
LC_ALL = 6
SEEK_CUR = 1


class Execution:
    """A module that is being executed: its name, and what it has met so far."""

    __slots__ = ("born", "is_standard", "name", "seen")

    def __init__(self, name: str, file: str) -> None:
        self.name = name
        self.is_standard = file.startswith((STANDARD, "<frozen ")) and "-packages/" not in file
        self.born: dict[int, object] = {}
        self.seen: dict[int, Seen] = {}


class EffectWatch:
    """Notes `called`, and in `found` the first effect of each module that has any."""

    def __init__(self) -> None:
        self.called: set[CodeType] = set()
        self.found: dict[str, str] = {}
        self._stack: list[Execution] = []
        self._names: dict[str, tuple[str, ...]] = {}
        self._values: dict[str, tuple[object, ...]] = {}
        self._registered: set[str] = set()
        self._sizes: dict[str, tuple[int, ...]] = {}
        self._containers: dict[str, dict[str, Any]] = {}
        self._process: dict[str, object] = {}
        self._noticed = dict(_noticed())
        self._note = self._noting  # one object, to be known again

    def begin(self) -> None:
        """Watch from here on, in threads that start from here on, too."""
        self._compare(None)
        self._registered = set(self._names)
        if "threading" in sys.modules:
            sys.modules["threading"].setprofile(self._in_thread)
        sys.setprofile(self._note)

    def end(self) -> bool:
        """Watch no more; return whether everything was seen."""
        complete = sys.getprofile() is self._note
        sys.setprofile(None)
        if "threading" in sys.modules:
            sys.modules["threading"].setprofile(None)
        return complete

    def _noting(self, frame: "FrameType", event: str, argument: object) -> None:
        try:
            self._take(frame, event, argument)
        except Exception as exc:  # noqa: BLE001 - of objects that are the user's own
            for module in self._stack:
                self.found.setdefault(module.name, f"cannot be judged: {type(exc).__name__}")

    def _take(self, frame: "FrameType", event: str, argument: object) -> None:
        if event == "call":
            code = frame.f_code
            self.called.add(code)
            if code.co_name == "<module>" and _is_module(frame):
                self._compare(self._stack[-1] if self._stack else None)
                self._stack.append(Execution(frame.f_globals["__name__"], code.co_filename))
            elif self._stack:
                self._meet(frame, code)
        elif event == "c_call":
            if self._stack and argument in self._noticed:
                self._report(self._stack[-1], self._noticed[argument], "calls {}()")
        elif event == "return" and frame.f_code.co_name == "<module>" and _is_module(frame):
            if self._stack and self._stack[-1].name == frame.f_globals["__name__"]:
                self._compare(self._stack[-1])
                self._compare_objects(self._stack.pop())
            if self._stack == [] and "threading" in sys.modules:
                sys.modules["threading"].setprofile(self._in_thread)

    def _in_thread(self, frame: "FrameType", event: str, argument: object) -> None:
        del argument
        if event == "call":
            self.called.add(frame.f_code)
            if frame.f_code.co_name == "<module>" and _is_module(frame):
                self.found.setdefault(frame.f_globals["__name__"], "is imported in a thread")

    def _report(self, module: "Execution | None", what: str, words: str = "changes {}") -> None:
        if module is not None and not (module.is_standard and what in OWN_AFFAIR):
            self.found.setdefault(module.name, words.format(what))

    def _meet(self, frame: "FrameType", code: "CodeType") -> None:
        """Remember an object whose method is called, and what a function has in its closure."""
        module = self._stack[-1]
        if module.name in self.found:
            return
        if code.co_argcount:
            first = frame.f_locals.get(code.co_varnames[0])
            if code.co_name in {"__init__", "__new__"}:
                module.born[id(first)] = first
            elif first is not None and id(first) not in module.born:
                self._remember(module, first)
        if code.co_freevars and code.co_filename != getattr(
            sys.modules.get(module.name), "__file__", None
        ):
            for name in code.co_freevars:
                value = frame.f_locals.get(name)
                if _is_counted(value) and "cache" not in name.lower():
                    words = f"{name} in {code.co_qualname}() of {frame.f_globals.get('__name__')}"
                    module.seen.setdefault(id(value), (value, _size, _size(value), words))

    def _remember(self, module: Execution, first: object) -> None:
        if id(first) in module.seen or isinstance(first, MODULE):
            return
        if isinstance(first, type):
            for one in first.__mro__:
                if id(one) not in module.seen and _is_foreign(one, module):
                    words = f"the class {one.__name__} of {one.__module__}"
                    module.seen[id(one)] = (one, _class_state, _class_state(one), words)
        elif _is_foreign(type(first), module):
            words = f"an object {type(first).__name__} of {type(first).__module__}"
            module.seen[id(first)] = (first, _object_state, _object_state(first), words)

    def _compare_objects(self, module: Execution) -> None:
        for value, read, before, words in module.seen.values():
            if read(value) != before:
                self._tell_of(module, words.rpartition(" of ")[2], words)

    def _compare(self, module: "Execution | None") -> None:
        """Find what has changed since the last time, which this module has done."""
        own = module.name if module else ""
        for name, value in list(sys.modules.items()):
            if not isinstance(value, MODULE) or name.startswith("_frozen_importlib"):
                continue
            space = MODULE.__getattribute__(value, "__dict__")
            values, before = tuple(space.values()), self._values.get(name)
            # Not by `id`, of each use of which the audit hook hears.
            if before is None or len(values) != len(before) or not all(map(is_, values, before)):
                if before is not None and name != own:
                    known = dict(zip(self._names[name], before, strict=False))
                    self._compare_names(module, name, space, known)
                self._values[name], self._names[name] = values, tuple(space)
                self._containers[name] = {
                    attribute: one
                    for attribute, one in list(space.items())
                    if _is_counted(one) and not _is_passing(name, attribute)
                }
                self._sizes.pop(name, None)
            containers = self._containers[name]
            sizes = tuple(map(len, containers.values()))
            sizes_before = self._sizes.get(name, sizes)
            if sizes != sizes_before and name != own:
                pairs = zip(containers, sizes, sizes_before, strict=False)
                what = f"{name}.{next(one for one, new, old in pairs if new != old)}"
                self._tell_of(module, name, what)
            self._sizes[name] = sizes
        process = _process()
        for what, state in process.items():
            before_that = self._process.get(what)
            if before_that is not None and state != before_that:
                self._report(module, what)
        if module is not None:
            self._compare_loggers(module)
            self._compare_registered(module)
        self._process = {**process, **_loggers()}

    def _compare_names(
        self,
        module: "Execution | None",
        name: str,
        space: "dict[str, Any]",
        known: "dict[str, object]",
    ) -> None:
        """Find a name that another module has changed."""
        # It adds what it has late by itself; an extension module may still be at its beginning.
        may_grow = "__getattr__" in space or _is_extension(space)
        for attribute, value in list(space.items()):
            is_new = may_grow and attribute not in known
            is_same = is_new or known.get(attribute, ...) is value
            if not is_same and not _is_expected(name, attribute, space):
                self._tell_of(module, name, f"{name}.{attribute}")
        for attribute in known.keys() - space.keys():
            self._tell_of(module, name, f"{name}.{attribute}")

    def _tell_of(self, module: "Execution | None", home: str, what: str) -> None:
        """Note a change in another module, which of the standard library's concerns itself."""
        if module is not None and not (module.is_standard and _is_standard(home)):
            self.found.setdefault(module.name, f"changes {what}")

    def _compare_registered(self, module: Execution) -> None:
        """Find modules that were not imported, and are there under a name all the same."""
        new = self._names.keys() - self._registered
        self._registered |= new
        for name in new:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            expected = getattr(spec, "name", "") == name or name.rpartition(".")[0] in new
            if not expected and not name.startswith(f"{module.name}."):
                self._tell_of(module, "sys", f"sys.modules[{name!r}]")

    def _compare_loggers(self, module: Execution) -> None:
        if "the logger root" not in self._process:  # nor was there any
            return
        top = module.name.partition(".")[0]
        for name, state in _loggers().items():
            plain = name.removeprefix("the logger ")
            if state != self._process.get(name, _NEW_LOGGER) and plain.partition(".")[0] != top:
                self._report(module, name)


_NEW_LOGGER = ((), 0, True, False)


def _noticed() -> "Iterable[tuple[object, str]]":
    for name in CALLS:
        module, _, function = name.partition(".")
        if found := getattr(sys.modules.get(module), function, None):
            yield found, name


def _is_module(frame: "FrameType") -> bool:
    # Not what `exec` was given.
    file = frame.f_code.co_filename
    return file == frame.f_globals.get("__file__") or file.startswith("<frozen ")


def _is_foreign(kind: type, module: Execution) -> bool:
    home = getattr(kind, "__module__", None)
    if type(kind).__module__ == "enum":  # it remembers combinations
        return False
    return isinstance(home, str) and home != module.name and not home.startswith(PASSING)


def _is_passing(module: str, attribute: str) -> bool:
    """Whether a name is for what only spares work, or for the import system's own."""
    return (
        "cache" in attribute.lower()
        or (module == "sys" and attribute in {"modules", "lazy_modules"})
        or module.startswith(("importlib", "logging", "typing"))
        or attribute in {"__warningregistry__", "__path__", "__annotations__", "__builtins__"}
    )


def _is_expected(module: str, attribute: str, space: "dict[str, Any]") -> bool:
    if _is_passing(module, attribute):
        return True
    member = sys.modules.get(f"{module}.{attribute}")  # which the import system puts there
    return member is not None and space.get(attribute) is member


def _is_extension(space: "dict[str, Any]") -> bool:
    return not str(space.get("__file__") or "").endswith(".py")


def _is_standard(module: str) -> bool:
    file = str(getattr(sys.modules.get(module), "__file__", None) or STANDARD)
    return file.startswith(STANDARD) and "-packages/" not in file


def _state_of(space: "Any") -> object:
    return {
        name: (id(value), _size(value))
        for name, value in list(space.items())
        if "cache" not in str(name).lower()
    }


def _is_counted(value: object) -> bool:
    return getattr(type(value), "__len__", None) in COUNTED


def _size(value: "Any") -> int:
    return len(value) if _is_counted(value) else 0


def _class_state(kind: type) -> object:
    return _state_of(type.__dict__["__dict__"].__get__(kind))


def _object_state(value: object) -> object:
    size = _size(value)
    try:
        space = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return size
    return size, _state_of(space) if isinstance(space, dict) else None


def _process() -> "dict[str, object]":
    """Return what the interpreter keeps for the whole process."""
    locale, socket = sys.modules.get("_locale"), sys.modules.get("_socket")
    try:
        folder = posix.getcwd()
    except OSError:
        folder = ""
    return {
        "sys.path": list(map(id, sys.path)),
        "sys.meta_path": list(map(id, sys.meta_path)),
        "sys.path_hooks": list(map(id, sys.path_hooks)),
        "the environment": dict(posix.environ),
        "the working directory": folder,
        "a signal handler": [id(_signal.getsignal(one)) for one in _signal.valid_signals()],
        "the number of threads": _thread._count(),  # noqa: SLF001
        "the filters of warnings": list(map(id, _warnings.filters)),
        "atexit": atexit._ncallbacks(),  # noqa: SLF001
        "abc": _abc.get_cache_token(),
        "the garbage collector": (gc.get_threshold(), gc.isenabled(), len(gc.callbacks)),
        "the recursion limit": sys.getrecursionlimit(),
        "the switch interval": sys.getswitchinterval(),
        "the locale": locale and locale.setlocale(LC_ALL),
        "the default timeout of sockets": socket and socket.getdefaulttimeout(),
        "what is printed": _written(),
    }


def _written() -> "tuple[int, ...]":
    positions = []
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
            positions.append(posix.lseek(descriptor, 0, SEEK_CUR))
        except Exception:  # noqa: BLE001, S112 - it may be closed, a pipe, or the user's own
            continue
    return tuple(positions)


def _loggers() -> "dict[str, object]":
    """Return what is set at each logger that exists, by its name."""
    logging = sys.modules.get("logging")
    root = getattr(logging, "root", None)
    if root is None:
        return {}
    manager = root.manager
    loggers = {"root": root, **manager.loggerDict}
    return {
        f"the logger {name}": (
            tuple(id(one) for one in logger.handlers if type(one).__name__ != "NullHandler"),
            logger.level,
            logger.propagate,
            logger.disabled,
        )
        for name, logger in list(loggers.items())
        if hasattr(logger, "handlers")
    }
