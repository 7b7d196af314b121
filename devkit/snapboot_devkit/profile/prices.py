"""What an init costs: Lambda's prices by region, in one table.

From AWS's price list for Lambda that was published on the date below, as two public repositories
quote it (duration, first tier, USD per GB-second): `--price` overrides them. Those of arm64 outside
the common regions are older, and a fifth below x86_64's as they are everywhere.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from snapboot_devkit.profile.analysis import Terms

AS_OF: Final = date(2026, 9, 19)
OLD: Final = timedelta(days=365)
_COMMON: Final = (0.0000166667, 0.0000133334)
# USD per GB-second: x86_64, arm64.
PER_GB_SECOND: Final[dict[str, tuple[float, float]]] = {
    **dict.fromkeys(
        (
            *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
            *("eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1"),
            *("ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
            *("ap-southeast-1", "ap-southeast-2"),
        ),
        _COMMON,
    ),
    "af-south-1": (0.0000221, 0.0000176800),
    "ap-east-1": (0.00002292, 0.0000183000),
    "eu-south-1": (0.0000195172, 0.0000156138),
    "me-south-1": (0.0000206667, 0.0000165334),
}
# SnapStart of Python: USD per GB-second of a cached snapshot, per GB restored. Other regions are
# taken to cost what us-east-1 does.
SNAPSTART: Final = (0.0000015046, 0.0001397998)
SNAPSTART_ELSEWHERE: Final = {"ap-northeast-2": (0.0000018383, 0.0001674588)}
SECONDS_PER_MONTH: Final = 30 * 24 * 3600
DEFAULT_REGION: Final = "us-east-1"
DEFAULT_COLD_STARTS: Final = 100_000


def per_gb_second(region: str, *, arm: bool = False) -> float | None:
    """Return the price in a region, None for one that the table does not have."""
    found = PER_GB_SECOND.get(region)
    return None if found is None else found[int(arm)]


def too_old(today: date) -> str | None:
    """Return a warning where the prices are older than a year; None where they are not."""
    if today - AS_OF <= OLD:
        return None
    return (
        f"the prices are those of {AS_OF.isoformat()}, more than a year ago: look up the present "
        "one per GB-second, and give it by --price"
    )


def cost(name: str, memory_mb: int, init_ms: float, terms: Terms) -> dict[str, Any]:
    """Return what the inits of a month cost, and what a snapshot of the function would.

    The init is what was measured here; Lambda bills what it takes there, rounded up to 1 ms.
    """
    price = terms.price if terms.price is not None else per_gb_second(terms.region, arm=terms.arm)
    assert price is not None, "an unknown region is refused where it is typed"
    gigabytes = memory_mb / 1024
    cached, restored = SNAPSTART_ELSEWHERE.get(terms.region, SNAPSTART)
    return {
        "name": name,
        "memoryMB": memory_mb,
        "initMs": math.ceil(init_ms),
        "coldStarts": terms.cold_starts,
        "region": terms.region,
        "perGBSecond": price,
        "asOf": "--price" if terms.price is not None else AS_OF.isoformat(),
        "initUSD": round(math.ceil(init_ms) / 1000 * gigabytes * price * terms.cold_starts, 4),
        "snapStartCacheUSD": round(gigabytes * SECONDS_PER_MONTH * cached, 4),
        "snapStartRestoreUSD": round(gigabytes * restored * terms.cold_starts, 4),
    }
