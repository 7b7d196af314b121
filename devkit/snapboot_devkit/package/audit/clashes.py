"""Names that stand for two things, of which the import system takes one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from snapboot_devkit.package.audit.modules import CACHE
from snapboot_devkit.package.checks.contents import Kind
from snapboot_devkit.package.checks.finding import Finding, listed, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Find files of two distributions, shadowed modules, and names that differ in case alone."""
    yield from _written_twice(subject)
    yield from _shadowing(subject)
    yield from _module_and_package(subject)
    yield from _case_only(subject)


def _written_twice(subject: Subject) -> Iterator[Finding]:
    writers: dict[str, list[str]] = {}
    for one in subject.distributions:
        for path in one.files:
            if CACHE not in path:
                writers.setdefault(path, []).append(str(one))
    both: dict[tuple[str, ...], list[str]] = {}
    for path, names in sorted(writers.items()):
        if len(names) > 1:
            both.setdefault(tuple(names), []).append(path)
    for owners, paths in both.items():
        yield warning(
            "written-twice",
            paths[0] if len(paths) == 1 else "",
            f"{' and '.join(owners)} both have {listed(paths)}: the one that was installed last is "
            "used",
            "keep one of them",
        )


def _shadowing(subject: Subject) -> Iterator[Finding]:
    """Find modules at the top that hide the standard library's, or a distribution's elsewhere."""
    task, *others = subject.layout.roots
    elsewhere = {name: path for root in reversed(others) for name, path in _tops(subject, root)}
    for name, path in _tops(subject, task):
        own = subject.owner(path)
        if name in sys.stdlib_module_names:
            yield warning(
                "shadows-stdlib",
                path,
                f"it hides the standard library's {name!r} from every import",
                f"rename it, or leave {own} out",
            )
        elif name in elsewhere and path not in subject.owned:
            yield warning(
                "shadows-dependency",
                path,
                f"it hides {elsewhere[name]!r}: `import {name}` finds the function's own",
                "rename it",
            )


def _tops(subject: Subject, root: str) -> Iterator[tuple[str, str]]:
    """Return the modules and packages in a folder by name."""
    if root in {subject.layout.stdlib, subject.layout.runtime}:
        return
    for path in subject.states:
        if not path.startswith(root):
            continue
        first, slash, rest = path[len(root) :].partition("/")
        if not slash:
            yield first.removesuffix(".py"), path
        elif rest == "__init__.py":
            yield first, path


def _module_and_package(subject: Subject) -> Iterator[Finding]:
    for path in subject.states:
        package = f"{path.removesuffix('.py')}/__init__.py"
        if package in subject.states:
            yield warning(
                "module-and-package",
                path,
                f"the package {package!r} has the same name, and is the one that is imported",
                "rename one of them",
            )


def _case_only(subject: Subject) -> Iterator[Finding]:
    same: dict[str, list[str]] = {}
    for entry in subject.package.entries.values():
        if entry.kind is Kind.FILE and entry.path.endswith((".py", ".so")):
            same.setdefault(entry.path.lower(), []).append(entry.path)
    for paths in same.values():
        if len(paths) > 1:
            yield warning(
                "case-only",
                paths[0],
                f"the names of {listed(paths)} differ in case alone: on other systems they are one",
                "rename one of them",
            )
