"""Dataclasses with slots, whose methods are written when they are first called.

`dataclasses` writes and compiles six methods of each class, which takes half a millisecond. Of the
host's many messages and records one run needs few, and of these it makes many: a fifth of an
invocation's time would go into the `object.__setattr__` of each field. Here a new frozen object
takes its fields as one of a class that is not, and becomes one of its own class with the last of
them. What lives for one step alone is not frozen, which saves that as well.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

T = TypeVar("T")

_LATER: Final = ("__repr__", "__eq__", "__hash__")
_become: Final = object.__dict__["__class__"].__set__

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - the same, for type checkers

else:

    def dataclass(*, slots: bool, frozen: bool = False) -> Any:
        """Return what makes such a class."""
        assert slots
        return functools.partial(_made, frozen=frozen)


def changed(one: T, **changes: Any) -> T:
    """Return a copy of a message with other values, as `dataclasses.replace` does, but quickly."""
    return type(one)(**(_values(one) | changes))


def filled(one: T, **values: Any) -> T:
    """Set what its maker has left open, before anybody else sees it, and return it."""
    for name, value in values.items():
        object.__setattr__(one, name, value)
    return one


def _values(one: object) -> dict[str, Any]:
    names = type(one).__match_args__  # type: ignore[attr-defined]
    return {name: getattr(one, name) for name in names}


def _reduced(one: object) -> tuple[Any, ...]:
    return _again, (type(one), _values(one))


def _again(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**values)


def _made(cls: type[Any], *, frozen: bool) -> type[Any]:
    """Return the class with slots. It has no bases, and annotations for its fields alone."""
    assert cls.__bases__ == (object,)
    slots = tuple(cls.__annotations__)
    own = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in {"__dict__", "__weakref__"} and not name.startswith("__annot")
    }
    own["__annotations__"] = dict(cls.__annotations__)  # whichever way a Python keeps them
    kept = {name: value for name, value in own.items() if name not in slots}
    # What `__post_init__` sets is no argument.
    names = tuple(name for name in slots if not _is_set_later(own.get(name)))
    made = type(cls.__name__, (), {**kept, "__slots__": slots, "__match_args__": names})

    def init(self: Any, *values: Any, **named: Any) -> None:
        made.__init__ = _init(made, names, own, frozen=frozen)  # type: ignore[misc]
        made.__init__(self, *values, **named)  # type: ignore[misc]

    def later(name: str) -> Any:
        def method(self: Any, *others: Any) -> Any:
            done = _written(cls.__name__, own, frozen=frozen)
            for each in _LATER:
                if each not in own:
                    setattr(made, each, getattr(done, each))
            return getattr(made, name)(self, *others)

        return method

    made.__init__ = init  # type: ignore[misc]
    for name in _LATER:
        if name not in own:
            setattr(made, name, later(name))
    if frozen:
        made.__setattr__ = made.__delattr__ = _refuse_change  # type: ignore[assignment,method-assign]
    else:
        made.__hash__ = None  # type: ignore[assignment]
    # For `copy` and `pickle`, which otherwise set fields.
    made.__reduce__ = _reduced  # type: ignore[assignment,method-assign]
    made.__dataclass_fields__ = _Fields(made, own)  # type: ignore[attr-defined]
    return made


def _is_set_later(default: Any) -> bool:
    return isinstance(default, dataclasses.Field) and not default.init


def _init(made: type[Any], names: tuple[str, ...], own: dict[str, Any], *, frozen: bool) -> Any:
    """Write the method that sets the fields of a new object."""
    known = {
        "_become": _become,
        "_made": made,
        "_open": type("_Open", (), {"__slots__": made.__slots__}),
    }
    parameters: list[str] = []
    keywords: list[str] = []
    lines: list[str] = []
    for name in names:
        default, value, is_keyword = own.get(name, dataclasses.MISSING), name, False
        if isinstance(default, dataclasses.Field):
            is_keyword = default.kw_only is True
            if default.default_factory is not dataclasses.MISSING:
                known[f"_make_{name}"] = default.default_factory
                value, default = f"_make_{name}() if {name} is None else {name}", None
            else:
                default = default.default
        known[f"_default_{name}"] = default
        ending = "" if default is dataclasses.MISSING else f"=_default_{name}"
        (keywords if is_keyword else parameters).append(f"{name}{ending}")
        lines.append(f"self.{name} = {value}")
    signature = ", ".join(["self", *parameters, *(["*", *keywords] if keywords else [])])
    last = ["self.__post_init__()"] if "__post_init__" in own else []
    if frozen:
        lines = ["_become(self, _open)", *lines, "self.__class__ = _made"]
    body = [*lines, *last] or ["pass"]
    source = f"def __init__({signature}):\n" + "".join(f"    {line}\n" for line in body)
    exec(source, known)  # noqa: S102 - of the class's own names, as `dataclasses` does it
    known["__init__"].__qualname__ = f"{made.__name__}.__init__"
    return known["__init__"]


def _written(name: str, own: dict[str, Any], **settings: bool) -> type[Any]:
    """Return the class as `dataclasses` makes it."""
    written = type(name, (), dict(own))
    return dataclasses.dataclass(**settings)(written)


def _refuse_change(self: object, name: str, value: object = None) -> NoReturn:
    del self, value
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


class _Fields:
    """What `fields` and `replace` read of a class, found out when they do."""

    def __init__(self, made: type[Any], own: dict[str, Any]) -> None:
        self._made = made
        self._own = own

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        written = _written(self._made.__name__, self._own, repr=False, eq=False, frozen=True)
        found = written.__dataclass_fields__
        self._made.__dataclass_fields__ = found
        return found
