"""Frozen dataclasses with slots, whose methods are written when they are first called.

`dataclasses` writes and compiles six methods of each class, which takes half a millisecond. Of the
host's many messages and records one run needs few.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, NoReturn

_LATER: Final = ("__repr__", "__eq__", "__hash__")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - the same, for type checkers

else:

    def dataclass(*, frozen: bool, slots: bool) -> Any:
        """Return what makes such a class; the settings stand there for who reads it."""
        assert frozen
        assert slots
        return _made


def _made(cls: type[Any]) -> type[Any]:
    """Return the class with slots. It has no bases, and annotations for its fields alone."""
    assert cls.__bases__ == (object,)
    names = tuple(cls.__annotations__)
    own = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in {"__dict__", "__weakref__"} and not name.startswith("__annot")
    }
    own["__annotations__"] = dict(cls.__annotations__)  # whichever way a Python keeps them
    kept = {name: value for name, value in own.items() if name not in names}
    made = type(cls.__name__, (), {**kept, "__slots__": names, "__match_args__": names})

    def plain(**settings: bool) -> type[Any]:
        written = type(cls.__name__, (), dict(own))
        return dataclasses.dataclass(frozen=True, **settings)(written)

    def init(self: Any, *values: Any, **named: Any) -> None:
        made.__init__ = plain(repr=False, eq=False).__init__  # type: ignore[misc]
        made.__init__(self, *values, **named)  # type: ignore[misc]

    def later(name: str) -> Any:
        def method(self: Any, *others: Any) -> Any:
            done = plain()
            for each in _LATER:
                if each not in own:
                    setattr(made, each, getattr(done, each))
            return getattr(made, name)(self, *others)

        return method

    made.__init__ = init  # type: ignore[misc]
    for name in _LATER:
        if name not in own:
            setattr(made, name, later(name))
    made.__setattr__ = made.__delattr__ = _refuse_change  # type: ignore[assignment,method-assign]
    made.__dataclass_fields__ = _Fields(made, plain)  # type: ignore[attr-defined]
    return made


def _refuse_change(self: object, name: str, value: object = None) -> NoReturn:
    del self, value
    raise dataclasses.FrozenInstanceError(f"cannot change field {name!r}")


class _Fields:
    """What `fields` and `replace` read of a class, found out when they do."""

    def __init__(self, made: type[Any], plain: Any) -> None:
        self._made = made
        self._plain = plain

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        found = self._plain(repr=False, eq=False).__dataclass_fields__
        self._made.__dataclass_fields__ = found
        return found
