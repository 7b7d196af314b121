"""`_HANDLER` becomes a function, or the init error that AWS's runtime would report."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function, Run

ECHO = "def handler(event, context): return event"


def failure(run: Run) -> tuple[str, str, list[str]]:
    """Return type, message and stack of an init error that was reported as it has to be."""
    assert [request.call for request in run.requests] == [Call.INIT_ERROR]
    assert run.returncode == 1
    document = run.document
    assert list(document) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert document["requestId"] == ""
    assert run.error.header("Lambda-Runtime-Function-Error-Type") == document["errorType"]
    assert run.error.header("Content-Type") == "application/json"
    assert run.stdout.startswith("[WARNING]\t")
    assert "LAMBDA_WARNING: Unhandled exception." in run.stdout.splitlines()[0]
    assert f"[ERROR] {document['errorType']}" in run.stdout
    return document["errorType"], document["errorMessage"], document["stackTrace"]


@pytest.mark.parametrize("handler", ["pkg.mod.fn", "pkg/mod.fn", "mod.fn"])
def test_a_handler_is_found_by_dots_and_by_slashes(function: Function, handler):
    function.write("pkg/mod.py", "def fn(event, context): return event")
    function.write("mod.py", "def fn(event, context): return event")
    assert function.run(Event(b"1"), handler=handler).result == 1


def test_a_handler_is_any_callable_object(function: Function):
    function.code("""
        class Application:
            def __call__(self, event, context):
                return event
        handler = Application()
    """)
    assert function.run(Event(b"1")).result == 1


def test_a_handler_that_is_not_callable_fails_at_the_event(function: Function):
    function.code("handler = 5")
    run = function.run(Event())
    assert run.document["errorType"] == "TypeError"
    assert run.document["errorMessage"] == "'int' object is not callable"
    assert run.document["stackTrace"] == []
    assert run.returncode is None


def test_a_handler_without_a_dot_is_malformed(function: Function, over):
    run = function.run(handler="handler", environment=over)
    assert failure(run) == (
        "Runtime.MalformedHandlerName",
        "Bad handler 'handler': not enough values to unpack (expected 2, got 1)",
        [],
    )


@pytest.mark.parametrize("module", ["sys", "time", "posix", "sys.sub"])
def test_a_built_in_module_cannot_be_the_handlers(function: Function, module):
    assert failure(function.run(handler=f"{module}.handler")) == (
        "Runtime.BuiltInModuleConflict",
        f"Cannot use built-in module {module} as a handler module",
        [],
    )


def test_a_module_that_is_missing_is_an_import_error(function: Function):
    assert failure(function.run(handler="pkg/absent.handler")) == (
        "Runtime.ImportModuleError",
        "Unable to import module 'pkg/absent': No module named 'pkg'",
        [],
    )


def test_a_module_missing_three_imports_deep_is_named(function: Function):
    function.code("import one")
    function.write("one.py", "import two")
    function.write("two.py", "import does_not_exist")
    assert failure(function.run()) == (
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'does_not_exist'",
        [],
    )


def test_a_name_that_cannot_be_imported_is_an_import_error(function: Function):
    function.code("from one import absent")
    function.write("one.py", "")
    error_type, message, stack = failure(function.run())
    assert error_type == "Runtime.ImportModuleError"
    assert message == (
        "Unable to import module 'app': cannot import name 'absent' from 'one' "
        f"({function.root / 'one.py'})"
    )
    assert stack == []


def test_a_syntax_error_names_file_line_and_text(function: Function):
    path = function.code("x = 1\nreturn 1\n")
    assert failure(function.run()) == (
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'app': 'return' outside function (app.py, line 2)",
        [f'  File "{path}" Line 2\n    return 1\n'],
    )


def test_a_syntax_error_three_imports_deep_names_the_file_it_is_in(function: Function):
    function.code("import one")
    function.write("one.py", "import two")
    path = function.write("two.py", "return 1\n")
    assert failure(function.run()) == (
        "Runtime.UserCodeSyntaxError",
        "Syntax error in module 'app': 'return' outside function (two.py, line 1)",
        [f'  File "{path}" Line 1\n    return 1\n'],
    )


def test_wrong_indentation_is_a_syntax_error(function: Function):
    function.code("if True:\npass\n")
    assert failure(function.run())[0] == "Runtime.UserCodeSyntaxError"


def test_source_that_is_no_text_is_a_syntax_error(function: Function):
    (function.root / "app.py").write_bytes(b"x = '\xff'\n")
    error_type, message, _ = failure(function.run())
    assert error_type == "Runtime.UserCodeSyntaxError"
    assert message.startswith("Syntax error in module 'app': ")


def test_a_null_byte_in_the_source_is_a_syntax_error(function: Function):
    (function.root / "app.py").write_bytes(b"x = 1\0\n")
    try:
        compile(b"x = 1\0\n", "app.py", "exec")
    except ValueError:  # before CPython 3.11.4
        expected = "ValueError"
    except SyntaxError:
        expected = "Runtime.UserCodeSyntaxError"
    assert failure(function.run())[0] == expected


def test_a_missing_function_is_named(function: Function):
    function.code(ECHO)
    assert failure(function.run(handler="app.absent")) == (
        "Runtime.HandlerNotFound",
        "Handler 'absent' missing on module 'app'",
        [],
    )


def test_a_method_of_a_class_cannot_be_named(function: Function):
    function.code("class Application:\n    def handler(event, context): return event")
    error_type, message, stack = failure(function.run(handler="app.Application.handler"))
    assert (error_type, stack) == ("Runtime.ImportModuleError", [])
    assert message == (
        "Unable to import module 'app.Application': "
        "No module named 'app.Application'; 'app' is not a package"
    )


def test_any_other_exception_has_its_own_name_and_the_functions_frames_alone(function: Function):
    function.code("import one\n")
    function.write(
        "one.py",
        """\
        def configure():
            raise ValueError("no table")
        configure()
        """,
    )
    error_type, message, stack = failure(function.run())
    assert (error_type, message) == ("ValueError", "no table")
    assert stack == [
        f'  File "{function.root}/app.py", line 1, in <module>\n    import one\n',
        f'  File "{function.root}/one.py", line 3, in <module>\n    configure()\n',
        f'  File "{function.root}/one.py", line 2, in configure\n    raise ValueError("no table")\n',
    ]


def test_an_exception_that_is_no_exception_is_reported_too(function: Function):
    function.code("class Odd(BaseException): pass\nraise Odd('out of line')")
    assert failure(function.run())[:2] == ("Odd", "out of line")


def test_an_error_with_surrogates_and_of_great_length_is_reported(function: Function):
    function.code("raise ValueError('\\udc80' + 'x' * 10_000_000)")
    error_type, message, _ = failure(function.run())
    assert error_type == "ValueError"
    assert message.startswith("\udc80xxx")


@pytest.mark.parametrize(
    ("statement", "returncode"),
    [("sys.exit(7)", 7), ("sys.exit()", 0), ("raise KeyboardInterrupt", -signal.SIGINT)],
)
def test_a_module_that_ends_the_process_ends_it(function: Function, statement, returncode):
    function.code(f"import sys\n{statement}\n")
    run = function.run()
    assert run.returncode == returncode
    assert run.requests == ()


def test_an_init_error_is_in_the_log_with_all_its_lines_in_one(function: Function):
    path = function.code("raise ValueError('first\\nsecond')\n")
    _, error, _ = function.run().stdout.split("\n")
    assert error.split("\r") == [
        "[ERROR] ValueError: first",
        "second",
        "Traceback (most recent call last):",
        f'\u00a0\u00a0File "{path}", line 1, in <module>',
        "\u00a0\u00a0\u00a0\u00a0raise ValueError('first\\nsecond')",
    ]


def test_an_init_error_in_json_is_a_record_of_its_own(function: Function):
    function.code("raise ValueError('no table')")
    run = function.run(environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    warning, error = map(json.loads, run.stdout.splitlines())
    assert warning["level"] == "WARNING"
    assert warning["message"].startswith("LAMBDA_WARNING: Unhandled exception.")
    assert error["level"] == "ERROR"
    assert {**run.document, "timestamp": error["timestamp"], "level": "ERROR"} == error


def test_its_warning_goes_through_the_formatter_of_the_function(function: Function):
    function.code("""
        import logging
        logging.getLogger().handlers[0].setFormatter(logging.Formatter("mine: %(message)s"))
        raise ValueError("no table")
    """)
    assert function.run().stdout.startswith("mine: LAMBDA_WARNING: Unhandled exception.")


def test_a_formatter_that_fails_does_not_keep_the_error_from_being_reported(function: Function):
    function.code("""
        import logging
        logging.warning = None
        raise ValueError("no table")
    """)
    assert failure(function.run())[:2] == ("ValueError", "no table")


# --- the collector ------------------------------------------------------------------------------

COUNT_COLLECTIONS = """
import gc

collections = []
gc.callbacks.append(lambda phase, info: collections.append(phase))

def make_cycles():
    for _ in range(20_000):
        cycle = []
        cycle.append(cycle)

make_cycles()
during_init = len(collections)
frozen_by_python = gc.get_freeze_count()

def handler(event, context):
    make_cycles()
    return {
        "during_init": during_init,
        "later": len(collections) - during_init,
        "enabled": gc.isenabled(),
        "threshold": gc.get_threshold()[0],
        "frozen": gc.get_freeze_count() - frozen_by_python,
    }
"""


def test_the_collector_rests_during_function_init_and_works_afterwards(function: Function):
    function.code(COUNT_COLLECTIONS)
    found = function.run(Event()).result
    assert found["during_init"] == 0
    assert found["later"] > 0
    assert found["enabled"] is True
    assert found["threshold"] > 0
    assert found["frozen"] > 0


def test_the_collector_is_left_alone_on_request(function: Function):
    function.code(COUNT_COLLECTIONS)
    found = function.run(Event(), environment={"SNAPBOOT_GC": "default"}).result
    assert found["during_init"] > 0
    assert found["frozen"] == 0


@pytest.mark.parametrize(
    ("statement", "expected"),
    [("gc.disable()", [False, None]), ("gc.set_threshold(12345)", [True, 12345])],
)
def test_a_functions_own_word_on_the_collector_stands(function: Function, statement, expected):
    function.code(f"""
        import gc
        {statement}

        def handler(event, context):
            return [gc.isenabled(), gc.get_threshold()[0]]
    """)
    enabled, threshold = function.run(Event()).result
    assert [enabled, threshold if expected[1] else None] == expected


# --- settings -----------------------------------------------------------------------------------


SETTINGS = [
    ("SNAPBOOT_JSON", ("auto", "stdlib", "orjson")),
    ("SNAPBOOT_TRANSPORT", ("socket", "urllib3")),
    ("SNAPBOOT_GC", ("freeze", "default")),
    ("SNAPBOOT_INIT_REPORT", ("0", "1")),
    ("SNAPBOOT_LAZY_IMPORTS", ("normal", "off", *(["all"] * (sys.version_info >= (3, 15))))),
]


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports begin with CPython 3.15")
@pytest.mark.parametrize(("choice", "loaded"), [("normal", True), ("all", False)])
def test_imports_wait_for_their_first_use_when_asked(function: Function, choice, loaded):
    function.code("""
        import sys
        import colorsys

        def handler(event, context):
            return ["colorsys" in sys.modules, colorsys.rgb_to_yiq(1, 1, 1)[0] > 0]
    """)
    run = function.run(Event(), environment={"SNAPBOOT_LAZY_IMPORTS": choice})
    assert run.result == [loaded, True]


@pytest.mark.parametrize(("name", "choices"), SETTINGS)
def test_an_unknown_setting_is_an_init_error_that_names_the_choices(
    function: Function, name, choices
):
    function.code(ECHO)
    _, message, _ = failure(function.run(environment={name: "nonsense"}))
    assert name in message
    assert "'nonsense'" in message
    assert all(choice in message for choice in choices)
    for choice in choices:
        assert function.run(Event(b"1"), environment={name: choice}).result == 1


def test_an_empty_setting_is_one_that_is_not_set(function: Function):
    function.code(ECHO)
    environment = {name: "" for name, _ in SETTINGS}
    assert function.run(Event(b"1"), environment=environment).result == 1


def test_every_setting_that_exists_is_tested_above(function: Function):
    function.code("""
        from snapboot.environment import SETTINGS

        def handler(event, context):
            return SETTINGS
    """)
    assert function.run(Event()).result == {name: list(choices) for name, choices in SETTINGS}
