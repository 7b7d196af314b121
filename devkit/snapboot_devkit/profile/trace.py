"""What the probe wrote of one run, read back: modules as a tree, and phases.

All times are in ns since the spawn of the process.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host.protocol import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The parts of a module's own time, in the order of the probe's list.
PARTS: Final = ("execute", "unmarshal", "compile", "library", "collect", "find")
_COMPILE: Final = PARTS.index("compile")
# A record of a function that loads modules without end.
MAX_RECORD_BYTES: Final = 64 * MIB
_ARCHIVE_LOADERS: Final = frozenset({"ArchiveLoader", "PatternLoader"})
_EXTENSION_LOADERS: Final = frozenset({"ExtensionFileLoader", "NamespaceLoader"})


@dataclass(slots=True)
class ImportedModule:
    """One import that loaded a module, or failed to.

    `parts` are its own times by name, each less that of the modules imported in it. `parent` is the
    module in whose import this one was, `importer` and `line` who asked for it.
    """

    name: str
    began_ns: int
    ended_ns: int
    parts: dict[str, int]
    parent: str
    failure: str
    in_thread: bool
    importer: str
    line: int
    file: str
    cached: str
    loader: str
    children: list[ImportedModule] = field(default_factory=list)

    @property
    def self_ns(self) -> int:
        """Its own time, without the modules that were imported in it."""
        return sum(self.parts.values())

    @property
    def cumulative_ns(self) -> int:
        """Its time with that of the modules imported in it."""
        return self.self_ns + sum(child.cumulative_ns for child in self.children)

    @property
    def bytecode(self) -> str:
        """Where its code came from: `archive`, `valid`, `compiled`, or `-` where it has none."""
        if self.failure:
            return self.failure
        if self.loader in _ARCHIVE_LOADERS:
            return "archive"
        if self.parts["compile"]:
            return "compiled"
        if self.loader in _EXTENSION_LOADERS or not self.file.endswith((".py", ".pyc")):
            return "-"
        return "valid"

    def walk(self) -> Iterator[ImportedModule]:
        """Yield it and all that were imported in it, in the order of their beginning."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True)
class RunTrace:
    """One instrumented run. `ready_ns` is None for one that has not come to its first `next`."""

    ready_ns: int | None
    start_ns: int | None = None
    probe_ready_ns: int | None = None
    handler_ns: int | None = None
    python: str = ""
    roots: list[ImportedModule] = field(default_factory=list)
    lines: dict[str, dict[int, int]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    needed: dict[str, str] = field(default_factory=dict)
    # What was being imported when the record ended, the outermost first.
    open: list[str] = field(default_factory=list)
    damaged: int = 0

    def modules(self) -> Iterator[ImportedModule]:
        """Yield every module."""
        for root in self.roots:
            yield from root.walk()

    @property
    def probe_start_ns(self) -> int:
        """What the probe took to be ready: no part of any phase."""
        if self.start_ns is None or self.probe_ready_ns is None:
            return 0
        return self.probe_ready_ns - self.start_ns

    def phases(self) -> dict[str, int] | None:
        """Return the phases up to the first `next`, without the start of the probe."""
        if None in (self.ready_ns, self.start_ns, self.probe_ready_ns):
            return None
        assert self.ready_ns is not None
        assert self.start_ns is not None
        assert self.probe_ready_ns is not None
        handler = self.handler_ns if self.handler_ns is not None else self.ready_ns
        return {
            "interpreter": self.start_ns,
            "runtime_init": handler - self.probe_ready_ns,
            "function_init": self.ready_ns - handler,
        }

    def of_function_init(self) -> list[ImportedModule]:
        """Return the roots of what the main thread imported during Function Init."""
        if self.handler_ns is None:
            return []
        end = self.ready_ns if self.ready_ns is not None else 1 << 62
        return [
            root
            for root in self.roots
            if not root.in_thread and self.handler_ns <= root.began_ns < end
        ]

    def after_init(self) -> list[ImportedModule]:
        """Return the roots of what was imported by the events."""
        if self.ready_ns is None:
            return []
        return [root for root in self.roots if root.began_ns >= self.ready_ns]


def read(path: Path, started_ns: int, ready_ns: int | None) -> RunTrace:
    """Read a record; lines that cannot be read are counted, not raised."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RECORD_BYTES)
    except OSError:
        content = b""
    return parse(content.decode("ascii", "replace").splitlines(), started_ns, ready_ns)


def parse(lines: list[str], started_ns: int, ready_ns: int | None) -> RunTrace:
    """Read the lines of a record."""
    trace = RunTrace(ready_ns)
    flat: list[ImportedModule] = []
    for line in lines:
        try:
            kind, *rest = ast.literal_eval(line)
            _take(trace, flat, kind, rest, started_ns)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, LookupError):
            trace.damaged += 1
    trace.roots = _tree(flat)
    return trace


def _take(
    trace: RunTrace, flat: list[ImportedModule], kind: str, rest: list[Any], started_ns: int
) -> None:
    match kind:
        case "start":
            began, ready, version, _tag = rest
            trace.start_ns, trace.probe_ready_ns = began - started_ns, ready - started_ns
            trace.python = ".".join(map(str, version))
        case "handler":
            if trace.handler_ns is None:
                trace.handler_ns = int(rest[0]) - started_ns
        case "begin":
            trace.open.append(str(rest[0]))
        case "needed":
            trace.needed[str(rest[0])] = str(rest[1])
        case "module":
            _close(trace.open, str(rest[0]))
            flat.append(_module(rest, started_ns))
        case "lines":
            file, lines = rest
            spent = trace.lines.setdefault(str(file), {})
            for number, ns in lines:
                spent[int(number)] = spent.get(int(number), 0) + int(ns)
        case "used":
            trace.used.add(str(rest[0]))
        case _:
            trace.damaged += 1


def _close(names: list[str], name: str) -> None:
    for place in range(len(names) - 1, -1, -1):
        if names[place] == name:
            del names[place]
            return


def _module(rest: list[Any], started_ns: int) -> ImportedModule:
    name, began, ended, times, parent, failure, in_thread, importer, line, *origin = rest
    file, cached, loader = map(str, origin)
    parts = dict(zip(PARTS, map(int, times), strict=True))
    return ImportedModule(
        str(name),
        int(began) - started_ns,
        int(ended) - started_ns,
        parts,
        str(parent),
        str(failure),
        bool(in_thread),
        str(importer),
        int(line),
        file,
        cached,
        loader,
    )


def _tree(flat: list[ImportedModule]) -> list[ImportedModule]:
    """Put each module below the one in whose import it was.

    The packages of a module are imported within its import, but are not its doing: they are put
    beside it.
    """
    waiting: list[ImportedModule] = []
    for module in flat:  # in the order of their ends
        inside = [
            one
            for one in waiting
            if one.began_ns >= module.began_ns and one.in_thread == module.in_thread
        ]
        if inside:
            waiting = [one for one in waiting if one not in inside]
        for child in inside:
            if module.name.startswith(f"{child.name}."):
                waiting.append(child)
            else:
                module.children.append(child)
        module.children.sort(key=lambda one: one.began_ns)
        waiting.append(module)
    return sorted(waiting, key=lambda one: one.began_ns)
