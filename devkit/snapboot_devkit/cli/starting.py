"""`snapboot start`: functions served until the end is asked for."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from snapboot_devkit.cli import arguments, exits, handlers, printing
from snapboot_devkit.cli.debugger import Debugger
from snapboot_devkit.cli.greeting import greeting
from snapboot_devkit.cli.init_errors import InitHints
from snapboot_devkit.cli.labels import Labels
from snapboot_devkit.cli.listeners import listener
from snapboot_devkit.cli.options import FunctionOptions, takes_function_options
from snapboot_devkit.cli.progress import InitProgress, initialising
from snapboot_devkit.host import AddressInUseError, FunctionConfig, HostError, LocalHost
from snapboot_devkit.host.config import CONCURRENCY
from snapboot_devkit.host.protocol import MAX_PORT
from snapboot_devkit.host.signals import on_end
from snapboot_devkit.host.streams import STDERR, LogWriter

if TYPE_CHECKING:
    from snapboot_devkit.host import LogLine

PORT: Final = 9000
_LOOPBACK: Final = "127.0.0.1"
# For the end of a log that nobody may be reading.
_LAST_LINES_S: Final = 1.0


@takes_function_options
def start(  # noqa: PLR0913 - each is something that is typed
    functions: Annotated[
        list[str], typer.Argument(metavar="[NAME=]HANDLER…", help="The functions to serve.")
    ],
    *,
    port: Annotated[
        int, typer.Option(min=0, max=MAX_PORT, help="The port to listen on; 0 takes a free one.")
    ] = PORT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = _LOOPBACK,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which others may call; may be repeated."),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload/--no-reload", help="Take up changes of the code.")
    ] = True,
    concurrency: Annotated[
        int, typer.Option(help="Environments of a function at the same time.")
    ] = CONCURRENCY,
    options: FunctionOptions,
) -> None:
    """Serve functions over the Invoke API and function URLs, until Ctrl-C.

    The log goes to standard error. A second Ctrl-C does not wait for anything. Exits with 2 when
    something typed cannot be used, such as a port that is taken.
    """
    try:
        configs = tuple(
            options.config(handler, name=name, concurrency=concurrency)
            for name, handler in arguments.functions(functions).items()
        )
        service = _Service(
            configs=configs,
            host=host,
            port=port,
            allow_hosts=tuple(allow_host or ()),
            reload=reload,
            debug=options.debug,
        )
        for config in configs:
            handlers.check(config)
        _run(service)
    except AddressInUseError as exc:
        printing.complaint(_taken(exc, f"{host}:{port}", port))
        raise typer.Exit(exits.BAD_USAGE) from exc
    except (exits.UsageError, HostError) as exc:
        printing.complaint(str(exc))
        raise typer.Exit(exits.BAD_USAGE) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
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
            raise exits.UsageError("--debug works with one function; start the others apart")


def _run(service: _Service) -> None:
    log = LogWriter(STDERR)
    try:
        asyncio.run(_serve(service, log))
    finally:
        log.close(_LAST_LINES_S)


async def _serve(service: _Service, log: LogWriter) -> None:
    ended = asyncio.Event()
    on_end(lambda: _leave() if ended.is_set() else ended.set())
    progress = InitProgress(log.write, shown=printing.is_terminal())
    labels = Labels(functions=len(service.configs))
    init_hints = InitHints({config.name: config for config in service.configs})

    def show(line: LogLine) -> None:
        label = labels.label(line)
        progress.write(printing.rendered(line, label))
        if hint := init_hints.hint(line):
            progress.write(printing.rendered_hint(hint, label))

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


def _leave() -> NoReturn:
    """End at once. What has been started is ended by the host's guardian."""
    os._exit(exits.INTERRUPTED)


def _taken(error: AddressInUseError, address: str, port: int) -> str:
    """Return the complaint with who listens there, where that can be told."""
    who = listener(port)
    if who is None:
        return f"{error}, by --port"
    return f"cannot listen on {address}: {who} does; stop it, or choose another port by --port"
