"""`snapboot invoke` as people type it, in a process of its own."""

import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from snapboot import __version__
from snapboot_devkit import events
from snapboot_devkit.cli import commands, hints
from snapboot_devkit.host import InvokeResult, Report, Status
from tests.devkit.hosted import DEADLINE_S, HERE, config, runs

REPOSITORY = HERE.parents[1]
EXAMPLE = REPOSITORY / "examples" / "hello-http"
PLAIN = HERE / "plain_runtime.py"
RUNTIME = shlex.join([sys.executable, "-B", str(PLAIN)])


USUAL = ("invoke", "--task-root", str(HERE), "--bootstrap", RUNTIME, "--timeout", "30")


def process(*arguments, **settings):
    """Run the command to its end, as a process of its own."""
    settings = {"capture_output": True, "timeout": DEADLINE_S} | settings
    command = [sys.executable, "-m", "snapboot_devkit", *arguments]
    return subprocess.run(command, check=False, **settings)


@pytest.fixture
def snapboot(capfdbinary):
    """Return what runs the command to its end, in this process."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            commands.main(arguments)
        printed = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def invoked(snapboot):
    """Return what invokes one of the behaviours, in this process."""
    return functools.partial(snapboot, *USUAL)


def platform_lines(log):
    """Read what the platform says before the function does: of its init, and of the start."""
    return log.readline(), log.readline()


def test_the_result_goes_to_standard_output_and_the_log_to_standard_error():
    done = process(*USUAL, "say", '["hello\\n"]')
    assert (done.returncode, done.stdout) == (0, b"null\n")
    init, start, line, end, report = done.stderr.decode().splitlines()
    assert line == "hello"
    words = [text.split()[0] for text in (init, start, end, report)]
    assert words == ["INIT_START", "START", "END", "REPORT"]


def test_the_event_is_an_empty_object_unless_given(invoked):
    assert invoked("echo").stdout == b"{}\n"


def test_the_event_may_come_from_a_file(tmp_path, invoked):
    event = tmp_path / "event.json"
    event.write_text('{"from": "file"}')
    assert invoked("echo", f"@{event}").stdout == b'{"from": "file"}\n'


@pytest.mark.parametrize("before", ["", "@"])
def test_the_event_may_come_from_the_file_of_an_option(before, tmp_path, invoked):
    event = tmp_path / "event.json"
    event.write_text('{"from": "file"}')
    assert invoked("echo", "--event", f"{before}{event}").stdout == b'{"from": "file"}\n'


def test_an_option_takes_the_event_itself_too(invoked):
    assert invoked("echo", "--event", '{"a": 1}').stdout == b'{"a": 1}\n'


def test_a_file_without_its_sign_is_recognised(tmp_path, snapboot):
    event = tmp_path / "event.json"
    event.touch()
    done = snapboot("invoke", "app.handler", str(event))
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"for the file of this name write @{event}".encode() in done.stderr


def test_the_event_may_come_from_standard_input():
    assert process(*USUAL, "echo", "-", input=b'{"from": "stdin"}').stdout == b'{"from": "stdin"}\n'


def test_a_function_error_is_an_exit_code_and_a_result():
    done = process(*USUAL, "fail", '"boom"')
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorMessage"] == "boom"


def test_a_machine_gets_one_object_with_everything(invoked):
    done = invoked("say", '["hello\\n"]', "--json", "--memory", "256")
    assert (done.returncode, done.stderr) == (0, b"")
    reported = json.loads(done.stdout)
    assert list(reported) == ["result", "functionError", "logs", "report"]
    assert reported["result"] is None
    assert reported["functionError"] is None
    assert reported["logs"][2] == "hello"
    report = reported["report"]
    assert (report["status"], report["memorySizeMB"]) == ("success", 256)
    assert report["initDurationMs"] > 0
    assert report["billedDurationMs"] >= report["durationMs"]
    assert report["durationMs"] == round(report["durationMs"], 3)


def test_a_machine_sees_a_function_error_as_well(invoked):
    done = invoked("fail", '"boom"', "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["functionError"] == "Unhandled"


def test_variables_come_from_a_file_and_from_options_which_win(tmp_path, invoked):
    file = tmp_path / "function.env"
    file.write_text("# the stage\nSTAGE=file\n\nCOLOUR=blue=ish\n")
    done = invoked("about", "--env-file", str(file), "--env", "STAGE=option")
    env = json.loads(done.stdout)["env"]
    assert (env["STAGE"], env["COLOUR"]) == ("option", "blue=ish")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["echo", '{"a"'], "the event in the argument is not JSON (line 1, column 5); give JSON, @file, or -"),
        (["echo", "nothing.json"], "the event file 'nothing.json' does not exist; give the path of one"),
        (["echo", "--event", "no/such file"], "the event file 'no/such file' does not exist; give"),
        (["echo", "--event", "@no/such.json"], "cannot read the event file 'no/such.json': No such file"),
        (["echo", "--event", "Ada"], "the event in the argument is not JSON"),
        (["echo", "/"], "the event in the argument is not JSON"),
        (["echo", "/" * 100_000], "the event in the argument is not JSON"),
        (["echo", "@no-such-file"], "cannot read the event file 'no-such-file': No such file or directory"),
        (["echo", "--env", "=x"], "--env holds '=x'; write it as KEY=VALUE"),
        (["echo", "--env", "NO_SUCH"], "'NO_SUCH' is not set; export it, or write NO_SUCH=VALUE"),
        (["echo", "--env-file", "no-such-file"], "cannot read the env file 'no-such-file'"),
        (["echo", "--env", "_HANDLER=x"], "variable '_HANDLER' is reserved"),
        (["echo", "--env", "1=x"], "variable '1' must begin with a letter"),
        (["echo", "--env", "BIG=" + "x" * 5000], "may take 4096"),
        (["echo", "{}", "--event-template", "sqs"], "there is more than one event: the argument '{}' and --event-template sqs"),
        (["echo", "--event-template", "sqss"], "no event template 'sqss'; did you mean 'sqs'?"),
        (["echo", "--event-template", "sqs", "--set", "Records.7.body=x"], "no '7' in a list of 2"),
        (["echo", "--set", "a.b=1"], "'a.b=1' cannot be set: no 'a' in an object with no keys"),
        (["echo", "--layer", "no-such-layer"], "no-such-layer"),
        (["echo", "--memory", "64"], "memory 64 must be from 128 to 10240 MB"),
        (["echo", "--timeout", "901"], "timeout 901.0 must be above 0 and at most 900 seconds"),
        (["echo", "--python", "no-such-python"], "python 'no-such-python' is not a program"),
        (["echo", "--task-root", "no-such-folder"], "no-such-folder' is not a folder"),
        (["echo", "--bootstrap", "'"], "cannot be read as a command"),
        (["echo", "--bootstrap", " "], "bootstrap is empty"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value)[:30],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_a_remedy(arguments, expected, capfd):
    with pytest.raises(SystemExit) as ended:
        commands.main(["invoke", *arguments])
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith("snapboot: ")
    assert expected in printed.err


def shell(script, **settings):
    """Run the command as a shell's script names it; return its exit status and what was printed."""
    words = [sys.executable, "-m", "snapboot_devkit", "invoke", "--task-root", str(HERE)]
    command = shlex.join([*words, "--bootstrap", RUNTIME, "--timeout", "300"])
    script = script.replace("snapboot", command)
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        check=False,
        capture_output=True,
        timeout=DEADLINE_S,
        **settings,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "snapboot talk_for_ever 2>&1 | head -n 2; exit ${PIPESTATUS[0]}",
        "snapboot talk_for_ever 2> >(head -n 2)",
        "snapboot many_bytes 1000000 2>/dev/null | head -c 1; exit ${PIPESTATUS[0]}",
        "snapboot echo --json 2>/dev/null | true; exit ${PIPESTATUS[0]}",
        "snapboot echo 2>&1 | true; exit ${PIPESTATUS[0]}",
    ],
)
def test_a_reader_that_goes_away_ends_the_command_quietly_and_all_it_has_started(script):
    status, printed = shell(script)
    assert status == 141
    assert b"Traceback" not in printed


def test_a_function_whose_log_is_no_longer_read_is_ended():
    status, printed = shell("snapboot talk_for_ever 2>&1 | head -n 3; exit ${PIPESTATUS[0]}")
    _, start, function = printed.split(b"\n")[:3]
    assert (status, start[:5]) == (141, b"START")
    assert not runs(int(function))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("snapboot echo 7 >&-", (0, b"")),
        ("snapboot echo 7 2>&-", (0, b"7\n")),
        ("snapboot echo 7 <&-", (0, b"7\n")),
        ("snapboot echo 7 <&- >&- 2>&-", (0, b"")),
        (
            "snapboot echo - <&- 2>&1",
            (2, b"snapboot: the event in standard input is not JSON (line 1, "),
        ),
    ],
)
def test_a_stream_that_is_closed_from_the_start_is_as_good_as_the_null_device(script, expected):
    status, printed = shell(script)
    assert (status, printed[: len(expected[1])]) == expected


IMPORTS_WITH_STREAMS = """
import os, sys
import snapboot_devkit.cli

class Watch:
    def find_spec(self, name, path=None, target=None):
        for number in range(3):
            try:
                os.fstat(number)
            except OSError:
                os._exit(9)

sys.meta_path.insert(0, Watch())
sys.argv = ["snapboot", "--help"]
snapboot_devkit.cli.main()
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_library_is_imported_before_closed_streams_are_replaced(closed):
    # One that keeps a file open from its import on would have it in a stream's place.
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, IMPORTS_WITH_STREAMS]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_result_that_cannot_be_written_is_reported():
    status, reported = shell("snapboot echo 2>&1 >/dev/full | tail -n 1; exit ${PIPESTATUS[0]}")
    assert status == 2
    assert reported.startswith(
        b"snapboot: cannot write the result to standard output: No space left"
    )


@pytest.mark.parametrize(
    ("event", "status"),
    [("[" * 100_000, 2), ("NaN", 2), ("9" * 5000, 1), ('"\\ud800"', 0)],
    ids=["deep", "no number", "long number", "half a character"],
)
def test_an_event_that_python_itself_finds_hard_is_no_traceback(event, status):
    done = process(*USUAL, "echo", "-", "--json", input=event.encode())
    assert (done.returncode, b"Traceback" in done.stderr) == (status, False)
    assert (status == 0) is (done.stdout.startswith(b'{"result": "\\ud800"'))


def test_a_signal_stops_the_command_although_no_one_reads_its_log():
    command = ["invoke", "talk_for_ever", "--task-root", str(HERE), "--bootstrap", RUNTIME]
    with subprocess.Popen(
        [sys.executable, "-m", "snapboot_devkit", *command, "--timeout", "300"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running:
        platform_lines(running.stderr)
        function = int(running.stderr.readline())
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 130
    assert not runs(function)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_command_and_leaves_no_process(number):
    command = ["invoke", "hang_aloud", "--task-root", str(HERE), "--bootstrap", RUNTIME]
    running = subprocess.Popen(
        [sys.executable, "-m", "snapboot_devkit", *command, "--timeout", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    platform_lines(running.stderr)
    function = int(running.stderr.readline())
    assert runs(function)
    running.send_signal(number)
    running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 130
    assert not runs(function)


def test_the_version_is_the_runtimes():
    done = process("--version")
    assert (done.returncode, done.stdout) == (0, f"snapboot {__version__}\n".encode())


def test_a_signal_while_the_command_loads_is_no_traceback(tmp_path):
    # What is imported first sends the signal.
    (tmp_path / "json.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    # Tests that were started in the background have SIGINT ignored.
    default = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {default}"
    command += "from snapboot_devkit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command], check=False, capture_output=True, timeout=DEADLINE_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_the_example_runs_on_our_own_runtime():
    command = ["invoke", "app.handler", f"@{EXAMPLE / 'event.json'}", "--task-root", str(EXAMPLE)]
    done = process(*command, "--timeout", "30")
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["message"] == "Hello, Ada!"
    log = done.stderr.decode()
    assert "greeting Ada" in log
    assert "REPORT RequestId: " in log


def test_a_handler_that_does_not_exist_shows_the_runtimes_init_error(snapboot):
    done = snapboot("invoke", "nothing.handler", "--task-root", str(EXAMPLE), "--timeout", "30")
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorType"] == "Runtime.ImportModuleError"
    assert "INIT_REPORT" in done.stderr.decode()


def test_no_traceback_is_announced_where_there_is_none(tmp_path, snapboot):
    (tmp_path / "broken.py").write_text("import json\njson.loads('{')\n")
    folder = ("--task-root", str(tmp_path), "--timeout", "30")
    assert b"Traceback" not in snapboot("invoke", "absent.handler", *folder).stderr
    assert b"Traceback (most recent" in snapboot("invoke", "broken.handler", *folder).stderr


def test_a_traceback_that_the_function_prints_is_shown_whole(tmp_path, snapboot):
    (tmp_path / "app.py").write_text(
        "import logging, traceback\n"
        "def handler(event, context):\n"
        "    try:\n"
        "        raise ValueError('no')\n"
        "    except ValueError:\n"
        "        traceback.print_exc()\n"
        "        print(traceback.format_exc())\n"
        "        logging.getLogger().exception('failed')\n"
    )
    done = snapboot("invoke", "app.handler", "--task-root", str(tmp_path), "--timeout", "30")
    headings = done.stderr.split(b"\n").count(b"Traceback (most recent call last):")
    assert headings == done.stderr.split(b"\n").count(b"ValueError: no") == 3


def test_an_event_may_be_a_services_with_changes(invoked):
    done = invoked("echo", "--event-template", "sqs", "--set", 'Records.0.body={"n": 1}')
    records = json.loads(done.stdout)["Records"]
    assert records[0]["eventSource"] == "aws:sqs"
    assert records[0]["body"] == '{"n": 1}'


def test_an_event_of_ones_own_may_be_changed_too(invoked):
    assert invoked("echo", '{"a": [1, 2]}', "--set", "a.1=x").stdout == b'{"a": [1, "x"]}\n'


def test_the_templates_are_listed_and_printed(snapboot):
    listed = snapboot("events").stdout.decode().splitlines()
    assert "sqs               SQS, two messages" in listed
    assert len(listed) == len(events.TITLES)
    printed = json.loads(snapboot("events", "schedule", "--set", "region=eu-west-1").stdout)
    assert printed == {**events.event("schedule"), "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("handler", "hint"),
    [
        ("app.handle", "app.py has: handler, other, CONSTANT"),
        ("ap.handler", "code' has: app; another folder is named by --task-root"),
        ("app", "write the handler as module.function, such as app.handler"),
        ("app:other", "write the handler as module.function, such as app.other"),
        ("app.py:other", "write the handler as module.function, such as app.other"),
        ("app.py", "write the handler as module.function, such as app.handler"),
        ("./app.py", "write the handler as module.function, such as app.handler"),
        ("./app.other", "write the handler as module.function, such as app.other"),
        ("needy.handler", "'requests' is neither in the code, nor in a --layer, nor installed"),
    ],
)
def test_a_wrong_handler_is_reported_with_what_there_is(handler, hint, tmp_path, snapboot):
    code = tmp_path / "code"
    (code / "orders").mkdir(parents=True)
    (code / "app.py").write_text(
        "CONSTANT = 1\ndef handler(event, context): pass\ndef _private(): pass\n"
        "async def other(event, context): pass\n"
    )
    (code / "orders" / "api.py").touch()
    if handler.startswith("needy"):
        (code / "needy.py").write_text("raise ImportError(\"No module named 'requests'\")\n")
    done = snapboot("invoke", handler, "--task-root", str(code), "--timeout", "30")
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("hint: ")
    assert hint in last


def test_a_layer_whose_packages_are_in_the_wrong_place_is_reported(tmp_path, snapboot):
    (tmp_path / "app.py").write_text("import orders\n")
    layer = tmp_path / "layer"
    (layer / "orders").mkdir(parents=True)
    (layer / "orders" / "__init__.py").touch()
    code = ("--task-root", str(tmp_path), "--layer", str(layer), "--timeout", "30")
    assert snapboot("invoke", "app.handler", *code).stderr.decode().splitlines()[-1] == (
        f"hint: 'orders' is at the top of the layer {str(layer)!r}, which is not on sys.path: "
        "packages belong in the layer's folder 'python'"
    )


def test_a_handler_in_a_zip_is_looked_up_in_it(tmp_path, snapboot):
    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event\n")
    command = ("--task-root", str(code), "--timeout", "30")
    assert snapboot("invoke", "app.handler", "7", *command).stdout == b"7\n"
    wrong = snapboot("invoke", "app.nothing", *command)
    assert wrong.stderr.decode().splitlines()[-1] == "hint: app.py has: handler"


def test_a_timeout_suggests_the_option_in_json_as_well():
    done = process(*USUAL, "hang", "1", "--timeout", "0.2")
    assert done.stderr.decode().splitlines()[-1] == (
        "hint: the function took longer than 0.2 s; give it more: --timeout SECONDS"
    )
    reported = json.loads(process(*USUAL, "hang", "1", "--timeout", "0.2", "--json").stdout)
    assert (
        reported["hint"] == "the function took longer than 0.2 s; give it more: --timeout SECONDS"
    )


def outcome(message, *, used_mb):
    payload = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": message}).encode()
    report = Report(1, "id", 1.0, 1, Status.ERROR, memory_size_mb=128, max_memory_used_mb=used_mb)
    return InvokeResult(payload, "Unhandled", (), report)


@pytest.mark.parametrize(
    ("message", "used_mb", "hint"),
    [
        ("signal: killed", 128, "the function needs more than 128 MB; give it more: --memory MB"),
        ("signal: killed", 30, None),
        ("exit status 1", 128, None),
    ],
)
def test_a_function_that_was_killed_at_its_limit_needs_more_memory(message, used_mb, hint):
    assert hints.hint(outcome(message, used_mb=used_mb), config("fall")) == hint


def on_a_terminal(*arguments, until):
    """Invoke with a terminal for both outputs; return what it shows, as far as `until`."""
    import pty

    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process(*USUAL, *arguments, stdout=theirs, stderr=theirs, capture_output=False, env=environ)
    os.close(theirs)
    shown = b""
    # Linux reports the end of a terminal by an error.
    while until not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    return shown.decode()


def test_a_terminal_gets_an_indented_result_in_colour():
    shown = on_a_terminal("echo", '{"a": 1}', until=b"}")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert plain.splitlines()[-3:-1] == ["{", '  "a": 1']
    assert plain != shown


SLOW_RUNTIME = f"""
import runpy, sys, threading
sys.path[0] = {str(HERE)!r}
threading.Event().wait(1.5)
runpy.run_path({str(PLAIN)!r}, run_name="__main__")
"""


def test_a_terminal_sees_that_an_init_takes_its_time(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW_RUNTIME)
    runtime = shlex.join([sys.executable, "-B", str(tmp_path / "slow.py")])
    shown = on_a_terminal("echo", "7", "--bootstrap", runtime, until=b"7\x1b[0m\r\n")
    assert "initialising test_function … 1 s" in shown
    assert "initialising" not in shown[shown.index("START RequestId") :]


def test_the_event_of_the_example_is_a_version_2_event():
    event = json.loads(Path(EXAMPLE / "event.json").read_text())
    assert event["version"] == "2.0"
    assert event["requestContext"]["http"]["method"] == "GET"
