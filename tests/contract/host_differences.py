"""Every known difference in behaviour between our host and AWS's emulator: one table.

`docs/host.md` holds it as rendered. The tests fail on a difference that is not in it, and on one
in it that is none. Cases are named `runtime/suite/case`, and `scene/name`.
"""

from __future__ import annotations

import fnmatch
from typing import Final

from tests.contract.difference import Change, Difference
from tests.contract.scene import ANSWERS, RUNTIME
from tests.contract.scenes import SCENES
from tests.contract.suites import INIT_FAILURES

SIDES: Final = ("host", "emulator")

NOT_JSON: Final = (
    *("NaN", "depth 100000", "byte order mark", "not UTF-8", "UTF-16", "not JSON", "cut short"),
    *("more than one", "single quotes", "trailing comma", "control character", "leading zero"),
)
# What a process dies of, by runtime: whose caller gets the platform's error.
DEADLY: Final = {
    "snapboot": (
        *("endings/KeyboardInterrupt", "endings/exit 0", "endings/exit 3", "leaving/exit"),
        *("endings/exit with text", "endings/os._exit", "endings/killed"),
    ),
    "awslambdaric": (
        *("endings/BaseException", "endings/KeyboardInterrupt", "endings/GeneratorExit"),
        *("endings/CancelledError", "endings/exit 0", "endings/exit 3", "endings/exit with text"),
        *("endings/os._exit", "endings/killed", "leaving/exit", "events/lone surrogate"),
        *("results/lone surrogate", "results/6 MB more", "failures/lone surrogate"),
        *("failures/unprintable", "failures/10 MB"),
    ),
}
# Whose init ends without a word to the platform, by runtime.
WORDLESS: Final = {
    "snapboot": ("exits", "interrupted", "gone"),
    "awslambdaric": ("exits", "interrupted", "gone", "leaves", "wordy", "surrogate"),
}
# Those of them who say nothing at all.
SILENT: Final = ("init exits.handler", "init gone.handler")
# The one whose import goes well.
FINE: Final = "init uncallable.handler"
FAILING: Final = tuple(suite.name for suite in INIT_FAILURES if suite.name != FINE)
LOUD: Final = tuple(name for name in FAILING if name not in SILENT)

DIED: Final = Change("status", "200", "502")
RESET: Final = (
    "status 200, and the header `X-Amz-Function-Error`",
    "status 502, without the header",
    "as the Invoke API: what goes wrong in a function is a result, not a failure of the service",
)
ONCE_MORE: Final = (
    "after a failed init the first invocation runs it again, and reports its failure",
    "no new process before the next invocation; where the process just left, 502 without a body",
    "as Lambda: the suppressed init",
)
REFUSED: Final = (
    "an event that is not JSON is refused: 400 `InvalidRequestContentException`",
    "it is passed on to the runtime",
    "as the Invoke API",
)
TIMEOUT: Final = (
    "a function error document, type `Sandbox.Timedout`",
    "the text `Task timed out after 3.00 seconds`",
    "as the platform of today",
)
TOO_LARGE: Final = (
    "names the size of an answer that is too large",
    "names only the limit",
    "as the platform's documents have it",
)
AT_ONCE: Final = (
    "the caller has the answer when the runtime gave it, whatever extensions do afterwards",
    (
        "the answer is kept until all extensions are done, and is lost, or turned into an error, "
        "with them"
    ),
    "as Lambda",
)
EXTENSION_INIT: Final = (
    "an extension that fails its init is reported with its type, after a second try",
    (
        "502 without a body: the second try fails of agents left over from the first "
        "(`ErrAgentNameCollision`)"
    ),
    "as Lambda",
)
REASONS: Final = (
    "`shutdownReason` is `spindown`, `timeout` or `failure`",
    "`SandboxTerminated`, `Timeout`, `ReleaseFail`; after a failed init `spindown`",
    "as documented; the emulator passes its internal words on",
)

# These may occur anywhere; each does so among the results.
EVERYWHERE: Final = (
    Difference(
        ("*/results/bytes",),
        "the type of an answer is the one that the runtime posted",
        "a type guessed from the bytes, none for no bytes",
        "as the Invoke API",
        (Change("content type", "application/unknown", "application/octet-stream"),),
    ),
    Difference(
        ("*/results/no bytes",),
        "the type of an answer is the one that the runtime posted",
        "a type guessed from the bytes, none for no bytes",
        "as the Invoke API",
        (Change("content type", "application/unknown", ""),),
    ),
    Difference(
        ("snapboot/results/generator",),
        "the type of an answer is the one that the runtime posted",
        "a type guessed from the bytes, none for no bytes",
        "as the Invoke API",
        (Change("content type", "application/octet-stream", "text/plain; charset=utf-8"),),
    ),
    Difference(
        ("*/*/*",),
        "answers are `application/json`",
        "`text/plain; charset=utf-8`",
        "as the Invoke API",
        (Change("content type", "application/json", "text/plain; charset=utf-8"),),
    ),
)

EVENTS: Final = (
    Difference(
        tuple(f"*/events/{name}" for name in NOT_JSON),
        *REFUSED,
        (
            Change("status", "400", "200"),
            Change("body", '{"Type":"User","Message":"Could not parse…', "…"),
            Change("log", "", "…"),
        ),
    ),
    Difference(
        ("*/contexts/client is not JSON",),
        "a client context that is not JSON is refused: 400 `InvalidRequestContentException`",
        "it is passed on to the runtime",
        "as the Invoke API",
        (
            Change("status", "400", "200"),
            Change("body", '{"Type":"User","Message":"X-Amz-Client-Context must be…', "{…"),
            Change("log", "", "…"),
        ),
    ),
    Difference(
        ("*/contexts/tenant",),
        "a tenant id is refused by a function that does not isolate tenants",
        "it is passed on to the runtime",
        "as the Invoke API",
        (
            Change("status", "400", "200"),
            Change("body", '{"Type":"User","Message":"\'test_function\' does not isolate…', "{…"),
        ),
    ),
    Difference(
        ("*/events/empty",),
        "no event is the event `{}`",
        "no event is passed on as it is",
        "as the Invoke API",
        (
            Change("body", "{}", '{"…Runtime.UnmarshalError…'),
            Change("log", "", "[ERROR] Runtime.UnmarshalError: …"),
        ),
    ),
    Difference(
        ("*/contexts/trace", "*/contexts/untraced again"),
        "every invocation has a trace header, `Sampled=0` unless the caller sends one",
        "none, not even the caller's",
        "as Lambda",
        (Change("body", '"Root=1-…;Parent=…;Sampled=0"', "null"),),
    ),
    Difference(
        ("*/contexts/traced",),
        "every invocation has a trace header, `Sampled=0` unless the caller sends one",
        "none, not even the caller's",
        "as Lambda",
        (Change("body", '"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"', "null"),),
    ),
    Difference(
        tuple(f"*/contexts/{name}" for name in ("attributes", "no tenant again")),
        "each environment has a log stream of its own",
        "the variable `AWS_LAMBDA_LOG_STREAM_NAME` as it was found",
        "as Lambda",
        (
            Change(
                "body",
                '"log_stream_name":["str","…[$LATEST]…"]',
                '"log_stream_name":["str","…[$LATEST]…"]',
            ),
        ),
    ),
)

ENDINGS: Final = (
    *(
        Difference(tuple(f"{runtime}/{case}" for case in cases), *RESET, (DIED,))
        for runtime, cases in DEADLY.items()
    ),
    Difference(
        ("*/results/6 MB more",),
        *TOO_LARGE,
        (Change("body", "size (6291557 bytes) exceeded", "size exceeded"),),
    ),
    Difference(
        ("awslambdaric/failures/10 MB",),
        "an error document that is too large is reported as a result that is too large",
        "it panics and hangs up, and the runtime dies of that",
        "nothing hangs, and the caller learns the reason",
        (
            Change("body", "…ResponseSizeTooLarge…", "…Runtime.ExitError…"),
            Change("log", "…code: 413…", "…Failed to post invocation error"),
        ),
    ),
    Difference(
        ("*/timeout/slow",),
        *TIMEOUT,
        (
            Change(
                "body",
                '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: <id> Error: Task timed '
                'out after 1.00 seconds"}',
                "Tasktimedoutafter1.00seconds",
            ),
        ),
    ),
)

INITS: Final = (
    *(
        Difference(
            tuple(f"{runtime}/init {name}.handler/*" for name in names),
            *ONCE_MORE,
            (
                Change("body", '{"errorType":"Runtime.ExitError",…', ""),
                Change("content type", "application/json", ""),
            ),
        )
        for runtime, names in WORDLESS.items()
    ),
    Difference(tuple(f"*/{name}/*" for name in FAILING), *ONCE_MORE, (DIED,)),
    Difference(
        tuple(f"*/{name}/first" for name in SILENT),
        *ONCE_MORE,
        (Change("log", "INIT_REPORT …", ""),),
    ),
    Difference(
        tuple(f"*/{name}/first" for name in LOUD),
        *ONCE_MORE,
        (Change("log", "\nINIT_REPORT …", ""),),
    ),
)


PARTS: Final = ("first", "second", "watcher", "slow", "failing")
WORDS: Final = {"spindown": "SandboxTerminated", "timeout": "Timeout", "failure": "ReleaseFail"}


def scenes(*beginnings: str) -> tuple[str, ...]:
    """Return the cases of the scenes whose names begin so."""
    return tuple(f"scene/{beginning}*" for beginning in beginnings)


def naming(part: str, reason: str) -> tuple[str, ...]:
    """Return the cases in which a part gets this reason, but for those of a failed init."""
    return tuple(
        f"scene/{scene.name}"
        for scene in SCENES
        if f"next -> SHUTDOWN {reason}" in scene.expect.get(part, ())
        and not any(fnmatch.fnmatchcase(f"scene/{scene.name}", each) for each in INIT_FAILED)
    )


INIT_FAILED: Final = scenes(
    "extensions are told of a runtime that fails its init",
    "an extension outlives a function that cannot be imported",
)
OF_SCENES: Final = (
    Difference(
        INIT_FAILED,
        *ONCE_MORE,
        (
            Change(
                "watcher",
                "exit 0\nstarted\nregister -> 200\nnext -> SHUTDOWN failure\nexit 0",
                "exit 0",
            ),
            Change("watcher", "SHUTDOWN failure", "SHUTDOWN spindown"),
        ),
    ),
    Difference(
        INIT_FAILED[:1],
        *ONCE_MORE,
        (
            Change(ANSWERS, "200 {", "502 {"),
            Change(RUNTIME, "exit 1\nstarted\ninit/error -> 202\nexit 1", "exit 1"),
        ),
    ),
    Difference(
        scenes("a runtime that has just started"),
        *ONCE_MORE,
        (
            Change(ANSWERS, "200 1", '502 {"errorMessage":"refused","errorType":"Refusal"}'),
            Change(RUNTIME, "\nnext -> 200 1\nresponse -> 202", ""),
        ),
    ),
    Difference(
        scenes("a runtime that always leaves"),
        *ONCE_MORE,
        (
            Change(ANSWERS, "200 {…", "502"),
            Change(RUNTIME, "exit 3\nstarted\nexit 3", "exit 3"),
        ),
    ),
    Difference(
        scenes(
            *("an eleventh", "an extension that may not", "an extension that always"),
            "an extension that leaves before it registers",
        ),
        *EXTENSION_INIT,
        (Change(ANSWERS, "200 {…", "502"),),
    ),
    Difference(
        scenes("an extension that fails its init once"),
        *EXTENSION_INIT,
        (
            Change(ANSWERS, "200 1", "502"),
            Change("failing", "INVOKE\nnext -> INVOKE", "INVOKE"),
        ),
    ),
    Difference(
        scenes(
            "an extension that leaves within",
            "the last word",
            "an extension that is killed",
            "a runtime that is killed",
            "extensions are told of a runtime that leaves",
        ),
        *RESET,
        (Change(ANSWERS, "200 {", "502 {"),),
    ),
    Difference(
        scenes("an extension that leaves after the answer"),
        *AT_ONCE,
        (Change(ANSWERS, "200 1", "502 1"),),
    ),
    Difference(
        scenes("an extension that lets the time pass"),
        *AT_ONCE,
        (Change(ANSWERS, "200 1", "200 Task timed out after 1.00 seconds"),),
    ),
    Difference(
        scenes(
            *("at a timeout", "a runtime that ignores SIGTERM", "without an extension"),
            "an extension outlives a function that times out",
        ),
        *TIMEOUT,
        (
            Change(
                ANSWERS,
                '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: <id> Error: Task timed '
                'out after 2.00 seconds"}',
                "Task timed out after 2.00 seconds",
            ),
        ),
    ),
    Difference(
        scenes("a runtime that says a wrong mode"),
        "the caller learns at once that the mode does not exist",
        "the caller learns of the timeout only",
        "as the platform: `Runtime.InvalidResponseModeHeader`",
        (Change(ANSWERS, '200 {"…left out"}', "200 Task timed out after 2.00 seconds"),),
    ),
    Difference(
        scenes("a runtime goes on after an answer that is too large"),
        *TOO_LARGE,
        (Change(ANSWERS, "size (6291557 bytes) exceeded", "size exceeded"),),
    ),
    Difference(
        scenes("an extension is refused"),
        "a body that is not JSON is refused with what would be right",
        "the words of Go's decoder",
        "it names the remedy",
        (
            Change(
                "watcher",
                "register takes a document such as {…}; the body is not JSON (…column 21 (char 20))",
                "unexpected end of JSON input",
            ),
        ),
    ),
    *(
        Difference(cases, *REASONS, (Change(part, f"SHUTDOWN {ours}", f"SHUTDOWN {theirs}"),))
        for part in PARTS
        for ours, theirs in WORDS.items()
        if (cases := naming(part, ours))
    ),
)

OF_SUITES: Final = (*INITS, *EVERYWHERE, *EVENTS, *ENDINGS)
