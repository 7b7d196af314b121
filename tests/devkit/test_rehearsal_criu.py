"""Rehearsing SnapStart by CRIU: how it is called, where it cannot be used, what it restores."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from snapboot_devkit.host import FunctionConfig, InitializationType
from snapboot_devkit.rehearse import criu, rehearsal
from snapboot_devkit.rehearse.criu import Criu
from snapboot_devkit.rehearse.errors import RehearsalError
from snapboot_devkit.rehearse.stage import Backend
from tests.devkit.test_rehearsal import of_this_test

FOLDER = Path("/images")
HANDLER = "\ndef handler(event, context): return 1\n"


# --- how it is called ----------------------------------------------------------------------------


def test_a_process_tree_is_dumped_with_its_locks_and_without_its_connections():
    assert " ".join(Criu("/sbin/criu", as_root=True).dumped(7, FOLDER)) == (
        "/sbin/criu dump --tree 7 --images-dir /images --log-file dump.log --tcp-close "
        "--file-locks --skip-in-flight"
    )


def test_it_is_restored_as_a_child_of_the_rehearsal():
    assert " ".join(Criu("/sbin/criu", as_root=True).restored(FOLDER)) == (
        "/sbin/criu restore --images-dir /images --log-file restore.log --tcp-close --file-locks "
        "--restore-detached --restore-sibling"
    )


def test_who_is_not_root_asks_for_what_capabilities_allow():
    one = Criu("criu", as_root=False)
    commands = (one.checked(), one.dumped(7, FOLDER), one.restored(FOLDER))
    assert [command[-1] for command in commands] == ["--unprivileged"] * 3


# --- what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Version: 4.2.1\n", None),
        ("Version: 10.0\nGitID: v10.0\n", None),
        ("Version: 3.19\nGitID: v3.19\n", "it is older than version 4: 'Version: 3.19'"),
        ("no such option\n", "'criu --version' names no version, but 'no such option'"),
        ("", "'criu --version' names no version, but 'nothing'"),
    ],
)
def test_a_version_before_4_is_too_old(said, reason):
    assert criu.reason_of_version(said) == reason


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            (
                "Warn  (criu/kerndat.c:1290): Can't keep kdat cache on non-tempfs\n"
                "Error (criu/mount.c:381): mnt: No parent found for mountpoint 165\n"
            ),
            "mnt: No parent found for mountpoint 165",
        ),
        (
            (
                "(00.06) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: no\n"
                "(00.07) Error (criu/sk-unix.c:873): unix: Can't dump half of stream\n"
                "(00.08) Error (criu/cr-dump.c:1975): Dumping FAILED.\n"
            ),
            "unix: Can't dump half of stream",
        ),
        ("(00.33)      9: Error (criu/files-reg.c:1): File has bad size\n", "File has bad size"),
        (
            "criu: error while loading shared libraries\n",
            "criu: error while loading shared libraries",
        ),
    ],
)
def test_the_first_error_is_the_cause(said, cause):
    assert criu.cause_in(said) == cause


# --- where it cannot be used ---------------------------------------------------------------------


def stand_in(folder: Path, script: str) -> str:
    """Return a PATH with a program of this name alone."""
    program = folder / "criu"
    program.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
    program.chmod(0o755)
    return str(folder)


CHECK_FAILS = """
case "$1" in --version) echo "Version: 4.2.1";;
*) echo "Error (criu/kerndat.c:9): kernel has no CONFIG_CHECKPOINT_RESTORE"; exit 1;; esac
"""


def reason(path: str) -> str:
    with pytest.raises(RehearsalError) as caught:
        criu.find(path)
    text = str(caught.value)
    assert text.startswith("--backend criu cannot be used here: ")
    assert text.endswith(", or rehearse with --backend clone")
    return text


def test_where_it_is_not_installed_that_is_said(tmp_path):
    assert "it is not installed; install the package criu" in reason(str(tmp_path))


def test_where_it_is_too_old_that_is_said(tmp_path):
    path = stand_in(tmp_path, 'echo "Version: 3.17.1"')
    assert "older than version 4: 'Version: 3.17.1'; install version 4 or later" in reason(path)


def test_where_it_does_not_start_that_is_said(tmp_path):
    (tmp_path / "criu").write_text("#!/nowhere/interpreter\n")
    (tmp_path / "criu").chmod(0o755)
    assert "names no version, but" in reason(str(tmp_path))


def test_what_the_kernel_lacks_is_said_with_what_to_do(tmp_path):
    text = reason(stand_in(tmp_path, CHECK_FAILS))
    assert "fails with 'kernel has no CONFIG_CHECKPOINT_RESTORE'" in text
    assert ("as root, in a container with --privileged" in text) == (os.geteuid() == 0)


def test_the_command_says_it_in_one_line(tmp_path):
    (tmp_path / "app.py").write_text(HANDLER)
    path = stand_in(tmp_path, CHECK_FAILS)
    words = ["snapboot_devkit", "rehearse", "app.handler", "--fresh", "0", "--backend", "criu"]
    done = subprocess.run(
        [sys.executable, "-m", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "CONFIG_CHECKPOINT_RESTORE" in done.stderr


# --- what it restores ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def usable():
    """Skip where CRIU cannot be used, with the reason that a user gets."""
    try:
        criu.find()
    except RehearsalError as exc:
        pytest.skip(str(exc))


def rehearsed(root: Path, source: str, **plan):
    (root / "app.py").write_text(textwrap.dedent(source))
    config = FunctionConfig(
        "app.handler", task_root=root, initialization=InitializationType.SNAP_START
    )
    wanted = {"restores": 2, "fresh": 0, "backend": Backend.CRIU, **plan}
    return rehearsal.rehearse(config, rehearsal.RehearsalPlan(**wanted))


THREAD = """
import os, threading
ASKED, ANSWERED = threading.Event(), threading.Event()
def answer():
    while ASKED.wait():
        ASKED.clear()
        ANSWERED.set()
threading.Thread(target=answer, daemon=True).start()
INIT = os.getpid(), os.urandom(4).hex()
def handler(event, context):
    ASKED.set()
    assert ANSWERED.wait(5)
    return INIT == (os.getpid(), INIT[1])
def made(): return INIT
"""


@pytest.mark.usefixtures("usable")
def test_a_thread_of_the_init_is_at_work_after_each_restore(tmp_path):
    held = rehearsed(tmp_path, THREAD)
    assert held.findings == []
    assert [clone.results for clone in held.clones] == [[b"true"], [b"true"]]


FLAWS = """
import os, random, socket, threading
RNG = random.Random(4)
ENDS = os.pipe()
LISTENER = socket.create_server(("127.0.0.1", 0))
PEER = socket.create_connection(LISTENER.getsockname())
def handler(event, context): return 1
"""
CORRECTED = """
import os, random, snapboot, socket
RNG = random.Random(4)
snapboot.after_restore(RNG.seed)
ENDS = os.pipe()
LISTENER = socket.create_server(("127.0.0.1", 0))
PEER = socket.create_connection(LISTENER.getsockname())
for end in ENDS: snapboot.before_snapshot(os.close, end)
snapboot.before_snapshot(PEER.close)
@snapboot.after_restore
def again():
    global ENDS
    ENDS = os.pipe()
def handler(event, context): return 1
"""


@pytest.mark.usefixtures("usable")
def test_flaws_are_found_by_their_lines_and_what_a_hook_renews_is_none(tmp_path):
    held = rehearsed(tmp_path, FLAWS)
    assert {(one.check, one.where) for one in held.findings} == {
        ("generators", f"{tmp_path}/app.py:3"),
        ("pipes", f"{tmp_path}/app.py:4"),
        ("sockets", f"{tmp_path}/app.py:6"),
    }
    assert rehearsed(tmp_path, CORRECTED).findings == []


@pytest.mark.usefixtures("usable")
def test_without_restore_safety_restores_share_their_sequences(tmp_path):
    source = "import random, ssl\nssl.RAND_bytes(1)\n" + HANDLER
    (tmp_path / "app.py").write_text(source)
    config = FunctionConfig(
        "app.handler",
        task_root=tmp_path,
        initialization=InitializationType.SNAP_START,
        env={"SNAPBOOT_RESTORE_SAFETY": "off"},
    )
    plan = rehearsal.RehearsalPlan(restores=2, fresh=0, backend=Backend.CRIU)
    assert {one.check for one in rehearsal.rehearse(config, plan).findings} == {"random", "openssl"}


@pytest.mark.usefixtures("usable")
def test_a_restored_environment_that_leaves_says_how(tmp_path):
    held = rehearsed(tmp_path, "import os\ndef handler(event, context): os._exit(3)\n")
    (found,) = held.findings
    assert (found.check, found.text) == ("restore", "the environment has ended with status 3")


@pytest.mark.usefixtures("usable")
def test_what_cannot_be_checkpointed_is_named(tmp_path):
    other = "import os, socket\nONE = socket.socket(socket.AF_UNIX)\n"
    other += "ONE.connect(os.environ['PLACE'])\n"
    place = tmp_path / "place"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        (tmp_path / "app.py").write_text(other + HANDLER)
        config = FunctionConfig(
            "app.handler",
            task_root=tmp_path,
            initialization=InitializationType.SNAP_START,
            env={"PLACE": str(place)},
        )
        plan = rehearsal.RehearsalPlan(restores=2, fresh=0, backend=Backend.CRIU)
        with pytest.raises(
            RehearsalError, match=r"CRIU could not (checkpoint|restore) the function: 'unix: "
        ):
            rehearsal.rehearse(config, plan)


@pytest.mark.usefixtures("usable")
def test_nothing_is_left_of_its_restores(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    rehearsed(tmp_path, "def handler(event, context): return 1\n", restores=3)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert of_this_test(tmp_path) == []
