"""Who is invoked, and the ids an invocation carries."""

from __future__ import annotations

import os
import re
import time
from dataclasses import field
from typing import Final

from snapboot_devkit.lazy_dataclass import dataclass, filled

# As many ids are made at once, since each call for random bytes is one of the system.
_AT_ONCE: Final = 64
_PARTS_OF_ID: Final = re.compile("(.{8})(.{4})(.{3})(.{3})(.{12}).{2}")
_PARTS_OF_TRACE: Final = re.compile("(.{24})(.{16})")


@dataclass(frozen=True, slots=True)
class Identity:
    """A function's name as callers and the function itself see it."""

    name: str
    version: str = "$LATEST"
    region: str = "us-east-1"
    account: str = "012345678912"

    # The function's ARN without a qualifier.
    arn: str = field(init=False)

    def __post_init__(self) -> None:
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"
        filled(self, arn=arn)


class _Random:
    """Texts with random digits in them, made many at a time by a pattern of their parts."""

    def __init__(self, parts: re.Pattern[str], text: str, size: int) -> None:
        self._parts = parts
        self._text = text
        self._size = size
        self._ready: list[str] = []
        # A process that is forked must make its own.
        os.register_at_fork(after_in_child=self._ready.clear)

    def next(self) -> str:
        while True:
            try:
                return self._ready.pop()
            except IndexError:  # also of another thread, which took the last one
                digits = os.urandom(self._size * _AT_ONCE).hex()
                self._ready += map(self._text.__mod__, self._parts.findall(digits))


# UUIDs, version 4, whose variant is always written with the same one of its four digits.
new_id: Final = _Random(_PARTS_OF_ID, "%s-%s-4%s-a%s-%s", 16).next
_new_ids_of_trace: Final = _Random(_PARTS_OF_TRACE, "%s;Parent=%s;Sampled=0", 20).next


def new_trace_id() -> str:
    """Return a fresh X-Ray header, of a trace that is not sampled."""
    return f"Root=1-{int(time.time()):08x}-{_new_ids_of_trace()}"
