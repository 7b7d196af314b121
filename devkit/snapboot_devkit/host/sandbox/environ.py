"""The variables of an environment's processes, built from nothing as the platform does.

Of the host's own environment nothing gets through.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.interpreters import PLATFORM_PATH
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.routes.services import Services

_KEYS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
# What extensions do not see (guide, runtimes-extensions-api), besides all names that begin with an
# underscore, which the platform's init process keeps from them.
_NOT_FOR_EXTENSIONS: Final = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


@dataclass(frozen=True, slots=True)
class SandboxPaths:
    """What an environment has around its runtime.

    `layer_root` stands for `/opt`; `services` has the tokens of the services beside the Runtime
    API; `temporary` is the environment's own folder where it cannot have a `/tmp` of its own.
    """

    layer_root: Path | None = None
    services: Services | None = None
    temporary: Path | None = None


def runtime_environ(
    config: FunctionConfig,
    runtime_api: str,
    log_stream: str,
    around: SandboxPaths = SandboxPaths(),  # noqa: B008 - frozen
) -> dict[str, str]:
    """Return the variables of an environment's runtime; a later source overrides an earlier one."""
    return (
        _defaults(config)
        | {"PATH": _path(config, around)}
        | _layers(config, around.layer_root)
        | ({"TMPDIR": str(around.temporary)} if around.temporary else {})
        | _credentials(config, runtime_api, around.services)
        | dict(config.image_env)
        | config.variables
        | _reserved(config, runtime_api, log_stream)
        | _metadata(runtime_api, around.services)
    )


def extension_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what an external extension sees of its runtime's variables."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _NOT_FOR_EXTENSIONS and not name.startswith("_")
    }


def _defaults(config: FunctionConfig) -> dict[str, str]:
    region = config.identity.region
    return {
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": _libraries(config, Path("/opt")),
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_LOG_FORMAT": config.log_format,
        # The platform sets the level together with the JSON format alone.
        **({"AWS_LAMBDA_LOG_LEVEL": config.log_level or "INFO"} if _is_json(config) else {}),
    }


def _libraries(config: FunctionConfig, layer_root: Path) -> str:
    """Return the library path, without the platform's /lib64 and /usr/lib64.

    Elsewhere they would take precedence over the libraries an interpreter brings along.
    """
    task_root = config.task_root
    folders = ("/var/lang/lib", "/var/runtime", "/var/runtime/lib", task_root, task_root / "lib")
    return ":".join(map(str, (*folders, layer_root / "lib")))


def _layers(config: FunctionConfig, layer_root: Path | None) -> dict[str, str]:
    """Return what leads to the layers' folders where they are not at /opt."""
    if layer_root is None:
        return {}
    paths = {"LD_LIBRARY_PATH": _libraries(config, layer_root)}
    packages = layer_root / "python"
    if packages.is_dir():
        site = packages / f"lib/python{config.interpreter.version}/site-packages"
        paths["PYTHONPATH"] = f"{site}:{packages}"
    return paths


def _path(config: FunctionConfig, around: SandboxPaths) -> str:
    """Return the PATH: the folder of the function's interpreter, then what the platform has.

    The folder stands where managed runtimes have /var/lang/bin. A runtime of another kind gets
    none, as on Lambda: what is installed for the host would not be there.
    """
    folders = [PLATFORM_PATH, f"{around.layer_root or '/opt'}/bin"]
    if config.python_program is not None:
        folders.insert(0, str(config.python_program.parent))
    return ":".join(folders)


def _credentials(
    config: FunctionConfig, runtime_api: str, services: Services | None
) -> dict[str, str]:
    """Return placeholders, for code that only wants credentials to be there.

    All or none: a made-up session token would spoil a real key. A snapshot, which outlives its
    credentials, fetches them.
    """
    if "AWS_ACCESS_KEY_ID" in {**config.image_env, **config.variables}:
        return {}
    if services and services.credentials:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{runtime_api}{protocol.CREDENTIALS}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": services.credentials_token,
        }
    return dict.fromkeys(_KEYS, "local")


def _reserved(config: FunctionConfig, runtime_api: str, log_stream: str) -> dict[str, str]:
    reserved = {
        "_HANDLER": config.handler,
        "AWS_LAMBDA_FUNCTION_NAME": config.name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.identity.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": config.initialization.value,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(config.task_root),
        "LAMBDA_RUNTIME_DIR": str(config.runtime_folder),
    }
    if config.initialization is not InitializationType.SNAP_START:
        # A snapshot outlives its log stream, so there the two are left out.
        reserved["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{config.name}"
        reserved["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream
    if config.initialization is InitializationType.MANAGED_INSTANCES:
        reserved["AWS_LAMBDA_MAX_CONCURRENCY"] = str(config.max_concurrency or 1)
    return reserved


def _metadata(runtime_api: str, services: Services | None) -> dict[str, str]:
    if services is None:
        return {}
    return {
        "AWS_LAMBDA_METADATA_API": runtime_api,
        "AWS_LAMBDA_METADATA_TOKEN": services.metadata_token,
    }


def _is_json(config: FunctionConfig) -> bool:
    return config.log_format == "JSON"
