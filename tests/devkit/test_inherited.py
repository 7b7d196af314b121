"""What a function gets of the host's own surroundings, which is nothing: it sees Lambda's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from snapboot_devkit.host import ConfigError, FunctionConfig, interpreters
from tests.fakes.contenders import ROOT
from tests.fakes.fixtures import bare_python
from tests.layouts import layouts

__all__ = ["bare_python"]

DEADLINE_S = 120
STATE = """
import fcntl, importlib.util, os, resource, signal, subprocess, sys

ignored = [s.name for s in signal.valid_signals()
           if isinstance(s, signal.Signals) and signal.getsignal(s) is signal.SIG_IGN]
children = "import os, sys; print(sys.version_info[:2], sys.prefix, sorted(os.environ))"

def asked(name):
    done = subprocess.run([name, "-c", "import sys; print(sys.prefix, *sys.version_info[:2])"],
                          capture_output=True, text=True)
    return done.stdout.split()

def handler(event, context):
    umask = os.umask(0)
    os.umask(umask)
    return {
        "variables": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": umask,
        "ignored": ignored,
        "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "leads a session": os.getsid(0) == os.getpid() == os.getpgrp(),
        "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:4],
        "stdin": os.read(0, 1).decode(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "python3": asked("python3"),
        "python": asked("python"),
        "own": [sys.prefix, *map(str, sys.version_info[:2])],
        "found": [name for name in event if importlib.util.find_spec(name)],
        "path": sys.path,
    }
"""
# What surrounds the host: a shell that has changed all that processes inherit.
CHANGED = """
umask 077
trap '' HUP INT QUIT USR1
ulimit -n 512
exec 7</dev/null 8>/dev/null
exec "$@"
"""
BLOCKED = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
VARIABLES = {
    "VIRTUAL_ENV": "/nowhere", "CONDA_PREFIX": "/nowhere", "LC_ALL": "C", "LANG": "C", "TZ": "Asia/Tokyo",
    "HOME": "/nowhere", "PWD": "/nowhere", "TMPDIR": "/tmp", "AWS_PROFILE": "mine",
    "AWS_SECRET_ACCESS_KEY": "mine", "AWS_REGION": "eu-north-1", "LD_LIBRARY_PATH": "/nowhere",
    "PYTHONPATH": str(ROOT / "tests/functions/echo"), "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "1",
    "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "_HANDLER": "not.mine",
    "AWS_LAMBDA_EXEC_WRAPPER": "/nowhere", "SNAPBOOT_JSON": "none", "_X_AMZN_TRACE_ID": "Root=mine",
}  # fmt: skip
# The platform's, and what the runtime adds for children (specification 6 and 8.1).
EXPECTED = {
    "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "LANG", "LD_LIBRARY_PATH",
    "PATH", "PYTHONPATH", "TMPDIR", "TZ", "_AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER", "_X_AMZN_TRACE_ID",
}  # fmt: skip
# What the devkit needs, and a function has not asked for.
DEVKIT = [
    "h11",
    "orjson",
    "packaging",
    "elftools",
    "rich",
    "snapboot_devkit",
    "urllib3",
    "uv",
]


@pytest.fixture(params=["checkout", "wheel"])
def devkit(request):
    """Return the interpreter of an installed devkit."""
    return sys.executable if request.param == "checkout" else layouts.installed_python()


@pytest.fixture
def task(tmp_path):
    """Return a function's folder, where the test is at home."""
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "app.py").write_text(textwrap.dedent(STATE))
    return folder


def invoked(devkit, task, *options, event=(), under=(), environment=None, status=0, cwd=None):
    """Return what a function returns when the host invokes it."""
    command = [*under, devkit, "-m", "snapboot_devkit", "invoke", "app.handler", json.dumps(event),
               "--task-root", task, "--timeout", "60", *options]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), check=False, capture_output=True, text=True, timeout=DEADLINE_S,
        env=environment, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stdout + done.stderr


def test_nothing_of_the_hosts_surroundings_reaches_a_function(devkit, task):
    under = [sys.executable, "-c", BLOCKED, "/bin/sh", "-c", CHANGED, "sh"]
    environment = {**VARIABLES, "PATH": os.environ["PATH"]}
    seen = invoked(devkit, task, under=under, environment=environment)
    variables = seen.pop("variables")
    # CPython sets it where the locale that LANG names is not installed (PEP 538).
    assert set(variables) - {"LC_CTYPE"} == EXPECTED
    assert [name for name, value in variables.items() if VARIABLES.get(name) == value] == []
    folder = str(Path(devkit).parent)
    assert variables["PATH"] == f"{folder}:{layouts.LAMBDA_PATH}"
    assert not any("tests/functions" in entry for entry in seen.pop("path"))
    assert {name: seen[name] for name in list(seen)[:8]} == {
        "cwd": str(task),
        "umask": 0o022,
        "ignored": ["SIGPIPE", "SIGXFSZ"],  # by the function's own Python
        "blocked": [],
        "leads a session": True,
        "descriptors": [0, 1, 2, seen["descriptors"][3]],
        "stdin": "",
        "files": [512, 512],
    }
    assert 7 not in seen["descriptors"]
    assert 8 not in seen["descriptors"]


def test_python3_is_the_functions_own_in_a_virtual_environment_named_by_a_relative_path(
    devkit, task, bare_python, tmp_path
):
    relative = os.path.relpath(bare_python, tmp_path)
    seen = invoked(devkit, task, "--python", relative, event=DEVKIT, cwd=tmp_path)
    own = [str(Path(bare_python).parents[1]), *map(str, sys.version_info[:2])]
    assert (seen["own"], seen["python3"], seen["python"]) == (own, own, own)
    assert seen["found"] == []


def other_python():
    """Return a program of another version, from the PATH or beside ours; skip where there is none."""
    beside = map(str, Path(sys.base_prefix).parent.glob("*/bin/python3.1[1-9]"))
    for program in (*beside, *(f"python3.{minor}" for minor in range(11, 20))):
        if not shutil.which(program) or program.endswith(f".{sys.version_info.minor}"):
            continue
        try:
            return program, interpreters.find(program)
        except ConfigError:
            continue
    pytest.skip("no second Python here")


def test_python3_is_the_functions_own_where_it_is_of_another_version(devkit, task):
    name, other = other_python()
    seen = invoked(devkit, task, "--python", name, event=DEVKIT)
    version = other.version.rstrip("t").split(".")
    assert [seen[key][1:] for key in ("own", "python3")] == [version, version]
    assert seen["python"] in ([], seen["own"])
    assert "snapboot_devkit" not in seen["found"]


def test_an_interpreter_beside_the_systems_python3_gets_a_folder_of_its_names(
    devkit, task, tmp_path
):
    other = tmp_path / "bin"
    other.mkdir()
    (other / "python3").write_text("#!/bin/sh\nexit 3\n")
    (other / "python3").chmod(0o755)
    program = other / f"python3.{sys.version_info.minor}"
    program.symlink_to(Path(sys.executable).resolve())
    seen = invoked(devkit, task, "--python", program)
    assert seen["python3"] == seen["python"] == seen["own"]
    first = Path(seen["variables"]["PATH"].split(":")[0])
    assert first != other
    assert not first.exists(), "it is removed with the host"


def test_a_shim_is_asked_for_the_interpreter_that_it_starts(task, tmp_path):
    shim = tmp_path / "python3.99"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    config = FunctionConfig("app.handler", task_root=task, python=str(shim))
    assert config.command[0] == sys.executable


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo broken >&2; exit 3", "broken"),
        ("""echo '["", "cpython", [3, 9], ""]'""", "it is cpython 3.9"),
        ("""echo '["", "pypy", [3, 11], ""]'""", "it is pypy 3.11"),
        ("echo hello", "Expecting value"),
        ("exit 0", ""),
    ],
)
def test_a_python_that_cannot_run_the_runtime_is_refused_with_the_reason(
    task, tmp_path, script, reason
):
    program = tmp_path / "python3"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(ConfigError) as refused:
        FunctionConfig("app.handler", task_root=task, python=str(program))
    assert str(refused.value).startswith(f"python {str(program)!r} cannot run the runtime: ")
    assert reason in str(refused.value)
    assert str(refused.value).endswith("; give a CPython from 3.11 up")


def test_a_runtime_that_is_no_python_gets_the_platforms_path_alone(devkit, task):
    script = task / "bootstrap"
    script.write_text('#!/bin/sh\necho "PATH is $PATH" >&2\nexit 1\n')
    script.chmod(0o755)
    said = invoked(devkit, task, "--bootstrap", "./bootstrap", status=1)
    assert f"PATH is {layouts.LAMBDA_PATH}\n" in said


def test_a_python_that_a_command_names_is_the_one_of_the_function(devkit, task, bare_python):
    folder = Path(bare_python).parent
    (task / "own.py").write_text(
        "import os, sys; sys.exit(f'{sys.prefix} {os.environ[\"PATH\"]}')\n"
    )
    said = invoked(devkit, task, "--bootstrap", "python own.py", "--python", bare_python, status=1)
    assert f"{folder.parent} {folder}:{layouts.LAMBDA_PATH}" in said


# --- one way to start the runtime -----------------------------------------------------------------


def test_a_layer_is_on_the_path_of_an_isolated_function(devkit, task, tmp_path):
    layer = tmp_path / "layer/python"
    layer.mkdir(parents=True)
    (layer / "layered.py").write_text("")
    seen = invoked(devkit, task, "--isolate", "--layer", layer.parent, event=["layered"])
    assert seen["found"] == ["layered"]


def test_a_wrapper_that_does_not_exist_ends_the_init(devkit, task):
    said = invoked(devkit, task, "--env", "AWS_LAMBDA_EXEC_WRAPPER=/nowhere/wrapper", status=1)
    assert "/nowhere/wrapper: does not exist" in said


def test_a_wrapper_finds_python3_and_starts_the_function(devkit, task, tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text("#!/bin/sh\nexport WRAPPED=yes\nexec python3 -c "
                       "'import os, sys; os.execv(sys.argv[1], sys.argv[1:])' \"$@\"\n")  # fmt: skip
    wrapper.chmod(0o755)
    seen = invoked(devkit, task, "--env", f"AWS_LAMBDA_EXEC_WRAPPER={wrapper}")
    assert seen["variables"]["WRAPPED"] == "yes"
