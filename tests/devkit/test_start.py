"""`snapboot start` as people type it, in a process of its own."""

import contextlib
import http.client
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from snapboot_devkit.cli import commands
from snapboot_devkit.cli.labels import Labels
from snapboot_devkit.cli.listeners import listener
from snapboot_devkit.cli.progress import PATIENCE_S, InitProgress
from snapboot_devkit.host import LogLine, Source
from tests.devkit.hosted import DEADLINE_S, HERE, runs

RUNTIME = shlex.join([sys.executable, "-B", str(HERE / "plain_runtime.py")])
USUAL = ("--task-root", str(HERE), "--bootstrap", RUNTIME, "--timeout", "30", "--no-reload")


class Service:
    """A running `snapboot start`, and its log so far."""

    def __init__(self, process):
        self.process = process
        self._changed = threading.Condition()
        self._log = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = int(self.logged(r"Serving at http://127\.0\.0\.1:(\d+)")[1])

    def logged(self, pattern):
        """Wait for a text in the log."""

        def found():
            return re.search(pattern, self._log)

        with self._changed:
            assert self._changed.wait_for(lambda: found() or self.ended, DEADLINE_S)
        assert found(), self._log
        return found()

    @property
    def ended(self):
        return not self._reader.is_alive()

    def end(self):
        """End the command, and with it the reading of its log."""
        self.process.kill()
        self._reader.join(DEADLINE_S)

    def log(self):
        """Return the whole log, at its end."""
        self._reader.join(DEADLINE_S)
        return self._log

    def invoke(self, name, event=None):
        return self.request("POST", f"/2015-03-31/functions/{name}/invocations", json.dumps(event))

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self._log += line.decode()
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


@pytest.fixture
def started():
    """Return what starts a service on a free port, which ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, usual=USUAL):
            command = [sys.executable, "-m", "snapboot_devkit", "start", *arguments, "--port", "0"]
            process = subprocess.Popen([*command, *usual], stderr=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            service = Service(process)
            stack.callback(service.end)
            return service

        yield start


def test_what_it_says_is_how_to_invoke(started):
    service = started("greet=echo")
    logged = service.logged(
        r"(?s)greet  echo  (\S+)\n.*  curl (\S+) -d '\{\}'\n.*function-name greet"
    )
    assert logged[1] == f"http://greet.lambda-url.localhost:{service.port}/"
    assert logged[2].startswith(f"http://127.0.0.1:{service.port}/")
    path = logged[2].partition(str(service.port))[2]
    assert service.request("POST", path, "{}") == (200, b"{}")


def test_the_line_for_boto3_needs_no_settings(started, tmp_path):
    pytest.importorskip("boto3")
    line = started("greet=echo").logged(r"  (boto3\.client.*)\n")[1]
    code = f"import boto3; print({line}['StatusCode'])"
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=bare, capture_output=True, timeout=DEADLINE_S
    )
    assert done.stdout == b"200\n"


def test_several_functions_are_served_and_distinguished_in_the_log(started):
    service = started("one=say", "two=say")
    assert service.invoke("one", ["from one\n"]) == (200, b"null")
    assert service.invoke("two", ["from two\n"]) == (200, b"null")
    assert service.logged(r"one [0-9a-f]{8} \| from one")
    assert service.logged(r"two [0-9a-f]{8} \| from two")


def test_a_single_functions_log_needs_no_label(started):
    service = started("greet=say")
    service.invoke("greet", ["plain\n"])
    assert service.logged(r"(?m)^plain$")
    assert "\x1b" not in service.logged(r"(?s).*")[0]


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_a_failed_init_is_reported_with_what_to_do_once(started, tmp_path, log_format):
    (tmp_path / "app.py").write_text("def handler(event, context): return event\n")
    usual = ("--task-root", str(tmp_path), "--log-format", log_format)
    service = started("app.handle", usual=usual)
    assert service.invoke("app")[0] == 200
    log = service.logged(r"(?s).*(REPORT RequestId|platform\.report).*")[0]
    assert log.count("hint: app.py has: handler\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_every_process(started, number):
    service = started("greet=about")
    pid = int(json.loads(service.invoke("greet")[1])["env"]["PID"])
    service.process.send_signal(number)
    assert service.process.wait(DEADLINE_S) == 0
    assert "Traceback" not in service.log()
    assert not runs(pid)


# Registers for SHUTDOWN, and is not moved by it.
STUBBORN = """\
#!{python} -SB
import http.client, json, os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
named = {{"Lambda-Extension-Name": "stubborn"}}
api.request("POST", "/2020-01-01/extension/register", json.dumps({{"events": ["SHUTDOWN"]}}), named)
answer = api.getresponse()
answer.read()
print("stubborn is process", os.getpid(), flush=True)
named = {{"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}}
api.request("GET", "/2020-01-01/extension/event/next", headers=named)
api.getresponse().read()
print("stubborn got SIGTERM", flush=True)
signal.pause()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells of others' ends")
def test_a_second_signal_does_not_wait_for_those_who_take_their_time(started, tmp_path):
    extension = tmp_path / "layer" / "extensions" / "stubborn"
    extension.parent.mkdir(parents=True)
    extension.write_text(STUBBORN.format(python=sys.executable))
    extension.chmod(0o755)
    service = started("greet=echo", "--layer", str(tmp_path / "layer"))
    assert service.invoke("greet", 7) == (200, b"7")
    pid = int(service.logged(r"stubborn is process (\d+)")[1])
    service.process.send_signal(signal.SIGINT)
    service.logged("stubborn got SIGTERM")
    end = os.pidfd_open(pid)
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(DEADLINE_S) == 130
    # By the reaper, which outlives the host.
    assert select.select([end], [], [], DEADLINE_S)[0]
    os.close(end)


def test_a_change_of_the_code_is_taken_up(started, tmp_path):
    code = tmp_path / "app.py"
    code.write_text("def handler(event, context): return 'old'\n")
    service = started("app.handler", usual=("--task-root", str(tmp_path), "--timeout", "30"))
    assert service.invoke("app") == (200, b'"old"')
    code.write_text("def handler(event, context): return 'new one'\n")
    answer = service.invoke("app")
    while answer == (200, b'"old"'):
        answer = service.invoke("app")
    assert answer == (200, b'"new one"')


def complaint(*arguments, capfd):
    """Run the command in vain, and return what it says."""
    with pytest.raises(SystemExit) as ended:
        commands.main(["start", *arguments])
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    return printed.err


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens")
def test_a_port_in_use_is_reported_with_its_owner_and_the_option(capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        complained = complaint("echo", "--port", str(port), *USUAL, capfd=capfd)
    assert f"cannot listen on 127.0.0.1:{port}: " in complained
    assert (
        f"(process {os.getpid()}); stop that program, or choose another port with --port"
        in complained
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["app.one", "app.two"], "'app.one' and 'app.two' are both called 'app'"),
        (["a=app.one", "a=app.two"], "give one another name: NAME=app.two"),
        (["a=x.y", "b=x.z", "--debug", "0"], "--debug works with one function"),
        (["a b=x.y"], "function name 'a b'"),
        (["x.y", "--layer", "no-such-layer"], "no-such-layer"),
        (["x.y", "--initialization-type", "managed-instances"], "give it with --max-concurrency"),
        (["x.y", "--max-concurrency", "4"], "add --initialization-type managed-instances"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_used_is_named_with_a_remedy(arguments, expected, capfd):
    assert expected in complaint(*arguments, capfd=capfd)


# ---- what it is made of ----------------------------------------------------------------------


def test_a_port_that_no_one_listens_on_has_no_listener():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert listener(port) is None


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_listener_is_reported_by_name_and_process(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server((address, 0), family=family)
    except OSError as exc:
        pytest.skip(f"no {address} here: {exc}")
    with listening:
        who = listener(listening.getsockname()[1])
    assert who.endswith(f" (process {os.getpid()})")


def test_the_environments_of_a_function_are_distinguished_from_the_second_on():
    labels = Labels(functions=1)
    first, second = (
        LogLine(Source.FUNCTION, "x", "greet", f"2025/02/04/[$LATEST]{sign * 32}") for sign in "ab"
    )
    found = [labels.label(line) for line in (first, second, first)]
    assert found == ["", "bbbbbbbb", ""]


def test_the_line_comes_after_a_while_and_goes_with_the_init():
    written = []
    progress = InitProgress(written.append, shown=True)
    progress.look(["greet"], 100.0)
    progress.look(["greet"], 100.0 + PATIENCE_S / 2)
    assert written == []
    progress.look(["greet"], 100.0 + PATIENCE_S)
    assert re.search(r"initialising greet … 1 s", written[-1])
    progress.write("a line of the log\n")
    assert written[-1] == "\r\x1b[2Ka line of the log\n"
    progress.look(["greet"], 102.0)
    assert re.search(r"initialising greet … 2 s", written[-1])
    progress.look([], 103.0)
    assert written[-1] == "\r\x1b[2K"
    progress.write("after\n")
    assert written[-1] == "after\n"
