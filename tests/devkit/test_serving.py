"""The host as a program: serves until a signal stops it."""

import contextlib
import http.client
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading

import pytest

from snapboot_devkit.host import ConfigError
from snapboot_devkit.host.serving import allowed_hosts, described, listen_address
from tests.devkit.hosted import DEADLINE_S, HERE, runs

SERVE = (
    "import sys; from snapboot_devkit.host import serve; serve(sys.argv[1], bootstrap=sys.argv[2])"
)
RUNTIME = shlex.join([sys.executable, "-B", str(HERE / "plain_runtime.py")])
BOOTSTRAP = HERE.parents[1] / "bootstrap"


@pytest.fixture
def serve(monkeypatch):
    """Return what starts a program that serves a behaviour, and returns it and its port."""
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(HERE))
    monkeypatch.setenv("SNAPBOOT_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("A_VARIABLE_OF_THE_IMAGE", "visible")
    with contextlib.ExitStack() as stack:

        def start(handler):
            command = [sys.executable, "-c", SERVE, handler, RUNTIME]
            program = stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE))
            stack.callback(program.kill)
            answer = program.stderr.readline().decode()
            return program, int(re.search(r":(\d+)/", answer)[1])

        yield start


def invoke(port, event=b"{}"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("POST", "/2015-03-31/functions/function/invocations", event)
    response = connection.getresponse()
    result = response.status, json.loads(response.read())
    connection.close()
    return result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_service_cleanly(serve, number):
    program, port = serve("about")
    status, answer = invoke(port)
    assert status == 200
    assert answer["env"]["A_VARIABLE_OF_THE_IMAGE"] == "visible"
    assert answer["env"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "3008"
    program.send_signal(number)
    log = program.stderr.read().decode()
    assert program.wait(DEADLINE_S) == 0
    assert "REPORT RequestId: " in log
    assert "Traceback" not in log
    assert not runs(int(answer["env"]["PID"]))


def test_a_service_goes_on_when_the_reader_of_its_log_goes_away(serve):
    program, port = serve("say")
    program.stderr.close()
    assert [invoke(port, b'["hello\\n"]') for _ in range(3)] == [(200, None)] * 3
    program.terminate()
    assert program.wait(DEADLINE_S) == 0


def test_a_service_answers_and_stops_although_no_one_reads_its_log(serve):
    program, port = serve("print_megabytes")
    # More than the pipe and what the host lets wait take together.
    assert invoke(port, b"40") == (200, None)
    assert invoke(port, b"0") == (200, None)
    program.terminate()
    assert program.wait(DEADLINE_S) == 0


def test_what_a_slow_reader_of_the_log_has_missed_is_reported(serve):
    program, port = serve("print_megabytes")
    assert invoke(port, b"40") == (200, None)
    read = threading.Thread(target=lambda: log.append(program.stderr.read()))
    log = []
    read.start()
    # The last lines of this one find room again.
    assert invoke(port, b"0") == (200, None)
    program.terminate()
    read.join(DEADLINE_S)
    assert re.search(rb"\nsnapboot: [1-9]\d* lines dropped, as no one read the log\n", log[0])


def run_bootstrap(**environ):
    """Run our own runtime by hand, without a Runtime API, to its end."""
    command = [sys.executable, "-SsP", str(BOOTSTRAP), "app.handler"]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=DEADLINE_S, env=environ
    )


@pytest.mark.parametrize(
    "value", ["8080", "127.0.0.1", "127.0.0.1:http", "[::1:8080", "h:65536", "::1:8"]
)
def test_an_address_to_listen_on_that_is_none_is_named(value):
    done = run_bootstrap(SNAPBOOT_LISTEN=value)
    assert done.returncode == 1
    assert done.stderr == (
        f"snapboot: variable SNAPBOOT_LISTEN={value!r} must be HOST:PORT, such as 127.0.0.1:8080 "
        "or [::]:8080\n"
    )


def test_a_port_in_use_is_reported_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_bootstrap(SNAPBOOT_LISTEN=address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"snapboot: cannot listen on {address}: ")
    assert done.stderr.count("\n") == 1


def test_a_setting_that_cannot_be_used_is_reported_without_a_traceback():
    done = run_bootstrap(AWS_LAMBDA_FUNCTION_MEMORY_SIZE="much")
    assert done.returncode == 1
    assert done.stderr.startswith("snapboot: variable AWS_LAMBDA_FUNCTION_MEMORY_SIZE='much' must ")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, ("127.0.0.1", 8080)),
        ("", ("127.0.0.1", 8080)),
        ("0.0.0.0:8080", ("0.0.0.0", 8080)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_the_service_listens_where_its_variable_says(value, address):
    assert listen_address({} if value is None else {"SNAPBOOT_LISTEN": value}) == address


@pytest.mark.parametrize(
    ("value", "names"),
    [(None, []), ("", []), (" , ", []), ("a", ["a"]), ("a, b.example,*", ["a", "b.example", "*"])],
)
def test_the_names_that_a_service_may_be_called_by_are_separated_by_commas(value, names):
    environ = {} if value is None else {"SNAPBOOT_ALLOW_HOSTS": value}
    assert allowed_hosts(environ) == names


def test_a_function_is_described_by_the_variables_of_its_image(tmp_path):
    config = described(
        "app.handler",
        {
            "LAMBDA_TASK_ROOT": str(tmp_path),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "7",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": "greeter",
            "PATH": "/opt/bin",
        },
    )
    assert (config.timeout_s, config.memory_mb, config.name) == (7.0, 512, "greeter")
    assert config.task_root == tmp_path
    assert config.image_env["PATH"] == "/opt/bin"
    assert "LAMBDA_TASK_ROOT" not in config.image_env


def test_a_limit_that_is_no_number_is_named():
    with pytest.raises(ConfigError, match="AWS_LAMBDA_FUNCTION_TIMEOUT='soon' must be a number"):
        described("app.handler", {"AWS_LAMBDA_FUNCTION_TIMEOUT": "soon"})
