"""Temporary folders, made and removed without `tempfile` and `shutil`, whose import takes long."""

from __future__ import annotations

import os
from pathlib import Path


def temporary(prefix: str, within: Path | None = None) -> Path:
    """Return a new folder of this user alone, by default where TMPDIR says. Raises OSError."""
    named = (os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    parent = within or Path(next(filter(None, named), "/tmp"))  # noqa: S108
    # Short, since sockets in it have paths of 108 bytes at most.
    try:
        folder = parent.absolute() / f"{prefix}{os.urandom(4).hex()}"
        folder.mkdir(0o700)
    except OSError:
        import tempfile  # noqa: PLC0415 - it tries other names and other places

        return Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    return folder


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, as far as it can be removed."""
    try:
        folder.rmdir()  # most have stayed empty
    except FileNotFoundError:
        return
    except OSError:
        import shutil  # noqa: PLC0415

        shutil.rmtree(folder, ignore_errors=True)
