"""What makes a rehearsal impossible."""

from __future__ import annotations

from snapboot_devkit.host.errors import HostError


class RehearsalError(HostError):
    """The rehearsal cannot be held; the message says why and what to do."""
