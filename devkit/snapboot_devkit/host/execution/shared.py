"""What all environments of a host share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host.sandbox import reaper_program
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snapboot_devkit.host.sandbox.reaper import Reaper
    from snapboot_devkit.host.telemetry.logs import LogLine


@dataclass(frozen=True, slots=True)
class Shared:
    """Where log lines go, and who clears up after a host that was killed."""

    log: Callable[[LogLine], None]
    reaper: Reaper | None = None

    def watch(self, folder: Path) -> None:
        """Have a temporary folder removed even if the host is killed."""
        if self.reaper:
            self.reaper.send(reaper_program.FOLDER, folder)

    def forget(self, folder: Path) -> None:
        """Take note that a temporary folder has been removed."""
        if self.reaper:
            self.reaper.send(reaper_program.FORGET + reaper_program.FOLDER, folder)
