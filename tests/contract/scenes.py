"""The scenes of a lifecycle with extensions, and what our host is to show of each."""

from __future__ import annotations

from typing import Final

from tests.contract.scene import ANSWERS, ORDER, RUNTIME, Scene

NEXT: Final = "/2020-01-01/extension/event/next"
REGISTER: Final = "/2020-01-01/extension/register"
RUNTIME_API: Final = "/2018-06-01/runtime"
STRANGER: Final = "7ee20f44-0fc4-4a4e-a0e6-3f4a7d0c2d9b"
TOO_MUCH_BYTES: Final = 6 * 1024 * 1024 + 101

WATCH: Final = ["register", "INVOKE", "SHUTDOWN"]
SERVE: Final = ["serve"]
WATCHER: Final = [[WATCH, SERVE]]
ECHO: Final = [[["echo"]]]

STARTED: Final = "started"
REGISTERED: Final = "register -> 200"
INVOKED: Final = "next -> INVOKE"
ENDED: Final = ("next -> SHUTDOWN spindown", "exit 0")
FAILED: Final = ("next -> SHUTDOWN failure", "exit 0")
TIMED_OUT: Final = (
    '200 {"errorType":"Sandbox.Timedout",'
    '"errorMessage":"RequestId: <id> Error: Task timed out after 2.00 seconds"}'
)


def failure(kind: str, message: str) -> str:
    """Return what the caller gets of a failure that the platform reports."""
    return f'200 {{"errorType":"{kind}","errorMessage":"RequestId: <id> Error: {message}"}}'


def refused(call: str, state: str, target: str) -> str:
    """Return what a runtime gets for a call that its state does not allow."""
    words = f"State transition from {state} to {target} failed for runtime."
    return f"{call} -> 403 InvalidStateTransition: {words} Error: State transition is not allowed"


def unknown(call: str) -> str:
    """Return what a runtime gets for an answer to an invocation that is not its own."""
    return f"{call} -> 400 InvalidRequestID: Invalid request ID"


def stuck(call: str, state: str, target: str, name: str = "<id>") -> str:
    """Return what an extension gets for a call that its state does not allow."""
    words = f"State transition from {state} to {target} failed for extension {name}."
    kind = "Extension.InvalidExtensionState"
    return f"{call} -> 403 {kind}: {words} Error: State transition is not allowed"


def post(path: str) -> list[object]:
    """Return the step of a runtime that posts to `path`."""
    word = path.replace(STRANGER, "stranger").removeprefix("invocation/")
    return ["call", "POST", f"{RUNTIME_API}/{path}", {}, "{}", word]


def registering(body: str, name: str = "watcher") -> list[object]:
    """Return the step of registering with a body as it stands."""
    return ["call", "POST", REGISTER, {"Lambda-Extension-Name": name}, body]


def asking(identifier: str | None) -> list[object]:
    """Return the step of an extension that asks for its next event under an identifier."""
    headers = {} if identifier is None else {"Lambda-Extension-Identifier": identifier}
    return ["call", "GET", NEXT, headers]


BARRIERS: Final = (
    Scene(
        "the runtime starts when all have registered, and the event comes when all are ready",
        extensions={
            "first": [[WATCH, ["flag", "registered"], ["wait", "asks"], ["note", "ready"], SERVE]],
            "second": [[["wait", "registered"], WATCH, SERVE]],
        },
        runtime=[[["note", "asks"], ["flag", "asks"], ["ask"], ["respond"], ["echo"]]],
        expect={
            ANSWERS: ["200 1"],
            ORDER: [
                "first: register -> 200",
                "second: register -> 200",
                "runtime: started",
                "runtime: asks",
                "first: ready",
                "runtime: next -> 200 1",
            ],
            "first": [STARTED, REGISTERED, "ready", INVOKED, *ENDED],
            "second": [STARTED, REGISTERED, INVOKED, *ENDED],
        },
    ),
    Scene(
        "the next event comes when every extension that had the last has asked again",
        extensions={
            "slow": [[WATCH, ["next"], ["wait", "answered"], ["note", "done"], SERVE]],
            "idle": [[["register"], SERVE]],
        },
        runtime=[[["ask"], ["respond"], ["flag", "answered"], ["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            ORDER: ["runtime: response -> 202", "slow: done", "runtime: next -> 200 2"],
            "slow": [STARTED, REGISTERED, INVOKED, "done", INVOKED, *ENDED],
            "idle": [STARTED, REGISTERED],
        },
    ),
    Scene(
        "an internal extension gets its events and is waited for",
        runtime=[
            [
                ["register_inside", "internal", "INVOKE"],
                ["behind", "serve"],
                ["ask"],
                ["wait_for", "next -> INVOKE"],
                ["respond"],
                ["note", "works"],
                ["echo"],
            ]
        ],
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            ORDER: ["runtime: next -> INVOKE", "runtime: works", "runtime: next -> 200 2"],
        },
    ),
)

REGISTERING: Final = (
    Scene(
        "an extension is refused with the reason, and may try again",
        extensions={
            "watcher": [
                [
                    registering("{}", name=""),
                    registering('{"events":["NOPE"]}'),
                    registering('{"events":["INVOKE"],"configurationKeys":["A"]}'),
                    registering('{"events":["INVOKE"]'),
                    ["register", "INVOKE"],
                    ["register", "INVOKE"],
                    asking(None),
                    asking("nonsense"),
                    asking(STRANGER),
                    ["call", "POST", "/2020-01-01/extension/exit/error", {}, "{}"],
                    [
                        *("call", "POST", "/2020-01-01/extension/exit/error"),
                        *({"Lambda-Extension-Identifier": "{extension}"}, "{}"),
                    ],
                    ["next"],
                    ["register_inside", "late", "INVOKE"],
                    SERVE,
                ]
            ]
        },
        runtime=ECHO,
        expect={
            ANSWERS: ["200 1"],
            "watcher": [
                STARTED,
                "register -> 403 Extension.InvalidExtensionName: Empty extension name",
                "register -> 403 Extension.InvalidEventType: NOPE: ErrorInvalidEventType",
                (
                    "register -> 403 InvalidRequestFormat: "
                    "configurationKeys are deprecated; use environment variables instead"
                ),
                (
                    'register -> 403 InvalidRequestFormat: register takes a document such as {"events": '
                    '["INVOKE", "SHUTDOWN"]}; the body is not JSON (Expecting \',\' delimiter: line 1 '
                    "column 21 (char 20))"
                ),
                REGISTERED,
                stuck("register", "Registered", "Registered", "watcher"),
                (
                    "next -> 403 Extension.MissingExtensionIdentifier: "
                    "Missing Lambda-Extension-Identifier header"
                ),
                (
                    "next -> 403 Extension.InvalidExtensionIdentifier: "
                    "Invalid Lambda-Extension-Identifier"
                ),
                "next -> 403 Extension.UnknownExtensionIdentifier: Unknown extension <id>",
                (
                    "error -> 403 Extension.MissingExtensionIdentifier: "
                    "Missing Lambda-Extension-Identifier header"
                ),
                (
                    "error -> 403 Extension.MissingHeader: "
                    "Lambda-Extension-Function-Error-Type not found"
                ),
                INVOKED,
                (
                    "register -> 403 Extension.RegistrationClosed: "
                    "Extension registration closed already"
                ),
            ],
        },
    ),
    Scene(
        "an internal extension is refused with the reason",
        runtime=[
            [
                ["register_inside", "internal", "SHUTDOWN"],
                ["register_inside", "internal"],
                ["register_inside", "internal"],
                ["behind", "next"],
                ["ask"],
                ["register_inside", "late"],
                ["respond"],
                ["echo"],
            ]
        ],
        expect={
            ANSWERS: ["200 1"],
            ORDER: [
                (
                    "runtime: register -> 403 Extension.InvalidEventType: "
                    "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension"
                ),
                "runtime: register -> 200",
                (
                    "runtime: register -> 403 Extension.InvalidExtensionState: "
                    "Extension with this name already registered"
                ),
                "runtime: next -> 200 1",
                (
                    "runtime: register -> 403 Extension.RegistrationClosed: "
                    "Extension registration closed already"
                ),
                "runtime: response -> 202",
            ],
        },
    ),
    Scene(
        "ten extensions are enough",
        extensions={f"e{number}": WATCHER for number in range(10)},
        runtime=[[["register_inside", "internal"], ["echo"]]],
        expect={
            ANSWERS: ["200 1"],
            RUNTIME: [
                STARTED,
                "register -> 403 Extension.TooManyExtensions: Extension limit (10) reached",
                "next -> 200 1",
                "response -> 202",
            ],
        },
    ),
    Scene(
        "an eleventh extension fails the init",
        extensions={f"e{number:02}": WATCHER for number in range(11)},
        runtime=ECHO,
        expect={
            ANSWERS: [failure("Extension.LaunchError", "TooManyExtensions")],
            RUNTIME: [],
        },
    ),
    Scene(
        "an extension that may not be executed fails the init",
        extensions={"locked": WATCHER},
        not_executable="locked",
        runtime=ECHO,
        expect={
            ANSWERS: [failure("Extension.LaunchError", "PermissionDenied")],
            "locked": [],
            RUNTIME: [],
        },
    ),
)

FAILING: Final = (
    Scene(
        "an extension that fails its init once is started again within the first invocation",
        extensions={
            "failing": [[WATCH, ["report", "init"], ["next"], ["leave", 3]], [WATCH, SERVE]],
        },
        runtime=ECHO,
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            "failing": [
                *(STARTED, REGISTERED, "init/error -> 202"),
                *(stuck("next", "InitError", "Ready"), "exit 3"),
                *(STARTED, REGISTERED, INVOKED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "an extension that always fails its init fails the invocation",
        extensions={"failing": [[WATCH, ["report", "init"], ["leave", 3]]]},
        runtime=ECHO,
        expect={ANSWERS: [failure("Extension.InitError", "exit status 3")]},
    ),
    Scene(
        "an extension that leaves before it registers fails the invocation",
        extensions={"failing": [[["leave", 3]]]},
        runtime=ECHO,
        expect={ANSWERS: [failure("Extension.Crash", "exit status 3")], RUNTIME: []},
    ),
    Scene(
        "an extension that is killed while idle fails the next invocation, and no other",
        extensions={"watcher": WATCHER},
        # It never answers the second event, which the emulator may still send it: who is the
        # first to be heard, the runtime or the end of the extension, is a race of its own there.
        runtime=[[["ask"], ["respond"], ["ask"], ["hang"]], *ECHO],
        events=(b"1", b"2", b"3"),
        killed={1: "watcher"},
        expect={
            ANSWERS: ["200 1", failure("Extension.Crash", "signal: killed"), "200 3"],
        },
    ),
    Scene(
        "an extension that leaves within an invocation fails it, and not the next",
        extensions={"failing": [[WATCH, ["next"], ["wait", "asked"], ["leave", 3]], *WATCHER]},
        runtime=[[["ask"], ["flag", "asked"], ["hang"]], [["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: [failure("Extension.Crash", "exit status 3"), "200 2"],
            "failing": [
                *(STARTED, REGISTERED, INVOKED, "exit 3"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
            RUNTIME: [STARTED, "next -> 200 1", STARTED, "next -> 200 2", "response -> 202"],
        },
    ),
    Scene(
        "an extension that leaves after the answer does not take it back",
        extensions={"failing": [[WATCH, ["next"], ["wait", "answered"], ["leave", 3]], *WATCHER]},
        runtime=[[["ask"], ["respond"], ["flag", "answered"], ["hang"]], [["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            "failing": [
                *(STARTED, REGISTERED, INVOKED, "exit 3"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "the last word of an extension names its failure, and its end is the failure",
        extensions={
            "failing": [[WATCH, ["next"], ["report", "exit"], ["next"], ["leave", 3]], *WATCHER],
        },
        runtime=[[["ask"], ["hang"]], [["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: [failure("Extension.ExitError", "exit status 3"), "200 2"],
            "failing": [
                *(STARTED, REGISTERED, INVOKED, "exit/error -> 202"),
                *(stuck("next", "ExitError", "Ready"), "exit 3"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
)

ENDING: Final = (
    Scene(
        "at a timeout the runtime is asked to end, then the extensions are told",
        extensions={
            "watcher": WATCHER,
            "deaf": [[["register", "INVOKE"], SERVE]],
        },
        runtime=[[["catch", "leave"], ["ask"], ["hang"]], [["echo"]]],
        events=(b"1", b"2"),
        timeout_s=2,
        expect={
            ANSWERS: [TIMED_OUT, "200 2"],
            ORDER: ["runtime: SIGTERM", "watcher: next -> SHUTDOWN"],
            "watcher": [
                *(STARTED, REGISTERED, INVOKED, "next -> SHUTDOWN timeout", "exit 0"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
            "deaf": [STARTED, REGISTERED, INVOKED] * 2,
        },
    ),
    Scene(
        "a runtime that ignores SIGTERM is killed before the extensions are told",
        extensions={"watcher": WATCHER},
        runtime=[[["catch"], ["ask"], ["hang"]], [["echo"]]],
        events=(b"1", b"2"),
        timeout_s=2,
        expect={
            ANSWERS: [TIMED_OUT, "200 2"],
            ORDER: ["runtime: SIGTERM", "watcher: next -> SHUTDOWN"],
            "watcher": [
                *(STARTED, REGISTERED, INVOKED, "next -> SHUTDOWN timeout", "exit 0"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "without an extension there is no SIGTERM",
        runtime=[[["catch"], ["ask"], ["hang"]], [["catch"], ["echo"]]],
        events=(b"1", b"2"),
        timeout_s=2,
        expect={
            ANSWERS: [TIMED_OUT, "200 2"],
            RUNTIME: [STARTED, "next -> 200 1", STARTED, "next -> 200 2", "response -> 202"],
        },
    ),
    Scene(
        "an extension that lets the time pass ends the environment, not the answer",
        extensions={"slow": [[WATCH, ["next"], ["hang"]], *WATCHER]},
        runtime=ECHO,
        events=(b"1", b"2"),
        timeout_s=1,
        expect={
            ANSWERS: ["200 1", "200 2"],
            "slow": [STARTED, REGISTERED, INVOKED, STARTED, REGISTERED, INVOKED, *ENDED],
            RUNTIME: [
                *(STARTED, "next -> 200 1", "response -> 202"),
                *(STARTED, "next -> 200 2", "response -> 202"),
            ],
        },
    ),
    Scene(
        "extensions are told of a runtime that leaves, before the next one starts",
        extensions={"watcher": WATCHER},
        runtime=[[["ask"], ["leave", 3]], [["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: [
                failure("Runtime.ExitError", "Runtime exited with error: exit status 3"),
                "200 2",
            ],
            "watcher": [
                *(STARTED, REGISTERED, INVOKED, *FAILED),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "extensions are told of a runtime that fails its init, each time",
        extensions={"watcher": WATCHER},
        runtime=[[["fail_init"], ["leave", 1]]],
        expect={
            ANSWERS: ['200 {"errorMessage":"refused","errorType":"Refusal"}'],
            "watcher": [STARTED, REGISTERED, *FAILED] * 2,
            RUNTIME: [STARTED, "init/error -> 202", "exit 1"] * 2,
        },
    ),
    Scene(
        "extensions without a wish for SHUTDOWN are just ended",
        extensions={"deaf": [[["register", "INVOKE"], SERVE]]},
        runtime=[[["catch", "leave"], ["echo"]]],
        expect={
            ANSWERS: ["200 1"],
            "deaf": [STARTED, REGISTERED, INVOKED],
            RUNTIME: [STARTED, "next -> 200 1", "response -> 202", "SIGTERM"],
        },
    ),
)

STATES: Final = (
    Scene(
        "a runtime that has just started may not answer, but may fail, once",
        runtime=[
            [
                post(f"invocation/{STRANGER}/response"),
                post(f"invocation/{STRANGER}/error"),
                ["fail_init"],
                ["fail_init"],
                ["ask"],
                post(f"invocation/{STRANGER}/response"),
                ["leave", 1],
            ],
            [["echo"]],
        ],
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            RUNTIME: [
                STARTED,
                unknown("stranger/response"),
                unknown("stranger/error"),
                "init/error -> 202",
                refused("init/error", "InitError", "InitError"),
                refused("next", "InitError", "Ready"),
                unknown("stranger/response"),
                "exit 1",
                *(STARTED, "next -> 200 1", "response -> 202"),
                *("next -> 200 2", "response -> 202"),
            ],
        },
    ),
    Scene(
        "a runtime at work gets the same event again, and answers for it once",
        runtime=[
            [
                ["ask"],
                ["ask"],
                post(f"invocation/{STRANGER}/response"),
                ["fail_init"],
                ["respond"],
                ["respond"],
                ["fail"],
                ["fail_init"],
                ["echo"],
            ]
        ],
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            RUNTIME: [
                *(STARTED, "next -> 200 1", "next -> 200 1"),
                unknown("stranger/response"),
                refused("init/error", "Running", "InitError"),
                "response -> 202",
                refused("response", "RuntimeResponseSentState", "InvocationResponse"),
                refused("error", "RuntimeResponseSentState", "InvocationErrorResponse"),
                refused("init/error", "RuntimeResponseSentState", "InitError"),
                *("next -> 200 2", "response -> 202"),
            ],
        },
    ),
    Scene(
        "a runtime that says a wrong mode is stuck until its time is over",
        runtime=[
            [["ask"], ["respond_in_mode", "buffered"], ["respond"], ["ask"], ["hang"]],
            [["echo"]],
        ],
        events=(b"1", b"2"),
        timeout_s=2,
        expect={
            ANSWERS: [
                (
                    '200 {"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":"Response '
                    "mode 'buffered' does not exist; it is 'streaming' or the header is left out\"}"
                ),
                "200 2",
            ],
            RUNTIME: [
                *(STARTED, "next -> 200 1"),
                "response -> 400 InvalidFunctionResponseMode: Invalid function response mode",
                refused("response", "InvocationResponse", "InvocationResponse"),
                refused("next", "InvocationResponse", "Ready"),
                *(STARTED, "next -> 200 2", "response -> 202"),
            ],
        },
    ),
    Scene(
        "a runtime goes on after an answer that is too large",
        runtime=[[["ask"], ["respond_much", TOO_MUCH_BYTES], ["respond"], ["echo"]]],
        events=(b"1", b"2"),
        expect={
            ANSWERS: [
                (
                    '200 {"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload '
                    f"size ({TOO_MUCH_BYTES} bytes) exceeded maximum allowed payload size "
                    '(6291556 bytes)."}'
                ),
                "200 2",
            ],
            RUNTIME: [
                *(STARTED, "next -> 200 1"),
                (
                    "response -> 413 RequestEntityTooLarge: "
                    "Exceeded maximum allowed payload size (6291556 bytes)."
                ),
                refused("response", "RuntimeResponseSentState", "InvocationResponse"),
                *("next -> 200 2", "response -> 202"),
            ],
        },
    ),
    Scene(
        "a runtime that is killed while idle fails the next invocation, and no other",
        runtime=ECHO,
        events=(b"1", b"2", b"3"),
        killed={1: RUNTIME},
        expect={
            ANSWERS: [
                "200 1",
                failure("Runtime.ExitError", "Runtime exited with error: signal: killed"),
                "200 3",
            ],
        },
    ),
    Scene(
        "a runtime that always leaves in its init is tried twice",
        runtime=[[["leave", 3]]],
        expect={
            ANSWERS: [failure("Runtime.ExitError", "Runtime exited with error: exit status 3")],
            RUNTIME: [STARTED, "exit 3", STARTED, "exit 3"],
        },
    ),
)

REAL: Final = (
    Scene(
        "an extension watches a function that echoes",
        extensions={"watcher": WATCHER},
        events=(b"1", b"2"),
        expect={
            ANSWERS: ["200 1", "200 2"],
            "watcher": [STARTED, REGISTERED, INVOKED, INVOKED, *ENDED],
        },
    ),
    Scene(
        "an extension outlives a function that times out",
        extensions={"watcher": WATCHER},
        folder="slow",
        events=(b"20", b"0"),
        timeout_s=2,
        expect={
            ANSWERS: [TIMED_OUT, '200 "done"'],
            "watcher": [
                *(STARTED, REGISTERED, INVOKED, "next -> SHUTDOWN timeout", "exit 0"),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "an extension outlives a function that leaves",
        extensions={"watcher": WATCHER},
        folder="failures",
        events=(b'"os._exit"', b'"ValueError"'),
        expect={
            "watcher": [
                *(STARTED, REGISTERED, INVOKED, *FAILED),
                *(STARTED, REGISTERED, INVOKED, *ENDED),
            ],
        },
    ),
    Scene(
        "an extension outlives a function that cannot be imported",
        extensions={"watcher": WATCHER},
        folder="broken",
        handler="raises.handler",
        expect={"watcher": [STARTED, REGISTERED, *FAILED] * 2},
    ),
)

SCENES: Final = (*BARRIERS, *REGISTERING, *FAILING, *ENDING, *STATES, *REAL)
