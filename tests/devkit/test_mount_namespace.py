"""An environment's own view of the file system: /var/task, /opt and /tmp as on Lambda."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from snapboot_devkit.host.sandbox import mount_namespace as rooms
from snapboot_devkit.host.sandbox.mount_namespace import (
    LAYER_ROOT,
    TASK_ROOT,
    MountNamespace,
    plan,
    prepare,
)
from tests.devkit.children import played

LINUX = sys.platform == "linux"

LOOKS = """
import os
def attempt(action):
    try:
        return action()
    except OSError as exc:
        return exc.strerror
def write(name):
    with open(name, "w") as file:
        file.write("x")
    return "written"
task_root, mine = os.environ["TASK_ROOT"], os.environ["MINE"]
print(attempt(lambda: write(f"{task_root}/new")), flush=True)
print(attempt(lambda: os.listdir(task_root)), flush=True)
print(attempt(lambda: write("/tmp/new")), flush=True)
print(attempt(lambda: os.path.exists(mine)), flush=True)
"""


def code(tmp_path):
    root = tmp_path / "code"
    root.mkdir()
    (root / "app.py").touch()
    return root


@pytest.fixture
def mine():
    """A file of the developer's, in /tmp itself."""
    path = Path(f"/tmp/snapboot-test-{os.getpid()}")
    path.touch()
    yield path
    path.unlink()


def seen(tmp_path, mine, change=lambda room: room):
    async def scenario(stage):
        furnished = prepare(code(tmp_path), None, stage.sandbox.temporary, [Path(sys.executable)])
        if not isinstance(furnished, MountNamespace):
            pytest.skip(furnished)
        furnished = change(furnished)
        stage.sandbox.namespace = furnished
        stage.spawn(LOOKS, TASK_ROOT=str(furnished.task_root), MINE=str(mine))
        await stage.notes.exit()
        lines = [line for _, line in stage.notes.lines]
        return lines, sorted(path.name for path in stage.sandbox.temporary.iterdir())

    return played(scenario)


def expected(lines, temporary):
    assert lines == ["Read-only file system", "['app.py']", "written", "False"]
    assert "new" in temporary
    assert not Path("/tmp/new").exists()


def test_code_is_read_only_and_tmp_is_the_environments_own(tmp_path, mine):
    expected(*seen(tmp_path, mine))


def test_the_same_holds_through_a_program_in_a_user_namespace(tmp_path, mine):
    def as_user(room):
        room = replace(room, as_root=False)
        if problem := rooms._try_as_user(room):
            pytest.skip(problem)
        return room

    expected(*seen(tmp_path, mine, as_user))


def test_what_is_needed_and_is_in_tmp_stays():
    room = plan(
        Path("/tmp/code/app"), None, Path("/tmp/own"), [Path("/tmp/venv/bin/python")], as_root=True
    )
    assert room.binds[:4] == (
        ("rw", "/tmp/own", "/tmp"),
        ("rw", "/tmp/code", "/tmp/code"),
        ("rw", "/tmp/venv", "/tmp/venv"),
        ("ro", "/tmp/code/app", "/tmp/code/app"),
    )


@pytest.mark.skipif(not LAYER_ROOT.is_dir(), reason="this machine has no /opt")
def test_layers_are_seen_at_opt_unless_something_needed_is_there(tmp_path):
    room = plan(tmp_path, tmp_path, tmp_path, [], as_root=True)
    assert room.layer_root == LAYER_ROOT
    assert ("ro", str(tmp_path), "/opt") in room.binds
    room = plan(tmp_path, tmp_path, tmp_path, [LAYER_ROOT / "python"], as_root=True)
    assert room.layer_root == tmp_path
    assert "files that the function needs are in it" in room.missing[-1]


@pytest.mark.skipif(not (LINUX and LAYER_ROOT.is_dir()), reason="this machine has no /opt")
def test_what_a_layer_is_yet_to_bring_keeps_no_layer_away(tmp_path):
    room = prepare(tmp_path, tmp_path, tmp_path, [LAYER_ROOT / "not-here/bootstrap"])
    if not isinstance(room, MountNamespace):
        pytest.skip(room)
    assert room.layer_root == LAYER_ROOT


@pytest.mark.skipif(TASK_ROOT.is_dir(), reason="this machine has a /var/task")
def test_a_folder_that_this_machine_lacks_is_reported_with_the_remedy(tmp_path):
    room = plan(tmp_path, None, tmp_path, [], as_root=True)
    assert room.task_root == tmp_path
    assert "sudo mkdir -p /var/task" in room.missing[0]


@pytest.mark.skipif(not LINUX, reason="mounts are Linux's")
def test_a_room_that_cannot_be_made_is_a_reason_and_not_an_error(tmp_path):
    reason = prepare(tmp_path / "nowhere", None, tmp_path)
    assert "No such file" in reason


@pytest.mark.skipif(not (LINUX and os.geteuid() == 0), reason="only root can become another user")
def test_an_ordinary_user_gets_the_same_view(tmp_path):
    code(tmp_path).chmod(0o777)
    tmp_path.chmod(0o755)
    (tmp_path / "own").mkdir()
    (tmp_path / "own").chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(0o755)
    room = plan(tmp_path / "code", None, tmp_path / "own", [], as_root=False)
    program = Path(rooms.__file__)
    python = Path("/usr/bin/python3").resolve()
    paths = [*python.parents, *program.parents, python]
    if not all(path.exists() and path.stat().st_mode & 0o001 for path in paths):
        pytest.skip("an ordinary user can reach neither interpreter nor program")
    command = room.entering(["/bin/sh", "-c", "id -u; touch /tmp/new; touch another"])
    done = subprocess.run(
        [str(python), *command[1:]],
        cwd=tmp_path / "code",
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "65534\n"
    assert "Read-only file system" in done.stderr
    assert (tmp_path / "own/new").exists()
