"""Runs in the function's interpreter, before the runtime: notes where the time goes.

It must change nothing that a function can notice: it loads only what every interpreter has built
in, keeps to its own namespace, and names its frames as the import system's own, so that tracebacks
leave them out. What it hooks are two functions of the import system, through which every module of
every importer passes; a function may replace `__import__`, or put finders and hooks of its own, and
is still seen.

Each record is a line written at once, so that one which never ends, exits or crashes leaves what
was known by then. Times are those of CLOCK_MONOTONIC in ns, which is the same in all processes.
"""

import _frozen_importlib
import _frozen_importlib_external
import _imp
import _thread
import builtins
import gc
import posix
import sys
from time import perf_counter_ns as clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Kinds of work, as indices of a module's list of times.
EXECUTE, UNMARSHAL, COMPILE, LIBRARY, COLLECT, FIND = range(6)
KINDS = {
    builtins.exec: EXECUTE,
    builtins.compile: COMPILE,
    _imp.create_dynamic: LIBRARY,
    _imp.exec_dynamic: LIBRARY,
}
IMPORT_SYSTEM = "<frozen importlib"
# Of the loops at the top of a module, what is beyond is counted with its last line.
MAX_LINE_EVENTS = 20_000
# The tools 0 to 2 and 5 have owners by name: debugger, coverage, profiler, optimizer.
TOOL = 4
NATIVE = (
    type(len),
    type(str.join),
    type(object.__init__),
    type(object().__str__),
    type(dict.__dict__["fromkeys"]),
)


class ProbeSpan:
    """Work that is going on: its kind, what its parts took, and a module's times by kind."""

    __slots__ = ("began", "inner", "kind", "name", "times", "window")

    def __init__(self, kind: int, name: str = "") -> None:
        self.kind = kind
        self.name = name
        self.inner = 0
        self.times = [0] * 6 if name else None
        self.window: str | None = None
        self.began = clock()


class Probe:
    """What is noted of one process, by thread."""

    def __init__(self, path: str, handler: str, task_root: str, own: str) -> None:
        """Write to `path`. `own` names the top modules of the user's in the task root."""
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
        self.descriptor = posix.open(path, flags, 0o600)
        self.process = posix.getpid()
        self.main = _thread.get_ident()
        self.handler = handler
        self.task_root = task_root
        self.own = set(own.split(",")) - {""}
        self.stacks: dict[int, list[ProbeSpan]] = {self.main: []}
        self.lines: Lines | None = None
        self.usage: Usage | None = None

    def write(self, *record: object) -> None:
        """Append a record, unless this is a child process; never fail."""
        try:
            if posix.getpid() == self.process:
                posix.write(self.descriptor, ascii(record).encode() + b"\n")
        except Exception:  # noqa: BLE001, S110 - descriptors are closed, or the disk is full
            pass

    def stack(self) -> "list[ProbeSpan]":
        """Return what is going on in the calling thread."""
        ident = _thread.get_ident()
        if ident not in self.stacks:
            self.stacks[ident] = []
        return self.stacks[ident]

    def is_own(self, path: str) -> bool:
        """Return whether a file is the user's own: in the task root, and of no distribution."""
        if not path.startswith(self.task_root + "/"):
            return False
        top = path[len(self.task_root) + 1 :].partition("/")[0].partition(".")[0]
        return top in self.own

    def begin(self, span: ProbeSpan) -> "list[ProbeSpan]":
        """Note that work begins; return what is to be given to `end`."""
        stack = self.stack()
        stack.append(span)
        return stack

    def end(self, span: ProbeSpan, stack: "list[ProbeSpan]") -> int:
        """Note that work has ended; return how long it took by itself."""
        spent = clock() - span.began
        while stack and stack.pop() is not span:
            pass
        alone = spent - span.inner
        if span.times is None:
            module = next((one for one in reversed(stack) if one.times), None)
            if module is not None and module.times is not None:
                module.times[span.kind] += alone
        if stack:
            stack[-1].inner += spent
        return alone


def install(probe: Probe) -> None:
    """Have all imports and collections noted from now on."""
    wrappers = (_loads(probe), _calls(probe), _bytecode(probe))
    for wrapper in wrappers:
        _as_import_system(wrapper)
        for home in (_frozen_importlib, _frozen_importlib_external):
            if wrapper.__name__ in vars(home):
                setattr(home, wrapper.__name__, wrapper)
    gc.callbacks.append(_collections(probe))


def _loads(probe: Probe) -> "Any":
    """Return what takes the place of what loads a module that is not there yet."""
    original = _frozen_importlib._find_and_load  # type: ignore[attr-defined]  # noqa: SLF001

    def _find_and_load(name: str, import_: "Any") -> "Any":
        span = ProbeSpan(FIND, name)
        importer, line = _importer(sys._getframe(1))  # noqa: SLF001
        stack = probe.begin(span)
        in_thread = _thread.get_ident() != probe.main
        if name == probe.handler and not in_thread:
            probe.write("handler", span.began)
        probe.write("begin", name, span.began)
        if probe.usage is not None:
            probe.usage.opened(span, importer, stack)
        failure = ""
        try:
            return original(name, import_)
        except BaseException as exc:
            failure = type(exc).__name__
            raise
        finally:
            times: list[int] = span.times or []
            times[FIND] = probe.end(span, stack)
            parent = next((one.name for one in reversed(stack) if one.times), "")
            probe.write(
                *("module", name, span.began, clock(), times, parent, failure),
                *(in_thread, importer, line, *_origin(name)),
            )
            if name == "snapboot.archive":
                _watch_archive(probe)
            if probe.usage is not None:
                probe.usage.closed(span)

    return _find_and_load


def _calls(probe: Probe) -> "Any":
    """Return what takes the place of what calls into a module, the compiler or a library."""
    original = _frozen_importlib._call_with_frames_removed  # type: ignore[attr-defined]  # noqa: SLF001

    def _call_with_frames_removed(f: "Any", *args: "Any", **kwds: "Any") -> "Any":
        kind = KINDS.get(f) if type(f) is type(builtins.exec) else None
        if kind is None:
            return original(f, *args, **kwds)
        span = ProbeSpan(kind)
        stack = probe.begin(span)
        lines = probe.lines if kind == EXECUTE else None
        if lines is not None and not lines.begin(args[0], span):
            lines = None
        try:
            return f(*args, **kwds)
        finally:
            if lines is not None:
                lines.end()
            probe.end(span, stack)

    return _call_with_frames_removed


def _bytecode(probe: Probe) -> "Any":
    """Return what takes the place of what makes code of bytecode."""
    original = _frozen_importlib_external._compile_bytecode  # type: ignore[attr-defined]  # noqa: SLF001

    def _compile_bytecode(*args: "Any", **kwds: "Any") -> "Any":
        span = ProbeSpan(UNMARSHAL)
        stack = probe.begin(span)
        try:
            return original(*args, **kwds)
        finally:
            probe.end(span, stack)

    return _compile_bytecode


def _watch_archive(probe: Probe) -> None:
    """Note what our module archive unmarshals, too: it has no use for the import system's."""
    archive = sys.modules.get("snapboot.archive")
    original = getattr(archive, "loads", None)
    if original is None:
        return

    def loads(content: "Any") -> "Any":
        span = ProbeSpan(UNMARSHAL)
        stack = probe.begin(span)
        try:
            return original(content)
        finally:
            probe.end(span, stack)

    _as_import_system(loads)
    archive.loads = loads  # type: ignore[union-attr]


def _collections(probe: Probe) -> "Any":
    """Return what the garbage collector is to call before and after its work."""
    running: list[ProbeSpan] = []

    def collected(phase: str, _details: object) -> None:
        if phase == "start":
            running.append(ProbeSpan(COLLECT))
            probe.begin(running[-1])
        elif running:
            probe.end(running.pop(), probe.stack())

    return collected


def _as_import_system(function: "Any") -> None:
    """Have tracebacks leave a function's frame out, as they do with the import system's."""
    function.__code__ = function.__code__.replace(co_filename="<frozen importlib._bootstrap>")


def _importer(frame: "Any") -> "tuple[str, int]":
    """Return the module and the line that asked for an import."""
    while frame is not None and frame.f_code.co_filename.startswith(IMPORT_SYSTEM):
        frame = frame.f_back
    if frame is None:
        return "", 0
    name = frame.f_globals.get("__name__")
    return (name if type(name) is str else "", frame.f_lineno or 0)


def _origin(name: str) -> "tuple[str, str, str]":
    """Return a module's file, that of its bytecode, and the name of its loader's class."""
    spec = getattr(sys.modules.get(name), "__dict__", {}).get("__spec__")
    texts = (getattr(spec, "origin", None), getattr(spec, "cached", None))
    origin, cached = (str(text) if type(text) is str else "" for text in texts)
    loader = getattr(spec, "loader", None)
    kind = loader if isinstance(loader, type) else type(loader)
    return origin, cached, kind.__name__


class Lines:
    """How long the lines at the top of the user's own modules take (CPython 3.12 and later)."""

    def __init__(self, probe: Probe) -> None:
        """Take the tool that no other is likely to use. Raises ValueError if one does."""
        self.monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        self.monitoring.use_tool_id(TOOL, "snapboot profile")
        self.probe = probe
        self.count = 0
        self.stack: list[list[Any]] = []
        self.events = self.monitoring.events
        self.monitoring.register_callback(TOOL, self.events.LINE, self.reached)

    def begin(self, code: "Any", span: ProbeSpan) -> bool:
        """Follow the body of a module of the user's own; return whether that is done."""
        path = getattr(code, "co_filename", "")
        if _thread.get_ident() != self.probe.main or not self.probe.is_own(path):
            return False
        self.stack.append([code, span, 0, span.began, 0, {}])
        self.monitoring.set_local_events(TOOL, code, self.events.LINE)
        return True

    def reached(self, code: "Any", line: int) -> "Any":
        """Note the time of the line before."""
        if not self.stack or self.stack[-1][0] is not code:
            return None
        self.count += 1
        self._close(line)
        return self.monitoring.DISABLE if self.count > MAX_LINE_EVENTS else None

    def end(self) -> None:
        """Write what the lines of a module took, each less the imports in it."""
        self._close(0)
        code, *_, spent = self.stack.pop()
        slow = [(line, ns) for line, ns in spent.items() if line and ns >= 100_000]
        self.probe.write("lines", code.co_filename, slow)
        try:  # noqa: SIM105 - contextlib must not be loaded
            self.monitoring.set_local_events(TOOL, code, 0)
        except ValueError:  # the function has freed all tools
            pass

    def _close(self, line: int) -> None:
        last = self.stack[-1]
        _, span, before, began, inner, spent = last
        now = clock()
        spent[before] = spent.get(before, 0) + now - began - (span.inner - inner)
        last[2:5] = line, now, span.inner


class Usage:
    """Which of the modules that the user's own code imports are ever called after their import.

    A window is such an import: all that is loaded within it goes with it. What is called while it
    is open belongs to it, too, and says nothing.
    """

    def __init__(self, probe: Probe) -> None:
        """Watch every call; a run that does this is not timed."""
        self.probe = probe
        self.windows: dict[str, str] = {}  # of each file, and of each module's name
        self.open: set[str] = set()
        self.used: set[str] = set()
        self.needed: dict[str, str] = {}
        if hasattr(sys, "monitoring"):
            monitoring = self.monitoring = sys.monitoring
            monitoring.use_tool_id(TOOL, "snapboot profile")
            events = monitoring.events
            monitoring.register_callback(TOOL, events.PY_START, self.started)
            monitoring.register_callback(TOOL, events.CALL, self.called)
            monitoring.set_events(TOOL, events.PY_START | events.CALL)
        else:
            sys.setprofile(self.profiled)

    def opened(self, span: ProbeSpan, importer: str, stack: "list[ProbeSpan]") -> None:
        """Note the begin of an import, which opens a window where the user's own code does it."""
        if importer:
            file = getattr(sys.modules.get(importer), "__file__", None)
            if type(file) is str and self.probe.is_own(file) and not self._is_own(span.name):
                span.window = span.name
                self.open.add(span.name)
                return
        span.window = stack[-2].window if len(stack) > 1 else None
        if span.window is None:
            span.window = next((one.window for one in reversed(stack) if one.window), None)

    def closed(self, span: ProbeSpan) -> None:
        """Note the end of an import."""
        if span.window is None:
            return
        self.windows.setdefault(span.name, span.window)
        origin = _origin(span.name)[0]
        if origin:
            self.windows.setdefault(origin, span.window)
        if span.window == span.name:
            self.open.discard(span.name)

    def find_needed(self) -> None:
        """Note the windows whose modules others hold, too: they would be loaded in any case."""
        for name, module in list(sys.modules.items()):
            space = getattr(module, "__dict__", None)
            if type(space) is not dict or self._is_own(name) or name == "__main__":
                continue
            for value in list(space.values()):
                if type(value) is type(sys):
                    source = value.__dict__.get("__name__")
                elif type(value) in (type, type(_importer)) or type(value) in NATIVE:
                    source = getattr(value, "__module__", None)
                else:
                    continue
                window = self.windows.get(source) if type(source) is str else None
                if window is not None and window != self.windows.get(name):
                    self.needed.setdefault(window, name)
        for window, name in self.needed.items():
            self.probe.write("needed", window, name)

    def _is_own(self, name: str) -> bool:
        return name.partition(".")[0] in self.probe.own

    def started(self, code: "Any", _offset: int) -> "Any":
        """Take note of a function of Python that is called."""
        return self._seen(self.windows.get(code.co_filename))

    def called(self, _code: "Any", _offset: int, function: "Any", _first: object) -> None:
        """Take note of a function of C that is called."""
        if type(function) in NATIVE:
            owner = getattr(function, "__objclass__", None)
            if owner is None and type(function) in (NATIVE[0], NATIVE[3]):
                held = function.__self__
                owner = None if type(held) is type(sys) else type(held)
            source = function if owner is None else owner
        elif type(function) is type:
            source = function
        else:
            return
        name = getattr(source, "__module__", None)
        if type(name) is str:
            self._seen(self.windows.get(name))

    def profiled(self, frame: "Any", event: str, argument: "Any") -> None:
        """Do both before CPython 3.12."""
        if event == "call":
            self.started(frame.f_code, 0)
        elif event == "c_call":
            self.called(None, 0, argument, None)

    def _seen(self, window: "str | None") -> "Any":
        if window is None or window in self.open:
            return None
        if window not in self.used:
            self.used.add(window)
            self.probe.write("used", window)
        return None


def make_lazy(names: "frozenset[str]") -> None:
    """Have the imports of these packages wait for their first use (CPython 3.15, PEP 810)."""

    def waits(_importer: str, imported: str, _names: object) -> bool:
        return imported.partition(".")[0] in names or imported in names

    sys.set_lazy_imports_filter(waits)  # type: ignore[attr-defined]
    sys.set_lazy_imports("all")  # type: ignore[attr-defined]


def start(options: "dict[str, str]", began: int) -> None:
    """Begin to note, as the options say."""
    if options.get("lazy"):
        make_lazy(frozenset(options["lazy"].split(",")))
    if not options.get("record"):
        return
    probe = Probe(
        options["record"], options["handler"], options["task_root"], options.get("own", "")
    )
    try:
        if options["mode"] == "usage":
            probe.usage = Usage(probe)
        elif hasattr(sys, "monitoring"):
            probe.lines = Lines(probe)
    except ValueError:  # something that came with the interpreter has the tool
        probe.write("no tool")
    install(probe)
    probe.write("start", began, clock(), sys.version_info[:3], sys.implementation.cache_tag)


def run(kind: str, target: str, arguments: "list[str]", namespace: "dict[str, Any]") -> None:
    """Go on as the interpreter would have: with a script, a module (`-m`) or code (`-c`)."""
    for name in [name for name in namespace if not name.startswith("__")]:
        del namespace[name]
    if kind == "module":
        sys.argv[:] = [target, *arguments]
        if not sys.flags.safe_path:
            sys.path[0] = posix.getcwd()
        import runpy  # noqa: PLC0415 - as `python -m` does

        runpy._run_module_as_main(target)  # type: ignore[attr-defined]  # noqa: SLF001
        return
    sys.argv[:] = [target if kind == "script" else "-c", *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = target.rpartition("/")[0] if kind == "script" else ""
    namespace["__spec__"] = None
    if kind == "script":
        with open(target, "rb") as file:  # noqa: PTH123 - pathlib must not be loaded
            source = file.read()
        loader = _frozen_importlib_external.SourceFileLoader("__main__", target)
        namespace.update(__file__=target, __loader__=loader)
        exec(compile(source, target, "exec", dont_inherit=True), namespace)  # noqa: S102
    else:
        for name in ("__file__", "__cached__"):
            namespace.pop(name, None)
        exec(compile(target, "<string>", "exec", dont_inherit=True), namespace)  # noqa: S102
