"""The function's log: `logging` as text, as JSON and in frames; set up at its import, not before."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import OURS, Contender
from tests.fakes.frames import Frame, frames
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
TENANT = {"Lambda-Runtime-Aws-Tenant-Id": "blue"}


def lines(function: Function, *events: Event, **environment: str) -> list[str]:
    """Return what a function logs, line by line."""
    run = function.run(*(events or (Event(request_id="the-id"),)), environment=environment)
    assert run.returncode is None, run.stderr
    assert run.stderr == ""
    return run.stdout.removesuffix("\n").split("\n")


def records(function: Function, *events: Event, **environment: str) -> list[dict]:
    """Return what a function logs as JSON."""
    return [json.loads(line) for line in lines(function, *events, **JSON, **environment)]


# --- when it is set up --------------------------------------------------------------------------


def test_logging_is_not_imported_for_a_function_that_does_not_use_it(function: Function):
    function.code("""
        import sys

        def handler(event, context):
            return sorted({"logging", "snapboot.logs", "snapboot.log_records"} & set(sys.modules))
    """)
    assert function.run(Event()).result == []


def test_it_is_set_up_when_the_function_imports_it(function: Function, over):
    function.code("""
        import logging
        assert len(logging.getLogger().handlers) == 1

        def handler(event, context):
            logging.warning("hello")
    """)
    (line,) = lines(function, **over)
    assert line.endswith("\tthe-id\thello")


def test_it_is_set_up_when_a_handler_imports_it_at_last(function: Function):
    function.code("""
        def handler(event, context):
            import logging.config
            assert len(logging.getLogger().handlers) == 1
            logging.error("late")
    """)
    (line,) = lines(function)
    assert line.startswith("[ERROR]\t")


def test_it_is_set_up_when_a_path_file_has_imported_it_before(function: Function):
    function.write("early.pth", "import logging\n")
    function.code("""
        def handler(event, context):
            import logging
            logging.error("after a path file")
    """)
    (line,) = lines(function)
    assert line.startswith("[ERROR]\t")


def test_it_is_set_up_though_someone_has_asked_before_whether_it_is_there(function: Function):
    function.code("""
        import importlib.util
        assert importlib.util.find_spec("logging")

        def handler(event, context):
            import logging
            logging.error("found before")
    """)
    (line,) = lines(function)
    assert line.startswith("[ERROR]\t")


def test_basic_config_adds_no_second_handler(function: Function):
    function.code("""
        import logging
        logging.basicConfig(level=logging.INFO)

        def handler(event, context):
            logging.warning("once")
    """)
    (line,) = lines(function)
    assert line.endswith("\tonce")


# --- text ---------------------------------------------------------------------------------------


def test_a_record_in_text_has_level_time_request_and_message(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            logging.getLogger("some.logger").warning("table %s is %d", "t", 5)
    """)
    (line,) = lines(function)
    assert re.fullmatch(rf"\[WARNING\]\t{TIME}\.\d{{3}}Z\tthe-id\ttable t is 5", line)


def test_the_time_is_that_of_utc(function: Function):
    function.code("""
        import logging

        EPOCH = {"levelno": 30, "msg": "began", "created": 0.25, "msecs": 250.0}

        def handler(event, context):
            logging.getLogger().handle(logging.makeLogRecord(EPOCH))
    """)
    (line,) = lines(function, TZ="Asia/Tokyo")
    assert "\t1970-01-01T00:00:00.250Z\t" in line


def test_a_record_in_text_has_its_traceback(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("failed")
            logging.warning("next")
    """)
    found = lines(function)
    assert found[0].endswith("\tfailed")
    assert found[1] == "Traceback (most recent call last):"
    assert found[-2] == "ZeroDivisionError: division by zero"
    assert found[-1].endswith("\tnext")


def test_a_record_of_init_has_no_request(function: Function):
    function.code("""
        import logging
        logging.warning("at init")

        def handler(event, context):
            logging.warning("at the event")
    """)
    first, second = lines(function)
    assert re.fullmatch(rf"\[WARNING\]\t{TIME}\.\d{{3}}Z\t\tat init", first)
    assert second.endswith("\tthe-id\tat the event")


def test_each_record_has_the_request_and_tenant_it_belongs_to(function: Function):
    function.code("""
        import logging
        formatter = logging.Formatter("%(aws_request_id)s %(tenant_id)s\\n")
        logging.getLogger().handlers[0].setFormatter(formatter)

        def handler(event, context):
            logging.warning("")
    """)
    found = lines(function, Event(request_id="one", headers=TENANT), Event(request_id="two"))
    assert [line for line in found if line] == ["one blue", "two None"]


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("", ["WARNING", "ERROR", "CRITICAL"]),
        ("TRACE", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("DEBUG", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("INFO", ["INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("info", ["INFO", "WARNING", "ERROR", "CRITICAL"]),
        ("WARN", ["WARNING", "ERROR", "CRITICAL"]),
        ("ERROR", ["ERROR", "CRITICAL"]),
        ("FATAL", ["CRITICAL"]),
        ("NONSENSE", ["WARNING", "ERROR", "CRITICAL"]),
    ],
)
def test_the_level_is_the_settings_and_warning_otherwise(function: Function, level, logged):
    function.code("""
        import logging

        def handler(event, context):
            for level in (10, 20, 30, 40, 50):
                logging.log(level, "x")
    """)
    found = lines(function, AWS_LAMBDA_LOG_LEVEL=level)
    assert [line.split("]")[0][1:] for line in found] == logged


# --- JSON ---------------------------------------------------------------------------------------


def test_a_record_in_json_has_its_keys_in_order(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            logging.getLogger("some.logger").warning("table %s", "é", extra={"table": {1: object}})
    """)
    (record,) = records(function, Event(request_id="the-id", headers=TENANT))
    assert list(record) == [
        "timestamp", "level", "message", "logger", "requestId", "tenantId", "table",
    ]  # fmt: skip
    assert re.fullmatch(TIME + "Z", record.pop("timestamp"))
    assert record == {
        "level": "WARNING",
        "message": "table é",
        "logger": "some.logger",
        "requestId": "the-id",
        "tenantId": "blue",
        "table": {"1": "<class 'object'>"},
    }


def test_a_record_in_json_of_an_exception_has_where_and_what(function: Function):
    function.code("""\
        import logging

        def handler(event, context):
            try:
                {}["absent"]
            except KeyError:
                logging.exception("failed")
    """)
    (record,) = records(function)
    path = function.root / "app.py"
    assert list(record) == [
        "timestamp", "level", "message", "logger", "stackTrace", "errorType", "errorMessage", "requestId", "location" ]  # fmt: skip
    assert record["errorType"] == "KeyError"
    assert record["errorMessage"] == "'absent'"
    assert record["location"] == f"{path}:handler:7"
    (entry,) = record["stackTrace"]
    assert entry.startswith(f'  File "{path}", line 5, in handler\n')


def test_a_dict_as_message_stays_an_object(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            logging.warning({"table": "t", "at": None})
            logging.warning("%(table)s", {"table": "t"})
    """)
    plain, with_arguments = records(function)
    assert plain["message"] == {"table": "t", "at": None}
    assert with_arguments["message"] == "t"


def test_levels_in_json_are_rounded_down_to_those_the_platform_knows(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            for level in (15, 35, 45, 55, 99):
                logging.log(level, "x")
    """)
    found = records(function, AWS_LAMBDA_LOG_LEVEL="DEBUG")
    assert [record["level"] for record in found] == [
        "DEBUG", "WARNING", "ERROR", "CRITICAL", "CRITICAL",
    ]  # fmt: skip


def test_what_has_no_json_is_logged_as_text_and_no_record_is_lost(function: Function):
    function.code("""
        import logging, decimal, datetime

        def handler(event, context):
            logging.warning({"a": decimal.Decimal("1.5"), "b": {1, }}, extra={"c": b"x"})
    """)
    (record,) = records(function)
    assert record["message"] == {"a": "1.5", "b": "{1}"}
    assert record["c"] == "b'x'"


def test_a_message_of_several_lines_is_one_line_of_json(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            logging.warning("a\\nb\\u2028c\\x85d")
    """)
    (record,) = records(function)
    assert record["message"] == "a\nb\u2028c\x85d"


def test_a_lone_surrogate_is_logged(function: Function):
    function.code("""
        import logging

        def handler(event, context):
            logging.warning("\\ud800")
    """)
    (line,) = lines(function)
    assert line.endswith("\t\\ud800")


# --- frames -------------------------------------------------------------------------------------


def framed(function: Function, *events: Event, **environment: str) -> list[Frame]:
    """Return the frames that a run writes to descriptor 3, which the platform would read."""
    log = function.root.parent / "frames"
    redirect = ["/bin/sh", "-c", 'exec "$@" 3>"$0"', str(log)]
    contender = Contender("framed", lambda handler: [*redirect, *OURS.command(handler)], dict)
    environment = {"_LAMBDA_TELEMETRY_LOG_FD": "3", **environment}
    run = function.run(
        *(events or (Event(request_id="the-id"),)), contender=contender, environment=environment
    )
    assert run.stdout == "", "a record went to stdout"
    return list(frames(log.read_bytes()))


ALL_LEVELS = """
import logging

def handler(event, context):
    context.log("raw")
    for level in (10, 20, 30, 40, 50):
        logging.log(level, "first\\nsecond")
"""


def test_a_frame_has_the_level_in_its_type_and_keeps_line_ends(function: Function):
    function.code(ALL_LEVELS)
    raw, *leveled = framed(function, AWS_LAMBDA_LOG_LEVEL="DEBUG")
    assert (raw.kind, raw.text) == (0xA55A0003, "raw")
    assert [frame.kind for frame in leveled] == [
        0xA55A000B, 0xA55A000F, 0xA55A0013, 0xA55A0017, 0xA55A001B,
    ]  # fmt: skip
    assert leveled[0].text.endswith("\tthe-id\tfirst\nsecond\n")
    now_us = time.time() * 1_000_000
    assert all(now_us - 600_000_000 < frame.time_us <= now_us for frame in leveled)


def test_a_frame_of_json_has_the_level_in_its_type(function: Function):
    function.code(ALL_LEVELS)
    _, *leveled = framed(function, AWS_LAMBDA_LOG_LEVEL="DEBUG", **JSON)
    assert [frame.kind for frame in leveled] == [
        0xA55A000A, 0xA55A000E, 0xA55A0012, 0xA55A0016, 0xA55A001A,
    ]  # fmt: skip
    assert all(json.loads(frame.text)["message"] == "first\nsecond" for frame in leveled)


@pytest.mark.parametrize(("log_format", "kind"), [("TEXT", 0xA55A0017), ("JSON", 0xA55A0016)])
def test_an_uncaught_error_is_one_frame(function: Function, log_format, kind):
    function.code("def handler(event, context): raise ValueError('no table')")
    (frame,) = framed(function, AWS_LAMBDA_LOG_FORMAT=log_format)
    assert frame.kind == kind
    if log_format == "TEXT":
        assert frame.text.startswith("[ERROR] ValueError: no table\nTraceback (most recent")
    else:
        assert json.loads(frame.text)["errorMessage"] == "no table"


def test_the_descriptors_name_is_gone_before_the_function_is_imported(function: Function):
    function.code("""
        import os
        found = os.environ.get("_LAMBDA_TELEMETRY_LOG_FD"), os.popen(
            "echo ${_LAMBDA_TELEMETRY_LOG_FD-none}").read()

        def handler(event, context):
            context.log(repr(found))
    """)
    (frame,) = framed(function)
    assert frame.text == "(None, 'none\\n')"


def test_print_stays_on_stdout_beside_the_frames(function: Function):
    function.code("def handler(event, context): print('plain')")
    redirect = ["/bin/sh", "-c", 'exec "$@" 3>/dev/null', "sh"]
    contender = Contender("framed", lambda handler: [*redirect, *OURS.command(handler)], dict)
    run = function.run(Event(), contender=contender, environment={"_LAMBDA_TELEMETRY_LOG_FD": "3"})
    assert run.stdout == "plain\n"


@pytest.mark.parametrize("descriptor", ["3", "nonsense", ""])
def test_a_descriptor_that_is_none_does_not_end_the_function(function: Function, descriptor):
    function.code("def handler(event, context): raise ValueError")
    run = function.run(Event(), environment={"_LAMBDA_TELEMETRY_LOG_FD": descriptor})
    assert run.document["errorType"] == "ValueError"
    assert run.returncode is None


# --- threads ------------------------------------------------------------------------------------

FROM_THREADS = """
import logging, sys, threading

sys.setswitchinterval(1e-6)

def by_logging(line, context): logging.warning(line)
def by_context(line, context): context.log("\\t" + line + "\\n")
def by_print(line, context): sys.stdout.write("\\t" + line + "\\n")

def log(name, write, context):
    for number in range(200):
        write(f"{name}-{number:03d} " + "x" * 500, context)

def handler(event, context):
    ways = [globals()[name] for name in event]
    threads = [
        threading.Thread(target=log, args=[name, ways[number % len(ways)], context])
        for number, name in enumerate("abcdefgh")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
EXPECTED = sorted(
    f"{name}-{number:03d} {'x' * 500}" for name in "abcdefgh" for number in range(200)
)


def test_what_many_threads_log_and_print_stays_whole_on_stdout(function: Function):
    function.code(FROM_THREADS)
    found = lines(function, Event(b'["by_logging", "by_context", "by_print"]'))
    assert sorted(line.rpartition("\t")[2] for line in found) == EXPECTED


def test_what_many_threads_log_stays_whole_as_json(function: Function):
    function.code(FROM_THREADS)
    found = records(function, Event(b'["by_logging"]'))
    assert sorted(record["message"] for record in found) == EXPECTED


def test_what_many_threads_log_stays_whole_in_frames(function: Function):
    function.code(FROM_THREADS)
    found = framed(function, Event(b'["by_logging", "by_context"]'))
    assert sorted(frame.text.rstrip("\n").rpartition("\t")[2] for frame in found) == EXPECTED
