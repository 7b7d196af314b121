"""The processes of an environment, for real: nothing is lost of what they say, nothing outlives it."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from snapboot_devkit.host.errors import LaunchError
from snapboot_devkit.host.sandbox import process_scan
from snapboot_devkit.host.sandbox.limits import Limits
from tests.devkit.children import DEADLINE_S, LIFE_S, PROGRAMS, played, state

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is left is read in /proc")


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_left_of_a_process_once_its_end_is_reported(program):
    async def scenario(stage):
        pid = await stage.child(program)
        stage.sandbox.kill(None)
        code = await stage.notes.exit()
        return pid, code, state(pid)

    _, code, after = played(scenario)
    assert after == ""
    assert code in {-signal.SIGKILL, 0}


def test_the_end_comes_after_all_output_and_with_the_code():
    program = "import os; os.write(1, b'one\\n' * 10_000 + b'last'); os.write(2, b'oops'); raise SystemExit(3)"

    async def scenario(stage):
        stage.spawn(program)
        code = await stage.notes.exit()
        return code, sorted(text for _, text in stage.notes.lines)

    assert played(scenario) == (3, ["last", *["one"] * 10_000, "oops"])


def test_several_processes_are_distinguished_and_end_in_any_order():
    async def scenario(stage):
        pids = [await stage.child("waits", name) for name in (None, "first", "second")]
        stage.sandbox.kill("first")
        await stage.notes.exit("first")
        alive = [state(pid) != "" for pid in pids]
        stage.sandbox.terminate(None)
        await stage.notes.exit()
        stage.sandbox.kill("second")
        await stage.notes.exit("second")
        return alive, stage.notes.codes

    alive, codes = played(scenario)
    assert alive == [True, False, True]
    assert codes == {None: -signal.SIGTERM, "first": -signal.SIGKILL, "second": -signal.SIGKILL}


def test_the_daemon_of_an_extension_outlives_the_runtime_and_goes_with_the_last_process():
    async def scenario(stage):
        daemon = await stage.child("forks twice", "first")
        stage.spawn("waits")
        await stage.notes.line()
        stage.sandbox.kill(None)
        await stage.notes.exit()
        before = state(daemon)
        stage.sandbox.kill("first")
        await stage.notes.exit("first")
        return before, state(daemon)

    before, after = played(scenario)
    assert before != ""
    assert after == ""


def test_a_command_that_does_not_exist_is_reported():
    async def scenario(stage):
        with pytest.raises(LaunchError, match=r"'/no/such/program' in .* No such file"):
            stage.sandbox.spawn(None, ["/no/such/program"], Path("/"), {})
        return stage.sandbox.living

    assert played(scenario) == frozenset()


def test_every_child_leads_a_session_of_its_own():
    async def scenario(stage):
        pid = await stage.child("waits")
        return pid, os.getsid(pid), os.getpgid(pid)

    pid, session, group = played(scenario)
    assert pid == session == group


def test_calls_for_processes_that_are_gone_or_never_were_do_nothing():
    async def scenario(stage):
        stage.spawn("pass")
        await stage.notes.exit()
        for name in (None, "nobody"):
            stage.sandbox.terminate(name)
            stage.sandbox.kill(name)
        stage.sandbox.freeze()
        stage.sandbox.thaw()
        stage.sandbox.flush()
        return stage.notes.codes

    assert played(scenario) == {None: 0}


def test_a_signal_is_not_sent_to_the_next_owner_of_an_id():
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", PROGRAMS["waits"]], stdout=subprocess.PIPE
    )
    child.stdout.readline()
    process_scan.send(child.pid, signal.SIGKILL, lambda pid: False)
    assert child.poll() is None
    process_scan.send(child.pid, signal.SIGKILL, lambda pid: pid == child.pid)
    assert child.wait(DEADLINE_S) == -signal.SIGKILL
    process_scan.send(child.pid, signal.SIGKILL, lambda pid: True)
    child.stdout.close()


@pytest.mark.slow
def test_two_hundred_rounds_leave_neither_process_nor_descriptor():
    async def scenario(stage):
        await one_round(stage)
        before = descriptors()
        for _ in range(200):
            await one_round(stage)
        return before, descriptors(), process_scan.find(stage.sandbox._is_ours)

    async def one_round(stage):
        stage.notes.codes.clear()
        stage.spawn("pass")
        stage.sandbox.kill(None)
        await stage.notes.exit()

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    before, after, left = played(scenario)
    assert after == before
    assert left == []


# So many that ending them takes several looks, so few that they do no harm if it fails.
BOMB = 40


def test_a_fork_bomb_stays_within_its_limit_and_is_ended():
    program = """
import os, time
print(os.getpid(), flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        time.sleep(0.01)
"""

    async def scenario(stage):
        if stage.sandbox.unlimited:
            pytest.skip("without a limit a fork bomb would take the machine with it")
        await stage.child(program)
        ours = 0
        while ours < BOMB:
            ours = len(await asyncio.to_thread(process_scan.find, stage.sandbox._is_ours))
        stage.sandbox.kill(None)
        await stage.notes.exit()
        return ours, process_scan.find(stage.sandbox._is_ours)

    assert played(scenario, Limits(processes=BOMB)) == (BOMB, [])


HOST = f"""
import asyncio, sys
from pathlib import Path
from snapboot_devkit.host.sandbox.reaper import Reaper
from snapboot_devkit.host.sandbox.sandbox import Sandbox

class Owner:
    def printed(self, name, line):
        if sys.argv[3] == "frozen":
            sandbox.freeze()
        print(line, flush=True)
    def exited(self, name, code):
        pass

async def main():
    global sandbox
    sandbox = Sandbox(Owner(), "AWS_LAMBDA_RUNTIME_API=" + sys.argv[1], reaper=guard)
    environ = {{"AWS_LAMBDA_RUNTIME_API": sys.argv[1]}}
    sandbox.spawn(None, [sys.executable, "-S", "-c", sys.argv[2]], Path("/"), environ)
    await asyncio.sleep({LIFE_S})

guard = Reaper()
guard.send("folder", sys.argv[4])
print(guard.pid, flush=True)
asyncio.run(main())
"""


@pytest.mark.parametrize("frozen", ["running", "frozen"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_left_of_a_host_that_was_killed(program, frozen, tmp_path):
    folder = tmp_path / "folder"
    (folder / "within").mkdir(parents=True)
    arguments = [f"killed:{os.getpid()}", PROGRAMS[program], frozen, str(folder)]
    with subprocess.Popen([sys.executable, "-c", HOST, *arguments], stdout=subprocess.PIPE) as host:
        reaper, child = int(host.stdout.readline()), int(host.stdout.readline())
        assert state(child) != ""
        handle = os.pidfd_open(reaper)
        host.kill()
    ended(handle)
    assert state(child) == ""
    assert not folder.exists()


def ended(handle):
    """Wait for the end of a process that is not a child."""
    assert select.select([handle], [], [], DEADLINE_S)[0]
    os.close(handle)
