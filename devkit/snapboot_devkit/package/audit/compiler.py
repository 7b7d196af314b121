"""Compiles a package's modules and takes the time: a program for any Python from 3.11 up.

Run as `python -I -S compiler.py REQUEST`. It executes nothing of what it compiles, imports the
standard library alone, and answers on standard output with one line of JSON and the code asked
for. Modules are compiled in the order in which importing `start` would come to them.

REQUEST: a line of JSON, then the sources back to back. The JSON: `roots` (prefixes of paths that
modules are imported from), `start` (names of modules; null for all), `keep` (whether the code is
wanted) and `files`: lists of path, path on Lambda, size in bytes, whether to compile it.
The answer: `seconds`: path -> how many bytecode would save, `failed`: path -> what its compiler
says, `sizes`: path -> bytes of code, which follow in this order.
"""

import ast
import json
import marshal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Path -> path on Lambda, source, whether to compile it.
Files = dict[str, tuple[str, bytes, bool]]

# Statements whose inner ones are carried out while a module is loaded, at least at times.
OPEN = (ast.If, ast.Try, ast.TryStar, ast.With, ast.ClassDef, ast.For, ast.While)
FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def main(request: str) -> None:
    """Answer a request, a path."""
    with Path(request).open("rb") as file:
        asked = json.loads(file.readline())
        files = {path: (name, file.read(size), due) for path, name, size, due in asked["files"]}
    start = asked["start"]
    paths = list(files) if start is None else Modules(files, asked["roots"]).closure(start)
    seconds, failed, codes = compile_all(files, paths)
    kept = codes if asked["keep"] else {}
    sizes = {path: len(code) for path, code in kept.items()}
    answer = {"seconds": seconds, "failed": failed, "sizes": sizes}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.writelines(kept.values())


def compile_all(
    files: Files, paths: list[str]
) -> tuple[dict[str, float], dict[str, str], dict[str, bytes]]:
    """Compile those of the files that are due: seconds, failures and codes by path."""
    seconds, failed, codes = {}, {}, {}
    for path in paths:
        name, source, due = files[path]
        if due:
            try:
                seconds[path], codes[path] = measured(source, name)
            except FAILURES as exc:
                failed[path] = f"{type(exc).__name__}: {exc}"
    return seconds, failed, codes


def measured(source: bytes, name: str) -> tuple[float, bytes]:
    """Return how much longer it takes to compile than to load the bytecode, and the bytecode.

    The time of this thread on its CPU, so that what else the machine does is left out.
    """
    start = time.thread_time()
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    compiled = time.thread_time()
    body = marshal.dumps(code)
    dumped = time.thread_time()
    marshal.loads(body)  # noqa: S302 - it has been written two lines above
    loaded = time.thread_time()
    return max(0.0, (compiled - start) - (loaded - dumped)), body


class Modules:
    """Which modules a module imports when it is loaded, as far as its source shows."""

    def __init__(self, files: Files, roots: list[str]) -> None:
        """Look for modules among the files, in the roots in their order."""
        self.files = files
        self.roots = roots

    def closure(self, start: list[str]) -> list[str]:
        """Return the paths of modules, and of all that they import, in the order of loading."""
        found: list[str] = []
        waiting = [outer for name in reversed(start) for outer in reversed(parents(name))]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            path = None if name in seen else self.path(name)
            seen.add(name)
            if path is not None:
                found.append(path)
                waiting.extend(reversed(self.imports(name, path)))
        return found

    def path(self, name: str) -> str | None:
        """Return the path of a module's source; a package wins over a module, as on the path."""
        base = name.replace(".", "/")
        tails = ("/__init__.py", ".py")
        paths = (f"{root}{base}{tail}" for root in self.roots for tail in tails)
        return next((path for path in paths if path in self.files), None)

    def imports(self, name: str, path: str) -> list[str]:
        """Return the names that the source of a module imports outside of its functions."""
        try:
            tree = ast.parse(self.files[path][1])
        except FAILURES:
            return []
        package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        names = [name for found in statements(tree.body) for name in imported(found, package)]
        return [outer for name in names for outer in parents(name)]


def statements(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Return the import statements that are carried out when a module is loaded."""
    waiting = body[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, OPEN):
            waiting.extend(reversed(blocks(node)))


def blocks(node: Any) -> list[ast.stmt]:
    """Return the statements in a compound statement, without those for type checkers alone."""
    inner = [] if isinstance(node, ast.If) and for_types(node.test) else list(node.body)
    for handler in getattr(node, "handlers", ()):
        inner.extend(handler.body)
    return [*inner, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]


def for_types(test: ast.expr) -> bool:
    """Tell whether a condition is TYPE_CHECKING."""
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def imported(statement: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    """Return the full names in an import statement; what is imported from may be a module."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    base = statement.module or ""
    if statement.level:
        parts = package.split(".")
        outer = parts[: len(parts) - statement.level + 1]
        base = ".".join([*outer, base] if base else outer)
    return [base, *(f"{base}.{alias.name}" for alias in statement.names)]


def parents(name: str) -> list[str]:
    """Return a module's packages and the module, the outermost first."""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


if __name__ == "__main__":
    main(sys.argv[1])
