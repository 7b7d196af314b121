"""What the audit itself could not read; it must be the last of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.package.checks.finding import Finding, error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapboot_devkit.package.audit.subject import Subject


def check(subject: Subject) -> Iterator[Finding]:
    """Find the container's faults, and the files of which the other checks know nothing."""
    yield from subject.package.store.oddities()
    for path, reason in sorted(subject.package.unread.items()):
        yield error(
            "unread",
            path,
            f"it could not be read and was not audited: {reason}",
            "make it readable, or pack it again",
        )
