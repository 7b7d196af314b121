"""What to do about a failed invocation: one line for people, where one is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.cli import handlers, modules
from snapboot_devkit.host import Status
from snapboot_devkit.host.quotas import MAX_TIMEOUT_S, MEMORY_MB

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host import FunctionConfig, InvokeResult

# The memory is looked at now and then: what was killed at the limit may have been seen below it.
_NEARLY_ALL: Final = 0.9
_KILLED: Final = "signal: killed"
_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"


def hint(result: InvokeResult, config: FunctionConfig) -> str | None:
    """Return what to do about a function error, or None. Of the code, only files are read."""
    if not result.function_error:
        return None
    if result.report.status is Status.TIMEOUT:
        return _of_time(config)
    document = _document(result.payload)
    if _KILLED in document.get("errorMessage", "") and _has_used_all(result):
        return _of_memory(config)
    return of_error(config, document.get("errorType", ""), document.get("errorMessage", ""))


def of_error(config: FunctionConfig, error_type: str, message: str) -> str | None:
    """Return what to do about an error of this type, or None."""
    by_type = _BY_TYPE.get(error_type)
    return by_type(config, message) if by_type else handlers.advice(config)


def _of_time(config: FunctionConfig) -> str:
    if config.timeout_s >= MAX_TIMEOUT_S:
        return f"the function took longer than {MAX_TIMEOUT_S:g} s, the maximum"
    return f"the function took longer than {config.timeout_s:g} s; give it more: --timeout SECONDS"


def _of_memory(config: FunctionConfig) -> str:
    most = max(MEMORY_MB)
    if config.memory_mb >= most:
        return f"the function needs more than {most} MB, the maximum"
    return f"the function needs more than {config.memory_mb} MB; give it more: --memory MB"


def _has_used_all(result: InvokeResult) -> bool:
    report = result.report
    if report.max_memory_used_mb is None or report.memory_size_mb is None:
        return False
    return report.max_memory_used_mb >= report.memory_size_mb * _NEARLY_ALL


def _of_handler(config: FunctionConfig, message: str) -> str | None:
    del message
    if text := handlers.advice(config):
        return text
    module = config.handler.rpartition(".")[0]
    found = modules.callables(config.task_root, module)
    if not found:
        return None
    file, names = found
    return f"{file} has: {', '.join(names)}" if names else f"{file} defines nothing"


def _of_module(config: FunctionConfig, message: str) -> str | None:
    module = config.handler.rpartition(".")[0].replace("/", ".")
    if f"No module named {module!r}" not in message:
        return _of_missing_package(config, message)
    return handlers.advice(config) or handlers.elsewhere(config, module)


def _of_missing_package(config: FunctionConfig, message: str) -> str | None:
    _, found, rest = message.partition("No module named '")
    if not found:
        return None
    package = rest.partition("'")[0].partition(".")[0]
    for layer in config.layers:
        if modules.holds(layer, package):
            return (
                f"{package!r} is at the top of the layer {str(layer)!r}, which is not on sys.path: "
                "packages belong in the layer's folder 'python'"
            )
    return (
        f"{package!r} is neither in the code, nor in a --layer, nor installed for the interpreter "
        "(--python)"
    )


def _of_name(config: FunctionConfig, message: str) -> str | None:
    del message
    return handlers.advice(config)


def of_wrapper(config: FunctionConfig) -> str | None:
    """Return what to do about a wrapper that is not there, or None."""
    wrapper = config.variables.get(_WRAPPER) or config.image_env.get(_WRAPPER)
    if wrapper is None:
        return None
    if wrapper.startswith("/opt/") and not config.isolate:
        return (
            f"layers are at /opt with --isolate alone; add it, or name the file of {_WRAPPER} "
            "where it is here"
        )
    return f"{wrapper!r} comes from {_WRAPPER}; name an executable file, or leave the variable out"


def _of_exit(config: FunctionConfig, message: str) -> str | None:
    # What a shell reports of a program that is not there, or cannot be run; so do we of a wrapper.
    return of_wrapper(config) if message.endswith(("status 127", "status 126")) else None


_BY_TYPE: Final[dict[str, Callable[[FunctionConfig, str], str | None]]] = {
    "Runtime.ExitError": _of_exit,
    "Runtime.HandlerNotFound": _of_handler,
    "Runtime.ImportModuleError": _of_module,
    "Runtime.MalformedHandlerName": _of_name,
}


def _document(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
