"""What the extras install: `pip install snapboot` alone brings the runtime and the bare devkit."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from typing import Final

# By module. `host` is enough for the local host; `devkit` is all.
HOST: Final = frozenset({"h11", "dotenv", "msgspec", "packaging", "psutil", "rich", "watchfiles"})
DEVKIT: Final = frozenset({"elftools", "shtab", "uv"})


def require_host() -> None:
    """Raise ModuleNotFoundError for what the host imports late, at an unusual or large request."""
    for name in ("h11", "msgspec"):
        if name not in sys.modules and PathFinder.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def remedy(error: ModuleNotFoundError) -> str | None:
    """Return what to do about a dependency that is not installed; None if it is not one of ours."""
    name = (error.name or "").partition(".")[0]
    if name not in HOST | DEVKIT:
        return None
    extra = "host" if name in HOST else "devkit"
    return f"this needs {name!r}, which is not installed: pip install 'snapboot[{extra}]'"
