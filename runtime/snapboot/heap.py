"""What the function has made by the snapshot, found on the heap by its class.

Loads nothing. Objects that are frozen (`gc.freeze`), as all are after Function Init, are not among
those that the collector lists: they are unfrozen for the search.
"""

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

# urllib3's, and the copies that others bring along.
_POOLS = "urllib3.connectionpool"
_CREDENTIALS = "botocore.credentials"
# How botocore names the source that the platform offers to a restored environment.
_CONTAINER = "container-role"
_CONTAINERS = (list, tuple, set, dict)
# How many containers within containers are followed to the variable that has them.
MAX_DEPTH = 3
# Each search for what refers to an object goes through the whole heap.
MAX_SEARCHES = 40


class Found:
    """What was found; generators with the words for where they are."""

    __slots__ = ("credentials", "generators", "pools")

    def __init__(self) -> None:
        self.pools: Collection[Any] = ()
        self.credentials: Collection[Any] = ()
        self.generators: list[tuple[Any, str]] = []

    def __repr__(self) -> str:
        return f"<Found {len(self.pools)} pools, {len(self.generators)} generators>"


def search(kinds: "Collection[str]") -> Found:
    """Find what is asked for: `pools`, `credentials`, `generators`."""
    found = Found()
    pools = _family(_pool_classes()) if "pools" in kinds else {}
    credentials = _family(_named((_CREDENTIALS, "RefreshableCredentials")))
    if "credentials" not in kinds:
        credentials = {}
    generators = _generator_classes() if "generators" in kinds else {}
    wanted = pools | credentials | generators
    if not wanted:
        return found
    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()
    try:
        things = gc.get_objects()
        # By id: a metaclass may have a `__hash__` of its own.
        kinds_of_all = map(id, map(type, things))
        matches = [one for one, kind in zip(things, kinds_of_all, strict=True) if kind in wanted]
        del things
        found.pools = [one for one in matches if id(type(one)) in pools]
        found.credentials = [
            one
            for one in matches
            if id(type(one)) in credentials and getattr(one, "method", None) == _CONTAINER
        ]
        others = _known_generators()
        own = [one for one in matches if id(type(one)) in generators and id(one) not in others]
        del matches
        if own:
            places = Places()
            found.generators = [(one, places.describe(one)) for one in own]
    finally:
        if frozen:
            gc.freeze()
    return found


def _named(*names: "tuple[str, str]") -> "Iterable[type]":
    """Return the classes of these modules and names that are loaded."""
    found = [getattr(sys.modules.get(module), name, None) for module, name in names]
    return [one for one in found if isinstance(one, type)]


def _pool_classes() -> "Iterable[type]":
    names = [name for name in list(sys.modules) if name.endswith(_POOLS)]
    return _named(*((name, "HTTPConnectionPool") for name in names))


def _generator_classes() -> "dict[int, type]":
    """Return the classes of generators with a state; SystemRandom has none."""
    stateless = _family(_named(("random", "SystemRandom")))
    with_state = _named(
        ("random", "Random"),
        ("numpy.random._generator", "Generator"),
        ("numpy.random.mtrand", "RandomState"),
    )
    return {key: kind for key, kind in _family(with_state).items() if key not in stateless}


def _known_generators() -> "set[int]":
    """Return the ids of the generators that are renewed by themselves."""
    modules = sys.modules.get
    names = getattr(modules("tempfile"), "_name_sequence", None)
    return {
        id(getattr(modules("random"), "_inst", None)),
        id(getattr(modules("numpy.random.mtrand"), "_rand", None)),
        id(getattr(names, "_rng", None)),
    }


def _family(classes: "Iterable[type]") -> "dict[int, type]":
    """Return classes and all their subclasses by their ids."""
    family: dict[int, type] = {}
    waiting = list(classes)
    while waiting:
        kind = waiting.pop()
        if id(kind) not in family:
            family[id(kind)] = kind
            waiting += type.__subclasses__(kind)
    return family


class Places:
    """Words for where objects are, as far as that can be found: who has it, and which line."""

    __slots__ = ("_searches", "_variables")

    def __init__(self) -> None:
        """Note the modules' variables, those of the function before those of what it imports."""
        self._searches = 0
        self._variables: dict[int, tuple[str, str, object]] = {}
        for module_name, module in list(sys.modules.items()):
            if module_name.startswith(f"{__package__}."):
                continue
            scope = _scope(module)
            path = scope.get("__file__")
            for key, value in list(scope.items()):
                self._variables.setdefault(id(value), (f"{module_name}.{key}", key, path))

    def __repr__(self) -> str:
        return f"<Places of {len(self._variables)} variables>"

    def describe(self, one: object) -> str:
        """Return what an object is and where."""
        kind = f"{type(one).__module__}.{type(one).__qualname__}"
        words = [word for word in (_made_at(one), self._place(one)) if word]
        return f"{kind} ({', '.join(words)})" if words else kind

    def _place(self, one: object, depth: int = 0) -> str:
        """Return the variable or attribute that has an object."""
        if id(one) in self._variables:
            name, key, path = self._variables[id(one)]
            return f"{name}{_line_of(path, key)}"
        if depth == MAX_DEPTH or self._searches == MAX_SEARCHES:
            return ""
        self._searches += 1
        holders = gc.get_referrers(one)
        for holder in holders:
            if isinstance(holder, type):
                return f"class {holder.__module__}.{holder.__qualname__}"
            scope = _scope(holder)
            names = [key for key, value in list(scope.items()) if value is one or scope is one]
            if names and type(holder) is not type(sys):
                what = "" if scope is one else f"attribute {names[0]!r} of "
                return f"{what}{self._object(holder)}"
            if type(holder) in _CONTAINERS:
                place = self._place(holder, depth + 1)
                if place:
                    return place
        return ""

    def _object(self, holder: object) -> str:
        if id(holder) in self._variables:
            name, key, path = self._variables[id(holder)]
            return f"{name}{_line_of(path, key)}"
        return f"an object of {type(holder).__module__}.{type(holder).__qualname__}"


def _made_at(one: object) -> str:
    """Return the line that has made an object, which is known where tracemalloc is at work."""
    tracing = sys.modules.get("tracemalloc")
    trace = tracing.get_object_traceback(one) if tracing else None
    return f"made at {trace[-1]}" if trace else ""


def _scope(thing: object) -> "dict[str, Any]":
    """Return an object's attributes without running code of its own; empty where there are none."""
    try:
        scope = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return scope if type(scope) is dict else {}


def _line_of(path: object, name: str) -> str:
    """Return where a module's source gives a variable its value, as far as it can be read."""
    try:
        with open(str(path), encoding="utf-8") as source:
            for number, line in enumerate(source, 1):
                head, equals, _ = line.partition("=")
                if equals and head.partition(":")[0].strip() == name:
                    return f", {path}:{number}"
    except (OSError, ValueError):
        pass
    return ""
