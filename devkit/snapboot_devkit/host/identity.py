"""Who is invoked, and the ids an invocation carries."""

from __future__ import annotations

import os
import time
from typing import Final

from snapboot_devkit.lazy_dataclass import dataclass

# The digit of a UUID's variant, by a random one.
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A function's name as callers and the function itself see it."""

    name: str
    version: str = "$LATEST"
    region: str = "us-east-1"
    account: str = "012345678912"

    @property
    def arn(self) -> str:
        """The function's ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"


def new_id() -> str:
    """Return a random UUID (version 4), written down without an object of it."""
    digits = os.urandom(16).hex()
    variant = _VARIANTS[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def new_trace_id() -> str:
    """Return a fresh X-Ray header, of a trace that is not sampled."""
    digits = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[24:]};Sampled=0"
