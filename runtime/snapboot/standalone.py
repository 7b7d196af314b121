"""Started by hand, without the platform: the devkit's host serves the function, if it is there."""

import sys

from .environment import HANDLER, variable
from .handler import add_site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def serve(command: "list[str]", own_folder: "str | None") -> "NoReturn":
    """Serve the function where SNAPBOOT_LISTEN says (see the devkit's `serve`), until told to stop.

    Exit with 1 and what is missing, if anything. `command` is what starts the runtime, to be run
    again below the host.
    """
    handler = variable(HANDLER)
    if not handler:
        sys.exit("snapboot: no handler: name it in the first argument (app.handler) or in _HANDLER")
    if own_folder is not None:
        add_site_packages()
        sys.path.append(f"{own_folder.rpartition('/')[0]}/devkit")
    try:
        from snapboot_devkit.host import HostError
        from snapboot_devkit.host import serve as serve_locally
    except ImportError as exc:
        sys.exit(
            "snapboot: AWS_LAMBDA_RUNTIME_API is not set, so this is not Lambda, and the local host"
            f" cannot be loaded: {exc}. To invoke {handler!r} here: pip install 'snapboot[devkit]'"
        )
    try:
        serve_locally(handler, bootstrap=command)
    except HostError as exc:
        sys.exit(f"snapboot: {exc}")
    sys.exit()
