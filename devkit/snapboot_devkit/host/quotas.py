"""What Lambda refuses of a function's settings. Every check raises ConfigError."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.sources import MAX_LAYERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from snapboot_devkit.host.config import FunctionConfig

MAX_TIMEOUT_S: Final = 900.0
MEMORY_MB: Final = range(128, 10_240 + 1)
MANAGED_MEMORY_MB: Final = range(2_048, 10_240 + 1)
MAX_ENVIRONMENT_BYTES: Final = 4 * protocol.KIB
# What `PerExecutionEnvironmentMaxConcurrency` may be.
MAX_CONCURRENCY: Final = range(1, 1_600 + 1)

LOG_FORMATS: Final = ("Text", "JSON")
LOG_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SYSTEM_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARN")

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KEY: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
# What no variable can hold, or no JSON document; bytes that are not UTF-8 come as half characters.
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")

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


def check_name(name: str) -> None:
    """Check a function's name, which is also a part of paths, host names and ARNs."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"function name {name!r} must be 1 to 64 letters, digits, hyphens or underscores"
        )


def check_code(task_root: Path, layers: Sequence[Path]) -> None:
    """Check that code and layers are there; what is in them shows when they are opened."""
    if not task_root.exists():
        raise ConfigError(
            f"task root {str(task_root)!r} is not a folder or a zip; give the function's code"
        )
    if len(layers) > MAX_LAYERS:
        raise ConfigError(f"{len(layers)} layers are too many; a function has at most {MAX_LAYERS}")
    for layer in layers:
        if not layer.exists():
            raise ConfigError(f"layer {str(layer)!r} is not a folder or a zip; give its path")


def check_limits(timeout_s: float, memory_mb: int) -> None:
    """Check the limits of one invocation."""
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise ConfigError(f"timeout {timeout_s!r} must be above 0 and at most 900 seconds")
    if memory_mb not in MEMORY_MB:
        raise ConfigError(f"memory {memory_mb!r} must be from 128 to 10240 MB")


def check_env(env: Mapping[str, str]) -> None:
    """Check a function's own variables."""
    for key in env:
        if key in RESERVED:
            raise ConfigError(f"variable {key!r} is reserved: the platform sets it; leave it out")
        if not _KEY.fullmatch(key):
            raise ConfigError(
                f"variable {key!r} must begin with a letter and go on with letters, digits or _, "
                "of which it needs one at least"
            )
        if _NO_TEXT.search(env[key]):
            raise ConfigError(
                f"variable {key!r} holds a null character or bytes that are not UTF-8, which "
                "Lambda refuses; encode the value, such as by base64"
            )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in env.items())
    if size > MAX_ENVIRONMENT_BYTES:
        raise ConfigError(
            f"the variables take {size} bytes; all together may take {MAX_ENVIRONMENT_BYTES}"
        )


def check_scaling(config: FunctionConfig) -> None:
    """Check how many environments there may be, and how many events in each."""
    if config.concurrency < 1:
        raise ConfigError(f"concurrency {config.concurrency!r} must be at least 1 environment")
    if not 0 <= config.provisioned <= config.concurrency:
        raise ConfigError(
            f"provisioned {config.provisioned!r} must be from 0 to the concurrency, "
            f"which is {config.concurrency}"
        )
    if config.provisioned and config.initialization not in PROVISIONED:
        raise ConfigError(
            f"provisioned {config.provisioned!r} needs another initialization than "
            f"{config.initialization.value!r}; use 'provisioned-concurrency'"
        )
    if config.idle_s <= 0:
        raise ConfigError(f"idle time {config.idle_s!r} must be above 0 seconds")


def check_managed(config: FunctionConfig) -> None:
    """Check what goes with managed instances alone, and what does not go with them."""
    if config.initialization is not InitializationType.MANAGED_INSTANCES:
        if config.max_concurrency is not None:
            raise ConfigError(
                f"max concurrency {config.max_concurrency!r} is for managed instances; "
                "leave it out, or set the initialization to 'lambda-managed-instances'"
            )
        return
    if config.max_concurrency not in MAX_CONCURRENCY:
        raise ConfigError(
            f"max concurrency {config.max_concurrency!r} must be from 1 to 1600: managed instances "
            "need to know how many events an environment takes at once (--max-concurrency)"
        )
    if config.memory_mb not in MANAGED_MEMORY_MB:
        raise ConfigError(
            f"memory {config.memory_mb!r} must be from 2048 to 10240 MB on managed instances"
        )
    if config.per_tenant:
        raise ConfigError("managed instances do not support tenant isolation; leave per_tenant out")


def check_logging(log_format: str, log_level: str | None, system_log_level: str | None) -> None:
    """Check the form of the log and what is left out of it."""
    _check_choice("log format", log_format, LOG_FORMATS)
    for what, level, choices in (
        ("log level", log_level, LOG_LEVELS),
        ("system log level", system_log_level, SYSTEM_LOG_LEVELS),
    ):
        if level is None:
            continue
        _check_choice(what, level, choices)
        if log_format != "JSON":
            raise ConfigError(f"{what} {level!r} needs the log format 'JSON'; set it, too")


def _check_choice(what: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{what} {value!r} must be one of {', '.join(choices)}")


# The kinds whose environments are there before the first event.
PROVISIONED: Final = frozenset(
    {InitializationType.PROVISIONED_CONCURRENCY, InitializationType.MANAGED_INSTANCES}
)
