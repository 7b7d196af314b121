"""What is known of a function before it runs."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.identity import Identity
from snapboot_devkit.host.lifecycle.core import Rules
from snapboot_devkit.host.lifecycle.terms import InitializationType

MAX_TIMEOUT_S: Final = 900.0
MEMORY_MB: Final = range(128, 10_240 + 1)
MAX_ENVIRONMENT_BYTES: Final = 4 * protocol.KIB

_KEY: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")

# The platform sets these and refuses a function's own. Region and credentials are reserved, too,
# but here they are the developer's to choose.
RESERVED: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)

_CHECKOUT: Final = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """A function and its settings. Raises ConfigError for one that Lambda would refuse.

    `env` holds the function's own variables. `image_env` holds those that an image brings along:
    no limits apply to them, and they override the platform's defaults, such as `PATH`.
    `bootstrap` is any command that runs a Runtime API client, `python` the interpreter for ours.
    """

    handler: str
    task_root: Path = field(default_factory=Path.cwd)
    timeout_s: float = 3.0
    memory_mb: int = 128
    env: Mapping[str, str] = field(default_factory=dict)
    image_env: Mapping[str, str] = field(default_factory=dict)
    bootstrap: str | Sequence[str] | None = None
    python: str | None = None
    name: str = "test_function"
    initialization: InitializationType = InitializationType.ON_DEMAND
    init_limit_s: float | None = None
    restore_limit_s: float = protocol.RESTORE_LIMIT_S
    check_invocation_id: bool = True

    def __post_init__(self) -> None:
        """Check every setting that the platform would check."""
        object.__setattr__(self, "task_root", Path(self.task_root).resolve())
        _check_task_root(self.task_root)
        _check_limits(self.timeout_s, self.memory_mb)
        _check_env(self.env)
        _ = self.command

    @property
    def identity(self) -> Identity:
        """How callers know the function."""
        region = self.env.get("AWS_REGION") or self.image_env.get("AWS_REGION") or "us-east-1"
        return Identity(self.name, region=region)

    @property
    def rules(self) -> Rules:
        """The settings that the lifecycle depends on."""
        return Rules(
            timeout_s=self.timeout_s,
            init_limit_s=self.init_limit_s or self._usual_init_limit_s,
            restore_limit_s=self.restore_limit_s,
            initialization=self.initialization,
            check_invocation_id=self.check_invocation_id,
        )

    @property
    def command(self) -> list[str]:
        """The command that starts the runtime. Raises ConfigError."""
        if self.bootstrap is None:
            return _own_command(self.interpreter, self.handler)
        if isinstance(self.bootstrap, str):
            return _split_command(self.bootstrap)
        return [str(word) for word in self.bootstrap]

    @property
    def interpreter(self) -> str:
        """The Python that runs our own runtime. Raises ConfigError."""
        if self.python is None:
            return sys.executable
        found = shutil.which(self.python)
        if found is None:
            raise ConfigError(f"python {self.python!r} is not a program; give its name or path")
        return found

    @property
    def _usual_init_limit_s(self) -> float:
        if self.initialization is InitializationType.SNAP_START:
            return max(protocol.SNAPSTART_INIT_LIMIT_S, self.timeout_s)
        return protocol.INIT_LIMIT_S


def _own_command(python: str, handler: str) -> list[str]:
    """Return what starts our runtime: a checkout's bootstrap, else the installed package."""
    bootstrap = _CHECKOUT / "bootstrap"
    if bootstrap.is_file() and (_CHECKOUT / "runtime" / "snapboot").is_dir():
        return [python, "-SsP", str(bootstrap)]
    return [python, "-m", "snapboot", handler]


def _split_command(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ConfigError(f"bootstrap {text!r} cannot be read as a command: {exc}") from exc
    if not words:
        raise ConfigError("bootstrap is empty; give a command, or leave it out for snapboot's own")
    return words


def _check_task_root(task_root: Path) -> None:
    if not task_root.is_dir():
        raise ConfigError(f"task root {str(task_root)!r} is not a folder; give the function's code")


def _check_limits(timeout_s: float, memory_mb: int) -> None:
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ConfigError(f"timeout {timeout_s!r} must be above 0 and at most 900 seconds")
    if memory_mb not in MEMORY_MB:
        raise ConfigError(f"memory {memory_mb!r} must be from 128 to 10240 MB")


def _check_env(env: Mapping[str, str]) -> None:
    for key in env:
        if key in RESERVED:
            raise ConfigError(f"variable {key!r} is reserved: the platform sets it; leave it out")
        if not _KEY.fullmatch(key):
            raise ConfigError(
                f"variable {key!r} must begin with a letter and go on with letters, digits or _"
            )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in env.items())
    if size > MAX_ENVIRONMENT_BYTES:
        raise ConfigError(
            f"the variables take {size} bytes; all together may take {MAX_ENVIRONMENT_BYTES}"
        )
