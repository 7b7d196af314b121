"""How fast a streamed response may flow: a token bucket. No I/O, no clock."""

from __future__ import annotations

import math
from typing import Final

from snapboot_devkit.host.protocol import KIB, MIB
from snapboot_devkit.lazy_dataclass import dataclass

# The figures of RAPID's bandwidth limiter, and the range in which it can be set.
BURST_BYTES: Final = 6 * MIB
BYTES_PER_S: Final = 2 * MIB
STEP_S: Final = 0.125
MIN_BYTES: Final = 32 * KIB
MAX_BYTES: Final = 64 * MIB


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A burst in bytes, and what flows after it in bytes per second. Raises ValueError."""

    burst_bytes: int = BURST_BYTES
    bytes_per_s: int = BYTES_PER_S

    def __post_init__(self) -> None:
        _check("burst_bytes", self.burst_bytes)
        _check("bytes_per_s", self.bytes_per_s)

    @property
    def bytes_per_step(self) -> float:
        """What each step adds."""
        return self.bytes_per_s * STEP_S


class TokenBucket:
    """The bucket of one response; full at first, refilled by steps of 125 ms.

    A piece is never cut: it may overdraw the bucket, and then the next one waits.
    """

    def __init__(self, bandwidth: Bandwidth, now: float) -> None:
        """Begin at `now`, in seconds on the clock of `take`."""
        self._bandwidth = bandwidth
        self._level: float = bandwidth.burst_bytes
        self._stepped_at = now

    def __repr__(self) -> str:
        return f"<TokenBucket {self._level:.0f} of {self._bandwidth.burst_bytes} bytes>"

    def take(self, size: int, now: float) -> float:
        """Take a piece of `size` bytes, and return after how many seconds it has flowed."""
        self._refill(now)
        self._level -= size
        if self._level >= 0:
            return 0.0
        steps = math.ceil(-self._level / self._bandwidth.bytes_per_step)
        return self._stepped_at + steps * STEP_S - now

    def _refill(self, now: float) -> None:
        steps = math.floor((now - self._stepped_at) / STEP_S)
        if steps > 0:
            self._stepped_at += steps * STEP_S
            filled = self._level + steps * self._bandwidth.bytes_per_step
            self._level = min(filled, self._bandwidth.burst_bytes)


def _check(name: str, value: int) -> None:
    if not MIN_BYTES <= value <= MAX_BYTES:
        raise ValueError(f"{name} {value!r} must be from {MIN_BYTES} to {MAX_BYTES} (64 MiB)")
