"""A host that is killed without asking: nothing of it is left, not even its temporary files."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from snapboot_devkit.host.sandbox import cgroups
from snapboot_devkit.host.sandbox.limits import Limits
from snapboot_devkit.host.sandbox.reaper import Reaper
from tests.devkit.hosted import DEADLINE_S, HERE, runs

ROOT = HERE.parents[1]
HOST = """
import asyncio, json, sys
from pathlib import Path
from snapboot_devkit.host import InitializationType, LocalHost
from tests.devkit.hosted import config

async def main(settings):
    if "initialization" in settings:
        settings["initialization"] = InitializationType(settings["initialization"])
    async with LocalHost(config("echo", **settings)) as host:
        await host.invoke()
        print(host._reaper.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(json.loads(sys.argv[1])))
"""


DAEMONS = """
import os, subprocess, sys

KEEPING, SLEEP = dict(os.environ), [sys.executable, "-c", "import time; time.sleep(300)"]
BREEDER = [sys.executable, "-c", '''
import os, time
while True:
    if os.fork() == 0:
        time.sleep(300)
    time.sleep(0.05)
''']


# As daemons are: started by a child that goes, and in a session of their own.
def daemon(command, environ):
    readable, writable = os.pipe()
    if os.fork() == 0:
        started = subprocess.Popen(command, env=environ, start_new_session=True)
        os.write(writable, b"%d" % started.pid)
        os._exit(0)
    os.wait()
    return int(os.read(readable, 20))


def handler(event, context):
    return {
        "bare": daemon(SLEEP, {}),
        "breeder": daemon(BREEDER, {}),
        "marked": daemon(SLEEP, KEEPING),
    }
"""
KILLED = """
import asyncio, json, sys
from snapboot_devkit.host import FunctionConfig, LocalHost
from snapboot_devkit.host.sandbox import cgroups

async def main(groups):
    if not groups:
        cgroups.homes = lambda: []
    lines = []
    function = FunctionConfig("app.handler", task_root=sys.argv[1], timeout_s=30)
    async with LocalHost(function, log=lambda line: lines.append(line.text)) as host:
        daemons = json.loads((await host.invoke()).payload)
        folders = [
            str(folder)
            for one in host._functions.named(None).pool.environments
            for folder in one._sandbox._group.folders
        ]
        print(json.dumps([host._reaper.pid, daemons, folders, lines]), flush=True)
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[2] == "groups"))
"""


def killed(tmp_path, groups):
    """Kill a host whose function has left daemons; return them, its groups and its log."""
    (tmp_path / "app.py").write_text(DAEMONS)
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-B", "-c", KILLED, str(tmp_path), groups]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as host:
        reaper, daemons, folders, lines = json.loads(host.stdout.readline())
        handle = os.pidfd_open(reaper)
        host.kill()
    ended, _, _ = select.select([handle], [], [], DEADLINE_S)
    os.close(handle)
    assert ended
    return daemons, folders, lines


@pytest.mark.skipif(not cgroups.homes(), reason="no control group can be made here")
def test_no_daemon_and_no_group_outlives_a_killed_host_whatever_it_has_done_to_be_forgotten(
    tmp_path,
):
    daemons, folders, lines = killed(tmp_path, "groups")
    assert folders
    assert [name for name, pid in daemons.items() if runs(pid)] == []
    assert [folder for folder in folders if Path(folder).exists()] == []
    assert not any("control group" in line for line in lines)


@pytest.mark.skipif(sys.platform != "linux", reason="a handle of any process takes Linux")
def test_where_there_are_no_groups_it_is_said_at_the_start_what_may_be_left(tmp_path):
    daemons, folders, lines = killed(tmp_path, "none")
    try:
        assert folders == []
        assert "daemons that a function has started may keep running" in lines[0]
        assert "stop the host with Ctrl-C" in lines[0]
        assert not runs(daemons["marked"])
    finally:
        for leader in (daemons["bare"], daemons["breeder"]):
            os.killpg(leader, signal.SIGKILL)


@pytest.mark.skipif(not cgroups.homes(), reason="no control group can be made here")
def test_a_living_host_is_spared_though_a_thread_of_it_is_in_a_group(tmp_path):
    group = cgroups.Group(f"snapboot-{uuid4().hex}", Limits(), cgroups.homes())
    joined, ended = threading.Event(), threading.Event()

    def stay():
        group.join()
        joined.set()
        ended.wait(DEADLINE_S)

    thread = threading.Thread(target=stay)
    try:
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as child:
            group.add(child.pid)
            for folder in group.folders:
                (folder / "tasks").exists() and (folder / "cgroup.procs").write_text(str(child.pid))
            thread.start()
            assert joined.wait(DEADLINE_S)
            guard = Reaper()
            for folder in group.folders:
                guard.send("group", folder)
            guard.close()
            assert child.wait(DEADLINE_S) == -signal.SIGKILL
    finally:
        ended.set()
        thread.join()
        group.close()


@pytest.mark.skipif(not cgroups.homes(), reason="no control group can be made here")
def test_groups_that_a_function_has_made_below_its_own_go_with_it():
    group = cgroups.Group(f"snapboot-{uuid4().hex}", Limits(), cgroups.homes())
    folders = group.folders
    for folder in folders:
        (folder / "own" / "deeper").mkdir(parents=True)
    with Reaper() as guard:
        for folder in folders:
            guard.send("group", folder)
    assert not any(map(Path.exists, folders))
    group = cgroups.Group(f"snapboot-{uuid4().hex}", Limits(), cgroups.homes())
    folders = group.folders
    (folders[0] / "own").mkdir()
    group.close()
    assert not any(map(Path.exists, folders))


@pytest.mark.skipif(sys.platform != "linux", reason="a handle of any process takes Linux")
@pytest.mark.parametrize("managed", [False, True], ids=["on demand", "managed"])
def test_the_temporary_files_of_a_killed_host_go_with_it(managed, tmp_path):
    code, temporary = tmp_path / "code.zip", tmp_path / "temporary"
    temporary.mkdir()
    with zipfile.ZipFile(code, "w") as archive:
        archive.write(HERE / "behaviours.py", "behaviours.py")
    settings = {"task_root": str(code)}
    if managed:
        limits = {"memory_mb": 2048, "max_concurrency": 1}
        settings |= {"initialization": "lambda-managed-instances", **limits}
    environ = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-B", "-c", HOST, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as host:
        handle = os.pidfd_open(int(host.stdout.readline()))
        prefixes = {path.name.rpartition("-")[0] for path in temporary.iterdir()}
        assert {"snapboot-code", "snapboot-tmp", *(["snapboot"] if managed else [])} == prefixes
        host.kill()
    # Readable once the process has ended.
    ended, _, _ = select.select([handle], [], [], DEADLINE_S)
    os.close(handle)
    assert ended
    assert list(Path(temporary).iterdir()) == []
