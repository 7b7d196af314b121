"""Imports at the top of modules that Function Init and the events never needed, put off.

`--lazy guided` has the archive's code do what people do by hand (see `late_code`): such an import
is made when a function that uses its name is called, or when the name is asked for from outside. A
run only guides the choice: what it did not show is imported late, and not wrongly.

What cannot wait stays where it is: names that are used while the module is executed (in class
bodies, decorators, defaults, annotations), that are bound twice, imports in `try` or `if`, star
imports, and imports without which a module would be left out that changes what is not its own
(`effects` sees that in a run; statements show what a run cannot).
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from .statements import OWN, OWN_NAMES, Facts, Function, Import, bound, is_future

BUILT_IN = frozenset(dir(builtins))
# Of the standard library, what is imported for the sake of what it does.
NOTICEABLE = frozenset(("antigravity", "faulthandler", "readline", "rlcompleter", "site", "this"))
# A logger that says nothing of its own accord.
QUIET = re.compile(r"(logging\.)?getLogger\([^()]*\)\.addHandler\((logging\.)?NullHandler\(\)\)")
PLAIN_STATEMENTS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True)
class ObservedModule:
    """A module to be sealed, and what a run has shown of it.

    `called` are the (name, first line) of functions that have run, `effect` is what its execution
    has changed beside its own names, `fixed` why it stays as it is, if it does. What the standard
    library's modules (`is_standard`) do is judged by the run alone.
    """

    name: str
    is_package: bool
    tree: ast.Module
    called: frozenset[tuple[str, int]] = frozenset()
    effect: str = ""
    fixed: str = ""
    is_standard: bool = False
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", Facts(self.tree))

    @property
    def can_have_members(self) -> bool:
        """Whether it can be asked for modules of its own that are loaded late."""
        own = [one for one in self.tree.body if getattr(one, "name", "") == OWN]
        return self.facts.bound[OWN] == len(own) <= 1

    @property
    def package(self) -> str:
        """The name that relative imports begin with."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(slots=True)
class Plan:
    """By module: the lines of imports that wait, and the reasons of those that do not."""

    waiting: dict[str, dict[int, str]] = field(default_factory=dict)
    eager: dict[str, dict[int, str]] = field(default_factory=dict)
    # Modules that are loaded late now, by their package: it knows of them without having them.
    members: dict[str, list[str]] = field(default_factory=dict)


# By module: its imports, each with the modules that it may have executed.
Imports = Mapping[str, list[tuple[Import, list[str]]]]


def plan(sources: Mapping[str, ObservedModule], extensions: frozenset[str]) -> Plan:
    """Return which imports of these modules can wait; `sources` are in the order of import.

    `extensions` have no source to be judged.
    """
    every = sources.keys() | extensions
    imports = {name: list(_imports(one, every)) for name, one in sources.items()}
    roots = _roots(sources, imports)
    starred = {
        origin
        for source in sources.values()
        for origin in (_origin(source, one) for one in source.facts.stars)
        if origin in sources and "__all__" not in sources[origin].facts.used
    }
    made = _decided(sources, every, starred)
    effects = _effects(sources, extensions, imports, starred)
    while _keep_effects(made, imports, roots, effects):
        pass
    late = every - _reached(roots, imports, made.waiting)
    for name, lines in list(made.waiting.items()):  # what is loaded in any case can be bound
        for statement, targets in imports[name]:
            if statement.lineno in lines and late.isdisjoint(targets):
                del lines[statement.lineno]
        if not lines:
            del made.waiting[name]
    for name in sorted(late):
        package, _, member = name.rpartition(".")
        if package in sources:
            made.members.setdefault(package, []).append(member)
    return made


def _decided(
    sources: Mapping[str, ObservedModule], every: AbstractSet[str], starred: AbstractSet[str]
) -> Plan:
    """Return what the statements of each module by themselves say.

    All that the `starred` have is taken by `*` somewhere.
    """
    members: dict[str, set[str]] = {}
    for name in every:
        members.setdefault(name.rpartition(".")[0], set()).add(name.rpartition(".")[2])
    made = Plan()
    for source in sources.values():
        reasons = _Reasons(source, starred, members.get(source.name, set()))
        for statement in source.tree.body:
            if not isinstance(statement, Import) or is_future(statement):
                continue
            is_late = getattr(statement, "is_lazy", 0)  # by its author
            # The others were loaded before the function is.
            if not is_late and any(name in every for name in _targets(source, statement)):
                _decide(made, source, statement, reasons.against(statement))
    return made


def _decide(made: Plan, source: ObservedModule, statement: Import, reason: str) -> None:
    names = ", ".join(bound(alias, statement) for alias in statement.names)
    if reason:
        made.eager.setdefault(source.name, {})[statement.lineno] = f"{names}: {reason}"
    else:
        made.waiting.setdefault(source.name, {})[statement.lineno] = names


def _roots(sources: Mapping[str, ObservedModule], imports: Imports) -> set[str]:
    """Return the modules that no other's statement imports: the handler, and names in strings."""
    roots: set[str] = set()
    reached: set[str] = set()
    by_another = {
        target
        for name, found in imports.items()
        for _, targets in found
        for target in targets
        if target != name
    }
    for names in ((name for name in sources if name not in by_another), sources):
        for name in names:  # those of a circle, which nothing else leads to, by the first of them
            if name not in reached:
                roots.add(name)
                reached |= _reached({name}, imports, {})
    return roots


def _effects(
    sources: Mapping[str, ObservedModule],
    extensions: frozenset[str],
    imports: Imports,
    starred: AbstractSet[str],
) -> dict[str, str]:
    """Return what speaks against leaving out modules, for those of which something does."""
    effects: dict[str, str] = {}
    closed = {
        name: bool(one.fixed) or not one.can_have_members or name in starred
        for name, one in sources.items()
    }
    for source in sources.values():
        if effect := source.effect or _own_effects(source):
            effects[source.name] = effect
            # What an extension module changes is seen as its importer's.
            imported = {target for _, targets in imports[source.name] for target in targets}
            for one in sorted(extensions & imported):
                effects.setdefault(one, f"comes with {source.name}, which {effect}")
    for name in sources.keys() | extensions:
        package, _, member = name.rpartition(".")
        if package and closed.get(package, True):
            # What asks the package for it may rely on another's import.
            effects.setdefault(name, f"is known to its package as {member} once it is imported")
    return effects


def _keep_effects(
    made: Plan, imports: Imports, roots: set[str], effects: Mapping[str, str]
) -> bool:
    """Have imports wait no more without which a module with effects would be left out.

    Return whether there were any.
    """
    loaded = _reached(roots, imports, made.waiting)
    leads = _leading({name for name in effects if name not in loaded}, imports)
    found = False
    for name, lines in list(made.waiting.items()):
        if name not in loaded:
            continue
        for statement, targets in imports[name]:
            lost = next((leads[one] for one in targets if one in leads and one not in loaded), "")
            if statement.lineno in lines and lost:
                names = lines.pop(statement.lineno)
                reason = f"{names}: {lost} {effects[lost]}"
                made.eager.setdefault(name, {})[statement.lineno] = reason
                found = True
        if not lines:
            del made.waiting[name]
    return found


def _leading(ends: set[str], imports: Imports) -> dict[str, str]:
    """Return each module whose execution leads to one of these, with that one."""
    importers: dict[str, list[str]] = {}
    for name, found in imports.items():
        for _, targets in found:
            for target in targets:
                importers.setdefault(target, []).append(name)
    leads = {name: name for name in sorted(ends)}
    left = list(leads)
    while left:
        name = left.pop()
        for importer in importers.get(name, ()):
            if importer not in leads:
                leads[importer] = leads[name]
                left.append(importer)
    return leads


def _reached(
    start: AbstractSet[str], imports: Imports, waiting: Mapping[str, Mapping[int, str]]
) -> set[str]:
    """Return the modules that are loaded when these are."""
    reached: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            for statement, targets in imports.get(name, ()):
                if statement.lineno not in waiting.get(name, ()):
                    left += targets
    return reached


def _imports(source: ObservedModule, every: AbstractSet[str]) -> Iterator[tuple[Import, list[str]]]:
    """Yield the imports that a module makes when it is executed, or in functions that have run."""
    for statement, function in source.facts.imports:
        if function is None or _has_run(function, source):
            names = set()
            for target in _targets(source, statement):
                parts = target.split(".")
                names |= {".".join(parts[: count + 1]) for count in range(len(parts))}
            yield statement, sorted(names & every)


def _has_run(function: Function, source: ObservedModule) -> bool:
    lines = [function.lineno, *(one.lineno for one in function.decorator_list)]
    return any((function.name, line) in source.called for line in lines)


class _Reasons:
    """What speaks against putting off imports of one module."""

    def __init__(
        self, source: ObservedModule, starred: AbstractSet[str], members: AbstractSet[str]
    ) -> None:
        self._facts = facts = source.facts
        self._members = members
        self._needed = {
            name
            for function, names in facts.functions
            if _has_run(function, source)
            for name in names
        }
        self._in_line = Counter(one.lineno for one, _ in facts.imports)
        self._is_package = source.is_package
        self._whole = source.fixed or self._against_all(source.name, starred)

    def _against_all(self, module: str, starred: AbstractSet[str]) -> str:
        if self._facts.has_own:
            return f"the module has a {OWN} or {OWN_NAMES} of its own"
        if self._facts.reflective:
            return f"the module uses {min(self._facts.reflective)}"
        if module in starred:
            return "another module takes all its names by *"
        return ""

    def against(self, statement: Import) -> str:
        """Return why an import cannot wait, "" if it can."""
        if self._whole:
            return self._whole
        if self._in_line[statement.lineno] > 1:
            return "another import is in the same line"
        names = [bound(alias, statement) for alias in statement.names]
        return next(filter(None, (self._against_name(name) for name in names)), "")

    def _against_name(self, name: str) -> str:
        facts = self._facts
        reasons = {
            "all names are taken by *": name == "*",
            "a function that uses it was called": name in self._needed,
            "it is used while the module is executed": name in facts.used_at_once,
            # The import system itself asks for those.
            "it is a module of this package": name in self._members,
            "the name is bound more than once": facts.bound[name] != 1,
            # A function would find that one.
            "Python has a name like it of its own": name in BUILT_IN,
            # In a class it would be another's.
            "the name begins with two underscores": name.startswith("__"),
            "nothing uses the name, so it may be there for what it does": (
                name not in facts.used and not self._is_package
            ),
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


def _own_effects(source: ObservedModule) -> str:
    """Return what a module does to others when it is executed, as far as its statements show."""
    if source.is_standard and source.name not in NOTICEABLE:
        return ""
    imported = {bound(alias, one) for one, _ in source.facts.imports for alias in one.names}
    own = source.facts.bound.keys() - imported
    return next(filter(None, (_effect(one, own) for one in _executed(source.tree.body))), "")


def _effect(statement: ast.stmt, own: AbstractSet[str]) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        if QUIET.fullmatch(ast.unparse(statement)):
            return ""
        if _root(called) not in own or isinstance(called, ast.Name):
            return f"calls {ast.unparse(called)}() in line {statement.lineno}"
    targets: list[ast.expr] = []
    match statement:
        case ast.Assign(targets=found) | ast.Delete(targets=found):
            targets = found
        case ast.AugAssign() | ast.AnnAssign():
            targets = [statement.target]
        case ast.FunctionDef() | ast.ClassDef():
            if any("regist" in ast.unparse(one).lower() for one in statement.decorator_list):
                return f"registers {statement.name} in line {statement.lineno}"
    for target in targets:
        if isinstance(target, (ast.Attribute, ast.Subscript)) and _root(target) not in own:
            return f"changes {ast.unparse(target)} in line {statement.lineno}"
    return ""


def _executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that the execution of a module passes through, or may."""
    for statement in body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            continue
        yield statement
        if isinstance(statement, PLAIN_STATEMENTS):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _executed(getattr(statement, name, []))
        for handler in getattr(statement, "handlers", []):
            yield from _executed(handler.body)


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _origin(source: ObservedModule, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    parts = source.package.split(".")
    parts = parts[: len(parts) - statement.level + 1]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _targets(source: ObservedModule, statement: Import) -> list[str]:
    """Return the modules that an import may have executed, without the packages around them."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    origin = _origin(source, statement)
    return [origin, *(f"{origin}.{alias.name}" for alias in statement.names)]
