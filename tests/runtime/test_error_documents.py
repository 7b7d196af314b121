"""Whatever a user's code raises, the caller gets its error document and the next event is handled."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

# The least that any edition of the platform takes as an error body.
MAX_ERROR_BYTES = 1024 * 1024
CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"


def raised(function: Function, source: str, **environment: str) -> dict:
    """Run a handler that calls `fail()` of the source; return the document, which is sound."""
    function.write("failing.py", source)
    function.code("""
        from failing import fail

        def handler(event, context):
            if event:
                fail()
            return "next one"
    """)
    run = function.run(Event(b"1", request_id="the-one"), Event(b"0"), environment=environment)
    assert [answer.call for answer in run.answers] == [Call.ERROR, Call.RESPONSE], run.stderr
    assert run.answers[1].json() == "next one"
    document = run.document
    assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert document["requestId"] == "the-one"
    assert all(isinstance(entry, str) for entry in document["stackTrace"])
    assert len(run.error.body) <= MAX_ERROR_BYTES
    assert str(run.error.header("Lambda-Runtime-Function-Error-Type")).isascii()
    cause = run.error.header(CAUSE)
    assert cause is None or json.loads(cause)["exceptions"]
    assert f"[ERROR] {document['errorType']}" in run.stdout
    return document


def test_an_error_whose_notes_are_something_else_keeps_its_stack(function: Function):
    document = raised(
        function,
        """\
        def fail():
            error = ValueError("no table")
            error.__notes__ = 5
            raise error
        """,
    )
    assert document["errorType"] == "ValueError"
    assert len(document["stackTrace"]) == 2


def test_the_stack_is_that_of_the_function_in_the_form_of_traceback(function: Function):
    document = raised(
        function,
        """\
        def fail():
            raise ValueError("no table")
        """,
    )
    assert document["errorType"] == "ValueError"
    assert document["errorMessage"] == "no table"
    assert document["stackTrace"] == [
        f'  File "{function.root}/app.py", line 6, in handler\n    fail()\n',
        f'  File "{function.root}/failing.py", line 2, in fail\n    raise ValueError("no table")\n',
    ]


def test_the_type_is_the_bare_name_of_the_class(function: Function):
    document = raised(
        function,
        """
        class TableError(Exception):
            class Missing(Exception): pass
        def fail(): raise TableError.Missing
        """,
    )
    assert (document["errorType"], document["errorMessage"]) == ("Missing", "")


@pytest.mark.parametrize(
    ("source", "error_type", "message"),
    [
        ("class E(BaseException): pass\ndef fail(): raise E('odd')", "E", "odd"),
        (
            "import asyncio\ndef fail(): raise asyncio.CancelledError('gone')",
            "CancelledError",
            "gone",
        ),
        ("def fail(): raise GeneratorExit('x')", "GeneratorExit", "x"),
        (
            "def fail(): raise ExceptionGroup('both', [ValueError('a'), TypeError('b')])",
            "ExceptionGroup",
            "both (2 sub-exceptions)",
        ),
        (
            "def fail(): raise BaseExceptionGroup('both', [KeyboardInterrupt()])",
            "BaseExceptionGroup",
            "both (1 sub-exception)",
        ),
        ("def fail(): bytearray(1 << 62)", "MemoryError", ""),
        ("def fail(): raise MemoryError", "MemoryError", ""),
        ("def fail(): raise ValueError('a\\nb\\r\\nc\\x00')", "ValueError", "a\nb\r\nc\x00"),
        ("def fail(): raise ValueError('é €\\U0001f40d')", "ValueError", "é €\U0001f40d"),
        ("def fail(): raise ValueError('\\udc80\\ud800')", "ValueError", "\udc80\ud800"),
        ("def fail(): raise ValueError(1, 2)", "ValueError", "(1, 2)"),
        ("def fail(): raise KeyError('k')", "KeyError", "'k'"),
        (
            "def fail(): exec('return')",
            "SyntaxError",
            "'return' outside function (<string>, line 1)",
        ),
        ("class Größe(Exception): pass\ndef fail(): raise Größe('x')", "Größe", "x"),
    ],
)
def test_any_exception_is_reported_by_its_type_and_message(
    function: Function, source, error_type, message
):
    document = raised(function, source)
    assert (document["errorType"], document["errorMessage"]) == (error_type, message)


@pytest.mark.parametrize(
    "method",
    ["raise ValueError('twice')", "return 5", "raise Odd", "self.x", "return str(self)"],
)
def test_an_exception_that_has_no_text_is_reported_by_its_type(function: Function, method):
    document = raised(
        function,
        f"""
        class Odd(BaseException): pass

        class Mute(Exception):
            def __str__(self):
                {method}

        def fail(): raise Mute
        """,
    )
    assert document["errorType"] == "Mute"
    assert "Mute" in document["errorMessage"]
    assert "__str__" in document["errorMessage"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_AS")
def test_a_function_that_has_used_up_all_memory_is_reported_and_served_on(function: Function):
    document = raised(
        function,
        """
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))

        def fail():
            kept = []
            while True:
                kept.append(bytearray(1 << 12))
        """,
    )
    assert document["errorType"] == "MemoryError"


def test_a_message_of_ten_megabytes_is_cut(function: Function):
    document = raised(function, "def fail(): raise ValueError('é' * 10_000_000)")
    assert document["errorType"] == "ValueError"
    assert document["errorMessage"].startswith("é" * 1000)
    assert "10000000" in document["errorMessage"]


@pytest.mark.parametrize("character", ["\\x00", "\\udc80", "\\U0001f40d", '"'])
def test_a_message_of_characters_that_need_room_is_cut_to_what_the_platform_takes(
    function: Function, character
):
    document = raised(function, f"def fail(): raise ValueError({character!r} * 10_000_000)"
                      .replace("\\\\", "\\"))  # fmt: skip
    assert len(document["errorMessage"]) < 10_000_000


def test_endless_recursion_is_reported_with_its_repetition_counted(function: Function):
    document = raised(function, "def fail(): fail()")
    assert document["errorType"] == "RecursionError"
    assert document["errorMessage"].startswith("maximum recursion depth exceeded")
    stack = document["stackTrace"]
    assert f'{function.root}/app.py", line 6, in handler' in stack[0]
    assert stack[-1].startswith("  [Previous line repeated ")


def test_endless_recursion_in_turns_is_reported_with_the_ends_of_its_stack(function: Function):
    document = raised(function, "def fail(): again()\ndef again(): fail()\n")
    stack = document["stackTrace"]
    assert f'{function.root}/app.py", line 6, in handler' in stack[0]
    assert f'{function.root}/failing.py", line ' in stack[-1]
    assert any("left out" in entry for entry in stack)


def test_recursion_in_the_result_itself_is_reported(function: Function):
    function.code("""
        def handler(event, context):
            result = []
            result.append(result)
            return result if event else "next one"
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.document["errorType"] == "Runtime.MarshalError"
    assert run.answers[1].json() == "next one"


def test_a_long_line_of_source_does_not_make_the_document_too_large(function: Function):
    padding = "x" * 2_000_000
    document = raised(function, f"def fail(): raise ValueError('short')  # {padding}")
    assert document["errorMessage"] == "short"


def test_a_syntax_error_three_imports_deep_at_an_event_is_reported(function: Function):
    function.write("one.py", "import two")
    function.write("two.py", "import three")
    function.write("three.py", "return")
    document = raised(function, "def fail(): import one")
    assert document["errorType"] == "SyntaxError"
    assert document["errorMessage"] == "'return' outside function (three.py, line 1)"
    assert [entry.split('"')[1].rpartition("/")[2] for entry in document["stackTrace"]] == [
        "app.py", "failing.py", "one.py", "two.py",
    ]  # fmt: skip


def test_frames_without_source_are_reported(function: Function):
    document = raised(function, "exec(compile('def fail(): 1 / 0', '<made up>', 'exec'))")
    assert document["stackTrace"][-1] == '  File "<made up>", line 1, in fail\n'


def test_an_exception_without_a_traceback_is_reported(function: Function):
    function.code("""
        class Bare(Exception):
            @property
            def __traceback__(self): return None
            @__traceback__.setter
            def __traceback__(self, value): pass

        def handler(event, context):
            if event:
                raise Bare("x")
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.document["errorMessage"] == "x"


def test_a_file_of_the_users_with_the_name_of_one_of_ours_stays_in_the_stack(function: Function):
    function.write("bootstrap.py", "def fail(): raise ValueError('deep')")
    function.write("main.py", "from bootstrap import fail\ndef handler(event, context): fail()")
    stack = function.run(Event(), handler="main.handler").document["stackTrace"]
    assert [entry.split('"')[1] for entry in stack] == [
        f"{function.root}/main.py", f"{function.root}/bootstrap.py",
    ]  # fmt: skip


def test_a_chain_of_causes_is_reported_by_its_last(function: Function):
    document = raised(
        function,
        """
        def fail():
            try:
                1 / 0
            except ZeroDivisionError as exc:
                raise ValueError("cannot divide") from exc
        """,
    )
    assert document["errorMessage"] == "cannot divide"
    assert len(document["stackTrace"]) == 2


def test_the_error_is_in_the_log_in_one_event_of_cloudwatch(function: Function):
    function.code("def handler(event, context):\n    raise ValueError('a\\nb')\n")
    stdout = function.run(Event()).stdout
    assert stdout.endswith("\n")
    assert stdout.count("\n") == 1
    assert stdout.rstrip("\n").split("\r") == [
        "[ERROR] ValueError: a",
        "b",
        "Traceback (most recent call last):",
        f'\u00a0\u00a0File "{function.root}/app.py", line 2, in handler',
        "\u00a0\u00a0\u00a0\u00a0raise ValueError('a\\nb')",
    ]


def test_the_error_is_in_the_log_as_json_with_its_document(function: Function):
    function.code("def handler(event, context):\n    raise ValueError('a\\nb')\n")
    run = function.run(Event(), environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    (line,) = run.stdout.splitlines()
    record = json.loads(line)
    assert list(record) == [
        "timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace",
    ]  # fmt: skip
    assert record["level"] == "ERROR"
    assert {key: record[key] for key in run.document} == run.document


def test_an_error_in_a_thread_is_pythons_business_and_the_event_is_answered(function: Function):
    function.code("""
        import threading

        def fail(): raise ValueError("in a thread")

        def handler(event, context):
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
            return "answered"
    """)
    run = function.run(Event())
    assert run.result == "answered"
    assert "ValueError: in a thread" in run.stderr


def test_the_traceback_of_python_3_13_and_later_has_no_marks(function: Function):
    document = raised(function, "def fail():\n    return (1 / 0) + len('x')\n")
    assert document["stackTrace"][-1].endswith("    return (1 / 0) + len('x')\n"), sys.version
