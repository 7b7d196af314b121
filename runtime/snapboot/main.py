"""The story of an execution environment, on one page.

Configuration, Runtime Init, Function Init, snapshot, and then invocation after invocation.
"""

import gc
import sys
from time import perf_counter_ns

from . import __version__
from .api import USER_AGENT, Invocation, RuntimeAPI
from .codec import codec, decoded_event, encoded_result, json_text
from .context import Context, context_of
from .environment import (
    HANDLER,
    SETTINGS,
    TRACE_ID,
    environment,
    put_interpreter_on_path,
    set_variable,
    setting,
    variable,
)
from .handler import load, prepare_path
from .output import prepare_output, set_up_logging
from .wire import RuntimeAPIError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from .api import Transport
    from .report import Report

    Handler = Callable[[Any, Context], Any]

EXIT_INIT_ERROR = 1
# How a note begins that the module archive adds to what a late import raises.
OWN_NOTE = "snapboot: "
# Where tools look for AWS's runtime, to patch it: in our place, for `aws_names` to honour.
AWS_BOOTSTRAP = "awslambdaric.bootstrap"
AWS_NAMES_IN_MAIN = ("awslambdaricmain", "bootstrap")
# The flags of an `async def`, without and with `yield` (inspect.CO_COROUTINE, CO_ASYNC_GENERATOR).
COROUTINE = 0x80
ASYNC_GENERATOR = 0x200


def bootstrap(arguments: "list[str]") -> "NoReturn":
    """Start as Lambda starts us: on a bare `sys.path`, by the user's wrapper if there is one."""
    put_interpreter_on_path()
    own_folder = __file__.rpartition("/")[0].rpartition("/")[0]
    # As we were started ourselves: the local host has no bytecode written.
    options = "-BSsP" if "-B" in sys.orig_argv else "-SsP"
    command = [sys.executable, options, f"{own_folder}/snapboot/__main__.py"]
    if variable("AWS_LAMBDA_EXEC_WRAPPER"):
        from .wrapper import start_wrapper

        start_wrapper(command, arguments)
    main(command, arguments, own_folder)


def main(command: "list[str]", arguments: "list[str]", own_folder: "str | None") -> "NoReturn":
    """Serve a function until the platform ends the process.

    `command` starts this very program; `arguments` are what followed it, the first of them the
    handler, else `_HANDLER` names it. `own_folder` is where `snapboot` was found, for
    `sys.path` to be laid out; None leaves `sys.path` as it is.
    """
    if arguments:
        set_variable(HANDLER, arguments[0])
    address = variable("AWS_LAMBDA_RUNTIME_API")
    if not address:
        from .standalone import serve

        serve(command, own_folder)
    _run(_prepare(address, own_folder))


def prepare_in_place_of(script: str, own_folder: str) -> "Callable[[], NoReturn]":
    """Do Runtime Init in the place of a managed runtime's `script`; return what does the rest.

    Raises whatever goes wrong; then the variables may have changed, and nothing else.
    """
    address = variable("AWS_LAMBDA_RUNTIME_API")
    if not address:
        raise RuntimeAPIError("AWS_LAMBDA_RUNTIME_API is not set, so this is not Lambda")
    set_variable("_SNAPBOOT_REPLACED", None)
    sys.argv[:] = [script]
    environment.managed = script.rpartition("/")[0]
    api = _prepare(address, own_folder)
    return lambda: _run(api)


def _prepare(address: str, own_folder: "str | None") -> RuntimeAPI:
    environment.read()
    set_variable(TRACE_ID, None)
    prepare_output()
    if own_folder is not None:
        prepare_path(own_folder)
    else:  # installed by pip, which keeps the modules of AWS's names apart
        sys.path.append(f"{__file__.rpartition('/')[0]}/provided")
    vars(sys.modules["__main__"]).setdefault("__getattr__", _aws_name)
    return RuntimeAPI(_transport(address))


def _run(api: RuntimeAPI) -> "NoReturn":
    try:
        _serve_all(api)
    except RuntimeAPIError as exc:
        sys.exit(f"snapboot: the process ends, as the Runtime API cannot be used: {exc}")


def _serve_all(api: RuntimeAPI) -> "NoReturn":
    handler = _initialise(api)
    if variable("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from .snapstart import pass_through_snapshot

        pass_through_snapshot(api)
        environment.read_function()
    while True:
        _serve(api.next_invocation(), handler)


def _initialise(api: RuntimeAPI) -> "Handler":
    """Do Function Init and return the handler; exit once its failure is reported."""
    try:
        settings = {name: setting(name) for name in SETTINGS}
        if settings["SNAPBOOT_LAZY_IMPORTS"] == "all":
            from .lazy_imports import make_all_lazy

            make_all_lazy()
        began = perf_counter_ns(), len(sys.modules)
        handler = _load_at_rest() if settings["SNAPBOOT_GC"] == "freeze" else _load()
        set_up_logging()  # in case that it came along a way that is not watched
        environment.read_function()
        codec.settle(settings["SNAPBOOT_JSON"])
        if settings["SNAPBOOT_INIT_REPORT"] == "1":
            from . import load_unchecked

            load_unchecked(("init_report",))
            from .init_report import write_init_report

            write_init_report(*began)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        from .logs import log_init_warning
        from .report import Report

        report = Report(exc)
        log_init_warning(
            "LAMBDA_WARNING: Unhandled exception. The function could not be initialised."
        )
        _log(exc, report)
    else:
        return handler
    finally:
        if AWS_BOOTSTRAP in sys.modules:
            from . import aws_names  # noqa: F401 - which the loop passes through from then on
    api.init_error(report)  # with no exception being handled: so tools know it from AWS's runtime
    sys.exit(EXIT_INIT_ERROR)


def _aws_name(name: str) -> object:
    """Return what of AWS's runtime is looked for in `__main__`, as its `__getattr__`."""
    if name not in AWS_NAMES_IN_MAIN:
        raise AttributeError(f"module '__main__' has no attribute {name!r}")
    from . import aws_names

    return aws_names if name == "awslambdaricmain" else aws_names.bootstrap


def _load_at_rest() -> "Handler":
    """Load the handler while the collector rests; what init leaves is never looked at again.

    By its threshold, and not by `gc.disable()`, so that what a function says of it stands (but
    for a threshold of 0, which looks like ours).
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        return _load()
    finally:
        if gc.get_threshold()[0] == 0:
            gc.set_threshold(*thresholds)
        gc.freeze()


def _load() -> "Handler":
    """Import the handler and run what the function has registered for the end of Function Init."""
    handler = load()
    flags = getattr(getattr(handler, "__code__", None), "co_flags", 0)
    if flags & (COROUTINE | ASYNC_GENERATOR) or environment.on_init:
        from . import aio

        aio.run_on_init()
        if flags & COROUTINE:
            handler = aio.awaiting(handler)
    return handler


def _serve(invocation: Invocation, handler: "Handler") -> None:
    """Have one event handled, and answer it."""
    environment.set_trace_id(invocation.trace_id)
    try:
        context = context_of(invocation)
        environment.enter(context)
        event = decoded_event(invocation.body, invocation.content_type)
        body, content_type = encoded_result(handler(event, context))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:  # asyncio's CancelledError, say: answered, where AWS's dies
        report = reported(exc, invocation.request_id)
    else:
        invocation.succeed(body, content_type)
        return
    invocation.fail(report)


def reported(error: BaseException, request_id: str) -> "Report | BareReport":
    """Log an error and return what to report of it."""
    try:
        if isinstance(error, (MemoryError, OSError)):
            _release(error)
        from .report import Report

        report = Report(error, request_id)
        _log(error, report)
        if isinstance(error, ImportError) and f"{__package__}.lazy_imports" in sys.modules:
            from .lazy_imports import explain

            explain(error)
    except Exception as failure:
        return BareReport(error, request_id, failure)
    return report


def _log(error: BaseException, report: "Report") -> None:
    """Log a report, and what the module archive has noted on the error."""
    from .logs import log_report, log_warning

    log_report(report)
    notes = getattr(error, "__notes__", None)
    for note in notes if isinstance(notes, list) else ():  # an error may have any attribute
        if isinstance(note, str) and note.startswith(OWN_NOTE):
            log_warning(note)


class BareReport:
    """An error where a Report cannot be made: without stack, by what is loaded already.

    No descriptor is left to load a module with, or the error's class has methods that fail.
    """

    __slots__ = ("document", "fields", "header_type")
    xray_cause = ""

    def __init__(self, error: BaseException, request_id: str, reason: Exception) -> None:
        try:
            message = str.__str__(str(error))
        except Exception:
            message = ""
        # Not by the attribute, which a metaclass may have made its own.
        error_type: str = type.__dict__["__name__"].__get__(type(error))
        self.fields = {
            "errorMessage": message,
            "errorType": error_type,
            "requestId": request_id,
            "stackTrace": [],
        }
        self.document = json_text(self.fields).encode("utf-8", "backslashreplace")
        self.header_type = error_type if error_type.isascii() else "Unhandled"
        try:
            sys.stdout.write(
                f"[ERROR] {error_type}: {message} (snapboot: without stack, as that failed with"
                f" {type(reason).__name__})\n"
            )
        except Exception:  # where not even that can be written
            pass

    def __repr__(self) -> str:
        return f"<BareReport of {self.header_type}>"


def _release(error: BaseException) -> None:
    """Drop what the failed frames hold: memory or open files may be short for a report, too."""
    trace = error.__traceback__
    while trace is not None:
        try:
            trace.tb_frame.clear()
        except RuntimeError:  # a frame of ours that is running
            pass
        trace = trace.tb_next


def _transport(address: str) -> "Transport":
    """Return what carries the calls; an unknown choice is reported over the default."""
    headers = [(USER_AGENT, _user_agent())]
    if variable("SNAPBOOT_TRANSPORT") == "urllib3" or address.startswith("https://"):
        try:
            from .urllib3_transport import Urllib3Transport
        except ImportError as exc:
            sys.exit(f"snapboot: no urllib3 to reach {address!r} with: {exc}; pip install urllib3")
        return Urllib3Transport(address, headers)
    from .socket_transport import SocketTransport

    return SocketTransport(address.removeprefix("http://").rstrip("/"), headers)


def _user_agent() -> str:
    return f"snapboot/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}"
