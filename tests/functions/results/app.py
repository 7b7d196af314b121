"""Returns a value of every kind: `event` names which."""

import dataclasses
import datetime
import decimal
import enum
import uuid
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from types import MappingProxyType

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    """A plain enumeration."""

    RED = "red"


class Level(enum.IntEnum):
    """An enumeration of integers."""

    LOW = 1


class Text(str):
    """A string that is not a str, but a subclass."""

    __slots__ = ()


@dataclasses.dataclass
class Order:
    """A dataclass."""

    number: int
    lines: list[str]


class Opaque:
    """Nothing any encoder knows."""


def circular() -> list[object]:
    """Return a list that contains itself."""
    loop: list[object] = []
    loop.append(loop)
    return loop


def nested(depth: int) -> list[object]:
    """Return a list in a list in a list."""
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


RESULTS = {
    "none": lambda: None,
    "true": lambda: True,
    "integer": lambda: 2**53 + 1,
    "huge integer": lambda: 2**80,
    "negative zero": lambda: -0.0,
    "float": lambda: 0.1,
    "large float": lambda: 1e16,
    "small float": lambda: 1e-7,
    "nan": lambda: float("nan"),
    "infinity": lambda: [float("inf"), float("-inf")],
    "text": lambda: "bö 日本 🙂",
    "controls": lambda: '\x00\x1f\x7f\u2028"\\/',
    "lone surrogate": lambda: "a\ud800b",
    "subclass of str": lambda: Text("text"),
    "bytes": lambda: b"\x00\xff",
    "no bytes": lambda: b"",
    "bytearray": lambda: bytearray(b"ab"),
    "list": lambda: [1, "two", [3.5], {}],
    "tuple": lambda: (1, (2, 3)),
    "named tuple": lambda: Point(1, 2),
    "set": lambda: {1},
    "dict": lambda: {"b": 1, "a": [1, 2], "c": {"d": None}},
    "int keys": lambda: {1: "a", 2: "b"},
    "other keys": lambda: {None: 1, True: 2, 1.5: 3},
    "tuple keys": lambda: {(1, 2): "a"},
    "bytes keys": lambda: {b"a": 1},
    "ordered dict": lambda: OrderedDict(b=1, a=2),
    "default dict": lambda: defaultdict(list, a=[1]),
    "mapping proxy": lambda: MappingProxyType({"a": 1}),
    "user dict": lambda: UserDict(a=1),
    "decimal": lambda: decimal.Decimal("10.50"),
    "decimal exponent": lambda: decimal.Decimal("1E+3"),
    "decimal nan": lambda: decimal.Decimal("NaN"),
    "decimal infinity": lambda: decimal.Decimal("-Infinity"),
    "decimals within": lambda: {"price": decimal.Decimal("1.10"), "many": [decimal.Decimal(3)]},
    "datetime": lambda: datetime.datetime(2026, 11, 21, 12, 30, tzinfo=datetime.UTC),
    "date": lambda: datetime.date(2026, 11, 21),
    "uuid": lambda: uuid.UUID(int=5),
    "dataclass": lambda: Order(1, ["a"]),
    "enum": lambda: Colour.RED,
    "int enum": lambda: Level.LOW,
    "object": Opaque,
    "class": lambda: Opaque,
    "exception": lambda: ValueError("returned"),
    "circular": circular,
    "depth 100": lambda: nested(100),
    "depth 100000": lambda: nested(100_000),
    "range": lambda: range(3),
    "iterator": lambda: iter([1, 2]),
    "generator": lambda: (letter for letter in ("ab", "cd")),
    "6 MB less": lambda: "x" * (6 * 1024 * 1024 + 98),
    "6 MB more": lambda: "x" * (6 * 1024 * 1024 + 99),
}


def handler(event: str, _context: object) -> object:
    """Return the value that is called `event`."""
    return RESULTS[event]()
