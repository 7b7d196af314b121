"""What the statements of a module say of its names, its imports and its functions."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Import = ast.Import | ast.ImportFrom
# With these a module may ask for its names in ways that cannot be seen.
REFLECTIVE = frozenset(("dir", "eval", "exec", "globals", "locals", "vars"))
# By these it says itself which names it has.
OWN, OWN_NAMES = "__getattr__", "__dir__"
# A type that is written as text is no longer than this, in characters.
MAX_TEXT = 1000


class Facts:
    """What a module's statements say, read in one pass.

    `bound` counts where each name is bound, in whichever scope; `used_at_once` are names used
    outside of the bodies of functions, `functions` those that are in no other, each with the names
    used in its body, and `imports` all of them, with the function around each.
    """

    __slots__ = ("bound", "functions", "imports", "reflective", "stars", "used", "used_at_once")

    def __init__(self, tree: ast.Module) -> None:
        self.bound: Counter[str] = Counter()
        self.used_at_once: set[str] = set()
        self.functions: list[tuple[Function, set[str]]] = []
        self.imports: list[tuple[Import, Function | None]] = []
        self.stars: list[ast.ImportFrom] = []
        self.reflective: set[str] = set()
        self._read(tree)
        self.used = self.used_at_once.union(*(names for _, names in self.functions))

    @property
    def has_own(self) -> bool:
        """Whether the module says by itself which names it has."""
        return OWN in self.bound or OWN_NAMES in self.bound

    def _read(self, tree: ast.Module) -> None:
        # Each node with the function around it, and the names used where it stands.
        left: list[tuple[ast.AST, Function | None, set[str]]] = [(tree, None, self.used_at_once)]
        while left:
            node, outer, names = left.pop()
            kind = type(node)
            if kind is ast.Name:
                assert isinstance(node, ast.Name)
                names.add(node.id)
                self.bound[node.id] += type(node.ctx) is not ast.Load
                continue
            if kind in PASSED:
                names.update(_in_text(node) if outer is None else ())
                continue
            if kind in BINDING:
                self._bind(node, outer, names)
            if outer is None and isinstance(node, Function):
                inner: set[str] = set()
                self.functions.append((node, inner))
                left += [(one, node, inner) for one in node.body]
                around = [*node.decorator_list, node.args, *getattr(node, "type_params", ())]
                left += [(one, None, names) for one in (*around, *filter(None, [node.returns]))]
                names.update(_in_text(node.returns))
                continue
            left += [(one, outer, names) for one in _parts(node)]

    def _bind(  # noqa: C901 - one case for each kind of node
        self, node: ast.AST, outer: Function | None, names: set[str]
    ) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                self.imports.append((node, outer))
                self.bound.update(bound(alias, node) for alias in node.names)
                if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                    self.stars.append(node)
            case ast.Global(names=found) | ast.Nonlocal(names=found):
                self.bound.update([*found, *found])
            case ast.arg(arg=name, annotation=annotation):
                self.bound[name] += 1
                names.update(_in_text(annotation))
            case ast.AnnAssign(annotation=annotation):
                names.update(_in_text(annotation))
            case ast.Call(func=ast.Name(id=name), args=given) if name in REFLECTIVE:
                if not (given and name in {"dir", "vars"}):
                    self.reflective.add(f"{name}()")
            case ast.Attribute(attr="__dict__", value=value):
                if "sys.modules[" in ast.unparse(value):
                    self.reflective.add("__dict__")
            case ast.MatchMapping(rest=str(name)) | ast.ExceptHandler(name=str(name)):
                self.bound[name] += 1
            case (
                ast.FunctionDef(name=str(name))
                | ast.AsyncFunctionDef(name=str(name))
                | ast.ClassDef(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                self.bound[name] += 1


PASSED = frozenset((ast.Load, ast.Store, ast.Del, ast.Constant, ast.alias))
BINDING = frozenset(
    (
        *(ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.arg, ast.AnnAssign),
        *(ast.Attribute, ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
        *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping),
    )
)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node consists of, but for texts that use no name: docstrings, `__all__`."""
    match node:
        case ast.Expr(value=ast.Constant()):
            pass
        case ast.Assign(
            targets=[ast.Name(id="__all__") as name],
            value=ast.List(elts=listed) | ast.Tuple(elts=listed),
        ):
            yield name
            yield from (one for one in listed if not isinstance(one, ast.Constant))
        case _:
            for value in vars(node).values():
                if isinstance(value, ast.AST):
                    yield value
                elif value.__class__ is list:
                    yield from (one for one in value if isinstance(one, ast.AST))


def _in_text(annotation: ast.AST | None) -> Iterator[str]:
    """Yield the names in an annotation, or in parts of it, that is written as text."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(node.value) <= MAX_TEXT
        ):
            try:
                parsed = ast.parse(node.value, mode="eval")
            except (SyntaxError, ValueError):
                continue
            yield from (inner.id for inner in ast.walk(parsed) if isinstance(inner, ast.Name))


def bound(alias: ast.alias, statement: Import) -> str:
    """Return the name that an import binds."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name


def is_future(statement: Import) -> bool:
    """Whether it is for the compiler."""
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
