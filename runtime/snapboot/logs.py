"""The function's log as the platform takes it: where a record goes, and the runtime's own records.

Works without `logging`, whose side of it is in `log_records.py`.
"""

import posix
import sys
from _thread import RLock
from time import gmtime, strftime, time, time_ns

from .codec import json_text
from .environment import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .environment import Sink

    class LoggedError(Protocol):
        """An error, as a document and as text."""

        @property
        def fields(self) -> dict[str, Any]:
            """The error document."""

        def lines(self) -> list[str]:
            """Return the lines of the log record."""


ERROR = 40
WARNING = 30
DEBUG = 10
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

# CloudWatch makes one event of lines joined like this.
LINE_JOIN = "\r"

# The first four bytes of a frame; the level, one bit pattern per 10, is added to its last byte.
_FRAME_OF_TEXT = 0xA55A0003
_FRAME_OF_JSON = 0xA55A0002
_FRAME_LEVELS = {0: 0, 10: 8, 20: 12, 30: 16, 40: 20, 50: 24}


def sink() -> "Sink":
    """Return where records go: the platform's log descriptor if it gave one, else stdout."""
    if environment.log_fd is None:
        return StandardSink()
    if environment.log_frames is None:
        environment.log_frames = FramedSink(environment.log_fd)
    return environment.log_frames


def wants_json() -> bool:
    """Whether the function's log format is JSON."""
    return environment.log_format == "JSON"


def log_report(report: "LoggedError") -> None:
    """Write an uncaught error as the platform expects to find it."""
    if wants_json():
        moment = strftime(TIME_FORMAT, gmtime())
        _emit(json_text({"timestamp": moment, "level": "ERROR", **report.fields}) + "\n", ERROR)
    else:
        emit_lines(report.lines(), ERROR)


def log_warning(message: str) -> None:
    """Write a warning of the runtime's own."""
    _log("WARNING", WARNING, message)


def log_debug(message: str) -> None:
    """Write what interests while debugging alone; `wants_debug` says whether it does."""
    _log("DEBUG", DEBUG, message)


def wants_debug() -> bool:
    """Whether the function's log level, or that of its root logger, is DEBUG or lower."""
    if environment.log_level:
        return environment.log_level in ("DEBUG", "TRACE")
    root = getattr(sys.modules.get("logging"), "root", None)
    return 0 < getattr(root, "level", 0) <= DEBUG


def _log(level: str, number: int, message: str) -> None:
    if wants_json():
        moment = strftime(TIME_FORMAT, gmtime())
        record = {"timestamp": moment, "level": level, "message": message, "logger": "root"}
        _emit(json_text(record) + "\n", number)
    else:
        now = time()
        moment = strftime("%Y-%m-%dT%H:%M:%S", gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        _emit(f"[{level}]\t{moment}\t{_request_id()}\t{message}\n", number)


def log_init_warning(message: str) -> None:
    """Write a warning as AWS's runtime does: by `logging`, with the function's own formatter.

    By ourselves if the function has not loaded that, or has broken it.
    """
    records = sys.modules.get(f"{__package__}.log_records")
    try:
        if records is not None:
            records.logging.warning(message)
            return
    except Exception:  # a handler or a formatter of the function's
        pass
    log_warning(message)


def log_compilation(modules: int, duration_ns: int) -> None:
    """Write that a cold start had to compile what should have come with its bytecode."""
    log_warning(
        f"snapboot: {modules} module{'s' if modules > 1 else ''} had to be compiled at this cold"
        f" start, which took {duration_ns / 1e6:.0f} ms: no usable bytecode came with them."
        " `snapboot package` puts it in; `snapboot audit` says where it is missing"
    )


def _request_id() -> str:
    context = environment.current()
    return context.aws_request_id if context else ""


def emit_lines(lines: "list[str]", level: int) -> None:
    """Write lines as one record."""
    if environment.log_fd is not None:
        _emit("\n".join(lines), level)
    else:
        _emit(LINE_JOIN.join(lines).replace("\n", LINE_JOIN) + "\n", level)


def _emit(record: str, level: int) -> None:
    try:
        sink().write(record, level)
    except Exception:  # sys.stdout may be the user's own, or closed: not worth dying for
        pass


class StandardSink:
    """Standard output: a line is a record."""

    __slots__ = ()

    def write(self, record: str, level: int = 0) -> None:  # noqa: ARG002
        """Write through whatever `sys.stdout` is now. Raises as that does."""
        stream = sys.stdout
        if stream is None:
            return
        try:
            stream.write(record)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(record.encode(encoding, "backslashreplace").decode(encoding))


class FramedSink:
    """The platform's log descriptor: a frame is a record, whatever line ends it has.

    A frame is its type (4 bytes), the length of the text (4), Unix time in microseconds (8), all
    big-endian, and the text in UTF-8.
    """

    __slots__ = ("_fd", "_lock", "_waiting")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begin()
        # A child of the function's must not wait for a thread that it does not have.
        posix.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = RLock()  # reentrant for the sake of signal handlers that log
        self._waiting: list[memoryview] = []

    def write(self, record: str, level: int = 0) -> None:
        """Write one frame, as a whole even among threads. Raises OSError."""
        kind = _FRAME_OF_JSON if wants_json() and level else _FRAME_OF_TEXT
        text = record.encode("utf-8", "backslashreplace")
        frame = memoryview(
            (kind + _FRAME_LEVELS[min(50, max(0, level)) // 10 * 10]).to_bytes(4, "big")
            + len(text).to_bytes(4, "big")
            + (time_ns() // 1000).to_bytes(8, "big")
            + text
        )
        with self._lock:
            self._waiting.append(frame)
            if len(self._waiting) == 1:  # else we are in a signal handler, amid a write below us
                self._send_all()

    def _send_all(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                rest = waiting[0]
                while rest:
                    rest = rest[posix.write(self._fd, rest) :]
                del waiting[0]
        finally:
            waiting.clear()
