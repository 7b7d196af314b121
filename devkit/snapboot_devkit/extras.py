"""What the extras install: `pip install snapboot` alone brings the runtime and the bare devkit."""

from __future__ import annotations

from typing import Final

# By module. `host` is enough for the local host; `devkit` is all.
HOST: Final = frozenset({"h11", "dotenv", "msgspec", "rich", "watchfiles"})
DEVKIT: Final = frozenset({"elftools", "packaging", "shtab", "uv"})


def remedy(error: ModuleNotFoundError) -> str | None:
    """Return what to do about a dependency that is not installed; None if it is not one of ours."""
    name = (error.name or "").partition(".")[0]
    if name not in HOST | DEVKIT:
        return None
    extra = "host" if name in HOST else "devkit"
    return f"this needs {name!r}, which is not installed: pip install 'snapboot[{extra}]'"
