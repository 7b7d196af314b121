"""`bootstrap` is found and started as Lambda does it, or says what is missing."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import OURS, ROOT, Contender, function_environment
from tests.fakes.mounts import LAYERS, RUNTIME, TASK_ROOT, mounted
from tests.fakes.runtime_api import Event, RuntimeAPI

if TYPE_CHECKING:
    from tests.fakes.function import Function

DEADLINE_S = 20
ECHO = """
def handler(event, context):
    return event
"""
WHERE = """
import snapboot

def handler(event, context):
    return snapboot.__file__
"""
HERE = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def started_by(*command: str) -> Contender:
    """Return our runtime started by exactly this command."""
    return Contender("snapboot", lambda handler: list(command), lambda: HERE)


def run_by_hand(*command, environment=None):
    """Run without a Runtime API; return how it ended."""
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**HERE, **(environment or {})},
    )


# --- where it is found --------------------------------------------------------------------------


def test_lambda_can_execute_it():
    assert os.access(ROOT / "bootstrap", os.X_OK)


def test_it_starts_from_a_checkout_by_its_shebang(function: Function):
    function.code(WHERE)
    run = function.run(Event(), contender=started_by(str(ROOT / "bootstrap")))
    assert run.result == str(ROOT / "runtime/snapboot/__init__.py")


def test_it_starts_beside_its_modules(function: Function, flat):
    function.code(WHERE)
    run = function.run(Event(), contender=started_by(str(flat / "bootstrap")))
    assert run.result == str(flat / "snapboot/__init__.py")


def test_it_starts_by_a_path_that_is_relative_to_the_task_root(function: Function, flat):
    function.code(WHERE)
    relative = os.path.relpath(flat / "bootstrap", function.root)
    run = function.run(Event(), contender=started_by(sys.executable, "-SsP", relative))
    assert Path(run.result).samefile(flat / "snapboot/__init__.py")


@pytest.mark.parametrize("name", ["bootstrap", "start"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "a link to a link"])
def test_a_link_is_followed_to_the_runtime(function: Function, flat, kind, name):
    link = function.root / name
    target = flat / "bootstrap"
    if kind == "a link to a link":
        (function.root / "between").symlink_to(target)
        target = Path("between")
    elif kind == "relative":
        target = Path(os.path.relpath(target, function.root))
    link.symlink_to(target)
    function.code("def handler(event, context): return event")
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # with a `python3`
    for command in ([str(link)], [f"./{name}"]):
        contender = Contender("linked", lambda handler, command=command: command, lambda: path)
        assert function.run(Event(b"1"), contender=contender).result == 1


def test_it_starts_from_the_root_of_the_function_itself(function: Function, flat):
    shutil.copytree(flat, function.root, dirs_exist_ok=True)
    function.code(ECHO)
    run = function.run(Event(b"1"), contender=started_by(str(function.root / "bootstrap")))
    assert run.result == 1


@pytest.mark.parametrize("place", [RUNTIME, LAYERS])
def test_it_starts_where_lambda_looks_for_it_and_all_is_read_only(function: Function, flat, place):
    function.code(WHERE)
    contender = mounted([f"{place}/bootstrap"], {place: flat, TASK_ROOT: function.root})
    run = function.run(Event(), contender=contender, environment={"PYTHONDONTWRITEBYTECODE": None})
    assert run.result == f"{place}/snapboot/__init__.py"
    assert run.stderr == ""


def test_it_starts_for_a_user_who_may_write_nothing(function: Function, flat):
    function.code("import os\ndef handler(event, context): return os.getuid()")
    as_unprivileged = ["setpriv", "--reuid=993", "--regid=990", "--clear-groups", "--"]
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here to change the user with")
    start = [*as_unprivileged, _python_for_all(), "-SsP", f"{RUNTIME}/bootstrap"]
    contender = mounted(start, {RUNTIME: flat, TASK_ROOT: function.root})
    assert function.run(Event(), contender=contender).result == 993


def _python_for_all() -> str:
    """Return a Python that another user may start: this one, or the system's."""
    for python in (sys.executable, "/usr/bin/python3"):
        question = "import sys; print(sys.version_info >= (3, 11), sys.base_prefix)"
        answer = run_by_hand(python, "-c", question).stdout.split() if Path(python).exists() else ()
        if answer and answer[0] == "True" and _may_be_entered_by_all(Path(answer[1])):
            return python
    pytest.skip("no Python here that another user may start")


def _may_be_entered_by_all(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


# --- which handler ------------------------------------------------------------------------------


def test_the_handler_is_named_by_the_variable(function: Function):
    function.write("pkg/deep.py", ECHO)
    contender = started_by(sys.executable, "-SsP", str(ROOT / "bootstrap"))
    assert function.run(Event(b"1"), handler="pkg/deep.handler", contender=contender).result == 1


def test_the_handler_is_named_by_the_first_argument(function: Function):
    function.code("import os\ndef handler(event, context): return os.environ['_HANDLER']")
    contender = started_by(sys.executable, "-SsP", str(ROOT / "bootstrap"), "app.handler")
    run = function.run(Event(), contender=contender, environment={"_HANDLER": None})
    assert run.result == "app.handler"


def test_the_first_argument_wins_over_the_variable(function: Function):
    function.code(ECHO)
    contender = started_by(sys.executable, "-SsP", str(ROOT / "bootstrap"), "app.handler")
    assert function.run(Event(b"1"), handler="other.one", contender=contender).result == 1


def test_without_a_handler_initialisation_fails_as_with_a_malformed_one(function: Function):
    contender = started_by(sys.executable, "-SsP", str(ROOT / "bootstrap"))
    run = function.run(contender=contender, environment={"_HANDLER": None})
    assert run.returncode == 1
    assert run.document["errorType"] == "Runtime.MalformedHandlerName"


# --- AWS_LAMBDA_EXEC_WRAPPER --------------------------------------------------------------------

# As the Developer Guide has it: options go before the last argument, which is the script.
DOCUMENTED_WRAPPER = """\
#!/bin/bash
args=("$@")
export FROM_THE_WRAPPER="$_HANDLER"
args=("${args[@]:0:$#-1}" "-X" "importtime" "${args[@]: -1}")
exec "${args[@]}"
"""


def wrapper(function: Function, source: str, mode: int = 0o755) -> dict[str, str]:
    """Write a wrapper script beside the task root; return the variable that names it."""
    path = function.root.parent / "wrapper"
    path.write_text(source)
    path.chmod(mode)
    return {"AWS_LAMBDA_EXEC_WRAPPER": str(path)}


@pytest.mark.skipif(not shutil.which("bash"), reason="the documented wrapper is for bash")
@pytest.mark.parametrize("bootstrap", ["checkout", "flat"])
def test_a_wrapper_adds_options_to_the_interpreter(function: Function, flat, bootstrap):
    function.code(WHERE.replace("snapboot.__file__", "os.environ['FROM_THE_WRAPPER']"))
    function.code("import os" + (function.root / "app.py").read_text())
    program = {"checkout": ROOT / "bootstrap", "flat": flat / "bootstrap"}[bootstrap]
    contender = started_by(sys.executable, "-SsP", str(program), "app.handler")
    environment = {**wrapper(function, DOCUMENTED_WRAPPER), "_HANDLER": None}
    run = function.run(Event(), contender=contender, environment=environment)
    assert run.result == "app.handler"
    assert "import time:" in run.stderr


def test_a_wrapper_that_does_not_exist_ends_with_127(function: Function):
    run = function.run(environment={"AWS_LAMBDA_EXEC_WRAPPER": "/nowhere/wrapper"})
    assert (run.returncode, run.stderr) == (127, "/nowhere/wrapper: does not exist\n")
    assert run.requests == ()


def test_a_wrapper_that_is_not_executable_ends_with_126(function: Function):
    environment = wrapper(function, "#!/bin/sh\n", mode=0o644)
    run = function.run(environment=environment)
    path = environment["AWS_LAMBDA_EXEC_WRAPPER"]
    assert (run.returncode, run.stderr) == (126, f"{path}: is not an executable\n")


def test_a_wrapper_without_a_shebang_is_reported_and_ends_with_126(function: Function):
    environment = wrapper(function, "exec $@\n")
    run = function.run(environment=environment)
    assert run.returncode == 126
    assert environment["AWS_LAMBDA_EXEC_WRAPPER"] in run.stderr


def test_an_empty_wrapper_variable_is_no_wrapper(function: Function):
    function.code(ECHO)
    run = function.run(Event(b"1"), environment={"AWS_LAMBDA_EXEC_WRAPPER": ""})
    assert run.result == 1


# --- without the platform -----------------------------------------------------------------------


def test_without_a_runtime_api_and_the_devkit_it_says_what_is_missing(flat, bare_python):
    ending = run_by_hand(bare_python, "-SsP", str(flat / "bootstrap"), "app.handler")
    assert ending.returncode == 1
    assert "AWS_LAMBDA_RUNTIME_API is not set" in ending.stderr
    assert "'app.handler'" in ending.stderr
    assert "pip install 'snapboot[devkit]'" in ending.stderr
    assert "Traceback" not in ending.stderr


def test_without_a_runtime_api_and_a_handler_it_says_how_to_name_one():
    ending = run_by_hand(sys.executable, "-SsP", str(ROOT / "bootstrap"))
    assert ending.returncode == 1
    assert "first argument" in ending.stderr
    assert "_HANDLER" in ending.stderr
    assert "Traceback" not in ending.stderr


def test_without_a_runtime_api_the_devkit_serves_the_function_on_port_8080(function: Function):
    if _answers(8080):
        pytest.skip("another program listens on port 8080")
    function.code(ECHO)
    environment = {**function_environment(function.root), **HERE}
    command = [sys.executable, "-SsP", str(ROOT / "bootstrap"), "app.handler"]
    with subprocess.Popen(
        command, env=environment, cwd=function.root, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as host:  # fmt: skip
        assert host.stdout is not None
        try:
            said = next((line for line in host.stdout if "8080" in line), "")
            assert said, "the host ended without a word on port 8080"
            assert _invoked(8080, b'{"n": 1}') == b'{"n":1}'
        finally:
            host.terminate()
            host.communicate(timeout=DEADLINE_S)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _invoked(port: int, event: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("POST", "/2015-03-31/functions/function/invocations", event)
        return connection.getresponse().read()


def test_a_runtime_api_that_cannot_be_reached_is_named_with_its_variable(function: Function, over):
    function.code(ECHO)
    with RuntimeAPI() as api:
        gone = api.address
    ending = run_by_hand(
        *OURS.command("app.handler"),
        environment={
            "AWS_LAMBDA_RUNTIME_API": gone,
            "LAMBDA_TASK_ROOT": str(function.root),
            **over,
        },
    )
    assert ending.returncode == 1
    assert gone in ending.stderr
    assert ending.stderr.startswith("snapboot: ")
    assert len(ending.stderr.splitlines()) == 1


def test_an_address_that_is_none_is_named_with_its_variable(function: Function):
    function.code(ECHO)
    run = function.run(environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:http"})
    assert run.returncode == 1
    assert "'127.0.0.1:http' (AWS_LAMBDA_RUNTIME_API)" in run.stderr
    assert "Traceback" not in run.stderr
