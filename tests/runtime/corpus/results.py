"""Results of handlers: what is encoded as awslambdaric encodes it, what otherwise, and what is not."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import Any, Final, NamedTuple, final


class Point(NamedTuple):
    x: Any
    y: Any


class OddText(str):
    """A string that prints as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "odd"

    __repr__ = __str__


class OddInteger(int):
    def __repr__(self) -> str:
        return "odd"

    __str__ = __repr__


class OddFloat(float):
    def __repr__(self) -> str:
        return "odd"

    __str__ = __repr__


class OddList(list[Any]):
    def __repr__(self) -> str:
        return "odd"


class OddTuple(tuple[Any, ...]):
    __slots__ = ()

    def __repr__(self) -> str:
        return "odd"


class OddDict(dict[Any, Any]):
    def __repr__(self) -> str:
        return "odd"


class OddBytes(bytes):
    def __repr__(self) -> str:
        return "odd"


@final
class AsDict:
    """What simplejson takes for a named tuple."""

    def _asdict(self) -> dict[str, int]:
        return {"a": 1}


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 3


class Ratio(float, enum.Enum):
    HALF = 0.5


class Plain(enum.Enum):
    NUMBER = 1
    NESTED = (Level.LOW, Point(1, Decimal("1.50")))
    NOTHING = None


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Order:
    item: str
    price: Any = Decimal("1.10")
    _secret: str = "kept"
    kind: Colour = Colour.RED
    count: dataclasses.InitVar[int] = 0


def with_a_note() -> Order:
    """Return a dataclass's instance that has been given an attribute more."""
    order = Order("a", 1)
    order.note = "no field"  # type: ignore[attr-defined]
    return order


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    order: Order
    position: int


# Awslambdaric's text means the same as ours. The first of each pair is the test's name.
SAME: Final[tuple[tuple[str, Any], ...]] = (
    ("none", None),
    ("true", True),
    ("text", 'a"b\\c/\x00\x1f\x7f\u2028é😀'),
    ("empty text", ""),
    ("a large integer", 2**64),
    ("a huge integer", -(10**100)),
    ("the largest of 64 bits", [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1]),
    ("floats", [0.0, -0.0, 1.0, 0.1, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 1e22]),
    ("containers", {"a": [1, (2, [3.5, None])], "b": {}, "c": [], "d": ()}),
    ("bytes inside", {"a": b"text \xc3\xa9", "b": [b""]}),
    ("a named tuple", Point(1, [Point("a", None)])),
    ("a named tuple in a plain dict", {"a": [Point(1, 2)]}),
    ("something like a named tuple", [AsDict()]),
    ("keys of every kind", {"a": 1, 2: 3, 4.5: 6, True: 7, None: 8, b"\xc3\xa9": 9, 10**30: 10}),
    ("keys that are no numbers", {math.nan: 1, math.inf: 2, -math.inf: 3}),
    ("keys that become equal", {1: "a", "1": "b"}),
    ("keys of subclasses", {OddText("a"): 1, OddInteger(2): 3, OddFloat(4.5): 6, OddBytes(b"b"): 7}),
    ("keys that are enums", {Colour.RED: 1, Level.LOW: 2, Ratio.HALF: 3}),
    ("subclasses", [OddText("a"), OddInteger(1), OddFloat(1.5), OddList([1]), OddTuple((1,)), OddDict(a=1)]),
    ("bytes of a subclass", [OddBytes(b"a")]),
    ("dicts of the library", [collections.OrderedDict(a=1), collections.defaultdict(int, b=2), collections.Counter("c")]),
    ("enums of str, int and float", [Colour.RED, Level.LOW, Ratio.HALF]),
    ("depth within everybody's reach", [[[[[[[[{"a": [{}]}]]]]]]]]),
)  # fmt: skip

# The text of a Decimal as it is, for a caller that reads numbers as text.
DECIMALS: Final = (
    "0", "-0", "1", "-1", "1.10", "0.00", "1E+3", "1E-7", "0E-10", "-0E+5", "1E+400", "-1.5E-400",
    "123456789012345678901234567890.123456789", "1E-9999", "9" * 50,
)  # fmt: skip

SUMMER: Final = dt.timezone(dt.timedelta(hours=2))
# Amsterdam's until 1937.
ODD_OFFSET: Final = dt.timezone(dt.timedelta(minutes=19, seconds=32))

# Where we differ on purpose: what a value is to us, and to awslambdaric (None: it refuses).
DIFFERENT: Final[tuple[tuple[str, Any, str, str | None], ...]] = (
    # Its NaN is not JSON, and no caller that reads JSON can read it.
    ("not a number", [math.nan, math.inf, -math.inf], "[null,null,null]", "[NaN, Infinity, -Infinity]"),
    ("no Decimal number", Decimal("NaN"), "null", "NaN"),
    ("a signalling Decimal", Decimal("-sNaN1"), "null", "NaN"),
    ("an infinite Decimal", Decimal("-Infinity"), "null", "-Infinity"),
    ("a float's subclass, not a number", OddFloat("nan"), "null", "NaN"),
    # Bytes are dear: compact separators.
    ("space", {"a": [1, 2], "b": None}, '{"a":[1,2],"b":null}', '{"a": [1, 2], "b": null}'),
    # It cannot encode this text afterwards, and its process ends.
    ("a lone surrogate", "a\ud800\\\udc80", '"a\\ud800\\\\\\udc80"', '"a\ud800\\\\\udc80"'),
    ("a surrogate as a key", {"\udfff": 1}, '{"\\udfff":1}', '{"\udfff": 1}'),
    # What orjson adds.
    ("a datetime", dt.datetime(2026, 11, 21, 1, 2, 3, 4), '"2026-11-21T01:02:03.000004"', None),  # noqa: DTZ001 - naive on purpose
    ("a datetime of a zone", dt.datetime(2026, 7, 1, tzinfo=SUMMER), '"2026-07-01T00:00:00+02:00"', None),
    ("a datetime in UTC", dt.datetime(1, 1, 1, tzinfo=dt.UTC), '"0001-01-01T00:00:00+00:00"', None),
    ("a date", dt.date(2026, 1, 2), '"2026-01-02"', None),
    ("a time", dt.time(1, 2), '"01:02:00"', None),
    ("a time of a zone", dt.time(1, 2, tzinfo=dt.UTC), '"01:02:00+00:00"', None),
    ("a UUID", uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"', None),
    ("a dataclass", Order("a"), '{"item":"a","price":1.10,"kind":"red"}', None),
    (
        "a dataclass in a dataclass",
        [Line(Order("a", None), 2)],
        '[{"order":{"item":"a","price":null,"kind":"red"},"position":2}]',
        None,
    ),
    ("a dataclass with more than its fields", with_a_note(), '{"item":"a","price":1,"kind":"red"}', None),
    ("an enum", [Plain.NUMBER, Plain.NOTHING], "[1,null]", None),
    ("an enum of more", Plain.NESTED, '[3,{"x":1,"y":1.50}]', None),
    ("flags", Flags.A | Flags.B, "3", None),
)  # fmt: skip


def circular_list() -> list[Any]:
    value: list[Any] = [1]
    value.append({"a": value})
    return value


def circular_dict() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = Point(1, [value])
    return value


# Both refuse, and in the same words.
REFUSED: Final[tuple[tuple[str, Any], ...]] = (
    ("a set", {1, 2}),
    ("a frozen set", [frozenset()]),
    ("a bytearray", bytearray(b"a")),
    ("a memoryview", [memoryview(b"a")]),
    ("a complex number", 1j),
    ("a range", range(3)),
    ("a deque", collections.deque([1])),
    ("a user's dict", collections.UserDict(a=1)),
    ("an iterator", iter([1])),
    ("an object", {"a": object()}),
    ("an exception", ValueError("a")),
    ("a class", int),
    ("a dataclass itself", [str, dataclasses.Field]),
    ("a function", len),
    ("a timedelta", dt.timedelta(1)),
    ("bytes that are no text", [b"\xff"]),
    ("a key that is a tuple", {(1, 2): 3}),
    ("a key that is a Decimal", {Decimal(1): 2}),
    ("a key that is a date", {dt.date(2026, 1, 2): 3}),
    ("a key that is an enum", {Plain.NUMBER: 1}),
    ("a key that is bytes but no text", {b"\xff": 1}),
    ("a list in itself", circular_list()),
    ("a dict in itself", circular_dict()),
    ("an integer of too many digits", [10**5000]),
)  # fmt: skip


def nested(levels: int, innermost: Any = 1) -> Any:
    """Return lists in lists, so many levels deep."""
    value = innermost
    for _ in range(levels):
        value = [value]
    return value
