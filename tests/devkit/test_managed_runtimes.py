"""`--runtime python3.13`: AWS's managed runtime, played by the host, with and without a wrapper."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from snapboot_devkit.host.sandbox.mount_namespace import LAYER_ROOT
from tests.devkit.packages import snapboot
from tests.fakes.contenders import ROOT

pytestmark = pytest.mark.slow

NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
WHO = """
import os, sys, boto3

def handler(event, context):
    return {
        "client": type(context).__module__.partition(".")[0],
        "boto3": boto3.__file__,
        "path": sys.path,
        "execution": os.environ["AWS_EXECUTION_ENV"],
        "runtime": os.environ["LAMBDA_RUNTIME_DIR"],
    }
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "app.py").write_text(WHO)
    return folder


@pytest.fixture
def layer(tmp_path):
    """Return the wrapper layer, without bytecode."""
    if os.geteuid() or not LAYER_ROOT.is_dir():
        pytest.skip(f"layers are shown at {LAYER_ROOT} by root alone, where that folder is there")
    opt = tmp_path / "opt"
    ignored = shutil.ignore_patterns("__pycache__", "exec")
    shutil.copytree(ROOT / "runtime", opt / "snapboot.d", ignore=ignored)
    shutil.copy2(ROOT / "runtime/snapboot/exec", opt / "snapboot")
    return opt


def invoked(cache, task, *arguments, runtime=NAME):
    words = ("invoke", "app.handler", "--task-root", task, "--timeout", "60", "--runtime", runtime)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = snapboot(*words, *arguments, env=environment)
    if "cannot install what the runtime" in done.stderr:
        pytest.skip(done.stderr)
    return done


def seen(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_function_runs_on_awss_client_with_its_packages(cache, task):
    found = seen(invoked(cache, task))
    assert found["client"] == "awslambdaric"
    assert found["boto3"] == f"{found['runtime']}/boto3/__init__.py"
    assert found["execution"] == f"AWS_Lambda_{NAME}"
    assert Path(found["runtime"]).is_relative_to(cache)
    # Of this machine's own packages it sees none.
    assert not [entry for entry in found["path"] if Path(entry).is_relative_to(ROOT)]


def test_a_wrapper_is_honoured(cache, task, layer):
    wrapped = ("--layer", layer, "--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/snapboot")
    theirs, ours = seen(invoked(cache, task)), seen(invoked(cache, task, *wrapped))
    assert ours["client"] == "snapboot"
    assert ours["boto3"] == theirs["boto3"]
    assert ours["path"][:-1] == list(dict.fromkeys(theirs["path"]))
    assert ours["path"][-1] == "/opt/snapboot.d"


def test_a_wrapper_that_is_not_there_ends_the_init_as_it_does_on_lambda(cache, task):
    done = invoked(cache, task, "--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/absent")
    assert done.returncode == 1
    assert "/opt/absent: does not exist" in done.stderr
    assert "exit status 127" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("runtime", "arguments", "words"),
    [
        ("nodejs22.x", (), "'nodejs22.x'"),
        ("python3.9", (), "3.11"),
        ("python3.99", (), "uv python install 3.99"),
        (NAME, ("--python", "python3"), "leave out --python 'python3'"),
        (NAME, ("--bootstrap", "true"), "leave out --bootstrap 'true'"),
    ],
)
def test_what_cannot_be_played_is_refused(cache, task, runtime, arguments, words):
    done = invoked(cache, task, *arguments, runtime=runtime)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written_is_named(task, tmp_path):
    (tmp_path / "file").write_text("")
    done = invoked(tmp_path / "file", task)
    assert done.returncode == 2
    assert "XDG_CACHE_HOME" in done.stderr
