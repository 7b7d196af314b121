"""The variables a runtime starts with, built from nothing as the platform does.

Of the host's own environment nothing gets through.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle.terms import InitializationType

if TYPE_CHECKING:
    from snapboot_devkit.host.config import FunctionConfig


def runtime_environ(config: FunctionConfig, runtime_api: str, log_stream: str) -> dict[str, str]:
    """Return the variables of one environment; a later source overrides an earlier one."""
    reserved = _reserved(config, runtime_api)
    if config.initialization is not InitializationType.SNAP_START:
        # A snapshot outlives its log stream, so there the two are left out.
        reserved |= {
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{config.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        }
    return _defaults(config) | dict(config.image_env) | dict(config.env) | reserved


def _defaults(config: FunctionConfig) -> dict[str, str]:
    task_root = str(config.task_root)
    python = str(Path(config.interpreter).parent)
    region = config.identity.region
    return {
        "LANG": "en_US.UTF-8",
        # The interpreter's folder stands where managed runtimes have /var/lang/bin.
        "PATH": f"{python}:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        # Without the platform's /lib64 and /usr/lib64: elsewhere they would take precedence over
        # the libraries an interpreter brings along.
        "LD_LIBRARY_PATH": ":".join(
            ("/var/lang/lib", "/var/runtime", "/var/runtime/lib", task_root, f"{task_root}/lib")
        )
        + ":/opt/lib",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **_credentials(config),
    }


def _credentials(config: FunctionConfig) -> dict[str, str]:
    """Return placeholders, for code that only wants credentials to be there.

    All or none: a made-up session token would spoil a real key.
    """
    if "AWS_ACCESS_KEY_ID" in {**config.image_env, **config.env}:
        return {}
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return dict.fromkeys(names, "local")


def _reserved(config: FunctionConfig, runtime_api: str) -> dict[str, str]:
    return {
        "_HANDLER": config.handler,
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.identity.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": config.initialization.value,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(config.task_root),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
    }
