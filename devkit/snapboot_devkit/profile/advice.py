"""What to do about an init, ranked by the milliseconds that it saves; each with a command to try.

Nothing is advised that was not seen: a lazy import only once events have shown that the module
stays unused.
"""

from __future__ import annotations

import ast
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.profile.distributions import RUNTIME, YOURS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snapboot_devkit.profile.measure import Measured
    from snapboot_devkit.profile.target import ProfiledFunction

# What saves less is lost in the noise of any cold start.
SMALLEST_MS: Final = 1.0
SIDE_EFFECTS: Final = (
    "what the import does on the side (registrations, patches, configuration) happens at the first "
    "use then, or never"
)
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `saves_ms` is at most what it saves; `warning` what may be lost by it."""

    saves_ms: float
    text: str
    command: str
    warning: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "savesMs": round(self.saves_ms, 1),
            "text": self.text,
            "command": self.command,
            "warning": self.warning or None,
        }


def advise(
    target: ProfiledFunction, measured: Measured, modules: Sequence[dict[str, Any]]
) -> list[Advice]:
    """Return what can be done, what saves most first."""
    during = [one for one in modules if one["when"] != "invocation" and not one["thread"]]
    found = [*_bytecode(target, during), *_archive(target, during)]
    if measured.usage is not None:
        found += _unused(target, measured, during)
    worth = [one for one in found if one.saves_ms >= SMALLEST_MS]
    return sorted(worth, key=lambda one: -one.saves_ms)


def _bytecode(target: ProfiledFunction, modules: Sequence[dict[str, Any]]) -> Iterator[Advice]:
    compiled = [
        one
        for one in modules
        if one["partsMs"]["compile"] > 0 and not one["failure"] and one["distribution"] != RUNTIME
    ]
    for kind, why in (("stale", "have bytecode that is stale"), ("missing", "have no bytecode")):
        group = [one for one in compiled if one["bytecode"] == kind]
        if not group:
            continue
        spent = sum(one["partsMs"]["compile"] for one in group)
        yield Advice(
            spent,
            f"{_count(group, 'module')} {why} and {'is' if len(group) == 1 else 'are'} compiled at "
            f"each cold start: {_names(group)}",
            f"snapboot audit {_source(target)} --fix, or {_package(target)}",
        )


def _archive(target: ProfiledFunction, modules: Sequence[dict[str, Any]]) -> Iterator[Advice]:
    files = [one for one in modules if one["bytecode"] == "valid" and one["when"] == "function"]
    spent = sum(one["partsMs"]["find"] for one in files)
    if files:
        yield Advice(
            spent,
            f"finding and reading {_count(files, 'module')} in folders takes {spent:.0f} ms: a "
            "module archive has all of them in one file (at most this is saved)",
            _package(target),
        )


def _unused(
    target: ProfiledFunction, measured: Measured, modules: Sequence[dict[str, Any]]
) -> Iterator[Advice]:
    """Advise to import what no event used where it is used."""
    usage = measured.usage
    assert usage is not None
    files = {one["name"]: one["file"] for one in modules}
    for one in modules:
        importer = files.get(one["importer"], "")
        if not _is_candidate(target, one, importer):
            continue
        if one["name"] in usage.used or one["name"] in usage.needed:
            continue
        if needed_at_import(_text(target, importer), one["line"]):
            continue
        top = one["name"].partition(".")[0]
        handler = shlex.quote(target.config.handler)
        lazy = f"snapboot profile {handler} --python python3.15 --what-if lazy:{top}"
        where = importer.rpartition("/")[2]
        yield Advice(
            one["cumulativeMs"],
            f"no event has used {one['name']}, which {where} imports in line {one['line']}: "
            "import it in the function that needs it",
            lazy,
            SIDE_EFFECTS,
        )


def _is_candidate(target: ProfiledFunction, module: dict[str, Any], importer: str) -> bool:
    if module["failure"] or module["when"] != "function" or not importer:
        return False
    return module["distribution"] not in {YOURS, RUNTIME} and _is_own(target, importer)


def _is_own(target: ProfiledFunction, file: str) -> bool:
    root = target.code.task_root
    path = target.outside(file)
    if not path.is_relative_to(root):
        return False
    return path.relative_to(root).parts[0].partition(".")[0] in target.own_names


def _text(target: ProfiledFunction, file: str) -> str:
    try:
        return target.outside(file).read_text("utf-8", "replace")
    except OSError:
        return ""


def needed_at_import(source: str, line: int) -> bool:
    """Return whether what an import in a line binds is used while the module itself is imported.

    True, too, where that is not known: no import there, a star import, one inside of `try`.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return True
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom) and (
            statement.lineno <= line <= (statement.end_lineno or statement.lineno)
        ):
            names = {(one.asname or one.name).partition(".")[0] for one in statement.names}
            return "*" in names or bool(names & set(_used_at_import(tree)))
    # Within a function it is lazy already.
    return True


def _used_at_import(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are read as a module's body is executed."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*node.decorator_list, node.args, *filter(None, [node.returns])):
                yield from _read_in(part)
        elif isinstance(node, ast.Lambda):
            yield from _read_in(node.args)
        else:
            yield from _used_at_import(node)


def _read_in(part: ast.AST) -> Iterator[str]:
    if isinstance(part, ast.Name):
        yield part.id
    yield from _used_at_import(part)


def _source(target: ProfiledFunction) -> str:
    return shlex.quote(str(target.source))


def _package(target: ProfiledFunction) -> str:
    handler = shlex.quote(target.config.handler)
    return f"snapboot package {_source(target)} --handler {handler} --as zip --output dist"


def _count(group: Sequence[Any], what: str) -> str:
    return f"{len(group)} {what}{'' if len(group) == 1 else 's'}"


def _names(group: Sequence[dict[str, Any]]) -> str:
    slowest = sorted(group, key=lambda one: -one["partsMs"]["compile"])
    names = ", ".join(one["name"] for one in slowest[:_NAMED])
    return f"{names}, …" if len(group) > _NAMED else names
