"""Whether a handler can be found, before anything is started: its files are looked up, not run."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

from snapboot_devkit.cli import modules
from snapboot_devkit.cli.exits import UsageError

if TYPE_CHECKING:
    from snapboot_devkit.host import FunctionConfig

_TEMPLATE: Final = re.compile(r"\.(ya?ml|json|toml|template|tf)$")
_WORD: Final = re.compile(r"[^\W\d]\w*")
# Where a package keeps its module archive, which only the runtime reads.
_SEALED: Final = ".snapboot"
_FIND: Final = """
import sys
from importlib.util import find_spec
try:
    sys.exit(find_spec(sys.argv[1]) is None)
except (ImportError, ValueError):
    sys.exit(1)
"""
# An interpreter that takes longer to start has other troubles, which its own log shows.
_FIND_S: Final = 20.0


def check(config: FunctionConfig) -> None:
    """Refuse a handler that our own runtime could not find. Raises UsageError."""
    if config.bootstrap is not None or not config.handler:
        return
    if text := advice(config):
        raise UsageError(f"cannot serve {config.handler!r}: {text}")
    parts = _parts(config.handler)
    if all(parts) and not _is_there(config, parts):
        module = ".".join(parts)
        raise UsageError(f"there is no module {module!r} to serve: {elsewhere(config, module)}")


def advice(config: FunctionConfig) -> str | None:
    """Return what to type instead of what does not have the form of a handler, or None."""
    handler = config.handler
    if _TEMPLATE.search(handler):
        return (
            "templates of SAM, CloudFormation and others are not read; give the function's "
            "Handler, and its CodeUri as --task-root, such as app.handler --task-root src"
        )
    module, dot, name = handler.rpartition(".")
    if name == "py" and (modules.callables(config.task_root, module) or module.startswith(".")):
        return f"write the handler as module.function, such as {_suggested(config, module)}"
    if module.startswith("."):
        return f"write the handler as module.function, such as {handler.lstrip('./')}"
    if not dot or ":" in handler:
        return f"write the handler as module.function, such as {_suggested(config, handler)}"
    return None


def elsewhere(config: FunctionConfig, module: str) -> str:
    """Return which modules there are instead of this one."""
    near = modules.near(config.task_root, module)
    where = str(config.task_root)
    if not near:
        return f"there is no Python file in {where!r}; name the function's code by --task-root"
    return f"{where!r} has: {', '.join(near)}; another folder is named by --task-root"


def _suggested(config: FunctionConfig, typed: str) -> str:
    """Return the handler that is probably meant, by what the code has."""
    module, colon, name = typed.partition(":")
    module = module.removesuffix(".py").lstrip("./")
    if colon and _WORD.fullmatch(name):
        return f"{module}.{name}"
    if not all(map(_WORD.fullmatch, re.split(r"[./]", module))):
        module = next(iter(modules.near(config.task_root, module)), "app")
    found = modules.callables(config.task_root, module)
    return f"{module}.{((found and found[1]) or ['handler'])[0]}"


def _parts(handler: str) -> list[str]:
    return re.split(r"[./]", handler.rpartition(".")[0])


def _is_there(config: FunctionConfig, parts: list[str]) -> bool:
    site = f"python/lib/python{config.interpreter.version}/site-packages"
    places = [(config.task_root, "")]
    places += [(layer, folder) for layer in config.layers for folder in ("python", site)]
    if any(modules.has(code, [_SEALED]) for code, _ in places):
        return True
    return any(
        modules.has(code, [*filter(None, folder.split("/")), *parts]) for code, folder in places
    ) or _is_installed(config, parts[0])


def _is_installed(config: FunctionConfig, module: str) -> bool:
    """Return whether the interpreter has a module of this name, or cannot be asked."""
    environ = {"PYTHONPATH": config.variables.get("PYTHONPATH", "")}
    command = [str(config.interpreter.program), "-B", "-P", "-c", _FIND, module]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, timeout=_FIND_S, env=environ, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return done.returncode == 0
