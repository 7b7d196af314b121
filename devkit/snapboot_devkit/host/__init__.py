"""A local Lambda host: the whole life of a function's environment, without Docker.

Needs the standard library, h11 and msgspec. What each part is for, and which may import which, is
in docs/architecture.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from snapboot_devkit.host.bandwidth import Bandwidth
    from snapboot_devkit.host.callers.in_process import InvokeResult
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.errors import (
        AddressInUseError,
        ConfigError,
        HostError,
        InvokeError,
        SourceError,
    )
    from snapboot_devkit.host.lifecycle.records import Report
    from snapboot_devkit.host.lifecycle.rules import EventRules
    from snapboot_devkit.host.lifecycle.terms import InitializationType, Status
    from snapboot_devkit.host.local import LocalHost
    from snapboot_devkit.host.serving import serve
    from snapboot_devkit.host.telemetry.logs import LogLine, Source

# Each is imported when it is used: a command needs few of them.
_MODULES: Final = {
    "AddressInUseError": "errors",
    "Bandwidth": "bandwidth",
    "ConfigError": "errors",
    "EventRules": "lifecycle.rules",
    "FunctionConfig": "config",
    "HostError": "errors",
    "InitializationType": "lifecycle.terms",
    "InvokeError": "errors",
    "InvokeResult": "callers.in_process",
    "LocalHost": "local",
    "LogLine": "telemetry.logs",
    "Report": "lifecycle.records",
    "Source": "telemetry.logs",
    "SourceError": "errors",
    "Status": "lifecycle.terms",
    "serve": "serving",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "AddressInUseError",
    "Bandwidth",
    "ConfigError",
    "EventRules",
    "FunctionConfig",
    "HostError",
    "InitializationType",
    "InvokeError",
    "InvokeResult",
    "LocalHost",
    "LogLine",
    "Report",
    "Source",
    "SourceError",
    "Status",
    "serve",
]
