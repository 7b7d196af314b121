"""What docs/architecture.md shows of the host's code: its layers, and its state tables."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle.managed import MANAGED, MANAGED_RUNTIME
from snapboot_devkit.host.lifecycle.states import ENVIRONMENT, EXTENSION, PROCESS, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import Enum

HOST = Path(__file__).resolve().parents[2] / "devkit" / "snapboot_devkit" / "host"
PACKAGE = "snapboot_devkit.host"

# From the top down. What runs in a layer imports of the host only what stands in layers below it;
# imports for type checkers alone are free.
LAYERS = {
    ("serving",): "the host as a program, in the container image",
    ("local",): "the host as an object, `LocalHost`: opens and closes all that follows",
    (
        "callers",
    ): "who calls: clients of the Invoke API and of function URLs, coroutines in this process",
    ("scaling",): "functions, their pools of environments, events that no one waits for, reload",
    ("execution",): "one environment: performs what its lifecycle decides",
    ("snapshots",): "SnapStart's snapshots: a process that clones itself",
    ("config",): "the settings of a function",
    ("quotas",): "what Lambda refuses of them",
    ("routes", "telemetry", "sandbox"): "what HTTP means; what is logged and sent; processes",
    ("http", "sources", "interpreters"): "HTTP without Lambda; a function's code; Pythons",
    ("lifecycle", "bandwidth", "identity"): "decisions without I/O: states, a token bucket, ids",
    ("protocol", "errors", "streams", "signals", "folders"): (
        "literals; errors; the process's own streams; temporary folders"
    ),
}
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}

TABLES: Mapping[str, Mapping[tuple[Enum, Enum], Enum]] = {
    "runtime": RUNTIME,
    "process": PROCESS,
    "extension": EXTENSION,
    "environment": ENVIRONMENT,
    "managed": MANAGED,
    "managed runtime": MANAGED_RUNTIME,
}


def layers() -> str:
    """Return the table of layers."""
    rows = [
        f"| {', '.join(f'`{one}`' for one in names)} | {what} |" for names, what in LAYERS.items()
    ]
    return "\n".join(["| from the top down | what it is |", "| --- | --- |", *rows]) + "\n"


def diagram(name: str) -> str:
    """Return a state table as a diagram of mermaid, which GitHub draws."""
    table = TABLES[name]
    moves: dict[tuple[str, str], list[str]] = {}
    for (state, move), target in table.items():
        moves.setdefault((state.name, target.name), []).append(move.name)
    first = next(iter(table))[0].name
    lines = [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in moves.items()]
    return (
        "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *lines, "```"]) + "\n"
    )


def imports() -> Iterator[tuple[str, str, str]]:
    """Yield each import of the host by the host that runs: file, its part, the part it needs."""
    for file in sorted(HOST.rglob("*.py")):
        inner = file.relative_to(HOST)
        own = inner.parts[0].removesuffix(".py")
        if own != "__init__":
            yield from ((str(inner), own, needed) for needed in _needed(file) if needed != own)


def _needed(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if id(node) not in for_types and name.startswith(f"{PACKAGE}."):
                yield name.removeprefix(f"{PACKAGE}.").partition(".")[0]


def module_imports(file: Path) -> Iterator[str]:
    """Yield what a file imports when it is loaded, imports for type checkers included."""
    for node in _at_the_top(ast.parse(file.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}".replace("..", ".") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _at_the_top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _at_the_top(node.body + node.orelse)
        elif isinstance(node, ast.Try):
            yield from _at_the_top(node.body)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return, for each node that leads back to itself, a shortest way."""
    found = []
    for start in graph:
        ways = [[start]]
        seen: set[str] = set()
        for way in ways:  # which grows meanwhile
            for needed in sorted(graph.get(way[-1], set()) - seen):
                if needed == start:
                    found.append([*way, start])
                    seen.update(graph)
                seen.add(needed)
                ways.append([*way, needed])
    return found


ROOT = HOST.parents[2]
DEVKIT = "devkit/snapboot_devkit"

# The parts of the repository, from the top down: what they are, and where they are.
PARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tests": ("the tests", ("tests",)),
    "benchmarks": ("measures, and keeps the recordings", ("benchmarks",)),
    "oracles": ("fetches the programs that tests and benchmarks compare with", ("oracles",)),
    "cli": ("the commands of `snapboot`", (f"{DEVKIT}/cli", f"{DEVKIT}/__main__.py")),
    "testing": (
        "a function for a test to invoke, and pytest's fixtures",
        (f"{DEVKIT}/testing", f"{DEVKIT}/pytest_plugin.py"),
    ),
    "debugging": ("a debugger in the function's process", (f"{DEVKIT}/debugging",)),
    "rehearse": ("one init, many restores of it", (f"{DEVKIT}/rehearse",)),
    "profile": ("where a cold start goes", (f"{DEVKIT}/profile",)),
    "image": ("finishes the container image base", ("image",)),
    "aws_runtime": ("AWS's managed runtime, on this machine", (f"{DEVKIT}/aws_runtime.py",)),
    "package": ("makes and audits packages", (f"{DEVKIT}/package",)),
    "host": ("the local host", (f"{DEVKIT}/host",)),
    "events": ("events as AWS's services send them", (f"{DEVKIT}/events",)),
    "shared": (
        "small modules that several parts use",
        tuple(
            f"{DEVKIT}/{name}.py"
            for name in ("extras", "lazy_dataclass", "programs", "runtime", "standard_streams")
        ),
    ),
    "runtime": ("what ships: the program `bootstrap`", ("runtime", "bootstrap")),
}
# `runtime/snapboot/standalone.py` serves a function by the local host where there is no Lambda.
UPWARD = {("runtime", "host"), ("runtime", "shared")}


def parts() -> str:
    """Return the table of parts, and the diagram of which imports which."""
    rows = [
        f"| `{name}` | {what} | {', '.join(f'`{place}`' for place in places)} |"
        for name, (what, places) in PARTS.items()
    ]
    arrows = [
        f"    {own} {'-.->' if (own, needed) in UPWARD else '-->'} {needed}"
        for own, needed in sorted(part_imports())
        if own != "tests"
    ]
    lines = ["| part | what it is | where |", "| --- | --- | --- |", *rows, ""]
    return "\n".join([*lines, "```mermaid", "flowchart TD", *arrows, "```"]) + "\n"


def part_imports() -> set[tuple[str, str]]:
    """Return which part imports which, wherever in a file that is."""
    owners = {ROOT / place: name for name, (_, places) in PARTS.items() for place in places}
    found = set()
    for place, own in owners.items():
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if "functions" in file.parts or "samples" in file.parts:
                continue
            for module in _modules(file):
                needed = _owner(module, owners)
                if needed not in (None, own):
                    found.add((own, needed))
    return found


def _modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _owner(module: str, owners: Mapping[Path, str]) -> str | None:
    top = module.partition(".")[0]
    path = ROOT / {"snapboot": "runtime", "snapboot_devkit": "devkit"}.get(top, "")
    for name in module.split("."):
        path /= name
        owner = owners.get(path) or owners.get(path.with_name(f"{name}.py"))
        if owner is not None:
            return owner
    return "runtime" if top == "snapboot" else None
