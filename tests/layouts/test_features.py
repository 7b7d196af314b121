"""The features of the runtime, each in every layout; details of each are in tests/runtime.

Where a layout has no such feature, by its nature, the test says what it has instead.
"""

from __future__ import annotations

import json
import re
import signal
import sys

import pytest

from tests.fakes import boto
from tests.fakes.frames import frames
from tests.fakes.runtime_api import Call, Event, Framing, Reply, RuntimeAPI
from tests.layouts.layouts import PYTHON

ECHO = "def handler(event, context): return event\n"
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


def ordered(calls):
    """Return the names of calls, in their order."""
    return [request.call.value for request in calls]


# --- events and results -------------------------------------------------------------------------


def test_events_are_answered_one_after_the_other(layout):
    layout.code(ECHO)
    run = layout.run(Event(b"1"), Event(b'{"key": [1, 2.5, null, "v\xc3\xa4lue"]}'))
    assert run.results == [1, {"key": [1, 2.5, None, "välue"]}]
    assert (run.stdout, run.stderr, run.returncode) == ("", "", None)


def test_the_runtime_is_the_one_of_the_layout(layout):
    layout.code(
        "import sys, snapboot\n\ndef handler(*_): return [sys.executable, snapboot.__file__]"
    )
    python, package = layout.run(Event()).result
    assert python == layout.layout.python
    command = " ".join(layout.layout.command)
    expected = {"package": "/var/task/.snapboot/runtime/", "image": "/var/runtime/"}
    if layout.name == "module":
        assert "/site-packages/snapboot/" in package
    else:
        assert package.startswith(
            expected.get(layout.name, command.split()[-1].removesuffix("bootstrap"))
        )


def test_events_may_come_in_chunks(layout):
    layout.code(ECHO)
    faults = {Call.NEXT: [Reply(framing=Framing.CHUNKED, piece_bytes=7)]}
    assert layout.run(Event(b'"in chunks"'), Event(b"1"), faults=faults).results == ["in chunks", 1]


@pytest.mark.parametrize(
    ("handler", "body"),
    [
        ("async def handler(event, context): return event", b"1"),
        ("def handler(event, context): yield b'one'; yield b'two'", b"onetwo"),
        ("async def handler(event, context): yield b'one'; yield b'two'", b"onetwo"),
    ],
)
def test_a_handler_may_be_asynchronous_or_yield(layout, handler, body):
    layout.code(handler)
    (answer,) = layout.run(Event(b"1")).answers
    assert (answer.call, answer.body) == (Call.RESPONSE, body)


def test_large_integers_and_large_texts_are_exact(layout):
    layout.code(ECHO)
    large = b'"%s"' % (b"x" * 3_000_000)
    run = layout.run(Event(b"123456789012345678901234567890"), Event(large), Event(large))
    assert [len(answer.body) for answer in run.answers] == [30, len(large), len(large)]


@pytest.mark.parametrize("choice", ["stdlib", "orjson", "auto"])
def test_each_json_engine_is_there(layout, choice):
    layout.code(
        "import sys\n\ndef handler(event, context): return [event, 'orjson' in sys.modules]"
    )
    run = layout.run(Event(b'"\xc3\xa4"'), environment={"SNAPBOOT_JSON": choice})
    assert run.result == ["ä", choice == "orjson"]


def test_a_codec_of_the_functions_own_is_used(layout):
    layout.code("""
        import snapboot
        snapboot.set_codec(loads=lambda text: "decoded", dumps=lambda value: b'"encoded"')

        def handler(event, context):
            assert event == "decoded"
    """)
    assert layout.run(Event()).result == "encoded"


def test_the_transport_by_urllib3_is_there(layout):
    layout.code("import sys\n\ndef handler(event, context): return 'urllib3' in sys.modules")
    assert layout.run(Event(), environment={"SNAPBOOT_TRANSPORT": "urllib3"}).result is True


def test_the_collector_can_be_left_alone(layout):
    # CPython 3.12 counts some of its own objects as frozen, so this asks for one of the function's.
    layout.code(
        "import gc\n\nMARK = []\n\n"
        "def handler(event, context): return all(held is not MARK for held in gc.get_objects())"
    )
    for choice, frozen in (("freeze", True), ("default", False)):
        assert layout.run(Event(), environment={"SNAPBOOT_GC": choice}).result is frozen


def test_an_init_reports_its_phases_in_one_line_if_asked_to(layout):
    layout.code("import decimal\n\ndef handler(event, context): return event")
    run = layout.run(Event(b"1"), environment={"SNAPBOOT_INIT_REPORT": "1"})
    (line,) = (line for line in run.stdout.splitlines() if line.startswith('{"snapbootInit"'))
    found = json.loads(line)["snapbootInit"]
    assert found["functionInitMs"] > 0
    assert found["runtimeInitMs"] > 0
    assert found["interpreterCpuMs"] > 0
    assert found["cpuMs"] >= found["interpreterCpuMs"]
    assert found["modules"] >= 1
    assert found["python"] == sys.version.partition(" ")[0]
    assert "snapbootInit" not in layout.run(Event(b"1")).stdout


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports came with CPython 3.15")
def test_imports_can_be_lazy(layout):
    layout.code("import decimal\nimport sys\n\ndef handler(*_): return 'decimal' in sys.modules")
    assert layout.run(Event(), environment={"SNAPBOOT_LAZY_IMPORTS": "all"}).result is False


def test_an_unknown_value_of_a_setting_is_an_init_error(layout):
    layout.code(ECHO)
    run = layout.run(environment={"SNAPBOOT_GC": "never"}, sealed=False)
    assert run.returncode == 1
    assert "SNAPBOOT_GC is 'never'; it can be freeze, default" in run.document["errorMessage"]


# --- contexts -----------------------------------------------------------------------------------


def test_the_context_describes_function_and_invocation(layout):
    layout.code("""
        import os, snapboot

        def handler(event, context):
            assert snapboot.current_context() is context
            assert isinstance(context, snapboot.Context)
            assert isinstance(context.identity, snapboot.CognitoIdentity)
            assert isinstance(context.client_context, snapboot.ClientContext)
            assert isinstance(context.client_context.client, snapboot.Client)
            return [
                context.function_name, context.function_version, context.memory_limit_in_mb,
                context.log_group_name, context.log_stream_name, context.aws_request_id,
                context.client_context.client.app_title, context.identity.cognito_identity_id,
                os.environ["_X_AMZN_TRACE_ID"],
            ]
    """)
    client = '{"client": {"app_title": "Title"}}'
    identity = '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}'
    headers = {
        "Lambda-Runtime-Client-Context": client,
        "Lambda-Runtime-Cognito-Identity": identity,
        "Lambda-Runtime-Trace-Id": "Root=1",
    }
    described = {
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "7",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    }
    run = layout.run(Event(request_id="the-id", headers=headers), environment=described)
    assert run.result == [*described.values(), "the-id", "Title", "id", "Root=1"]


# --- logs ---------------------------------------------------------------------------------------

LOGGED = """
import logging
logging.getLogger().setLevel("INFO")

def handler(event, context):
    context.log("raw\\n")
    print("printed")
    logging.info("sold %d", 3)
    try:
        raise ValueError("none left")
    except ValueError:
        logging.exception("failed")
"""


def test_the_log_is_text(layout):
    layout.code(LOGGED)
    run = layout.run(Event(request_id="the-id"))
    raw, printed, info, error, *_ = run.stdout.splitlines()
    assert (raw, printed) == ("raw", "printed")
    assert re.fullmatch(rf"\[INFO\]\t{TIME}\.\d{{3}}Z\tthe-id\tsold 3", info)
    assert error.startswith("[ERROR]\t")
    assert 'File "/var/task/app.py", line' in run.stdout
    assert run.stderr == ""


def test_the_log_is_json_on_request(layout):
    layout.code(LOGGED)
    run = layout.run(Event(request_id="the-id"), environment=JSON)
    info, error = map(json.loads, run.stdout.splitlines()[2:])
    assert (info["level"], info["message"], info["requestId"]) == ("INFO", "sold 3", "the-id")
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "none left")
    assert error["location"].startswith("/var/task/app.py:handler:")


def test_a_level_of_the_platform_is_the_functions(layout):
    layout.code("import logging\n\ndef handler(*_): return logging.getLogger().level")
    for level, number in (("DEBUG", 10), ("ERROR", 40), ("", 30)):
        variables = {"AWS_LAMBDA_LOG_LEVEL": level}
        assert layout.run(Event(), environment=variables).result == number


@pytest.mark.parametrize(("log_format", "info_kind"), [("TEXT", 0xA55A000F), ("JSON", 0xA55A000E)])
def test_the_log_goes_in_frames_to_a_descriptor_of_the_platform(layout, log_format, info_kind):
    layout.code(LOGGED)
    log = layout.root.parent / "frames"
    run = layout.run(
        Event(request_id="the-id"),
        under=["/bin/sh", "-c", 'exec "$@" 3>"$0"', str(log)],
        environment=JSON | {"_LAMBDA_TELEMETRY_LOG_FD": "3", "AWS_LAMBDA_LOG_FORMAT": log_format},
    )
    raw, info, error = frames(log.read_bytes())
    assert (raw.text, run.stdout) == ("raw\n", "printed\n")
    assert info.kind == info_kind
    assert "sold 3" in info.text
    assert "none left" in error.text


def test_what_a_function_prints_is_out_before_it_dies(layout):
    layout.code("import os\n\ndef handler(*_):\n    print('half', end='')\n    os._exit(3)")
    run = layout.run(Event())
    assert (run.returncode, run.stdout) == (3, "half")


# --- errors -------------------------------------------------------------------------------------


FRAME = """\
  File "/var/task/app.py", line 3, in handler
    if event: raise ValueError("no table")
"""


def test_an_error_is_answered_with_the_functions_own_frames(layout):
    layout.code("""
        def handler(event, context):
            if event: raise ValueError("no table")
    """)
    run = layout.run(Event(b"1", request_id="the-id"), Event(b"0"))
    error, after = run.answers
    assert (error.call, after.body) == (Call.ERROR, b"null")
    assert error.json() == {
        "errorMessage": "no table",
        "errorType": "ValueError",
        "requestId": "the-id",
        "stackTrace": [FRAME],
    }
    assert run.stdout.startswith("[ERROR] ValueError: no table\rTraceback (most recent call last):")


@pytest.mark.parametrize(
    ("handler", "source", "error"),
    [
        ("absent.handler", ECHO, "Runtime.ImportModuleError"),
        ("app.absent", ECHO, "Runtime.HandlerNotFound"),
        ("app", ECHO, "Runtime.MalformedHandlerName"),
        ("sys.exit", ECHO, "Runtime.BuiltInModuleConflict"),
        ("app.handler", "def handler(\n", "Runtime.UserCodeSyntaxError"),
        ("app.handler", "raise LookupError('no table')", "LookupError"),
    ],
)
def test_a_failed_init_is_reported(layout, handler, source, error):
    layout.code(source)
    run = layout.run(handler=handler, sealed=False)
    assert (run.returncode, ordered(run.requests)) == (1, ["init/error"])
    assert run.document["errorType"] == error
    assert "Traceback" not in run.stderr


def test_a_runtime_api_that_is_not_there_is_named(layout):
    layout.code(ECHO)
    run = layout.run(environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"})
    assert run.returncode == 1
    assert "127.0.0.1:1" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_a_platform_the_host_of_the_devkit_serves_or_is_asked_for(layout):
    layout.code(ECHO)
    variables = {"AWS_LAMBDA_RUNTIME_API": None, "SNAPBOOT_LISTEN": "nowhere"}
    run = layout.run(environment=variables)
    assert run.returncode == 1
    if layout.name == "package":  # no devkit is shipped
        assert "pip install 'snapboot[devkit]'" in run.stderr
    else:
        assert "SNAPBOOT_LISTEN='nowhere' must be HOST:PORT" in run.stderr
    assert "Traceback" not in run.stderr


# --- signals ------------------------------------------------------------------------------------


def test_a_handler_of_sigterm_runs_while_the_runtime_waits(layout):
    layout.code("""
        import os, signal, sys

        def say_goodbye(number, frame):
            os.write(1, b"goodbye\\n")
            sys.exit(0)

        signal.signal(signal.SIGTERM, say_goodbye)

        def handler(event, context):
            return event
    """)
    with RuntimeAPI(Event(b"1")) as api, layout.start(api) as process:
        api.wait_idle()
        process.signal(signal.SIGTERM)
        ending = process.wait()
    assert (ending.returncode, ending.stdout) == (0, b"goodbye\n")


def test_sigterm_ends_a_function_that_has_no_handler_of_it(layout):
    layout.code(ECHO)
    with RuntimeAPI() as api, layout.start(api) as process:
        api.wait_idle()
        process.signal(signal.SIGTERM)
        assert process.wait().returncode == -signal.SIGTERM


# --- SnapStart ----------------------------------------------------------------------------------


def test_hooks_run_around_the_snapshot_in_one_order(layout):
    layout.code("""
        import snapboot
        import snapshot_restore_py

        snapboot.before_snapshot(print, "before 1")
        snapshot_restore_py.register_before_snapshot(print, "before 2")
        snapboot.after_restore(print, "after 1")
        snapshot_restore_py.register_after_restore(print, "after 2")

        def handler(event, context):
            return event
    """)
    run = layout.run(Event(b"1"), environment=SNAP_START)
    assert run.result == 1
    assert run.stdout.splitlines() == ["before 2", "before 1", "after 1", "after 2"]
    assert ordered(run.requests)[:2] == ["restore/next", "next"]


@pytest.mark.parametrize(
    ("hook", "call", "status"),
    [("before_snapshot", Call.INIT_ERROR, 64), ("after_restore", Call.RESTORE_ERROR, 65)],
)
def test_a_hook_that_fails_is_reported(layout, hook, call, status):
    layout.code(f"""
        import snapboot

        @snapboot.{hook}
        def fail():
            raise ValueError("no table")

        {ECHO}
    """)
    run = layout.run(environment=SNAP_START)
    assert (run.returncode, run.error.call) == (status, call)
    assert run.document["errorMessage"] == "no table"


def test_random_numbers_are_renewed_after_a_restore(layout):
    layout.code("""
        import random
        random.seed(1)
        foreseen = random.Random(1).random()

        def handler(event, context):
            return random.random() == foreseen
    """)
    assert layout.run(Event(), environment=SNAP_START).result is False


def test_what_a_restore_renews_can_be_switched_off_and_the_rest_is_named(layout):
    layout.code("""
        import random
        random.seed(1)
        FORESEEN = random.Random(1).random()
        MINE = random.Random(2)

        def handler(event, context):
            return random.random() == FORESEEN
    """)
    run = layout.run(
        Event(), environment={**SNAP_START, "SNAPBOOT_RESTORE_SAFETY": "no-random"}, sealed=False
    )
    assert run.result is True
    assert "app.MINE, /var/task/app.py:5" in run.stdout


# --- the interpreter, wrappers, paths -------------------------------------------------------------

PYTHONS = """
import os, subprocess, sys

def handler(event, context):
    found = [sys.prefix]
    for name in ("python3", "python"):
        done = subprocess.run([name, "-c", "import sys; print(sys.prefix)"], capture_output=True)
        found.append(done.stdout.decode().strip())
    return found, os.environ.get("WRAPPED")
"""


def test_python3_is_the_interpreter_of_the_function(layout):
    layout.code(PYTHONS)
    (own, *found), _ = layout.run(Event()).result
    assert found[0] == own
    assert found[1] in (own, "")


WRAPPERS = {
    "shell": 'exec "$@"',
    # As those of OpenTelemetry, ADOT and Elastic do.
    "python3": "exec python3 -c 'import os, sys; os.execv(sys.argv[1], sys.argv[1:])' \"$@\"",
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_a_wrapper_starts_the_runtime(layout, kind):
    layout.code(PYTHONS)
    wrapper = layout.script("wrapper", f"#!/bin/sh\nexport WRAPPED=yes\n{WRAPPERS[kind]}")
    run = layout.run(Event(), environment={"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)})
    (own, python3, _), wrapped = run.result
    assert own == python3
    assert wrapped == (None if layout.name == "module" else "yes")


def test_a_wrapper_that_does_not_exist_ends_the_init(layout):
    layout.code(ECHO)
    run = layout.run(Event(b"1"), environment={"AWS_LAMBDA_EXEC_WRAPPER": "/nowhere/wrapper"})
    if layout.name == "module":  # as `python -m awslambdaric`: a wrapper is the bootstrap's
        assert run.result == 1
    else:
        assert (run.returncode, run.stderr) == (127, "/nowhere/wrapper: does not exist\n")


def test_layers_are_on_the_path_behind_the_function(layout):
    layout.code("""
        try:
            import layered, both
            from packaged_in_layer import NAME
        except ImportError:
            layered = None

        def handler(event, context):
            return layered and [layered.__file__, both.__file__, NAME]
    """)
    layout.write("both.py", "")
    layout.layer("python/both.py", "")
    layout.layer("python/layered.py", "")
    layout.layer(f"python/lib/{PYTHON}/site-packages/packaged_in_layer.py", "NAME = 'site'")
    expected = ["/opt/python/layered.py", "/var/task/both.py", "site"]
    if layout.name == "module":  # as `python -m awslambdaric`: `sys.path` is left as it is
        expected = None
    assert layout.run(Event(), sealed=False).result == expected


def test_child_processes_get_the_pythonpath_of_the_managed_runtime(layout):
    layout.code("import os\n\ndef handler(*_): return os.environ.get('PYTHONPATH')")
    expected = None if layout.name == "module" else "/somewhere"
    assert layout.run(Event(), environment={"LAMBDA_RUNTIME_DIR": "/somewhere"}).result == expected


def test_a_path_file_of_the_function_is_executed(layout):
    layout.write("patch.pth", "import sys; sys.patched = True\n")
    layout.code("import sys\n\ndef handler(*_): return hasattr(sys, 'patched')")
    # As `python -m awslambdaric`, which reads those of site-packages alone.
    assert layout.run(Event()).result is (layout.name != "module")


def test_a_sitecustomize_on_pythonpath_is_executed(layout):
    layout.script("agent/sitecustomize.py", "import sys; sys.patched = True\n")
    layout.code("import sys\n\ndef handler(*_): return hasattr(sys, 'patched')")
    variables = {"PYTHONPATH": str(layout.root.parent / "agent")}
    assert layout.run(Event(), environment=variables).result is True


HOOK = """
import sys

class Watch:
    seen = []

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.seen.append(name)

sys.meta_path.insert(0, Watch)
sys.watch = Watch
"""


def test_a_hook_that_a_tracer_puts_first_sees_what_the_function_imports(layout):
    layout.script("agent/sitecustomize.py", HOOK)
    layout.write("mine.py", "")
    layout.code("import sys\nimport mine, decimal\n\ndef handler(*_): return sys.watch.seen")
    variables = {"PYTHONPATH": str(layout.root.parent / "agent")}
    seen = layout.run(Event(), environment=variables).result
    assert [name for name in seen if name in ("app", "mine", "decimal")] == [
        "app",
        "mine",
        "decimal",
    ]


def test_nothing_of_ours_shadows_a_module_of_the_functions(layout):
    names = ("main", "api", "wire", "codec", "bootstrap", "runtime", "context", "archive", "logs")
    for name in names:
        layout.write(f"{name}.py", "MINE = True")
    layout.code(f"""
        import {", ".join(names)}

        def handler(event, context):
            return [module.MINE for module in ({", ".join(set(names) - {"context"})})]
    """)
    assert layout.run(Event()).result == [True] * (len(names) - 1)


def test_the_archive_is_read_where_there_is_one(layout):
    layout.write("mine.py", "def name(): return __spec__.loader.__class__.__name__")
    layout.code("import mine\n\ndef handler(*_): return [mine.name(), mine.__file__]")
    assert layout.run(Event(), sealed=True).result == ["ArchiveLoader", "/var/task/mine.py"]


def test_what_botocore_parses_is_sealed(layout):
    boto.place(layout.root, ["sqs"])
    layout.code("""
        import sys
        import boto3

        client = boto3.client("sqs")
        read = []
        sys.addaudithook(lambda event, args: event == "open" and read.append(str(args[0])))

        def handler(event, context):
            other = boto3.Session().client("sqs")
            registering = type(other.meta.events)._alias_event_name.__module__
            return [
                *(other.meta.endpoint_url, registering),
                [path for path in read if "/botocore/data/" in path],
            ]
    """)
    run = layout.run(Event(), sealed=True, environment=boto.VARIABLES)
    url, registering, read = run.result
    assert url == "https://sqs.eu-west-1.amazonaws.com"
    assert registering.endswith("snapboot.botocore_hooks")
    assert read == []


GUIDED = ("--lazy", "guided", "--event", "{}")


def test_imports_that_no_event_needed_wait(layout):
    layout.write("tool.py", "def use(): return 'used'")
    layout.write("other.py", "import tool\n\ndef run(): return tool.use()")
    layout.code("""
        import sys
        import other

        def handler(event, context):
            return ["tool" in sys.modules, event and other.run(), "tool" in sys.modules]
    """)
    events = Event(b"null"), Event(b"1")
    guided = layout.run(*events, sealed=True, sealing=GUIDED)
    assert guided.results == [[False, None, False], [False, "used", True]]
    plain = layout.run(
        *events, sealed=True, sealing=GUIDED, environment={"SNAPBOOT_LAZY_IMPORTS": "off"}
    )
    assert plain.results == [[True, None, True], [True, "used", True]]


def test_what_waits_is_imported_before_a_snapshot(layout):
    layout.write("tool.py", "def use(): return 'used'")
    layout.write("other.py", "import tool\n\ndef run(): return tool.use()")
    layout.code("import sys, other\n\ndef handler(*_): return 'tool' in sys.modules")
    run = layout.run(Event(), sealed=True, sealing=GUIDED, environment=SNAP_START)
    assert run.result is True


def test_entry_points_are_sealed(layout):
    layout.write("tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n")
    layout.write("tool-1.0.dist-info/entry_points.txt", "[plugins]\nfirst = tool:main\n")
    layout.code("""
        import sys
        from importlib.metadata import entry_points

        found = entry_points(group="plugins")
        read = []
        sys.addaudithook(lambda event, args: event == "open" and read.append(str(args[0])))

        def handler(event, context):
            again = [[one.name, one.value, one.dist.version] for one in entry_points(group="plugins")]
            return [again, [path for path in read if "tool" in path and "entry" in path]]
    """)
    assert layout.run(Event(), sealed=True).result == [[["first", "tool:main", "1.0"]], []]
