"""`snapboot invoke` as people type it, in a process of its own."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from snapboot_devkit.cli import app
from tests.devkit.hosted import DEADLINE_S, HERE, runs

REPOSITORY = HERE.parents[1]
EXAMPLE = REPOSITORY / "examples" / "hello-http"
RUNTIME = shlex.join([sys.executable, "-B", str(HERE / "plain_runtime.py")])


def snapboot(*arguments, **settings):
    """Run the command to its end."""
    settings = {"capture_output": True, "timeout": DEADLINE_S} | settings
    command = [sys.executable, "-m", "snapboot_devkit", *arguments]
    return subprocess.run(command, check=False, **settings)


def invoked(*arguments, **settings):
    """Invoke one of the behaviours."""
    usual = ("--task-root", str(HERE), "--bootstrap", RUNTIME, "--timeout", "30")
    return snapboot("invoke", *arguments, *usual, **settings)


def test_the_result_goes_to_standard_output_and_the_log_to_standard_error():
    done = invoked("say", '["hello\\n"]')
    assert (done.returncode, done.stdout) == (0, b"null\n")
    start, line, end, report = done.stderr.decode().splitlines()
    assert line == "hello"
    assert [start[:5], end[:3], report[:6]] == ["START", "END", "REPORT"]


def test_the_event_is_an_empty_object_unless_given():
    assert invoked("echo").stdout == b"{}\n"


def test_the_event_may_come_from_a_file(tmp_path):
    event = tmp_path / "event.json"
    event.write_text('{"from": "file"}')
    assert invoked("echo", f"@{event}").stdout == b'{"from": "file"}\n'


def test_the_event_may_come_from_standard_input():
    assert invoked("echo", "-", input=b'{"from": "stdin"}').stdout == b'{"from": "stdin"}\n'


def test_a_function_error_is_an_exit_code_and_a_result():
    done = invoked("fail", '"boom"')
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorMessage"] == "boom"


def test_a_machine_gets_one_object_with_everything():
    done = invoked("say", '["hello\\n"]', "--json", "--memory", "256")
    assert (done.returncode, done.stderr) == (0, b"")
    told = json.loads(done.stdout)
    assert list(told) == ["result", "functionError", "logs", "report"]
    assert told["result"] is None
    assert told["functionError"] is None
    assert told["logs"][1] == "hello"
    report = told["report"]
    assert (report["status"], report["memorySizeMB"]) == ("success", 256)
    assert report["initDurationMs"] > 0
    assert report["billedDurationMs"] >= report["durationMs"]


def test_a_machine_sees_a_function_error_as_well():
    done = invoked("fail", '"boom"', "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["functionError"] == "Unhandled"


def test_variables_come_from_a_file_and_from_options_which_win(tmp_path):
    file = tmp_path / "function.env"
    file.write_text("# the stage\nSTAGE=file\n\nCOLOUR=blue=ish\n")
    done = invoked("about", "--env-file", str(file), "--env", "STAGE=option")
    env = json.loads(done.stdout)["env"]
    assert (env["STAGE"], env["COLOUR"]) == ("option", "blue=ish")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["echo", '{"a"'], "the event in the argument is not JSON: Expecting ':' delimiter: line 1 column 5"),
        (["echo", "@no-such-file"], "cannot read the event file 'no-such-file': No such file or directory"),
        (["echo", "--env", "STAGE"], "--env holds 'STAGE'; write it as KEY=VALUE"),
        (["echo", "--env-file", "no-such-file"], "cannot read the env file 'no-such-file'"),
        (["echo", "--env", "_HANDLER=x"], "variable '_HANDLER' is reserved"),
        (["echo", "--env", "1=x"], "variable '1' must begin with a letter"),
        (["echo", "--env", "BIG=" + "x" * 5000], "may take 4096"),
        (["echo", "--memory", "64"], "memory 64 must be from 128 to 10240 MB"),
        (["echo", "--timeout", "901"], "timeout 901.0 must be above 0 and at most 900 seconds"),
        (["echo", "--python", "no-such-python"], "python 'no-such-python' is not a program"),
        (["echo", "--task-root", "no-such-folder"], "no-such-folder' is not a folder"),
        (["echo", "--bootstrap", "'"], "cannot be read as a command"),
        (["echo", "--bootstrap", " "], "bootstrap is empty"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value)[:30],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_a_remedy(arguments, told, capfd):
    with pytest.raises(SystemExit) as ended:
        app(["invoke", *arguments], prog_name="snapboot")
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith("snapboot: ")
    assert told in printed.err


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
    status, printed = shell("snapboot talk_for_ever 2>&1 | head -n 2; exit ${PIPESTATUS[0]}")
    start, function = printed.split(b"\n")[:2]
    assert (status, start[:5]) == (141, b"START")
    assert not runs(int(function))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("snapboot echo 7 >&-", (0, b"")),
        ("snapboot echo 7 2>&-", (0, b"7\n")),
        ("snapboot echo 7 <&-", (0, b"7\n")),
        ("snapboot echo 7 <&- >&- 2>&-", (0, b"")),
        ("snapboot echo - <&- 2>&1", (2, b"snapboot: the event in standard input is not JSON: ")),
    ],
)
def test_a_stream_that_is_closed_from_the_start_is_as_good_as_the_null_device(script, expected):
    status, printed = shell(script)
    assert (status, printed[: len(expected[1])]) == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_result_that_cannot_be_written_is_told():
    status, told = shell("snapboot echo 2>&1 >/dev/full | tail -n 1; exit ${PIPESTATUS[0]}")
    assert status == 2
    assert told.startswith(b"snapboot: cannot write the result to standard output: No space left")


@pytest.mark.parametrize(
    ("event", "status"),
    [("[" * 100_000, 2), ("NaN", 2), ("9" * 5000, 1), ('"\\ud800"', 0)],
    ids=["deep", "no number", "long number", "half a character"],
)
def test_an_event_that_python_itself_finds_hard_is_no_traceback(event, status):
    done = invoked("echo", "-", "--json", input=event.encode())
    assert (done.returncode, b"Traceback" in done.stderr) == (status, False)
    assert (status == 0) is (done.stdout.startswith(b'{"result": "\\ud800"'))


def test_a_signal_stops_the_command_although_nobody_reads_its_log():
    command = ["invoke", "talk_for_ever", "--task-root", str(HERE), "--bootstrap", RUNTIME]
    with subprocess.Popen(
        [sys.executable, "-m", "snapboot_devkit", *command, "--timeout", "300"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as running:
        running.stderr.readline()
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
    running.stderr.readline()
    function = int(running.stderr.readline())
    assert runs(function)
    running.send_signal(number)
    running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 130
    assert not runs(function)


def test_the_example_runs_on_our_own_runtime():
    command = ["invoke", "app.handler", f"@{EXAMPLE / 'event.json'}", "--task-root", str(EXAMPLE)]
    done = snapboot(*command, "--timeout", "30")
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["message"] == "Hello, Ada!"
    log = done.stderr.decode()
    assert "GET /hello" in log
    assert "REPORT RequestId: " in log


def test_a_handler_that_does_not_exist_shows_the_runtimes_init_error():
    done = snapboot("invoke", "nothing.handler", "--task-root", str(EXAMPLE), "--timeout", "30")
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorType"] == "Runtime.ImportModuleError"
    assert "INIT_REPORT" in done.stderr.decode()


def test_a_terminal_gets_an_indented_result():
    import pty

    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": "80"}
    invoked("echo", '{"a": 1}', stdout=theirs, capture_output=False, env=environ)
    os.close(theirs)
    shown = b""
    # Linux tells the end of a terminal by an error.
    while b"}" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    assert shown.decode().splitlines()[:2] == ["{", '  "a": 1']


def test_the_event_of_the_example_is_a_version_2_event():
    event = json.loads(Path(EXAMPLE / "event.json").read_text())
    assert event["version"] == "2.0"
    assert event["requestContext"]["http"]["method"] == "GET"
