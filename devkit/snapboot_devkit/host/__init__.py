"""A local Lambda host: the whole life of a function's environment, without Docker.

Needs the standard library and h11. The folders, each importing only those after it:

* here: the host as a program (`serving`) and as an object (`local`), and `environment`, which
  performs what a lifecycle decides
* `sandbox`, `http`, `sources`: processes, connections, code
* `routes`, `telemetry`: what HTTP means; what an environment tells
* `lifecycle`: what happens next, and the words for it; `protocol`: every literal
"""

from snapboot_devkit.host.config import FunctionConfig
from snapboot_devkit.host.errors import (
    AddressInUseError,
    ConfigError,
    HostError,
    InvokeError,
    SourceError,
)
from snapboot_devkit.host.execution.bandwidth import Bandwidth
from snapboot_devkit.host.front.callers import InvokeResult
from snapboot_devkit.host.lifecycle.records import Report
from snapboot_devkit.host.lifecycle.terms import InitializationType, Status
from snapboot_devkit.host.local import LocalHost
from snapboot_devkit.host.scaling.events import EventRules
from snapboot_devkit.host.serving import serve
from snapboot_devkit.host.telemetry.logs import LogLine, Source

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
