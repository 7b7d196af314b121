"""The `snapboot` command: what a developer types, and how the answers look.

The only place that knows a terminal. Everything it does, it does through the host.
"""

from __future__ import annotations

import sys

from snapboot_devkit.cli import exits


def main() -> None:
    """Run the `snapboot` command."""
    try:
        # It takes a moment, in which nothing has begun: Ctrl-C is no reason for a traceback.
        from snapboot_devkit.cli.commands import app  # noqa: PLC0415
        from snapboot_devkit.host.signals import keep_ignored_to_ourselves  # noqa: PLC0415
        from snapboot_devkit.host.streams import replace_missing  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
    replace_missing()
    keep_ignored_to_ourselves()
    app(prog_name="snapboot")
