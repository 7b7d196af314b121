"""`logging` as a Lambda function finds it: one handler on the root logger, text or JSON."""

import logging
import time
import traceback

from . import logs
from .environment import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
TEXT_TIME = "%Y-%m-%dT%H:%M:%S"

# Attributes every record has, and our two: what is beyond them was given as `extra`.
_KNOWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "aws_request_id", "tenant_id"}


def set_up() -> None:
    """Put our handler on the root logger, its level as the platform's setting says."""
    logging.Formatter.converter = time.gmtime
    root = logging.getLogger()
    level = {"TRACE": "DEBUG"}.get(environment.log_level, environment.log_level)
    if level in logging.getLevelNamesMapping():
        root.setLevel(level)
    handler = LambdaLoggerHandler()
    handler.addFilter(add_invocation)
    handler.setFormatter(
        JsonFormatter() if logs.wants_json() else TextFormatter(TEXT_FORMAT, TEXT_TIME)
    )
    root.addHandler(handler)


def add_invocation(record: logging.LogRecord) -> bool:
    """Add `aws_request_id` and `tenant_id` of the invocation being served to a record."""
    context = environment.current()
    record.aws_request_id = context.aws_request_id if context else ""
    record.tenant_id = context.tenant_id if context else None
    return True


class LambdaLoggerHandler(logging.Handler):
    """Hands formatted records to the platform; the name is that of AWS's handler."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. What goes wrong is printed on stderr, as `logging` does."""
        # In text, the platform wants levels only where it is set to filter by them.
        level = record.levelno if logs.wants_json() or environment.log_level else 0
        try:
            logs.sink().write(self.format(record), level)
        except Exception:
            self.handleError(record)


class TextFormatter(logging.Formatter):
    """Tab-separated level, time, request id, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with its line end, which AWS's runtime puts before a traceback."""
        return super().format(record) + "\n"


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the keys of AWS's runtime in its order."""

    def __init__(self) -> None:
        super().__init__(datefmt=logs.TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record; a message that is a dict stays an object."""
        import json  # not before: a function may have a module of that name

        fields = {**self._fields(record), **_extra(record)}
        present = {key: value for key, value in fields.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"

    def _fields(self, record: logging.LogRecord) -> "dict[str, Any]":
        is_object = isinstance(record.msg, dict) and not record.args
        fields: dict[str, Any] = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10),
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            fields["stackTrace"] = traceback.format_tb(trace)
            fields["errorType"] = kind.__name__
            fields["errorMessage"] = str(error)
        fields["requestId"] = getattr(record, "aws_request_id", None)
        if "errorType" in fields:
            fields["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        fields["tenantId"] = getattr(record, "tenant_id", None)
        return fields


def _extra(record: logging.LogRecord) -> "dict[str, Any]":
    return {key: value for key, value in vars(record).items() if key not in _KNOWN}
