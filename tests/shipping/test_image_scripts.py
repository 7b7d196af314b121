"""What runs in a base before Python does, by the shells that bases have: dash and busybox."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.contenders import ROOT

SCRIPT = ROOT / "image/provide-python.sh"
DEADLINE_S = 60
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}
# What the script may call besides the shell's own words.
TOOLS = ("mkdir", "ln")


@pytest.fixture(params=SHELLS)
def shell(request):
    command = SHELLS[request.param]
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"there is no {command[0]!r} here; apt-get install it")
    return [program, *command[1:]]


@pytest.fixture
def path(tmp_path):
    """Return a folder of programs, the only one on the PATH."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(shutil.which("busybox") or shutil.which(tool))
    return tmp_path


def run(shell, path, *arguments):
    return subprocess.run(
        [*shell, SCRIPT, *arguments],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def write(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_python_that_will_do_is_taken_as_it_is(shell, path):
    write(path / "python3", f'exec {sys.executable} "$@"')
    done = run(shell, path, "3.99")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pip ")


def test_a_python_without_pip_is_reported(shell, path):
    write(path / "python3", f'[ "$1" = -m ] && exit 1; exec {sys.executable} "$@"')
    done = run(shell, path, "3.99")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "snapboot: the python3 of PYTHON_IMAGE has no pip; add it to that image\n"


@pytest.mark.parametrize("old", ["exit 1", None], ids=["too old", "none"])
def test_where_no_python_can_be_had_the_remedy_is_reported(shell, path, old):
    if old:
        write(path / "python3", old)
    done = run(shell, path, "3.99")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("snapboot: PYTHON_IMAGE has no python3 from 3.11 up on its PATH")


@pytest.mark.parametrize("manager", ["dnf", "microdnf"])
def test_a_package_manager_that_fails_ends_the_build(shell, path, manager):
    write(path / manager, 'echo "$*"; exit 3')
    done = run(shell, path, "3.14")
    assert (done.returncode, done.stdout) == (3, "install -y python3.14 python3.14-pip\n")


def test_the_sealer_is_posix_shell(shell):
    script = ROOT / "image/seal.sh"
    done = subprocess.run(
        [*shell, "-n", script], capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.access(script, os.R_OK)
