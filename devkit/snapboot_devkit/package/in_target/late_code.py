"""The code of a module in which imports at its top wait for their first use.

Up to CPython 3.14 a function that uses such a name begins by asking for it, and the module gets a
`__getattr__`, which makes the import and is there for callers from outside, too; each import keeps
its line for tracebacks. From 3.15 on it is a lazy import of the language (PEP 810).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping

from .statements import OWN, OWN_NAMES, Facts, Import, bound, is_future

IS_NATIVE = sys.version_info >= (3, 15)
# Names that no module has.
ASKED, FOUND, ERROR = "snapboot_asked", "snapboot_found", "snapboot_error"
FORMER = "snapboot_getattr"


def deferred(
    module: str, tree: ast.Module, facts: Facts, lines: Mapping[int, str], members: list[str]
) -> ast.Module:
    """Return the module with the imports of these lines put off.

    `members` are modules of a package that used to be in it, and come when they are asked for.
    """
    moved = [one for one in tree.body if isinstance(one, Import) and one.lineno in lines]
    if IS_NATIVE:
        for one in moved:
            one.is_lazy = 1  # type: ignore[union-attr]
        moved = []
    names = {bound(alias, one) for one in moved for alias in one.names}
    for function, inner in facts.functions:
        if used := sorted(names & inner):
            at = 1 if ast.get_docstring(function, clean=False) is not None else 0
            place = function.body[min(at, len(function.body) - 1)]
            function.body[at:at] = [_at(place, _BIND.format(name)) for name in used]
    members = [name for name in members if name not in names]
    if not (moved or members):
        return tree
    at = next(
        (
            number
            for number, one in enumerate(tree.body)
            if not (number == 0 and isinstance(one, ast.Expr))
            and not (isinstance(one, Import) and is_future(one))
        ),
        len(tree.body),
    )
    place = (
        tree.body[min(at, len(tree.body) - 1)] if tree.body else ast.Pass(lineno=1, col_offset=0)
    )
    if facts.has_own:  # which is asked once ours has nothing
        place = tree.body[-1]
        first = _at(place, f"{FORMER} = globals().get({OWN!r})")
        tree.body += [first, _getter(module, [], members, place)]
        return tree
    tree.body[at:] = [
        _getter(module, moved, members, place),
        _at(place, _NAMES.format(sorted([*names, *members]))),
        *(one for one in tree.body[at:] if one not in moved),
    ]
    return tree


# What binds a name that is not bound yet.
_BIND = f"try:\n {{0}}\nexcept NameError:\n {OWN}({{0!r}})"
_NAMES = f"""
def {OWN_NAMES}():
 return sorted({{{{*globals(), *{{0}}}}}} - {{{{{OWN!r}, {OWN_NAMES!r}}}}})
"""
_IMPORT = f"""
if {ASKED} == {{0!r}}:
 try:
  pass
 except BaseException as {ERROR}:
  {ERROR}.add_note({{1!r}})
  raise
 return {{0}}
"""
# One that is just being imported is not there yet.
_MEMBER = f"""
if {ASKED} == {{0!r}}:
 import {{1}}.{{0}}
 {FOUND} = globals().get({{0!r}})
 if {FOUND} is not None:
  return {FOUND}
"""
_NOTHING = f"""
if globals().get({FORMER!r}):
 return {FORMER}({ASKED})
{FOUND} = __import__('sys').modules.get(__name__)
raise AttributeError(
 f'module {{__name__!r}} has no attribute {{{ASKED}!r}}', name={ASKED}, obj={FOUND})
"""


def _getter(module: str, moved: list[Import], members: list[str], place: ast.stmt) -> ast.stmt:
    """Return the module's `__getattr__`; the imports in it keep their lines."""
    made = _at(place, f"def {OWN}({ASKED}):\n pass")
    assert isinstance(made, ast.FunctionDef)
    by_name = {bound(alias, one): (alias, one) for one in moved for alias in one.names}
    made.body = [ast.copy_location(ast.Global(sorted(by_name)), place)] if by_name else []
    for name, (alias, statement) in sorted(by_name.items()):
        alone = (
            ast.Import([alias])
            if isinstance(statement, ast.Import)
            else ast.ImportFrom(statement.module, [alias], statement.level)
        )
        note = (
            f"snapboot: {name!r} is of the import in line {statement.lineno} of {module}, which "
            "waited for its first use (--lazy guided); SNAPBOOT_LAZY_IMPORTS=off makes it at once"
        )
        branch = _at(place, _IMPORT.format(name, note))
        assert isinstance(branch, ast.If)
        attempt = branch.body[0]
        assert isinstance(attempt, ast.Try)
        attempt.body[0] = ast.copy_location(alone, statement)
        made.body.append(branch)
    made.body += [_at(place, _MEMBER.format(name, module)) for name in members]
    made.body += ast.parse(_NOTHING).body
    for one in made.body[-3:]:
        _move(one, place)
    return made


def _at(place: ast.stmt, text: str) -> ast.stmt:
    """Return a statement of ours that tracebacks place where another stands."""
    (made,) = ast.parse(text).body
    _move(made, place)
    return made


def _move(made: ast.stmt, place: ast.stmt) -> None:
    for node in ast.walk(made):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = place.lineno  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = place.col_offset  # type: ignore[attr-defined]
