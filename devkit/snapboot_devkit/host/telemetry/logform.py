"""The form of a function's log: how records and the function's own lines become lines of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.telemetry.loglines import text_lines
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.host.lifecycle.records import Record
    from snapboot_devkit.host.telemetry.documents import Facts

# The least level that gets into a JSON log, unless the function's settings say another one.
DEFAULT_LEVEL: Final = "INFO"


@dataclass(frozen=True, slots=True)
class LogForm:
    """Text, or JSON with levels; the facts' `json_logs` decides.

    `level` is the least that the function's lines must have, `system_level` the platform's.
    """

    facts: Facts
    level: str = DEFAULT_LEVEL
    system_level: str = DEFAULT_LEVEL

    def system(self, record: Record, epoch: float) -> list[str]:
        """Return the lines that a record leaves in the log; `epoch` in seconds."""
        if not self.facts.json_logs:
            return text_lines(record, self.facts)
        from snapboot_devkit.host.telemetry.jsonlines import system_lines  # noqa: PLC0415

        return system_lines(record, self.facts, epoch, self.system_level)

    def application(self, text: str, epoch: float) -> str | None:
        """Return a line of the function or an extension as the log keeps it, if it does."""
        if not self.facts.json_logs:
            return text
        from snapboot_devkit.host.telemetry.jsonlines import application_line  # noqa: PLC0415

        return application_line(text, epoch, self.level)
