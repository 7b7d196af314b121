"""Every known difference in behaviour between snapboot and awslambdaric 4.2.2: one table.

The README's table is rendered from it, and the tests fail on a difference that is not in it, and
on one in it that is none.
"""

from __future__ import annotations

from typing import Final

from tests.contract.difference import Change, Difference

DIED: Final = (
    '{"errorType":"Runtime.ExitError","errorMessage":"RequestId: <id> Error: Runtime exited with '
    'error: exit status 1"}'
)
SURVIVES: Final = Change("status", "200", "502")
OUR_UNCAUGHT: Final = "[ERROR] …"
THEIR_CRASH: Final = "Traceback (most recent call last):\n…"

# What several rows say: ours, theirs, and why.
SPACING: Final = (
    "compact JSON",
    "a space after each `,` and `:`",
    "fewer bytes to encode, send and pay for; the JSON means the same",
)
NOT_JSON: Final = (
    "`null`",
    "`NaN`, `Infinity`",
    "these are not valid JSON: callers that are not Python cannot read them",
)
OTHER_WORDS: Final = (
    "the words of Python's `json`",
    "the words of `simplejson`",
    "a message about bad JSON is for people; no second decoder is loaded for its sake",
)
ONE_EVENT: Final = (
    "the log joins the lines of the message with `\\r`",
    "line feeds stay as they are",
    "CloudWatch cuts at each line feed: the message belongs to one event",
)
OWN_FRAMES: Final = (
    "the stack trace shows the function's frames",
    "it shows frames of the runtime too",
    "our frames are dropped by what they are, not by a file name that users may use",
)
OWN_LINE: Final = (
    "a log record with a traceback ends its line",
    "the next line is glued to it",
    "a log record is a line of its own",
)
STREAMED: Final = (
    "what an iterator or a generator yields is streamed: `str` and `bytes`",
    "an error: not JSON serializable",
    "Lambda streams responses; AWS's Python runtime does not yet",
)
NO_IMPORTLIB: Final = (
    "the stack trace begins in the function",
    "it begins in the import machinery",
    "frames of `importlib` say nothing about the function",
)


DIFFERENCES: Final = (
    # Results and events.
    Difference(
        ("results/generator",),
        *STREAMED,
        (
            Change("body", "abcd", '{"errorMessage":"Unable to marshal response…'),
            Change("log", "", "[ERROR] Runtime.MarshalError: …"),
        ),
    ),
    Difference(
        ("results/iterator",),
        *STREAMED,
        (
            Change(
                "body",
                '{"errorMessage":"chunk 0 of the streamed response is of type \'int\'…',
                '{"errorMessage":"Unable to marshal response…',
            ),
            Change("log", "[ERROR] TypeError: chunk 0…", "[ERROR] Runtime.MarshalError: …"),
        ),
    ),
    Difference(
        ("events/spacing", "results/spacing"),
        *SPACING,
        (
            Change("body", '":', '": '),
            Change("body", ',"', ', "'),
            Change("body", "[1,2]", "[1, 2]"),
        ),
    ),
    Difference(
        ("errors as JSON/spacing",),
        *SPACING,
        (
            Change("body", '":', '": '),
            Change("body", ',"', ', "'),
            Change(
                "log",
                '"<time>","level":"WARNING",…"level":"ERROR","errorMessage":"spacing",…',
                '"<time>", "level": "WARNING", …"level": "ERROR", "errorMessage": "spacing", …',
            ),
            Change("log", '{"timestamp":"', '{"timestamp": "'),
        ),
    ),
    Difference(
        ("results/nan", "results/decimal nan"),
        *NOT_JSON,
        (Change("body", "null", "NaN"),),
    ),
    Difference(
        ("results/infinity",),
        *NOT_JSON,
        (Change("body", "[null,null]", "[Infinity,-Infinity]"),),
    ),
    Difference(
        ("results/decimal infinity",),
        *NOT_JSON,
        (Change("body", "null", "-Infinity"),),
    ),
    Difference(
        ("events/1e400",),
        *NOT_JSON,
        (Change("body", "null", "Infinity"),),
    ),
    Difference(
        ("events/-1e400",),
        *NOT_JSON,
        (Change("body", "[null]", "[-Infinity]"),),
    ),
    Difference(
        ("results/lone surrogate", "events/lone surrogate"),
        'answers `"\\ud800"`',
        "the process dies",
        "JSON can express it, as an escape",
        (
            SURVIVES,
            Change("body", '"…\\ud800…"', DIED),
            Change("log", "", "…UnicodeEncodeError: …\n"),
        ),
    ),
    Difference(
        ("results/datetime", "results/date", "results/uuid", "results/dataclass", "results/enum"),
        "encoded: ISO 8601, text, object, value",
        "`Runtime.MarshalError`",
        "there is one obvious JSON form",
        (
            Change("body", "…", '{"errorMessage":"Unable to marshal response: …"…}'),
            Change("log", "", "[ERROR] Runtime.MarshalError: Unable to marshal response: …"),
        ),
    ),
    Difference(
        ("results/6 MB more",),
        "the process lives",
        "the process dies",
        "the platform has answered the caller already (413); the next event can be served",
        (
            SURVIVES,
            Change("log", "", "[ERROR] [<time>] LAMBDA_RUNTIME Failed to post handler success …"),
        ),
    ),
    Difference(
        ("events/NaN",),
        "refused: `NaN is not JSON`",
        "refused: `line 1 column 2 (char 1)`",
        "the message says why",
        (
            Change("body", "NaN is not JSON", "line 1 column 2 (char 1)"),
            Change("log", "NaN is not JSON", "line 1 column 2 (char 1)"),
        ),
    ),
    Difference(
        ("events/more than one", "events/leading zero"),
        *OTHER_WORDS,
        (
            Change("body", "Extra data: line 1 column …)", "Extra data: line 1 column … - …)"),
            Change("log", "Extra data: line 1 column …)", "Extra data: line 1 column … - …)"),
        ),
    ),
    Difference(
        ("events/single quotes",),
        *OTHER_WORDS,
        (
            Change("body", "double quotes:", "double quotes or '}':"),
            Change("log", "double quotes:", "double quotes or '}':"),
        ),
    ),
    Difference(
        ("events/control character",),
        *OTHER_WORDS,
        (
            Change("body", "control character at", r"control character '\\x01' at"),
            Change("log", "control character at", r"control character '\x01' at"),
        ),
    ),
    Difference(
        ("events/trailing comma",),
        *OTHER_WORDS,
        (
            Change("body", "Expecting value: …)", "Illegal trailing comma before end of array: …)"),
            Change("log", "Expecting value: …)", "Illegal trailing comma before end of array: …)"),
        ),
        before=(3, 13),
    ),
    Difference(
        ("events/depth 100000", "results/depth 100000"),
        *OTHER_WORDS,
        (
            Change("body", 'depth exceeded…","errorType"', 'depth exceeded…","errorType"'),
            Change("log", "depth exceeded…\r", "depth exceeded…\r"),
        ),
    ),
    # Failures of the handler.
    Difference(
        ("failures/unprintable",),
        "the error is answered, and says that it has no text",
        "the process dies",
        "a failure of one event is no failure of the process",
        (
            SURVIVES,
            Change("body", '{"errorMessage":"<UnprintableError that has no text…"…}', DIED),
            Change("log", "[ERROR] UnprintableError: <UnprintableError that…", THEIR_CRASH),
        ),
    ),
    Difference(
        ("failures/lone surrogate",),
        "the error is answered, its message escaped",
        "the process dies",
        "a failure of one event is no failure of the process",
        (
            SURVIVES,
            Change("body", '{"errorMessage":"a\\ud800b","errorType":"ValueError",…}', DIED),
            Change("log", r"[ERROR] ValueError: a\ud800b…", "…UnicodeEncodeError: …"),
        ),
    ),
    Difference(
        ("failures/10 MB",),
        "the error is answered, its message cut short",
        "the process dies",
        "a failure of one event is no failure of the process",
        (
            SURVIVES,
            Change("body", '{"errorMessage":"xxx…"…}', DIED),
            Change("log", "[ERROR] ValueError: xxx…", "[ERROR] ValueError: xxx…"),
        ),
    ),
    Difference(
        ("failures/lines",),
        *ONE_EVENT,
        (Change("log", "one\r  two\r\rthree", "one\n  two\n\nthree"),),
    ),
    Difference(
        ("failures/control characters",),
        *ONE_EVENT,
        (Change("log", "b\r\rc", "b\r\nc"),),
    ),
    Difference(
        ("endings/BaseException", "endings/GeneratorExit", "endings/CancelledError"),
        "the error is answered",
        "the process dies",
        "a failure of one event is none of the process: that ends by `SystemExit` or an interrupt",
        (
            SURVIVES,
            Change("body", '{"errorMessage":…"stackTrace":[…]}', DIED),
            Change("log", OUR_UNCAUGHT, THEIR_CRASH),
        ),
    ),
    Difference(
        ("own bootstrap/fails",),
        *OWN_FRAMES,
        (
            Change(
                "body",
                '"stackTrace":[',
                '"stackTrace":["  File \\"<awslambdaric>/bootstrap.py\\", line …",',
            ),
            Change(
                "log",
                "(most recent call last):",
                '(most recent call last):\r\xa0\xa0File "<awslambdaric>/bootstrap.py", line …',
            ),
        ),
    ),
    Difference(
        ("init uncallable.handler/*",),
        *OWN_FRAMES,
        (
            Change("body", "[]", '["  File \\"<awslambdaric>/bootstrap.py\\", line …"]'),
            Change(
                "log",
                "(most recent call last):",
                '(most recent call last):\r\xa0\xa0File "<awslambdaric>/bootstrap.py", line …',
            ),
        ),
    ),
    # Logging.
    Difference(
        ("logs as text*/exception", "logs as text*/unicode exception"),
        *OWN_LINE,
        (Change("log", "ValueError: …\n", "ValueError: …"),),
    ),
    Difference(
        ("logs as text*/chained exception", "logs as text*/stack", "logs as text*/no exception"),
        *OWN_LINE,
        (Change("log", "[…\n", "[…"),),
    ),
    Difference(
        ("logs*/bad arguments",),
        "reported on stderr, and the handler goes on",
        "raised in the handler",
        "logging never raises: that is the rule of Python's `logging`",
        (
            Change("body", "null", '{"errorMessage":"%d format: a real number is required…}'),
            Change("log", "--- Logging error ---…", "…%d format: a real number…"),
        ),
    ),
    Difference(
        ("logs*/surrogate",),
        "escaped, and the handler goes on",
        "raised in the handler",
        "logging never raises: that is the rule of Python's `logging`",
        (
            Change("body", "null", "{\"errorMessage\":\"'utf-8' codec can't encode character…}"),
            Change("log", "…a\\ud800b…", "…UnicodeEncodeError…"),
        ),
    ),
    Difference(
        ("logs as JSON*/no exception",),
        "logged without an exception",
        "`AttributeError` in the handler",
        "logging never raises: that is the rule of Python's `logging`",
        (
            Change("body", "null", '{"errorMessage":"\'NoneType\' object has no attribute…}'),
            Change("log", '{…"message":"no exception"…', "…AttributeError…"),
        ),
    ),
    Difference(
        ("logs*/print surrogate",),
        "`UnicodeEncodeError` out of `output.py`",
        "`UnicodeEncodeError` out of `bootstrap.py`",
        "both let the stream's error through",
        (
            Change("body", '<snapboot>/output.py\\", …"', '<awslambdaric>/bootstrap.py\\", …"'),
            Change("log", "<snapboot>/output.py…", "<awslambdaric>/bootstrap.py…"),
        ),
    ),
    Difference(
        ("contexts/client is a list",),
        "`Runtime.LambdaContextUnmarshalError`",
        "`AttributeError` out of the runtime",
        "the error says what is wrong with the client context, and whose it is",
        (
            Change(
                "body",
                '{"errorMessage":"Unable to parse Client Context…',
                '{"errorMessage":"\'list\'…',
            ),
            Change(
                "log", "Runtime.LambdaContextUnmarshalError: …", "AttributeError: 'list' object…"
            ),
        ),
    ),
    # Failures before the first event.
    Difference(
        (
            *("init no_dot/*", "init [!eiglu]*.handler/*", "init empty.handler/*"),
            *("init package.missing/*", "init .handler/*"),
        ),
        "the function could not be initialised",
        "advice on rolling back a managed runtime",
        "AWS's runtime versions do not apply to this one",
        (
            Change(
                "log",
                "The function could not be initialised.\n",
                "The most likely cause is an issue in the function code. However, in rare cases, "
                "a Lambda runtime update can cause…/runtimes-update.html\r\n",
            ),
        ),
    ),
    Difference(
        ("init raises.handler/*",),
        *NO_IMPORTLIB,
        (
            Change("body", '"stackTrace":[', '"stackTrace":[…importlib…'),
            Change("log", "(most recent call last):", "(most recent call last):…importlib…"),
        ),
    ),
    Difference(
        ("init .handler/*",),
        *NO_IMPORTLIB,
        (
            Change("body", '"stackTrace":[', '"stackTrace":[…importlib…'),
            Change("log", "(most recent call last):", "(most recent call last):…importlib…"),
        ),
    ),
    Difference(
        ("init wordy.handler/*",),
        "the error is answered",
        "the answer is empty: posting it fails",
        "a message need not be Latin-1",
        (
            Change("content type", "text/plain; charset=utf-8", ""),
            Change("body", '{"errorMessage":"bö\\n\\n  日本",…}', ""),
            Change("log", "bö\r\r  日本", "bö\n\n  日本"),
            Change("log", "(most recent call last):…", "(most recent call last):…importlib…"),
        ),
    ),
    Difference(
        ("init surrogate.handler/*",),
        "the error is answered, its message escaped",
        "the answer is empty: the process dies first",
        "a message need not be Unicode",
        (
            Change("content type", "text/plain; charset=utf-8", ""),
            Change("body", '{"errorMessage":"a\\ud800b",…}', ""),
            Change("log", r"[ERROR] RuntimeError: a\ud800b…", "…UnicodeEncodeError: …"),
        ),
    ),
    Difference(
        ("init leaves.handler/*",),
        "the error is answered",
        "the answer is empty: the process dies first",
        "whatever is raised at import is reported, but for `SystemExit` and an interrupt",
        (
            Change("content type", "text/plain; charset=utf-8", ""),
            Change("body", '{"errorMessage":"at import","errorType":"Leave",…}', ""),
            Change("log", "[WARNING]…[ERROR] Leave: at import…", THEIR_CRASH),
        ),
    ),
    Difference(
        ("init interrupted.handler/*",),
        *NO_IMPORTLIB,
        (Change("log", "(most recent call last):", "(most recent call last):…importlib…"),),
    ),
)
