"""Between two invocations an environment stands still, and goes on as if nothing had been."""

import signal
import sys

import pytest

from snapboot_devkit.host.sandbox import process_scan
from tests.devkit.children import played, state, until_state

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who stands still")

STOPPED = "Tt"
RUNNING = "RSD"


@pytest.mark.parametrize(
    "program",
    ["waits", "fills its pipes", "changes its group", "changes its session", "forks twice"],
)
def test_every_process_stands_still_until_the_thaw(program):
    async def scenario(stage):
        pid = await stage.child(program)
        for _ in range(2):
            stage.sandbox.freeze()
            stage.sandbox.freeze()
            await until_state(pid, STOPPED)
            stage.sandbox.thaw()
            stage.sandbox.thaw()
            await until_state(pid, RUNNING)

    played(scenario)


def test_extensions_stand_still_with_the_runtime():
    async def scenario(stage):
        pids = [await stage.child("waits", name) for name in (None, "first", "second")]
        stage.sandbox.freeze()
        for pid in pids:
            await until_state(pid, STOPPED)

    played(scenario)


def test_a_process_in_another_group_that_left_while_frozen_is_not_missed():
    async def scenario(stage):
        pid = await stage.child("changes its session")
        stage.sandbox.freeze()
        await until_state(pid, STOPPED)
        process_scan.send(pid, signal.SIGKILL, lambda _: True)
        await until_state(pid, [""])
        stage.sandbox.thaw()
        stage.sandbox.kill(None)
        return await stage.notes.exit()

    assert played(scenario) == -signal.SIGKILL


@pytest.mark.parametrize("program", ["waits", "ignores SIGTERM", "forks twice"])
def test_a_frozen_process_can_be_killed(program):
    async def scenario(stage):
        pid = await stage.child(program)
        stage.sandbox.freeze()
        await until_state(pid, STOPPED)
        stage.sandbox.kill(None)
        return await stage.notes.exit(), state(pid)

    assert played(scenario) == (-signal.SIGKILL, "")


def test_a_frozen_process_hears_that_it_shall_end():
    program = """
import os, signal
def leave(*_):
    os.write(1, b"bye\\n")
    os._exit(7)
signal.signal(signal.SIGTERM, leave)
print("here", flush=True)
signal.pause()
"""

    async def scenario(stage):
        stage.spawn(program)
        await stage.notes.line()
        stage.sandbox.freeze()
        stage.sandbox.terminate(None)
        return await stage.notes.exit(), stage.notes.lines[-1]

    assert played(scenario) == (7, (None, "bye"))


def test_what_is_spawned_after_a_kill_of_the_frozen_runs():
    async def scenario(stage):
        await stage.child("waits")
        stage.sandbox.freeze()
        stage.sandbox.kill(None)
        await stage.notes.exit()
        stage.notes.lines.clear()
        pid = await stage.child("waits")
        await until_state(pid, RUNNING)
        stage.sandbox.freeze()
        await until_state(pid, STOPPED)

    played(scenario)


def test_what_was_printed_before_the_freeze_can_be_read():
    async def scenario(stage):
        await stage.child("waits")
        stage.spawn(
            "import os; os.write(1, b'a' * 60_000); os.write(2, b'!\\n'); os.read(0, 1)", "first"
        )
        await stage.notes.line("first")
        stage.sandbox.freeze()
        stage.sandbox.flush()
        return max(len(text) for _, text in stage.notes.lines)

    assert played(scenario) == 60_000
