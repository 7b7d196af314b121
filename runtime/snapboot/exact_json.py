"""JSON both ways for what the fast engines of `codec.py` cannot do: slow, complete, in Python.

Accepts what AWS's runtime accepts (`Decimal` as a bare number, named tuples as objects, `bytes` as
text, keys that are numbers) and what orjson adds (`datetime`, `UUID`, dataclasses, enums, numpy).
"""

import sys
from _json import encode_basestring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def decode(text: str) -> "Any":
    """Return what the text means. Raises ValueError with the words of `json`."""
    import json  # not before: a function may have a module of that name

    return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse)


def encode(value: object) -> str:
    """Return the JSON text of a value. Raises TypeError or ValueError if it has none."""
    pieces: list[str] = []
    _write(value, pieces.append, set())
    return "".join(pieces)


def simpler(value: "Any", number: "Callable[[str], object]") -> object:  # noqa: C901, PLR0911, PLR0912
    """Return a value nearer to JSON than this one; `number` makes one of a number's text.

    Raises TypeError if there is none. A type is looked up where it would be loaded from: what is
    not imported cannot be met.
    """
    if _is_a(value, "decimal", "Decimal"):
        return number(str(value)) if value.is_finite() else None
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return str(value, "utf-8")
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float(value)
    if callable(getattr(value, "_asdict", None)):
        return value._asdict()
    if isinstance(value, dict):
        return dict(value.items())
    if isinstance(value, (list, tuple)):
        return list(value)
    if _is_a(value, "enum", "Enum"):
        return value.value
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return _public_fields(value)
    if _is_a(value, "datetime", "date", "time"):
        return value.isoformat()
    if _is_a(value, "uuid", "UUID"):
        return str(value)
    if _is_a(value, "numpy", "ndarray", "generic"):
        return value.tolist()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class _Number:
    """The text of a number, to go into the JSON as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


# As JavaScript spells them.
_FLOAT_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _write(value: "Any", put: "Callable[[str], None]", path: "set[int]") -> None:
    """Put the pieces of a value's JSON; `path` has the ids of the containers it is in."""
    if value is None:
        put("null")
    elif value is True or value is False:
        put("true" if value else "false")
    elif isinstance(value, str):
        put(encode_basestring(value))
    elif isinstance(value, int):
        put(int.__repr__(value))
    elif isinstance(value, float):
        put(float.__repr__(value) if _is_finite(value) else "null")
    elif type(value) is _Number:
        put(value.text)
    else:
        _write_container(value, put, path)


def _write_container(value: "Any", put: "Callable[[str], None]", path: "set[int]") -> None:
    if id(value) in path:
        raise ValueError("Circular reference detected")
    path.add(id(value))
    if isinstance(value, dict):
        _write_object(value, put, path)
    elif isinstance(value, list) or type(value) is tuple:
        _write_array(value, put, path)
    else:
        _write(simpler(value, _Number), put, path)
    path.remove(id(value))


def _write_object(value: "dict[Any, Any]", put: "Callable[[str], None]", path: "set[int]") -> None:
    opening = "{"
    for key, item in value.items():
        put(opening)
        put(encode_basestring(_key(key)))
        put(":")
        _write(item, put, path)
        opening = ","
    put("}" if opening == "," else "{}")


def _write_array(value: "Any", put: "Callable[[str], None]", path: "set[int]") -> None:
    opening = "["
    for item in value:
        put(opening)
        _write(item, put, path)
        opening = ","
    put("]" if opening == "," else "[]")


def _key(key: object) -> str:
    """Return a key as AWS's runtime spells it; `NaN` is fine between quotes."""
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return str(key, "utf-8")
    if isinstance(key, float):
        return _FLOAT_NAMES.get(float.__repr__(key)) or float.__repr__(key)
    if key is None or isinstance(key, int):
        return encode(key)
    names = "keys must be str, int, float, bool or None"
    raise TypeError(f"{names}, not {type(key).__name__}")


def _public_fields(value: "Any") -> "dict[str, Any]":
    """Return a dataclass's fields as orjson sees them: without those that start with `_`."""
    fields = sys.modules["dataclasses"].fields(value)
    names = (field.name for field in fields if not field.name.startswith("_"))
    return {name: getattr(value, name) for name in names}


def _is_a(value: object, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    return loaded is not None and any(
        isinstance(value, getattr(loaded, name, ())) for name in names
    )


def _is_finite(value: float) -> bool:
    return value - value == 0.0


def _refuse(constant: str) -> None:
    raise ValueError(f"Expecting value: {constant} is not JSON")
