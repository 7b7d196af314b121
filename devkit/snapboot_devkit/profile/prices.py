"""What an init costs: Lambda's prices by region, in one table.

From AWS's public price list as it was known in mid-2025 (aws.amazon.com/lambda/pricing; duration,
first tier, USD per GB-second). They have not been checked since: `--price` overrides them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from snapboot_devkit.profile.analysis import Terms

AS_OF: Final = "mid-2025"
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
# SnapStart of Python, us-east-1: USD per GB-second of a cached snapshot, per GB restored. Quoted by
# third parties.
SNAPSTART_CACHE_PER_GB_SECOND: Final = 0.0000015046
SNAPSTART_RESTORE_PER_GB: Final = 0.0001397998
SECONDS_PER_MONTH: Final = 30 * 24 * 3600
DEFAULT_REGION: Final = "us-east-1"
DEFAULT_COLD_STARTS: Final = 100_000


def per_gb_second(region: str, *, arm: bool = False) -> float | None:
    """Return the price in a region, None for one that the table does not have."""
    found = PER_GB_SECOND.get(region)
    return None if found is None else found[int(arm)]


def cost(name: str, memory_mb: int, init_ms: float, terms: Terms) -> dict[str, Any]:
    """Return what the inits of a month cost, and what a snapshot of the function would.

    The init is what was measured here; Lambda bills what it takes there, rounded up to 1 ms.
    """
    price = terms.price if terms.price is not None else per_gb_second(terms.region)
    assert price is not None, "an unknown region is refused where it is typed"
    gigabytes = memory_mb / 1024
    return {
        "name": name,
        "memoryMB": memory_mb,
        "initMs": math.ceil(init_ms),
        "coldStarts": terms.cold_starts,
        "region": terms.region,
        "perGBSecond": price,
        "asOf": "--price" if terms.price is not None else AS_OF,
        "initUSD": round(math.ceil(init_ms) / 1000 * gigabytes * price * terms.cold_starts, 4),
        "snapStartCacheUSD": round(
            gigabytes * SECONDS_PER_MONTH * SNAPSTART_CACHE_PER_GB_SECOND, 4
        ),
        "snapStartRestoreUSD": round(gigabytes * SNAPSTART_RESTORE_PER_GB * terms.cold_starts, 4),
    }
