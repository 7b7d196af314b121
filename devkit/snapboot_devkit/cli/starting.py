"""`snapboot start`: functions served until the end is asked for."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from snapboot_devkit.cli import arguments, exits, handlers, options, printing
from snapboot_devkit.cli.debugger import Debugger
from snapboot_devkit.cli.greeting import greeting
from snapboot_devkit.cli.init_errors import InitHints
from snapboot_devkit.cli.labels import Labels
from snapboot_devkit.cli.options import FunctionOptions
from snapboot_devkit.cli.parser import port
from snapboot_devkit.cli.progress import InitProgress, initialising
from snapboot_devkit.host import AddressInUseError, LocalHost, Source
from snapboot_devkit.host.config import CONCURRENCY
from snapboot_devkit.host.protocol import LOOPBACK
from snapboot_devkit.host.signals import on_end
from snapboot_devkit.host.streams import STDERR, LogWriter
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from snapboot_devkit.cli.parser import Parser
    from snapboot_devkit.host import FunctionConfig, LogLine

PORT: Final = 9000

# For the end of a log that no one may be reading.
_LAST_LINES_S: Final = 1.0


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument(
        "functions", nargs="+", metavar="[NAME=]HANDLER", help="The functions to serve."
    )
    parser.option(
        "--port",
        "The port to listen on; 0 takes a free one.",
        type=port,
        default=PORT,
        metavar="PORT",
    )
    parser.option("--host", "The address to listen on.", default=LOOPBACK, metavar="ADDRESS")
    parser.several(
        "--allow-host",
        "A host name that clients may use besides localhost; may be repeated.",
        metavar="NAME",
    )
    parser.add_argument("--reload", help=argparse.SUPPRESS, action="store_true", default=True)
    parser.add_argument(
        "--no-reload",
        help="Do not reload when the code changes.",
        action="store_false",
        dest="reload",
    )
    parser.option(
        "--concurrency",
        "Environments of a function at the same time.",
        type=int,
        default=CONCURRENCY,
    )
    options.declare(parser)


def run(  # noqa: PLR0913 - each is something that is typed
    functions: list[str],
    *,
    port: int,
    host: str,
    allow_host: list[str],
    reload: bool,
    concurrency: int,
    **values: Any,
) -> int:
    """Serve functions over the Invoke API and function URLs, until Ctrl-C.

    The log goes to standard error. A second Ctrl-C stops at once. Exits with 2 for invalid
    arguments, or a port that is in use.
    """
    settings = FunctionOptions(values)
    configs = tuple(
        settings.config(handler, name=name, concurrency=concurrency)
        for name, handler in arguments.functions(functions).items()
    )
    service = _Service(
        configs=configs,
        host=host,
        port=port,
        allow_hosts=tuple(allow_host),
        reload=reload,
        debug=settings.debug,
    )
    for config in configs:
        handlers.check(config)
    try:
        _run(service)
    except AddressInUseError as exc:
        raise exits.UsageError(_taken(exc, f"{host}:{port}", port)) from exc
    return 0


@dataclass(frozen=True, slots=True)
class _Service:
    """What to serve, where, and by which names one may call besides."""

    configs: tuple[FunctionConfig, ...]
    host: str
    port: int
    allow_hosts: tuple[str, ...]
    reload: bool
    debug: int | None

    def __post_init__(self) -> None:
        """Check what no other check sees."""
        if self.debug is not None and len(self.configs) > 1:
            raise exits.UsageError(
                "--debug works with one function; start the others with a separate command"
            )


def _run(service: _Service) -> None:
    log = LogWriter(STDERR)
    try:
        asyncio.run(_serve(service, log))
    finally:
        log.close(_LAST_LINES_S)


async def _serve(service: _Service, log: LogWriter) -> None:
    ended = asyncio.Event()
    on_end(lambda: _leave(log) if ended.is_set() else ended.set())
    coloured = sys.stderr.isatty()
    progress = InitProgress(log.write, shown=printing.is_terminal())
    write = progress.write if progress.shown else log.write
    labels = Labels(functions=len(service.configs))
    init_hints = InitHints({config.name: config for config in service.configs})

    def show(line: LogLine) -> None:
        label = labels.label(line)
        write(printing.rendered(line, label, coloured=coloured))
        if line.source is Source.FUNCTION and (hint := init_hints.hint(line)):
            write(printing.rendered_hint(hint, label))

    async with Debugger(service.debug, progress.write) as debugger:
        host = LocalHost(
            *map(debugger.prepared, service.configs),
            host=service.host,
            port=service.port,
            log=show,
            reload=service.reload,
            allow_hosts=service.allow_hosts,
        )
        async with host, debugger.driving(host), progress.watching(lambda: initialising(host)):
            assert host.address is not None
            progress.write(greeting(host.address, host.functions))
            if debugger.is_on:
                # An editor attaches to something that runs.
                host.initialise()
            await ended.wait()


def _leave(log: LogWriter) -> NoReturn:
    """End at once. What has been started is ended by the host's reaper."""
    log.flush()
    os._exit(exits.INTERRUPTED)


def _taken(error: AddressInUseError, address: str, port: int) -> str:
    """Return the error's text with the process that listens there, where that is known."""
    from snapboot_devkit.cli.listeners import listener  # noqa: PLC0415

    who = listener(port)
    if who is None:
        return f"{error}, by --port"
    return (
        f"cannot listen on {address}: it is in use by {who}; stop that program, or"
        " choose another port with --port"
    )
