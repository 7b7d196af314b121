"""What this process knows of its execution environment, read once from the variables.

`posix` and not `os`: importing `os` takes 1 to 2 ms. A function that needs it does so itself.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import ContextVar
    from typing import Any, Protocol

    from .c_environment import CVariable

    class Sink(Protocol):
        """Takes a whole record, its line end included; `level` is logging's, 0 for none."""

        def write(self, record: str, level: int = 0) -> None:
            """Write the record. Raises OSError, ValueError where the stream is closed."""

    Context = Any  # that of `context.py`, which imports this module

TRACE_ID = "_X_AMZN_TRACE_ID"
_TRACE_ID_KEY = TRACE_ID.encode()
# Importing `_ctypes` takes 0.5 ms and 0.4 MB, which short lives of an environment need not pay.
MAX_SETENV_CALLS = 100
HANDLER = "_HANDLER"
LOG_DESCRIPTOR = "_LAMBDA_TELEMETRY_LOG_FD"
TASK_ROOT = "/var/task"
# What the platform sets where a runtime of one's own runs.
PATH = "/usr/local/bin:/usr/bin/:/bin:/opt/bin"

# Attributes of the context object, and the variable each is taken from.
FUNCTION_VARIABLES = {
    "log_group_name": "AWS_LAMBDA_LOG_GROUP_NAME",
    "log_stream_name": "AWS_LAMBDA_LOG_STREAM_NAME",
    "function_name": "AWS_LAMBDA_FUNCTION_NAME",
    "memory_limit_in_mb": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "function_version": "AWS_LAMBDA_FUNCTION_VERSION",
}

# The settings of the runtime itself; the first choice is the default.
SETTINGS = {
    "SNAPBOOT_JSON": ("auto", "stdlib", "orjson"),
    "SNAPBOOT_TRANSPORT": ("socket", "urllib3"),
    "SNAPBOOT_GC": ("freeze", "default"),
    "SNAPBOOT_INIT_REPORT": ("0", "1"),
    "SNAPBOOT_LAZY_IMPORTS": ("normal", "off", *(["all"] * hasattr(sys, "set_lazy_imports"))),
}


class SettingError(Exception):
    """A setting has a value that is none of its choices: an init error."""


class ExecutionEnvironment:
    """The variables at start, and `context`: that of the invocation being served, else None.

    `managed` is the folder of AWS's managed runtime when we serve in its client's place, else None.
    `local` is a context variable with the same, for tasks and threads, from the first event on at
    which the function has loaded context variables.
    """

    __slots__ = (
        "_setenv_calls",
        "_trace_variable",
        "context",
        "function",
        "local",
        "log_fd",
        "log_format",
        "log_frames",
        "log_level",
        "managed",
        "on_init",
    )

    def __init__(self) -> None:
        self.context: Context | None = None
        self.local: ContextVar[Context | None] | None = None
        # What `snapboot.on_init` was given.
        self.on_init: list[Callable[[], object]] = []
        self.function: dict[str, str | None] = {}
        self.log_fd: int | None = None
        self.log_frames: Sink | None = None
        self.log_format = ""
        self.log_level = ""
        self.managed: str | None = None
        self._setenv_calls = 0
        self._trace_variable: CVariable | None = None

    def __repr__(self) -> str:
        return f"<ExecutionEnvironment of {self.function.get('function_name')}>"

    def enter(self, context: "Context") -> None:
        """Take note that the invocation of this context is served from here on."""
        self.context = context
        if self.local is not None:
            self.local.set(context)
        elif "_contextvars" in sys.modules:
            variable_of = sys.modules["_contextvars"].ContextVar
            self.local = variable_of("snapboot.current_context", default=None)
            self.local.set(context)

    def current(self) -> "Context | None":
        """Return the context of the invocation that the code at hand belongs to."""
        return (self.local and self.local.get()) or self.context

    def read(self) -> None:
        """Take over what the variables say; `main` does this once."""
        self.log_format = (variable("AWS_LAMBDA_LOG_FORMAT") or "").upper()
        self.log_level = (variable("AWS_LAMBDA_LOG_LEVEL") or "").upper()
        # The descriptor is of no use in a child process: the platform wants its name gone.
        descriptor = variable(LOG_DESCRIPTOR) or ""
        self.log_fd = int(descriptor) if descriptor.isdecimal() and _is_open(descriptor) else None
        set_variable(LOG_DESCRIPTOR, None)

    def read_function(self) -> None:
        """Take over what the variables say of the function, which its own init may have changed."""
        self.function = {name: variable(key) for name, key in FUNCTION_VARIABLES.items()}

    def set_trace_id(self, value: str) -> None:
        """Set, or with "" remove, the variable of the trace id, for Python, C and child processes.

        Each value is a new one, and `setenv`, which `posix.putenv` calls, never frees: after the
        first ones the C library reads the variable from memory of ours (see `c_environment.py`).
        """
        if not value:
            set_variable(TRACE_ID, None)
            return
        content = value.encode("utf-8", "surrogateescape")
        posix.environ[_TRACE_ID_KEY] = content
        if self._trace_variable is None or not self._trace_variable.set(content):
            self._setenv(content)
        if "os" in sys.modules:
            _set_in_replacement(TRACE_ID, value)

    def _setenv(self, content: bytes) -> None:
        posix.putenv(TRACE_ID, content)
        self._setenv_calls += 1
        if self._setenv_calls == MAX_SETENV_CALLS:
            try:
                from .c_environment import CVariable

                self._trace_variable = CVariable(TRACE_ID)
            except Exception:  # an interpreter without `_ctypes`: 160 bytes are lost each time
                pass


environment = ExecutionEnvironment()


def _is_open(descriptor: str) -> bool:
    """Whether the number still stands for something: a wrapper may have closed it."""
    try:
        posix.fstat(int(descriptor))
    except (OSError, OverflowError):
        return False
    return True


def variable(name: str) -> "str | None":
    """Return an environment variable. What is set in `os.environ` is in `posix.environ`."""
    value = posix.environ.get(name.encode())
    return None if value is None else value.decode("utf-8", "surrogateescape")


def set_variable(name: str, value: "str | None") -> None:
    """Set or, with None, remove a variable for the user's code and its child processes."""
    if name == TRACE_ID and value:
        environment.set_trace_id(value)
        return
    if value is not None:
        posix.environ[name.encode()] = value.encode("utf-8", "surrogateescape")
        posix.putenv(name, value)
    elif posix.environ.pop(name.encode(), None) is not None:
        posix.unsetenv(name)
    _set_in_replacement(name, value)


def _set_in_replacement(name: str, value: "str | None") -> None:
    """Set a variable where the function has put a mapping of its own in the place of `os.environ`.

    `os.environ` itself is a view of `posix.environ`.
    """
    replacement = getattr(sys.modules.get("os"), "environ", None)
    if replacement is None or getattr(replacement, "_data", None) is posix.environ:
        return
    try:
        if value is not None:
            replacement[name] = value
        else:
            replacement.pop(name, None)
    except Exception:  # what stands there is anything
        pass


def put_interpreter_on_path() -> None:
    """Have wrappers and child processes find `python3`: managed runtimes have /var/lang/bin first.

    A PATH that names the interpreter's folder already is left as it is, the order included.
    """
    folder = sys.executable.rpartition("/")[0]
    path = variable("PATH") or PATH
    if folder and folder not in path.replace("/:", ":").rstrip("/").split(":"):
        set_variable("PATH", f"{folder}:{path}")


def setting(name: str) -> str:
    """Return the value of a setting. Raises SettingError for one that is not among its choices."""
    choices = SETTINGS[name]
    value = variable(name) or choices[0]
    if value not in choices:
        raise SettingError(f"{name} is {value!r}; it can be {', '.join(choices)}, or left unset")
    return value
