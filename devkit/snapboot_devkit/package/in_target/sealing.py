"""A function's module archive: its modules found, compiled and written into the code's folder."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from . import lazy
from .archive import NAME, ArchiveData, ArchiveModule, archive, listing_hash
from .bytecode import REMEDY_SPACE, UNCOMPILABLE, kept_body, marshalled, replace
from .discovery import Discovery, Found, TracedInit, discover
from .failure import WorkerError
from .homes import Homes, Outside
from .late_code import deferred
from .places import Places
from .tracing import LAYERS

REMEDY_AGAIN = "run it again once nothing writes to the function's code any more"
REMEDY_FILE = "repair the file or its permissions, or ship without a module archive (--no-archive)"

# What `sysconfig` reads; the rest of the name is the architecture's.
PLATFORM_DATA = "_sysconfigdata_"


@dataclass(frozen=True, slots=True)
class SealCommand:
    """What is to be sealed, as the command line has it.

    `suffix` takes the place of this interpreter's own in the names of extension modules: that of
    the architecture the package is for, if this interpreter is of another one. The archive is
    written to `output`, by default into the function's folder.
    """

    init: TracedInit
    places: Places = field(default_factory=lambda: Places(()))
    suffix: str = ""
    output: str = ""


def seal(order: SealCommand) -> dict[str, object]:
    """Write the archive; return its path, counts, size in bytes and {module left out: why}.

    Raises WorkerError.
    """
    init = order.init
    target = Path(order.output or Path(init.task, NAME))
    # The handler is to be imported from the files as they are now.
    _remove(Path(init.task, NAME))
    found = discover(init)
    homes = Homes(init.task, init.runtime, _stdlib(), found.packages)
    placed, left_out = _placed(order, found, homes)
    waiting = _waiting(found, set(placed)) if init.watched else Waiting()
    modules = [_module(*each, order, waiting.trees.get(name)) for name, each in placed.items()]
    path = [home for folder in found.path if (home := homes.home(folder))]
    data = _data(found, homes, set(placed), left_out)
    content = archive(modules, path, found.patterns, data, waiting.names)
    try:
        replace(target, content)
    except OSError as exc:
        raise WorkerError(f"cannot write {str(target)!r}: {exc.strerror}", REMEDY_SPACE) from exc
    return {
        "archive": str(target),
        "bytes": len(content),
        "modules": len(modules),
        "patterns": len(found.patterns),
        "data": {name: len(each.contents) for name, each in data.items()},
        "extensions": sum(not module.code for module in modules),
        "left_out": left_out,
        "lazy": {name: list(lines.values()) for name, lines in waiting.plan.waiting.items()},
        "eager": {name: list(lines.values()) for name, lines in waiting.plan.eager.items()},
    }


@dataclass(frozen=True, slots=True)
class Waiting:
    """Imports that wait for their use: which, and the modules that are changed for it."""

    plan: lazy.Plan = field(default_factory=lazy.Plan)
    trees: dict[str, ast.Module] = field(default_factory=dict)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What each changed module has late."""
        found = {name: list(lines.values()) for name, lines in self.plan.waiting.items()}
        return {
            name: (*", ".join(found.get(name, ())).split(", "), *self.plan.members.get(name, ()))
            for name in self.trees
        }


def _waiting(found: Discovery, sealed: set[str]) -> Waiting:
    called: dict[str, set[tuple[str, int]]] = {}
    for file, name, line in found.called:
        called.setdefault(file, set()).add((name, line))
    sources = {}
    for each in found.modules:
        if each.is_source:
            fixed = "" if each.name in sealed else "the module is not in the archive"
            try:
                tree = ast.parse(read_source(each))
            except UNCOMPILABLE as exc:
                tree, fixed = ast.Module([], []), f"the module cannot be parsed: {exc}"
            sources[each.name] = lazy.ObservedModule(
                each.name,
                each.path.endswith("/__init__.py"),
                tree,
                frozenset(called.get(each.path, ())),
                found.effects.get(each.name, ""),
                fixed if found.complete else "the function has a profiler that hides what it uses",
                each.path.startswith(f"{_stdlib()}/") and "-packages/" not in each.path,
            )
    extensions = frozenset(each.name for each in found.modules if not each.is_source)
    plan = lazy.plan(sources, extensions)
    trees = {
        name: deferred(
            name,
            sources[name].tree,
            sources[name].facts,
            plan.waiting.get(name, {}),
            plan.members.get(name, []),
        )
        for name in sorted({*plan.waiting, *plan.members})
    }
    return Waiting(plan, trees)


def _placed(
    order: SealCommand, found: Discovery, homes: Homes
) -> tuple[dict[str, tuple[Found, str, str]], dict[str, str]]:
    """Return the modules to be sealed, each with its home and tail, and the reasons for others."""
    placed, left_out = {}, {}
    layers = f"{order.init.layer or LAYERS}/"
    for each in found.modules:
        if each.path.startswith(layers):
            continue  # a layer is none of the package's, and may change without it
        if order.suffix and each.name.startswith(PLATFORM_DATA):
            left_out[each.name] = "it depends on this machine's architecture"
            continue
        try:
            placed[each.name] = (each, *homes.of(each.name, each.path))
        except Outside as exc:
            left_out[each.name] = str(exc)
    return placed, left_out


def _data(
    found: Discovery, homes: Homes, sealed: set[str], left_out: dict[str, str]
) -> dict[str, ArchiveData]:
    """Return the data of sealed modules, of folders that will be on Lambda where they are here."""
    result = {}
    for name, each in found.data.items():
        if isinstance(each, str):
            left_out[f"data for {name}"] = each
            continue
        placed = {folder: homes.home(folder) for folder in each.folders}
        known = {home: each.folders[folder] for folder, home in placed.items() if home}
        hashes = {}
        for file in each.files:
            if path := homes.home(file.path):
                hashes[path] = importlib.util.source_hash(read_source(file))
        for folder, pattern in each.listings:
            if home := homes.home(folder):
                names = sorted(str(path.relative_to(folder)) for path in Path(folder).glob(pattern))
                hashes[f"*{home}/{pattern}"] = listing_hash(names)
        if name in sealed and known:
            result[name] = ArchiveData(each.contents, known, hashes)
    return result


def _module(
    found: Found, home: str, tail: str, order: SealCommand, changed: ast.Module | None
) -> ArchiveModule:
    if not found.is_source:
        return ArchiveModule(found.name, home, _renamed(tail, order.suffix))
    source = read_source(found)
    place = order.places.of(found.path)
    code = None if changed else kept_body(Path(found.path), source, place)
    if code is not None:
        return ArchiveModule(found.name, home, tail, code, importlib.util.source_hash(source))
    try:
        code = marshalled(changed or source, place)
    except UNCOMPILABLE as exc:
        words = f"cannot compile {found.path!r}, the module {found.name!r}: {exc}"
        raise WorkerError(words, REMEDY_FILE) from exc
    return ArchiveModule(found.name, home, tail, code, importlib.util.source_hash(source))


def read_source(found: Found) -> bytes:
    """Return a module's source as it was when it was imported. Raises WorkerError."""
    try:
        with Path(found.path).open("rb") as file:
            source = file.read()
            status = os.fstat(file.fileno())
    except OSError as exc:
        raise WorkerError(f"cannot read {found.path!r}: {exc.strerror}", REMEDY_FILE) from exc
    if (status.st_size, status.st_mtime_ns) != (found.size, found.changed):
        raise WorkerError(f"{found.path!r} has changed while it was being sealed", REMEDY_AGAIN)
    return source


def _renamed(tail: str, suffix: str) -> str:
    own = importlib.machinery.EXTENSION_SUFFIXES[0]
    return tail.removesuffix(own) + suffix if suffix and tail.endswith(own) else tail


def _stdlib() -> str:
    """Return what the runtime, too, takes for the standard library's folder."""
    return sys._stdlib_dir  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _remove(path: Path) -> None:
    if not os.path.lexists(path):  # in a folder that cannot be written to, removing it would fail
        return
    try:
        path.unlink()
    except OSError as exc:
        raise WorkerError(f"cannot replace {str(path)!r}: {exc.strerror}", REMEDY_FILE) from exc
