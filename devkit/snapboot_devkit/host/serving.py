"""The host as a program of its own: serves one function until a signal ends it."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from snapboot_devkit.host import protocol
from snapboot_devkit.host.config import FunctionConfig
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.local import LocalHost
from snapboot_devkit.host.quotas import RESERVED
from snapboot_devkit.host.signals import keep_ignored_to_ourselves, on_end
from snapboot_devkit.host.streams import STDERR, LogWriter
from snapboot_devkit.standard_streams import replace_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

N = TypeVar("N", int, float)

LISTEN: Final = "SNAPBOOT_LISTEN"
ALLOW_HOSTS: Final = "SNAPBOOT_ALLOW_HOSTS"

# Where AWS's emulator listens, but for this machine alone.
_USUAL_ADDRESS: Final = "127.0.0.1:8080"
_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^]]+)\]|(?P<host>[^:]+)):(?P<port>\d{1,5})")
# What AWS's emulator assumes of a function that is not described.
_TIMEOUT_S: Final = 300.0
_MEMORY_MB: Final = 3008
# For the end of a log that may have no reader.
_LAST_LINES_S: Final = 1.0


def serve(handler: str, *, bootstrap: str | Sequence[str] | None = None) -> None:
    """Serve a function over the Invoke API until SIGINT or SIGTERM, as AWS's emulator does.

    The variable SNAPBOOT_LISTEN says where: `host:port`, 127.0.0.1:8080 without it;
    SNAPBOOT_ALLOW_HOSTS, by commas, what other names it may be called by (see `LocalHost`). The
    function gets the variables of this process, as an image's function does. Its log goes to
    standard error; whether anybody reads it makes no difference. Raises AddressInUseError and
    ConfigError.
    """
    replace_missing()
    keep_ignored_to_ourselves()
    config = described(handler, os.environ, bootstrap)
    address = listen_address(os.environ)
    log = LogWriter(STDERR)
    try:
        asyncio.run(_serve(config, address, allowed_hosts(os.environ), log))
    finally:
        log.close(_LAST_LINES_S)


def listen_address(environ: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port that a process's variables name. Raises ConfigError."""
    text = environ.get(LISTEN) or _USUAL_ADDRESS
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > protocol.MAX_PORT:
        raise ConfigError(
            f"variable {LISTEN}={text!r} must be HOST:PORT, such as {_USUAL_ADDRESS} or [::]:8080"
        )
    return found["ipv6"] or found["host"], int(found["port"])


def allowed_hosts(environ: Mapping[str, str]) -> list[str]:
    """Return the names that a process's variables allow in a `Host`, and as origins of pages."""
    return [name.strip() for name in environ.get(ALLOW_HOSTS, "").split(",") if name.strip()]


def described(
    handler: str, environ: Mapping[str, str], bootstrap: str | Sequence[str] | None = None
) -> FunctionConfig:
    """Return the function that a process's variables describe. Raises ConfigError."""
    task_root = environ.get("LAMBDA_TASK_ROOT") or "/var/task"
    return FunctionConfig(
        handler,
        task_root=Path(task_root) if Path(task_root).is_dir() else Path.cwd(),
        timeout_s=_number(float, environ, "AWS_LAMBDA_FUNCTION_TIMEOUT", _TIMEOUT_S),
        memory_mb=_number(int, environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _MEMORY_MB),
        name=environ.get("AWS_LAMBDA_FUNCTION_NAME") or "test_function",
        image_env={key: value for key, value in environ.items() if key not in RESERVED},
        bootstrap=bootstrap,
    )


def _number(kind: Callable[[str], N], environ: Mapping[str, str], name: str, usual: N) -> N:
    text = environ.get(name)
    try:
        return kind(text) if text else usual
    except ValueError:
        raise ConfigError(f"variable {name}={text!r} must be a number, or be left out") from None


async def _serve(
    config: FunctionConfig, address: tuple[str, int], allowed: list[str], log: LogWriter
) -> None:
    stopped = asyncio.Event()
    on_end(stopped.set)
    host, port = address
    async with LocalHost(
        config,
        host=host,
        port=port,
        log=lambda line: log.write(f"{line.text}\n"),
        allow_hosts=allowed,
    ) as local:
        url = f"http://{local.address}/2015-03-31/functions/function/invocations"
        log.write(f"{config.handler} is served at {url}\n")
        await stopped.wait()
