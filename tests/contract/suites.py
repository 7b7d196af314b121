"""Which functions are run with which events: each suite is one emulator with each runtime."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from oracles import emulator

FUNCTIONS: Final = Path(__file__).resolve().parents[1] / "functions"
NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """One invocation; `exact` compares the white space between JSON tokens as well."""

    name: str
    event: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """One function with its configuration and the invocations it gets, in order."""

    name: str
    handler: str
    cases: tuple[Case, ...]
    folder: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def task_root(self) -> Path:
        """The folder that stands for /var/task."""
        return FUNCTIONS / (self.folder or self.name)


def named(*names: str) -> tuple[Case, ...]:
    """Return a case for each name, whose event is the name."""
    return tuple(Case(name, json.dumps(name).encode()) for name in names)


def client_context(text: str) -> dict[str, str]:
    """Return the header of an invocation that carries `text` as its client context."""
    return {"X-Amz-Client-Context": base64.b64encode(text.encode()).decode()}


def init_failure(handler: str) -> Suite:
    """Return the suite of a handler that never comes to run, invoked twice."""
    cases = (Case("first", b"{}"), Case("second", b"{}"))
    return Suite(f"init {handler or '(empty)'}", handler, cases, folder="broken")


def samples() -> Suite:
    """Return the suite of AWS's event samples. Raises OracleUnavailable."""
    texts = emulator.event_samples()
    cases = tuple(Case(name, text.encode()) for name, text in texts.items())
    return Suite("event samples", "app.handler", cases, folder="echo")


EVENTS: Final = Suite(
    "events",
    "app.handler",
    (
        Case("spacing", b'{"a":[1,2],"b":null}', exact=True),
        Case("text", '"bö 日本 🙂"'.encode()),
        Case("escapes", rb'"\u00e9\ud83d\ude42\u0000\n\/"'),
        Case("lone surrogate", rb'"\ud800"'),
        Case("2**53 + 1", b"9007199254740993"),
        Case("2**64", b"18446744073709551616"),
        Case("100 digits", b"1" * 100),
        Case("5000 digits", b"1" * 5000),
        Case("-0", b"[-0, -0.0]"),
        Case("17 digits", b"[0.1, 0.30000000000000004, 1e16, 1E+2, 123456789.123456789]"),
        Case("1e400", b"1e400"),
        Case("-1e400", b"[-1e400]"),
        Case("NaN", b"[NaN, Infinity, -Infinity]"),
        Case("same key twice", b'{"a":1,"b":2,"a":3}'),
        Case("depth 100", b"[" * 100 + b"]" * 100),
        Case("depth 100000", b"[" * 100_000 + b"]" * 100_000),
        Case("white space", b' \t\r\n{"a" : 1}\n'),
        Case("byte order mark", b"\xef\xbb\xbf{}"),
        Case("not UTF-8", b'"\xff"'),
        Case("UTF-16", '{"a":1}'.encode("utf-16")),
        Case("empty", b""),
        Case("not JSON", b"no json"),
        Case("cut short", b'{"a": '),
        Case("more than one", b"{} {}"),
        Case("single quotes", b"{'a': 1}"),
        Case("trailing comma", b"[1,]"),
        Case("control character", b'"a\x01b"'),
        Case("leading zero", b"01"),
        Case("1 MB", json.dumps({"a": ["x" * 1000] * 1000}).encode()),
        Case("content type", b'{"a":1}', {"Content-Type": "application/octet-stream"}),
        Case("number", b"5"),
        Case("null", b"null"),
    ),
    folder="echo",
)

RESULTS: Final = Suite(
    "results",
    "app.handler",
    (
        Case("spacing", b'"dict"', exact=True),
        *named(
            *("none", "true", "integer", "huge integer", "negative zero", "float", "large float"),
            *("small float", "nan", "infinity", "text", "controls", "lone surrogate"),
            *("subclass of str", "bytes", "no bytes", "bytearray", "list", "tuple", "named tuple"),
            *("set", "dict", "int keys", "other keys", "tuple keys", "bytes keys", "ordered dict"),
            *("default dict", "mapping proxy", "user dict", "decimal", "decimal exponent"),
            *("decimal nan", "decimal infinity", "decimals within", "datetime", "date", "uuid"),
            *("dataclass", "enum", "int enum", "object", "class", "exception", "circular"),
            *("depth 100", "depth 100000", "range", "iterator", "generator"),
            *("6 MB less", "6 MB more"),
        ),
    ),
)

FAILURES: Final = Suite(
    "failures",
    "app.handler",
    named(
        *("ValueError", "no message", "KeyError", "two arguments", "lines", "unicode", "custom"),
        *("inner class", "chained", "in context", "group", "recursion", "memory", "unprintable"),
        *("10 MB", "lone surrogate", "control characters", "notes", "StopIteration"),
        *("stdlib frames", "SyntaxError", "no file", "many lines", "OSError", "warning as error"),
        *("assertion", "UnicodeDecodeError", "warn"),
    ),
)

ENDINGS: Final = Suite(
    "endings",
    "app.handler",
    named(
        *("BaseException", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "exit 0"),
        *("exit 3", "exit with text", "os._exit", "killed", "ValueError"),
    ),
    folder="failures",
)

LOG_CASES: Final = named(
    *("print", "print to stderr", "print lines", "print unicode", "print surrogate", "print long"),
    *("writelines", "no newline", "descriptors", "bytes", "levels", "own level", "arguments"),
    *("bad arguments", "lines", "unicode", "surrogate", "extra", "extra object", "dict"),
    *("dict with arguments", "list", "exception", "unicode exception", "chained exception"),
    *("stack", "no exception", "root", "warn", "context", "context without newline", "isatty"),
)
LOGS: Final = tuple(
    Suite(name, "app.handler", LOG_CASES, folder="logs", environment=environment)
    for name, environment in {
        "logs as text": {},
        "logs as text from INFO": {"AWS_LAMBDA_LOG_LEVEL": "INFO"},
        "logs as JSON": {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
        "logs as JSON from DEBUG": {
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
        },
    }.items()
)
ERROR_LOGS: Final = Suite(
    "errors as JSON",
    "app.failing",
    (Case("spacing", b'"spacing"', exact=True), *named("bö", "one\n  two")),
    folder="logs",
    environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
)

CONTEXTS: Final = Suite(
    "contexts",
    "app.handler",
    (
        *named(
            *("attributes", "identity", "client context", "w3c", "remaining", "trace", "names"),
            *("cwd", "module", "handler variable", "first on the path", "thread", "exit"),
            *("unpaid variables", "standard input", "assigns"),
        ),
        Case("traced", b'"trace"', {"X-Amzn-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"}),
        Case("untraced again", b'"trace"'),
        Case("tenant", b'"attributes"', {"X-Amz-Tenant-Id": "blue"}),
        Case("no tenant again", b'"attributes"'),
        Case(
            "client",
            b'"client context"',
            client_context(
                '{"custom":{"a":1},"env":{"b":"2"},"client":{"installation_id":"i","app_title":"t",'
                '"app_version_name":"n","app_version_code":"c","app_package_name":"p"}}'
            ),
        ),
        Case("client with little", b'"client context"', client_context('{"client":{}}')),
        Case("client without client", b'"client context"', client_context('{"custom":{"a":1}}')),
        Case("client is a list", b'"client context"', client_context("[1]")),
        Case("client is not JSON", b'"client context"', client_context("no json")),
        Case(
            "client with w3c",
            b'"w3c"',
            client_context('{"w3c":{"traceparent":"00-1","tracestate":"a=b","more":"x"}}'),
        ),
    ),
)

INIT_FAILURES: Final = tuple(
    init_failure(handler)
    for handler in (
        *("no_dot", "missing.handler", "dependent.handler", "picky.handler", "first.handler"),
        *("tabs.handler", "raises.handler", "wordy.handler", "surrogate.handler", "exits.handler"),
        *("interrupted.handler", "leaves.handler", "gone.handler", "empty.handler"),
        *("sys.handler", "package.missing", "package.module.Inside.handler"),
        *("package/absent.handler", ".handler", "uncallable.handler"),
    )
)
HANDLER_NAMES: Final = tuple(
    Suite(f"handler {handler}", handler, (Case("echo", b'{"a":1}'),), folder="broken")
    for handler in ("package.module.handler", "package/module.handler")
)

OTHERS: Final = (
    Suite("own bootstrap", "bootstrap.handler", named("fails"), folder="own_bootstrap"),
    Suite("leaving", "app.handler", named("stay", "exit", "stay again"), folder="leaving"),
    Suite(
        "timeout",
        "app.handler",
        (Case("slow", b"20"), Case("quick afterwards", b"0")),
        folder="slow",
        environment={"AWS_LAMBDA_FUNCTION_TIMEOUT": "1"},
    ),
)

SUITES: Final = (
    *(EVENTS, RESULTS, FAILURES, ENDINGS, *LOGS, ERROR_LOGS, CONTEXTS),
    *(*INIT_FAILURES, *HANDLER_NAMES, *OTHERS),
)
