"""`snapboot invoke`: one environment, one event, and the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from snapboot_devkit.cli import arguments, exits, printing
from snapboot_devkit.host import FunctionConfig, HostError, LocalHost
from snapboot_devkit.host.signals import on_end
from snapboot_devkit.host.streams import STDERR, LogWriter

if TYPE_CHECKING:
    from snapboot_devkit.host import InvokeResult, LogLine

# After a signal: for the end of a log that nobody may be reading.
_LAST_LINES_S: Final = 1.0


def invoke(  # noqa: PLR0913 - each is an option that users know
    handler: Annotated[str, typer.Argument(help="What to invoke, as module.function.")],
    event: Annotated[
        str, typer.Argument(help="The event: JSON, @file, or - for standard input.")
    ] = "{}",
    *,
    task_root: Annotated[Path, typer.Option(help="The folder with the function's code.")] = Path(),
    env: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A variable; may be repeated.")
    ] = None,
    env_file: Annotated[Path | None, typer.Option(help="A file with one K=V per line.")] = None,
    memory: Annotated[int, typer.Option(help="The memory size in MB.")] = 128,
    timeout: Annotated[float, typer.Option(help="The function's timeout in seconds.")] = 3.0,
    python: Annotated[
        str | None, typer.Option(help="The interpreter for the runtime: a name or a path.")
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(metavar="CMD", help="Any other runtime's command.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start an environment, invoke the function once, and shut down.

    The result goes to standard output, the log to standard error. Exits with 1 on a function
    error, with 2 when something typed cannot be used, with 130 when a signal ends it, and with 141
    when nobody reads what it prints.
    """
    try:
        payload = arguments.event_bytes(event)
        config = FunctionConfig(
            handler,
            task_root=task_root,
            timeout_s=timeout,
            memory_mb=memory,
            env=arguments.variables(env or (), env_file),
            python=python,
            bootstrap=bootstrap,
        )
        result = _run(config, payload, silent=as_json)
        (printing.json_object if as_json else printing.payload)(result)
    except (exits.UsageError, HostError) as exc:
        printing.complaint(str(exc))
        raise typer.Exit(exits.BAD_USAGE) from exc
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None
    except BrokenPipeError:
        raise typer.Exit(exits.UNREAD) from None
    if result.function_error:
        raise typer.Exit(exits.FUNCTION_ERROR)


def _run(config: FunctionConfig, payload: bytes, *, silent: bool) -> InvokeResult:
    """Invoke once, and return when the log is written.

    Raises KeyboardInterrupt on a signal and BrokenPipeError when the log's reader has gone, both
    with all processes ended.
    """
    log = LogWriter(STDERR)
    try:
        result = asyncio.run(_invoke(config, payload, log, silent=silent))
    except BaseException:
        log.close(_LAST_LINES_S)
        raise
    log.close()
    if log.broken:
        raise BrokenPipeError
    return result


async def _invoke(
    config: FunctionConfig, payload: bytes, log: LogWriter, *, silent: bool
) -> InvokeResult:
    def show(line: LogLine) -> None:
        if not silent:
            log.write(printing.rendered(line))

    loop = asyncio.get_running_loop()
    async with LocalHost(config, log=show) as host:
        work = asyncio.ensure_future(host.invoke(payload))
        on_end(work.cancel)
        log.on_broken(lambda: loop.call_soon_threadsafe(work.cancel))
        try:
            return await work
        except asyncio.CancelledError:
            raise (BrokenPipeError if log.broken else KeyboardInterrupt) from None
