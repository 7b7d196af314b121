"""What an environment may take, with the platform's own outcome when it takes more."""

import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from snapboot_devkit.host.sandbox import cgroups
from snapboot_devkit.host.sandbox.cgroups import Group, Home
from snapboot_devkit.host.sandbox.limits import Limits, Peak, cpu_share, exceeds, of_lambda
from tests.devkit.children import WAIT, played, state
from tests.devkit.hosted import document, hosted

LINUX = sys.platform == "linux"
linux = pytest.mark.skipif(not LINUX, reason="limits are Linux's")
MIB = 1024 * 1024

TAKES = """
import os
taken = []
while True:
    taken.append(b"x" * 1048576)
    os.write(1, b"more\\n")
"""


def test_a_whole_cpu_comes_with_1769_mb():
    assert cpu_share(1769) == 1
    assert of_lambda(3538, cpu=True).cpus == 2
    assert of_lambda(128) == Limits(memory_mb=128, cpus=None, processes=1024, files=1024)


# ---- memory ----------------------------------------------------------------------------------


@linux
def test_who_takes_too_much_memory_is_killed():
    async def scenario(stage):
        stage.spawn(TAKES)
        return await stage.notes.exit(), stage.sandbox.out_of_memory, stage.sandbox.peak_mb()

    code, out_of_memory, peak_mb = played(scenario, Limits(memory_mb=64))
    assert code == -signal.SIGKILL
    assert out_of_memory
    assert peak_mb >= 64


@linux
def test_a_child_that_takes_too_much_takes_the_runtime_with_it():
    async def scenario(stage):
        stage.spawn(f"import os\nif os.fork():\n    os.wait()\n{TAKES}")
        return await stage.notes.exit(), stage.sandbox.out_of_memory

    assert played(scenario, Limits(memory_mb=64)) == (-signal.SIGKILL, True)


@linux
def test_pages_that_processes_share_count_once():
    shared = 40
    program = f"""
import os, time
taken = b"x" * {shared * MIB}
if all(os.fork() for _ in range(4)):
    print(os.getpid(), flush=True)
{WAIT}
"""

    async def scenario(stage):
        pid = await stage.child(program)
        with closing(Peak(pid)) as peak:
            while peak.kib() < 4 * shared * 1024:
                pass
        return exceeds([pid], 100 * 1024), exceeds([pid], shared * 1024)

    assert played(scenario) == (False, True)


@linux
def test_a_function_that_runs_out_of_memory_fails_as_on_lambda_and_comes_back():
    async def scenario(host):
        return [await host.invoke(megabytes) for megabytes in (1, 400, 1)]

    before, above, after = hosted("swallow_memory", scenario, memory_mb=128)
    assert document(above)["errorType"] == "Runtime.ExitError"
    assert document(above)["errorMessage"].endswith(
        "Error: Runtime exited with error: signal: killed"
    )
    assert above.report.max_memory_used_mb >= 128
    assert before.payload == after.payload


# ---- descriptors -----------------------------------------------------------------------------


@linux
def test_a_process_has_as_many_descriptors_as_on_lambda():
    program = """
import os, resource, sys
sys.stdin.read()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)
"""

    async def scenario(stage):
        # What is started by what was limited is limited for certain.
        stage.spawn(
            f"import subprocess, sys, time; time.sleep(0.2); subprocess.run([sys.executable, '-c', {program!r}])"
        )
        return await stage.notes.line()

    assert played(scenario, Limits(files=200)) == "200 200"


# ---- control groups --------------------------------------------------------------------------


V1_MOUNTS = """\
25 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw
30 25 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 25 0:26 /docker/1 /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 25 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_the_hosts_own_groups_are_read_from_what_the_kernel_reports():
    own = "4:memory:/docker/1\n3:cpu,cpuacct:/user\n1:name=systemd:/\n0::/session\n"
    assert cgroups.places(own, V1_MOUNTS) == [
        (Path("/sys/fs/cgroup/memory"), 1, frozenset({"memory"})),
        (Path("/sys/fs/cgroup/cpu,cpuacct/user"), 1, frozenset({"cpu", "cpuacct"})),
        (Path("/sys/fs/cgroup/unified/session"), 2, frozenset()),
    ]


def test_a_group_outside_of_what_is_mounted_is_not_found():
    assert cgroups.places("4:memory:/another\n", V1_MOUNTS) == []


def test_a_group_of_version_2_is_given_what_it_serves(tmp_path):
    home = Home(tmp_path, 2, frozenset({"cpu", "memory", "pids"}))
    group = Group("name", Limits(memory_mb=128, cpus=0.5), [home])
    assert texts(tmp_path / "name") == {
        "memory.max": str(128 * MIB),
        "memory.swap.max": "0",
        "pids.max": "1024",
    }
    assert group.limits_memory
    assert group.unlimited == ()
    group.throttle()
    assert texts(tmp_path / "name")["cpu.max"] == "10000 20000"
    group.unthrottle()
    assert texts(tmp_path / "name")["cpu.max"] == "max 20000"


def test_a_group_of_version_1_leaves_memory_to_the_watch(tmp_path):
    homes = [Home(tmp_path / name, 1, frozenset({name})) for name in ("cpu", "memory", "pids")]
    for home in homes:
        home.folder.mkdir()
    group = Group("name", Limits(memory_mb=128, cpus=0.01), homes)
    group.throttle()
    assert not group.limits_memory
    # Less than a millisecond the kernel does not take.
    assert texts(tmp_path / "cpu/name") == {
        "cpu.cfs_period_us": "20000",
        "cpu.cfs_quota_us": "1000",
    }


def test_what_cannot_be_limited_is_reported_in_words():
    assert Group("name", Limits(cpus=0.07), []).unlimited == (
        "functions run at full speed instead of 0.07 CPUs: no cpu control group can be made here",
        "processes are not limited to 1024: no pids control group can be made here",
    )


def test_a_home_where_nothing_can_be_made_is_reported_in_words(tmp_path):
    home = Home(tmp_path / "nowhere", 1, frozenset({"pids"}))
    assert len(Group("name", Limits(), [home]).unlimited) == 1


def served(controller):
    """Tell whether this machine lets the host make such groups."""
    return any(controller in home.controllers for home in cgroups.homes())


@pytest.mark.skipif(not (LINUX and served("cpu")), reason="no cpu control group can be made here")
def test_a_throttled_environment_gets_its_share_of_a_cpu_and_an_init_the_whole():
    program = """
import time
while True:
    wall, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < wall + 0.5:
        pass
    print((time.process_time() - cpu) / 0.5, flush=True)
"""

    async def scenario(stage):
        stage.spawn(program)
        full = float(await stage.notes.line())
        stage.sandbox.throttle()
        # The first one began before.
        seen = len(stage.notes.lines)
        await stage.notes.until(lambda: len(stage.notes.lines) >= seen + 2)
        return full, float(stage.notes.lines[-1][1])

    full, share = played(scenario, Limits(cpus=0.1))
    assert share < full / 2


@pytest.mark.skipif(not (LINUX and served("pids")), reason="no pids control group can be made here")
def test_nothing_is_left_of_a_group_whose_processes_fled_everything_else():
    program = f"""
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        program = "import os; os.write(1, b'%d\\\\n' % os.getpid()); {WAIT}"
        os.execve(sys.executable, ["python", "-S", "-c", program], {{}})
    os._exit(0)
os.wait()
{WAIT}"""

    async def scenario(stage):
        pid = await stage.child(program)
        folders = stage.sandbox._group.folders
        stage.sandbox.kill(None)
        await stage.notes.exit()
        return state(pid), folders

    left, folders = played(scenario)
    assert left == ""
    assert folders
    assert not any(folder.exists() for folder in folders)


def texts(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}
