"""A process of its own that starts the runtime as Lambda does, and reports what that imports.

Started bare, `python -SsP tracing.py ANSWER NOTES RUNTIME LAYER WATCHED COUNT [EVENT…]
[INCLUDED…]`, in the function's environment: the runtime's own `main` runs, with its logging, its
`sys.path` and its settings, and stops where it would ask for the first event, or after the events
that are given. Nothing is asked of a network. Whatever this file
imported itself before the handler would be taken for the function's: it makes do with what each
interpreter has loaded already. ANSWER is a descriptor for the answer, in `marshal`: a `json` may be
the user's own. NOTES is one for what is to be known of an import that never ends.
"""

import faulthandler
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    PathFinder,
    SourceFileLoader,
)
from marshal import dumps
from signal import SIGUSR2
from time import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from snapboot.api import ErrorReport

    # Name, file, whether it is Python source, size in bytes, time of change in ns.
    Found = tuple[str, str, bool, int, int]
    # A file with data: path, size in bytes, time of change in ns, and what was made of it.
    File = tuple[str, int, int, bytes]
    # What an adapter has: the files, by folder what it knows of them, and [(folder, pattern)] of
    # names that it goes by.
    Data = tuple[list[File], dict[str, Any], list[tuple[str, str]]]

# Ours alone: what a function has of these names is never sealed.
OURS = ("awslambdaric", "snapboot", "snapshot_restore_py", "__main__")
LAYERS = "/opt"
# Given as LAYER where the layers are at their own place, or there are none.
IN_PLACE = "-"
MAX_NOTED = 20
# Given as WATCHED for the calls to be noted; the events are handled then.
WATCHED = "calls"
# What sees to the data that a module parses. `--include MODULE:NAME` has it take more.
ADAPTERS = {
    "botocore.hooks": "botocore_hooks",
    "botocore.loaders": "botocore_data",
    "importlib.metadata": "entry_points",
    "importlib_metadata": "entry_points",
}


class ImportOrder:
    """A finder that finds nothing, and notes the order in which modules are begun.

    `sys.modules` has the order in which they were completed; the code is read in this one.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Note the name."""
        del path, target
        self.names.setdefault(name)


class Notes:
    """An audit hook that writes down which hosts, and which files of layers, the function asks for.

    At once: of a process that has to be killed nothing else is left. `opened` are all files.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._known: set[str] = set()
        self.opened: dict[str, None] = {}

    def hear(self, event: str, arguments: "tuple[Any, ...]") -> None:
        """Take what `sys.audit` passes on."""
        if event == "open":
            path = arguments[0]
            if isinstance(path, str):
                self.opened[path] = None
                if path.startswith(f"{LAYERS}/"):
                    self._note(f"file {path}")
        elif event == "socket.getaddrinfo":
            self._note(f"host {_text(arguments[0])}:{_text(arguments[1])}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            self._note(f"host {_text(arguments[1][0])}:{arguments[1][1]}")

    def _note(self, text: str) -> None:
        if text not in self._known and len(self._known) < MAX_NOTED:
            self._known.add(text)
            line = " ".join(text.splitlines()) + "\n"
            posix.write(self._descriptor, line.encode("utf-8", "backslashreplace"))


class InitTrace:
    """What is known so far of one Function Init; `answer` is where the outcome goes."""

    def __init__(self, answer: int, layers: str, included: "list[str]", notes: Notes) -> None:
        self._answer = answer
        self._notes = notes
        self._layers = layers
        self._included = included
        self._path = sys.path[:]
        self._packages: list[str] = []
        self._before: set[str] = set()
        self._order = ImportOrder()
        self._watch: Any = None
        self._events: list[str] = []
        self._handled = 0
        self.error: BaseException | None = None

    def watch(self, events: "list[str]") -> None:
        """Note what is called, in Function Init and for these events, and what imports change."""
        self._watch = _beside("effects").EffectWatch()
        self._events = events

    def next_event(self) -> "bytes | None":
        """Return an event that is still to be handled."""
        self._handled += 1
        return (
            None if self._handled > len(self._events) else self._events[self._handled - 1].encode()
        )

    def fail_event(self, failure: "dict[str, Any]") -> "NoReturn":
        """Answer that the handler fails for the event at hand."""
        self.end({**failure, "event": self._handled})

    def begin(self) -> None:
        """Take note of what is there when the handler's import begins, as on Lambda."""
        added = [folder for folder in filter(_is_text, sys.path) if folder not in self._path]
        here = [folder for folder in added if not folder.startswith(f"{self._layers}/")]
        self._packages = [folder for folder in here if folder.endswith("-packages")]
        self._before = set(sys.modules)
        sys.meta_path.insert(0, self._order)
        if self._watch is not None:
            self._watch.begin()

    def succeed(self) -> "NoReturn":
        """Answer with what there is to seal, now that Function Init is over.

        That is {"modules": [Found], "packages": [folder], "path": `sys.path`,
        "patterns": [Pattern], "data": {module: Data}, "called": [(file, name, line)], "effects":
        {module: what it changes}, "complete": whether all of these was seen}; in place of Data
        there may be the reason why there is none.
        """
        complete = self._watch is None or self._watch.end()
        try:
            outcome = self._found()
        except BaseException as exc:  # noqa: BLE001 - it is user code; the answer carries it
            self.fail(exc)
        self.end({**outcome, "complete": complete})

    def fail(self, error: BaseException) -> "NoReturn":
        """Answer with what went wrong."""
        self.end(_failure(error))

    def _found(self) -> "dict[str, Any]":
        for name in self._included:
            __import__(name.partition(":")[0].removesuffix(".*"))
        begun = filter(_is_text, {**self._order.names, **sys.modules})
        loaded = [name for name in begun if name in sys.modules]
        names = [name for name in loaded if name not in self._before and not _is_ours(name)]
        found = {spec.name: spec for name in names if (spec := _spec(name))}
        for name in self._included:
            if name.endswith(".*"):
                _add_members(name.removesuffix(".*"), found)
        modules = [_described(spec) for spec in found.values()]
        path = list(filter(_is_text, sys.path))
        packages = self._packages
        patterns = _beside("patterns").compiled()
        opened = list(self._notes.opened)
        data = {}
        for module, adapter in ADAPTERS.items():
            names = [name for name in self._included if name.startswith(f"{module}:")]
            wanted = [name.partition(":")[2] for name in names]
            found_data = _beside(adapter).data(module, opened, wanted)
            if found_data is not None:
                data[module] = found_data
        return {
            "modules": modules,
            "packages": packages,
            "path": path,
            "patterns": patterns,
            "data": data,
            "called": [
                (code.co_filename, code.co_name, code.co_firstlineno)
                for code in (self._watch.called if self._watch else ())
            ],
            "effects": self._watch.found if self._watch else {},
        }

    def end(self, outcome: "dict[str, Any]") -> "NoReturn":
        """Answer, and end the process at once."""
        content = memoryview(dumps(outcome, 4))
        while content:
            content = content[posix.write(self._answer, content) :]
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # noqa: BLE001, S112 - it may be closed, or the user's own
                continue
        posix._exit(0)  # noqa: SLF001 - threads of the function's may run


def main(arguments: "list[str]") -> "NoReturn":
    """Run the runtime up to its first `next`, answer, and end at once."""
    answer, notes = map(int, arguments[:2])
    runtime, layer, watched, count, *rest = arguments[2:]
    events, included = rest[: int(count)], rest[int(count) :]
    for descriptor in (answer, notes):  # no child process inherits them
        posix.set_inheritable(descriptor, False)  # noqa: FBT003 - takes no keyword
    faulthandler.register(SIGUSR2, file=notes, all_threads=False)
    heard = Notes(notes)
    sys.addaudithook(heard.hear)
    trace = InitTrace(answer, LAYERS if layer == IN_PLACE else layer, included, heard)
    if watched == WATCHED:
        trace.watch(events)
    try:
        _run(runtime, layer, trace)
    except BaseException as exc:  # noqa: BLE001 - it is user code; the answer carries it
        trace.fail(exc)


def _run(  # noqa: C901 - with classes of what the runtime has
    runtime: str, layer: str, trace: InitTrace
) -> "NoReturn":
    """Hand over to the runtime's `main`, which comes back by way of `trace`."""
    sys.path.insert(0, runtime)
    from snapboot import handler  # noqa: PLC0415 - from the folder that was named
    from snapboot import main as start  # noqa: PLC0415
    from snapboot.api import Invocation, RuntimeAPI  # noqa: PLC0415

    del sys.path[0]
    if layer != IN_PLACE:
        handler.LAYERS = f"{layer}/python"
    original = handler.load

    def load() -> "Any":
        trace.begin()
        try:
            return original()
        except BaseException as exc:
            trace.error = exc  # by the time that the runtime reports it, it is handled
            raise

    class Watched(Invocation):
        """An event of the packager's; its answer goes nowhere, and an error ends it all."""

        def __init__(self, body: bytes) -> None:
            for name in Invocation.__slots__:
                setattr(self, name, "")
            self.body = body
            self.content_type = "application/json"
            self.request_id = "00000000-0000-0000-0000-000000000000"
            self.deadline_ms = int(time() * 1000) + 900_000
            self.function_arn = "arn:aws:lambda:us-east-1:123456789012:function:packaging"

        def succeed(self, body: "Any", content_type: str) -> None:
            """Go on with the next event, once all of a stream is there."""
            if not isinstance(body, bytes):
                body.send(self, content_type)

        def begin(self, content_type: str) -> "Any":
            del content_type
            return self

        def write(self, data: bytes) -> bool:
            del data
            return True

        async def write_soon(self, data: bytes) -> bool:
            del data
            return True

        def finish(self, upload: object, trailers: "list[tuple[str, str]]") -> None:
            del upload
            if trailers:
                words = {"type": trailers[0][1], "message": "amid its stream"}
                trace.fail_event({**words, "kind": "", "traceback": ""})

        def fail(self, report: "ErrorReport") -> "NoReturn":
            trace.fail_event(_reported(report))

    class Stopping(RuntimeAPI):
        """Comes to an end where the platform would come in."""

        def next_invocation(self) -> "Any":
            event = trace.next_event()
            return trace.succeed() if event is None else Watched(event)

        def restore_next(self) -> "NoReturn":
            trace.succeed()

        def init_error(self, report: "ErrorReport") -> "NoReturn":
            if trace.error is not None:
                trace.fail(trace.error)
            trace.end(_reported(report))

    vars(start).update(load=load, RuntimeAPI=Stopping)
    program = f"{runtime}/snapboot/__main__.py"
    sys.argv[:] = [program]
    start.main([sys.executable, "-SsP", program], [], runtime)


def _beside(name: str) -> "Any":
    """Return a module that is beside this one, without a mark in `sys.modules`."""
    file = f"{__file__.rpartition('/')[0]}/{name}.py"
    module = type(sys)(f"snapboot_in_target_{name}")
    module.__file__ = file
    code = SourceFileLoader(module.__name__, file).get_code(module.__name__)
    exec(code, vars(module))  # type: ignore[arg-type]  # noqa: S102 - our own file
    return module


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
    # Not `PathFinder`, to which a folder without `__init__.py` has a path only once it is imported.
    kinds = (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceFileLoader, SOURCE_SUFFIXES)
    finder = FileFinder(folder, *kinds)
    for member in sorted({name.partition(".")[0] for name in posix.listdir(folder)}):
        if not member.isidentifier() or member in {"__init__", "__pycache__"}:
            continue
        name = f"{package}.{member}"
        spec = finder.find_spec(name)
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

    `kind` is the type that the platform has for it, if it has one. `variable` is the environment
    variable whose absence it was, `module` the module that was not found, `files` are the sources
    that the failure passed through, the innermost one last.
    """
    fault = getattr(sys.modules.get("snapboot.faults"), "Fault", ())
    kind = error.error_type if isinstance(error, fault) else ""
    cause = error.__cause__ if kind else error
    text = "" if cause is None else _traceback(cause, chain=not kind)
    absent = cause if isinstance(cause, ModuleNotFoundError) else None
    return {
        "type": type(error).__name__,
        "kind": kind,
        "message": str(error),
        "traceback": text,
        "variable": "" if cause is None else _missing_variable(cause),
        "module": (absent.name or "") if absent else "",
        "file": _text(cause.filename) if isinstance(cause, FileNotFoundError) else "",
        "files": [] if cause is None else _files(cause),
    }


def _reported(report: "ErrorReport") -> "dict[str, Any]":
    """Return what the runtime reports of a failure beside the handler's import."""
    fields = report.fields
    document = {"type": fields["errorType"], "kind": "", "message": fields["errorMessage"]}
    return {**document, "traceback": "".join(fields["stackTrace"])}


def _missing_variable(error: BaseException) -> str:
    """Return the name of the environment variable that the function asked for in vain, or ""."""
    environ = getattr(sys.modules.get("os"), "environ", None)
    trace = error.__traceback__
    if not isinstance(error, KeyError) or trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    asked = trace.tb_frame.f_locals.get("self")
    return _text(error.args[0]) if error.args and environ is not None and asked is environ else ""


def _files(error: BaseException) -> "list[str]":
    found: dict[str, None] = {}
    trace = error.__traceback__
    while trace is not None:
        found.setdefault(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return list(found)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _traceback(cause: BaseException, *, chain: bool) -> str:
    from traceback import format_exception  # noqa: PLC0415 - the modules have been listed

    while cause.__traceback__ and _is_ours(
        cause.__traceback__.tb_frame.f_globals.get("__name__", "")
    ):
        cause.__traceback__ = cause.__traceback__.tb_next
    return "".join(format_exception(cause, chain=chain))


if __name__ == "__main__":
    main(sys.argv[1:])
