"""`AWS_LAMBDA_EXEC_WRAPPER`: a script of the user's that starts the runtime in our place."""

import posix
import sys

from .environment import HANDLER, set_variable, variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


def start_wrapper(command: "list[str]", arguments: "list[str]") -> "NoReturn":
    """Replace this process by the wrapper, which is to run the command that it gets as arguments.

    The handler goes along in `_HANDLER`: wrappers put options before the last argument, the script.
    """
    if arguments:
        set_variable(HANDLER, arguments[0])
    wrapper = variable("AWS_LAMBDA_EXEC_WRAPPER") or ""
    try:
        posix.execv(wrapper, [wrapper, *command])
    except FileNotFoundError:
        _refuse(f"{wrapper}: does not exist", EXIT_NOT_FOUND)
    except PermissionError:
        _refuse(f"{wrapper}: is not an executable", EXIT_NOT_EXECUTABLE)
    except OSError as exc:
        _refuse(f"{wrapper}: cannot be executed: {exc}", EXIT_NOT_EXECUTABLE)


def _refuse(message: str, status: int) -> "NoReturn":
    sys.stderr.write(f"{message}\n")
    sys.exit(status)
