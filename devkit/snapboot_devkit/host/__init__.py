"""A local Lambda host: the whole life of a function's environment, without Docker.

Needs the standard library and h11. The parts, each importing only those after it:

* `serving`, `local`: the host as a program and as an object; `environment` performs
* `streams`, `signals`: the process that the host itself runs in
* `server`, `process`: HTTP and processes; `runtime_routes`, `invoke_routes`: what HTTP means
* `lifecycle`, `states`: what happens next; `messages`, `protocol`: the words for it
"""

from snapboot_devkit.host.callers import InvokeResult
from snapboot_devkit.host.config import FunctionConfig
from snapboot_devkit.host.errors import AddressInUseError, ConfigError, HostError, InvokeError
from snapboot_devkit.host.local import LocalHost
from snapboot_devkit.host.logs import LogLine, Source
from snapboot_devkit.host.messages import InitializationType, Report, Status
from snapboot_devkit.host.serving import serve

__all__ = [
    "AddressInUseError",
    "ConfigError",
    "FunctionConfig",
    "HostError",
    "InitializationType",
    "InvokeError",
    "InvokeResult",
    "LocalHost",
    "LogLine",
    "Report",
    "Source",
    "Status",
    "serve",
]
