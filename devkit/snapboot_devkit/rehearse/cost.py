"""What SnapStart takes on Lambda, by figures of the user's own: one that is typed, or logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snapboot_devkit.profile import logs, statistics
from snapboot_devkit.rehearse.errors import RehearsalError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Known:
    """What a restore takes on Lambda and, where logs have inits, an init, too; medians in ms.

    `source` says where the restore's comes from.
    """

    restore_ms: float
    init_ms: float | None = None
    source: str = ""

    def verdict(self, fresh_init_ms: Sequence[float]) -> dict[str, Any] | None:
        """Say whether SnapStart pays; where the logs have no init, beside those taken here."""
        if self.init_ms is None and not fresh_init_ms:
            return None
        init_ms = statistics.median(fresh_init_ms) if self.init_ms is None else self.init_ms
        place = "as here" if self.init_ms is None else "as in the logs"
        if self.restore_ms < init_ms:
            said = f"starts {init_ms - self.restore_ms:.0f} ms faster with SnapStart"
        else:
            slower_ms = self.restore_ms - init_ms
            said = f"does not start faster with SnapStart ({slower_ms:.0f} ms slower)"
        return {
            "restoreMs": self.restore_ms,
            "initMs": init_ms,
            "text": f"With a restore of {self.restore_ms:g} ms on Lambda{self.source}, and an init"
            f" of {init_ms:.0f} ms {place}, the function {said}.",
        }


def of_logs(paths: Sequence[Path]) -> Known:
    """Return what exported logs have. Raises ProfileError, RehearsalError.

    Restores are those of the newest version that has any, inits those of all versions: with
    SnapStart a version has one.
    """
    versions = logs.read_files(paths).versions
    restored = {name: one for name, one in versions.items() if one.figures.get("restoreMs")}
    if not restored:
        names = ", ".join(repr(str(path)) for path in paths)
        raise RehearsalError(
            f"{names}: no Restore Duration; export the logs of a version with SnapStart, by "
            "'aws logs tail GROUP --since 1h', or give the figure by --restore-ms"
        )
    newest = max(restored, key=lambda name: int(name) if name.isdigit() else 0)
    inits = [ms for one in versions.values() for ms in one.figures.get("initMs", ())]
    return Known(
        round(statistics.median(restored[newest].figures["restoreMs"]), 3),
        round(statistics.median(inits), 3) if inits else None,
        f" (median in the logs{f' of version {newest}' if newest else ''})",
    )
