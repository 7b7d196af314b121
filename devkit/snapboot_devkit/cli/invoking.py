"""`snapboot invoke`: one environment, one event, and the end."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.cli import arguments, exits, options, printing
from snapboot_devkit.cli.debugger import Debugger
from snapboot_devkit.cli.options import FunctionOptions
from snapboot_devkit.cli.progress import InitProgress, initialising
from snapboot_devkit.cli.responses import PrintedResponse
from snapboot_devkit.host import LocalHost
from snapboot_devkit.host.signals import on_end
from snapboot_devkit.host.streams import STDERR, LogWriter

if TYPE_CHECKING:
    from snapboot_devkit.cli.parser import Parser
    from snapboot_devkit.host import FunctionConfig, InvokeResult, LogLine

# After a signal: for the end of a log that no one may be reading.
_LAST_LINES_S: Final = 1.0


def declare(parser: Parser) -> None:
    """Declare what can be typed."""
    parser.add_argument("handler", help="What to invoke, as module.function.")
    parser.add_argument(
        "event", nargs="?", help="The event: JSON, @file, or - for standard input; {} without it."
    )
    parser.option(
        "--event",
        "The event from a file; takes JSON and -, too.",
        metavar="FILE",
        dest="event_option",
    )
    parser.option(
        "--event-template",
        "An event as a service sends it; see snapboot events.",
        metavar="NAME",
    )
    parser.several(
        "--set",
        "Set one field of the template; may be repeated.",
        metavar="PATH=VALUE",
        dest="set_",
    )
    parser.flag("--json", "Print one JSON object.", dest="as_json")
    options.declare(parser)


def run(handler: str, event: str | None, *, set_: list[str], as_json: bool, **values: Any) -> int:
    """Start an environment, invoke the function once, and shut down.

    The result goes to standard output, a stream chunk by chunk; the log to standard error. Exits
    with 1 on a function error, with 2 for invalid arguments, with 130 when a signal ends it, and
    with 141 when its output was closed.
    """
    settings = FunctionOptions(values)
    payload = arguments.event_bytes(
        event, values["event_option"], values["event_template"], changes=set_
    )
    config = settings.config(handler)
    result, printed = _run(config, payload, silent=as_json, debug=settings.debug)
    hint = None
    if result.function_error:
        from snapboot_devkit.cli import hints  # noqa: PLC0415 - for what failed alone

        hint = hints.hint(result, config)
    if as_json:
        printing.json_object(result, hint)
    else:
        printed.end(result)
        printing.hint(hint)
    return exits.FUNCTION_ERROR if result.function_error else 0


def _run(
    config: FunctionConfig, payload: bytes, *, silent: bool, debug: int | None
) -> tuple[InvokeResult, PrintedResponse]:
    """Invoke once, and return when the log is written; a stream is printed unless `silent`.

    Raises KeyboardInterrupt on a signal and BrokenPipeError when the log's reader has gone, both
    with all processes ended.
    """
    log = LogWriter(STDERR)
    try:
        result = asyncio.run(_invoke(config, payload, log, silent=silent, debug=debug))
    except BaseException:
        log.close(_LAST_LINES_S)
        raise
    log.close()
    if log.broken:
        raise BrokenPipeError
    return result


async def _invoke(
    config: FunctionConfig, payload: bytes, log: LogWriter, *, silent: bool, debug: int | None
) -> tuple[InvokeResult, PrintedResponse]:
    coloured = sys.stderr.isatty()
    progress = InitProgress(log.write, shown=printing.is_terminal() and not silent)

    def show(line: LogLine) -> None:
        if not silent:
            progress.write(printing.rendered(line, coloured=coloured))

    printed = PrintedResponse(progress.write, log.flush)
    loop = asyncio.get_running_loop()
    async with Debugger(debug, progress.write) as debugger:
        config = debugger.prepared(config)
        async with LocalHost(config, log=show) as host, debugger.driving(host):
            work = asyncio.ensure_future(
                host.invoke(payload) if silent else printed.read(host, payload)
            )
            on_end(work.cancel)
            log.on_broken(lambda: loop.call_soon_threadsafe(work.cancel))
            try:
                async with progress.watching(lambda: initialising(host)):
                    return await work, printed
            except asyncio.CancelledError:
                raise (BrokenPipeError if log.broken else KeyboardInterrupt) from None
