"""Plain data out of what `marshal` writes, read without trust in its origin.

`marshal.loads` is for one's own files: a length in foreign bytes makes it reserve gigabytes. This
reads tuples, dicts with strings as keys, strings, bytes and integers of format version 4, which is
the same in every Python from 3.4 on (Python/marshal.c).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from snapboot_devkit.package.binary.limits import Steps, TooMuchWorkError

MAX_DEPTH: Final = 8
# A value inside of values, each reference counted as all that it stands for: else some hundred
# bytes are a tuple of billions. A module takes 7; no function has 100,000.
MAX_VALUES: Final = 700_000
# Of 15 bits each: enough for an offset of 64 bits. Python itself would take millions.
MAX_DIGITS: Final = 5

_REFERABLE: Final = 0x80
_TEXTS: Final = {**dict.fromkeys(b"zZaA", "ascii"), **dict.fromkeys(b"ut", "utf-8")}
_SHORT: Final = frozenset(b"zZ)")  # their length is one byte
_END_OF_DICT: Final = object()
_DIGIT_BITS: Final = 15


class PlainMarshalError(Exception):
    """The bytes are no such data: they are damaged, or of something else."""


def loads(content: bytes | memoryview) -> Any:
    """Return the value that stands at the beginning of `content`. Raises PlainMarshalError."""
    try:
        return _Reader(memoryview(content)).value(0)
    except (IndexError, UnicodeDecodeError, TypeError) as exc:
        raise PlainMarshalError(f"damaged: {exc}") from exc
    except TooMuchWorkError as exc:
        raise PlainMarshalError(f"it has more than {MAX_VALUES:,} values") from exc


@dataclass(slots=True)
class _Reader:
    content: memoryview
    offset: int = 0
    # Each with the number of values that it stands for.
    references: list[tuple[Any, int] | None] = field(default_factory=list)
    steps: Steps = field(default_factory=lambda: Steps(MAX_VALUES))

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise PlainMarshalError(f"nested deeper than {MAX_DEPTH} levels")
        before = self.steps.taken
        self.steps.take()
        kind = self._take(1)[0]
        if not kind & _REFERABLE:
            return self._of(kind, depth)
        place = len(self.references)
        self.references.append(None)
        value = self._of(kind & ~_REFERABLE, depth)
        self.references[place] = value, self.steps.taken - before
        return value

    def _of(self, kind: int, depth: int) -> Any:
        if kind in _TEXTS:
            return str(self._take(self._length(kind)), _TEXTS[kind], "surrogatepass")
        match chr(kind):
            case ")" | "(":
                return self._tuple(self._length(kind), depth)
            case "{":
                return self._dict(depth)
            case "s":
                return bytes(self._take(self._length(kind)))
            case "0":
                return _END_OF_DICT
        return self._number(chr(kind))

    def _number(self, kind: str) -> Any:
        match kind:
            case "i":
                return self._integer()
            case "l":
                return self._long()
            case "r":
                return self._reference(self._integer())
        raise PlainMarshalError(f"a value of the type {kind!r} at byte {self.offset - 1}")

    def _reference(self, place: int) -> Any:
        found = self.references[place] if 0 <= place < len(self.references) else None
        if found is None:
            raise PlainMarshalError(f"a reference to the value {place}, which is not there yet")
        value, count = found
        self.steps.take(count)
        return value

    def _length(self, kind: int) -> int:
        return self._take(1)[0] if kind in _SHORT else self._integer()

    def _take(self, length: int) -> memoryview:
        start, self.offset = self.offset, self.offset + length
        if length < 0 or self.offset > len(self.content):
            raise PlainMarshalError(f"{length} bytes at byte {start} of {len(self.content)}")
        return self.content[start : self.offset]

    def _integer(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def _long(self) -> int:
        count = self._integer()
        if abs(count) > MAX_DIGITS:
            raise PlainMarshalError(f"an integer of {abs(count)} digits at byte {self.offset}")
        digits = self._take(2 * abs(count))
        pairs = (int.from_bytes(digits[at : at + 2], "little") for at in range(0, len(digits), 2))
        value = sum(digit << _DIGIT_BITS * place for place, digit in enumerate(pairs))
        return value if count >= 0 else -value

    def _tuple(self, count: int, depth: int) -> tuple[Any, ...]:
        if count > len(self.content) - self.offset:
            raise PlainMarshalError(f"a tuple of {count} at byte {self.offset}")
        return tuple(self.value(depth + 1) for _ in range(count))

    def _dict(self, depth: int) -> dict[Any, Any]:
        found = {}
        while (key := self.value(depth + 1)) is not _END_OF_DICT:
            if not isinstance(key, str):
                raise PlainMarshalError(f"a key of the type {type(key).__name__!r}")
            found[key] = self.value(depth + 1)
        return found
