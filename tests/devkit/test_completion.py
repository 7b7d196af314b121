"""`snapboot completion`: what a shell offers after the beginning of a word."""

from __future__ import annotations

import subprocess
import sys

import pytest

from snapboot_devkit.cli import commands

DEADLINE_S = 60
# What bash does when the tabulator is typed.
TYPED = """
source "$1"; shift
COMP_WORDS=(snapboot "$@"); COMP_CWORD=$#; COMP_LINE="snapboot $*"; COMP_POINT=${#COMP_LINE}
_shtab_snapboot snapboot "${@: -1}" "" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell, path):
    command = [sys.executable, "-m", "snapboot_devkit", "completion", shell]
    done = subprocess.run(command, check=False, capture_output=True, timeout=DEADLINE_S)
    assert (done.returncode, done.stderr) == (0, b"")
    path.write_bytes(done.stdout)
    return path


def offered(path, *words):
    command = ["/bin/bash", "-c", TYPED, "bash", str(path), *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=DEADLINE_S, cwd=path.parent
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    (folder / "event.json").touch()
    return script("bash", folder / "script")


def test_a_command_is_completed(bash):
    assert offered(bash, "in") == {"invoke"}
    assert offered(bash, "") >= set(commands.COMMANDS)


def test_an_option_of_the_command_is_completed(bash):
    assert offered(bash, "invoke", "--ev") == {"--event", "--event-template"}
    assert offered(bash, "audit", "--ev") == set()


def test_a_file_is_completed_where_an_option_takes_one(bash):
    assert "event.json" in offered(bash, "invoke", "--event", "ev")


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_the_other_shells_have_a_script_too(shell, tmp_path):
    assert "snapboot" in script(shell, tmp_path / "script").read_text()


def test_an_unknown_shell_is_refused_with_those_there_are(capfd):
    with pytest.raises(SystemExit) as ended:
        commands.main(["completion", "fish"])
    assert ended.value.code == 2
    assert "'fish' is not one of 'bash', 'zsh', 'tcsh'" in capfd.readouterr().err
