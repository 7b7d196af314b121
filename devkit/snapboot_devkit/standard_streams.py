"""Standard streams that were closed when the process started.

Imports next to nothing, so that no other module opens a file before they are replaced: it would get
the number of a closed stream, and what is meant for the stream.
"""

from __future__ import annotations

import os
import sys


def replace_missing() -> None:
    """Put the null device in place of standard streams that were closed at the start."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Opening takes the lowest free number, which is the missing one.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
