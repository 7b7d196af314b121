"""examples/README.md: each of its lines is run as it stands there, and each folder has one."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from oracles import OracleUnavailable, web
from tests.devkit.hosted import DEADLINE_S, HERE

EXAMPLES = HERE.parents[1] / "examples"
README = (EXAMPLES / "README.md").read_text("utf-8")
LINES = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
INSTALLING = re.compile(r"pip install (\S+) && ")
PRINTED = {
    "hello-http": {"message": "Hello, Ada!"},
    "asynchronous": {"prices": [120, 150, 90], "sum": 360},
    "fastapi": {"message": "Hello, Ada!"},
}
COUNTDOWN = b'data: {"left": 2}\n\ndata: {"left": 1}\n\nevent: end\ndata: {}\n\n'


def line_of(folder, command="invoke"):
    (line,) = [
        line for line in LINES if f"snapboot {command}" in line and f" examples/{folder}" in line
    ]
    return line


@contextlib.contextmanager
def started(line):
    """Run a line as a shell does, with this checkout's command, and what it installs in a cache."""
    installs = INSTALLING.match(line)
    if installs:
        try:
            line = f"{INSTALLING.sub('', line)} --env PYTHONPATH={web.folder(installs[1])}"
        except OracleUnavailable as exc:
            pytest.skip(str(exc))
    command = line.replace("snapboot ", f"{sys.executable} -m snapboot_devkit ", 1)
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        cwd=EXAMPLES.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def printed_by(line):
    with started(line) as process:
        printed, log = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, log
    return printed


@pytest.mark.parametrize("folder", PRINTED)
def test_an_example_prints_its_result(folder):
    result = json.loads(printed_by(line_of(folder)))
    document = json.loads(result["body"]) if "body" in result else result
    assert document.items() >= PRINTED[folder].items()


def test_the_streaming_example_prints_its_events():
    assert printed_by(line_of("streaming")) == COUNTDOWN


def test_the_streaming_example_is_served_by_the_local_host():
    line = f"{line_of('streaming', 'start')} --port 0"
    with started(line) as process:
        address = None
        while address is None:
            text = process.stderr.readline().decode()
            assert text, "the host has ended"
            address = re.search(r"Serving at (http://[\d.:]+),", text)
        done = subprocess.run(
            ["curl", "-sSN", f"{address[1]}/function-url/app/?from=2"],
            capture_output=True,
            timeout=DEADLINE_S,
            check=True,
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert done.stdout == COUNTDOWN


def test_each_folder_is_in_the_list_and_has_a_line_a_handler_and_an_event():
    folders = {path.parent.name for path in EXAMPLES.glob("*/app.py")}
    listed = set(re.findall(r"^\| `([\w-]+)` \|", README, re.MULTILINE))
    assert listed == folders | {"deploy", "measure"}
    assert folders == {*PRINTED, "streaming"}
    for folder in folders:
        assert line_of(folder)
        assert json.loads((EXAMPLES / folder / "event.json").read_text())


def test_no_line_is_left_out():
    run = {line_of(folder) for folder in (*PRINTED, "streaming")} | {line_of("streaming", "start")}
    assert run == set(LINES)
