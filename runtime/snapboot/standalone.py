"""Started by hand, without the platform: the devkit's host serves the function, if it is there."""

import sys

from .environment import HANDLER, variable
from .handler import add_site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def serve(command: "list[str]", own_folder: "str | None") -> "NoReturn":
    """Serve the function where SNAPBOOT_LISTEN says (see the devkit's `serve`).

    Exit with 1 and what is missing, if anything. `command` is what starts the runtime, to be run
    again below the host.
    """
    _end_on_signal()
    handler = variable(HANDLER)
    if not handler:
        sys.exit("snapboot: no handler: name it in the first argument (app.handler) or in _HANDLER")
    if own_folder is not None:
        add_site_packages()
        # The devkit is in our folder (an image) or beside it (a checkout); orjson may be there.
        sys.path[:0] = f"{own_folder}/.devkit", f"{own_folder.rpartition('/')[0]}/devkit"
        sys.path.append(own_folder)
    try:
        from snapboot_devkit.standard_streams import replace_missing

        replace_missing()  # before any library is imported: one may keep a file open
        from snapboot_devkit.extras import require_host

        require_host()
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


def _end_on_signal() -> None:
    """Have a signal end us before the host handles it: a container's first process ignores it."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
