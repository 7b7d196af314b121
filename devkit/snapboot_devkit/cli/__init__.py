"""The `snapboot` command: what a developer types, and how the answers look.

The only place that knows a terminal. Everything it does, it does through the host.
"""

from __future__ import annotations

import gc
import sys

from snapboot_devkit import extras
from snapboot_devkit.cli import exits
from snapboot_devkit.standard_streams import replace_missing


def main() -> None:
    """Run the `snapboot` command."""
    replace_missing()  # before any library is imported: one may keep a file open
    gc.disable()  # until the command is imported, see `commands`: an eighth of the time
    try:
        # It takes a moment, in which nothing has begun: Ctrl-C is no reason for a traceback.
        from snapboot_devkit.cli import commands  # noqa: PLC0415
        from snapboot_devkit.host.signals import keep_ignored_to_ourselves  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
    keep_ignored_to_ourselves()
    try:
        commands.main()
    except ModuleNotFoundError as exc:  # the modules of a command load when it is used
        remedy = extras.remedy(exc)
        if remedy is None:
            raise
        print(f"snapboot: {remedy}", file=sys.stderr)  # noqa: T201 - what prints may be missing
        sys.exit(exits.BAD_USAGE)
