"""Which interpreter is taken where the first of the name on the PATH does not start.

pyenv puts a script on the PATH for every version that it has, active or not.
"""

import os
import sys

import pytest

from snapboot_devkit.host import interpreters
from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.package.interpreters import managed

MAJOR, MINOR = sys.version_info[0], sys.version_info[1] + 1
NAME = f"python{MAJOR}.{MINOR}"
# This Python, which says that it is the next version; `$4` is what it is to run.
NEXT = (
    f"import sys; sys.version_info = {(MAJOR, MINOR, 7)}; "
    f"sys.hexversion = {(MAJOR << 24) + (MINOR << 16) + 0x7F0}; exec(sys.argv[1])"
)
WORKS = f"""exec {sys.executable} -I -S -c "{NEXT}" "$4"\n"""


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Return what puts programs of that name on the PATH, by their script, and gives them."""

    def put(*scripts):
        programs = [tmp_path / str(number) / NAME for number in range(len(scripts))]
        for program, script in zip(programs, scripts, strict=True):
            program.parent.mkdir()
            program.write_text(f"#!/bin/sh\n{script}")
            program.chmod(0o755)
        folders = [str(program.parent) for program in programs]
        monkeypatch.setenv("PATH", os.pathsep.join([*folders, os.environ["PATH"]]))
        return programs

    return put


def test_the_packager_and_the_audit_take_the_first_that_starts_and_is_of_the_version(on_path):
    other = f"exec {sys.executable} $@\n"
    programs = on_path("exit 127\n", other, WORKS)
    assert managed.program(f"{MAJOR}.{MINOR}") == programs[2]
    assert managed.program(f"{MAJOR}.{MINOR}.7") == programs[2]


def test_the_host_takes_the_first_that_starts(on_path):
    on_path("exit 127\n", WORKS)
    assert interpreters.find(NAME).version == f"{MAJOR}.{MINOR}"


def test_where_none_starts_the_first_is_named_with_what_it_says(on_path):
    programs = on_path("echo not active >&2; exit 127\n", "exit 1\n")
    with pytest.raises(ConfigError, match=f"'{programs[0]}' cannot run .*: not active; give"):
        interpreters.find(NAME)


def test_a_path_means_that_program_alone(on_path):
    broken, _ = on_path("exit 127\n", WORKS)
    with pytest.raises(ConfigError, match=str(broken)):
        interpreters.find(str(broken))
