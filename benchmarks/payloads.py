"""Events to send: JSON of a stated size, mixed as real events are, the same in every run."""

from __future__ import annotations

import json
import random
from itertools import count
from typing import Any

SEED = 6
# The platform's limit for a buffered response, which an echoed event must keep to as well.
MAX_RESPONSE_BYTES = 6_291_556

SIZES_BYTES = {"200 B": 200, "6 KB": 6_000, "100 KB": 100_000, "5 MB": 5_000_000}


def mixed_json(size_bytes: int) -> bytes:
    """Return an object of exactly `size_bytes`: records of text, numbers, flags, nulls, lists."""
    source = random.Random(SEED)  # noqa: S311 - nothing secret is drawn
    records: list[bytes] = []
    room = size_bytes - len(_document([], 0))
    for number in count():
        record = _compact(_record(source, number))
        if len(record) + 1 > room:
            break
        records.append(record)
        room -= len(record) + (len(records) > 1)
    if room < 0:
        msg = f"cannot make a document of {size_bytes!r} bytes; the smallest has {-room} more"
        raise ValueError(msg)
    return _document(records, room)


def _document(records: list[bytes], padding: int) -> bytes:
    return b'{"version":"1.0","records":[%s],"padding":"%s"}' % (
        b",".join(records),
        b"x" * padding,
    )


def _record(source: random.Random, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": source.choice(("Zoë", "Anna", "Łukasz", "Bob", "Maria", "Chen")),
        "price": source.randrange(1, 1_000_000) / 100,
        "active": source.choice((True, False)),
        "note": None,
        "at": 1_700_000_000_000 + source.randrange(10**9),
        "tags": source.sample(("red", "green", "blue", "sale"), 2),
    }


def _compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
