"""Web frameworks, and the adapters that others serve them with on Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oracles import tools

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REQUIREMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "fastapi": ("fastapi==0.165.0", "python-multipart==0.0.34"),
    "starlette": ("starlette==1.10.0",),
    "flask": ("flask==3.1.3",),
    "django": ("django==5.2.19",),
    "mangum": ("mangum==0.22.0",),
    "serverless-wsgi": ("serverless-wsgi==3.1.0", "werkzeug==3.1.9"),
    "apig-wsgi": ("apig-wsgi==2.20.0",),
}


def folder(name: str) -> Path:
    """Return a folder for `sys.path` with one of them; install it at first need.

    Raises OracleUnavailable.
    """
    return tools.installed(f"web-{name}", REQUIREMENTS[name])
