"""Whether a series of samples has one figure: enough of them, in one group, without drift."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from snapboot_devkit.profile import statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

DRIFTS: Final = "drifts"
SPLITS: Final = "two groups"


def too_few(values: Sequence[float]) -> bool:
    """Return whether there are fewer samples than an interval of their median takes."""
    return len(values) < statistics.ENOUGH_FOR_INTERVAL


def flaw(values: Sequence[float]) -> str:
    """Return what keeps the median from being a figure of the series; nothing if it is one."""
    return _flaw(tuple(values))


@functools.cache  # it is asked for in tables, in warnings and in each plot
def _flaw(values: tuple[float, ...]) -> str:
    if statistics.groups(values):
        return SPLITS
    return DRIFTS if statistics.drift(values) else ""
