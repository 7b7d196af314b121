"""The host restores every environment of a SnapStart function from one snapshot, by cloning it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from snapboot_devkit.host import FunctionConfig, InitializationType, InvokeError, LocalHost
from snapboot_devkit.host.snapshots import snapshot

SNAP_START = InitializationType.SNAP_START
FUNCTION = """
import os, random, sys, threading
import snapboot

print("init in", os.getpid())
MADE = random.SystemRandom().getrandbits(64)
HOOKS = []
snapboot.before_snapshot(HOOKS.append, "before")
snapboot.after_restore(HOOKS.append, "after")

def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "print":
        print("to stdout")
        print("to stderr", file=sys.stderr)
        threading.Event().wait(0.05)
    if event == "child":
        import subprocess
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if event == "pid":
        return os.readlink("/proc/self")
    return {
        "made": MADE,
        "drawn": random.getrandbits(64),
        "pid": os.getpid(),
        "hooks": HOOKS,
        "address": os.environ["AWS_LAMBDA_RUNTIME_API"],
        "same": os.environ["AWS_LAMBDA_RUNTIME_API"] in
                os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    }
"""


@pytest.fixture(autouse=True, scope="module")
def namespaces():
    """Skip where the kernel refuses what a clone needs."""
    if reason := snapshot.reason_of_machine():
        pytest.skip(reason)


def hosted(root, scenario, source=FUNCTION, **settings):
    (root / "app.py").write_text(source)
    wanted = {"initialization": SNAP_START, "task_root": root, "timeout_s": 10, **settings}
    lines = []

    async def hold():
        config = FunctionConfig("app.handler", **wanted)
        async with LocalHost(config, log=lambda line: lines.append(line.text)) as host:
            return await scenario(host)

    return asyncio.run(asyncio.wait_for(hold(), 60)), lines


async def at_once(host, count, payload=None):
    results = await asyncio.gather(*(host.invoke(payload) for _ in range(count)))
    return [json.loads(result.payload) for result in results]


def mentioning(root):
    """Return the processes that were started for a function in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"LAMBDA_TASK_ROOT={root}" in (entry / "environ").read_text(
                "utf-8", "replace"
            ):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def test_environments_share_what_init_made_and_not_what_is_renewed(tmp_path):
    seen, lines = hosted(tmp_path, lambda host: at_once(host, 3))
    assert len({one["made"] for one in seen}) == 1
    assert len({one["drawn"] for one in seen}) == 3
    assert len({one["address"] for one in seen}) == 3
    assert all(one["same"] for one in seen)
    assert [one["pid"] for one in seen] == [1, 1, 1]
    assert [one["hooks"] for one in seen] == [["before", "after"]] * 3
    assert [line for line in lines if line.startswith("init in")] == ["init in 1"]


def test_the_log_has_one_init_and_a_restore_for_each_environment(tmp_path):
    _, lines = hosted(tmp_path, lambda host: at_once(host, 2))
    kinds = [re.split(r"[ :]", line)[0] for line in lines]
    assert kinds.count("INIT_START") == kinds.count("INIT_REPORT") == 1
    assert kinds.count("RESTORE_START") == kinds.count("RESTORE_REPORT") == 2
    reports = [line for line in lines if line.startswith("REPORT")]
    assert all("Billed Restore Duration: " in line for line in reports)
    assert not any("\tInit Duration" in line for line in reports)


def test_what_a_restored_environment_prints_is_in_its_own_log(tmp_path):
    async def scenario(host):
        return await host.invoke("print")

    result, _ = hosted(tmp_path, scenario)
    assert {"to stdout", "to stderr"} <= set(result.logs)


def test_an_environment_that_exits_says_how_and_the_next_is_restored(tmp_path):
    async def scenario(host):
        first = await host.invoke()
        failed = await host.invoke("exit")
        return first, failed, await host.invoke()

    (first, failed, last), lines = hosted(tmp_path, scenario)
    assert failed.function_error == "Unhandled"
    assert json.loads(failed.payload)["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in json.loads(failed.payload)["errorMessage"]
    assert json.loads(first.payload)["made"] == json.loads(last.payload)["made"]
    assert sum(line.startswith("INIT_START") for line in lines) == 1


def test_an_environment_that_is_killed_says_so(tmp_path):
    async def scenario(host):
        await host.invoke()
        process = int(json.loads((await host.invoke("pid")).payload))
        os.kill(process, signal.SIGKILL)
        return await host.invoke()

    result, _ = hosted(tmp_path, scenario, freeze=False)
    if result.function_error:  # else the end was known before the event came
        assert "signal: killed" in json.loads(result.payload)["errorMessage"]
    else:
        assert json.loads(result.payload)["pid"] == 1


def test_an_init_that_fails_runs_once_and_is_every_callers_answer(tmp_path):
    async def scenario(host):
        refused = []
        for _ in range(2):
            with pytest.raises(InvokeError) as caught:
                await host.invoke()
            refused.append(caught.value)
        return refused

    source = "print('begun')\nraise ValueError('no model')"
    refused, lines = hosted(tmp_path, scenario, source)
    assert {one.exception for one in refused} == {"SnapStartException"}
    assert {one.status for one in refused} == {400}
    assert all("no model" in str(one) for one in refused)
    assert lines.count("begun") == 1


def test_an_init_that_hangs_is_ended_at_its_limit(tmp_path):
    async def scenario(host):
        with pytest.raises(InvokeError) as caught:
            await host.invoke()
        return caught.value

    source = "import threading\nthreading.Event().wait()"
    refused, lines = hosted(tmp_path, scenario, source, init_limit_s=0.5)
    assert refused.exception == "SnapStartException"
    assert any("Status: timeout" in line for line in lines)
    assert mentioning(tmp_path) == []


def test_a_host_that_closes_amid_the_init_does_not_wait_for_it(tmp_path):
    begun = tmp_path / "begun"
    os.mkfifo(begun)

    async def scenario(host):
        work = asyncio.ensure_future(host.invoke())
        await asyncio.to_thread(begun.read_bytes)  # until init has opened it, and closed it
        return work

    source = f"import threading\nopen({str(begun)!r}, 'w').close()\nthreading.Event().wait()"
    work, _ = hosted(tmp_path, scenario, source)
    assert isinstance(work.exception(), InvokeError)
    assert mentioning(tmp_path) == []


def test_nothing_is_left_when_the_host_closes(tmp_path):
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    async def scenario(host):
        await at_once(host, 3, "child")
        return mentioning(tmp_path)

    during, _ = hosted(tmp_path, scenario)
    assert len(during) >= 7  # the snapshot, its parent, three clones, three children
    assert mentioning(tmp_path) == []
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


KILLED = """
import asyncio, sys
from snapboot_devkit.host import FunctionConfig, InitializationType, LocalHost

async def main():
    config = FunctionConfig("app.handler", task_root=sys.argv[1],
                            initialization=InitializationType.SNAP_START)
    async with LocalHost(config) as host:
        await host.invoke("child")
        print(host._reaper.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_nothing_is_left_of_a_host_that_is_killed(tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(FUNCTION)
    temporary = Path(tempfile.mkdtemp())  # short enough for a socket
    monkeypatch.setenv("TMPDIR", str(temporary))
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as host:
        reaper = os.pidfd_open(int(host.stdout.readline()))
        ends = [os.pidfd_open(process) for process in mentioning(tmp_path)]
        assert len(ends) >= 4
        assert list(temporary.glob("snapboot-snapshot-*"))
        host.kill()
        host.wait()
    for end in [*ends, reaper]:
        assert select.select([end], [], [], 20)[0], "a process lives on"
        os.close(end)
    assert list(temporary.iterdir()) == []
    temporary.rmdir()


def test_a_function_that_ignores_the_ends_of_its_children_is_restored_after_one_has_ended(tmp_path):
    source = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
MADE = os.urandom(8).hex()
def handler(event, context):
    if event == "exit":
        os._exit(3)
    return [MADE, signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN]
"""

    async def scenario(host):
        (before,) = await at_once(host, 1)
        failed = await host.invoke("exit")
        (after,) = await at_once(host, 1)
        return before, json.loads(failed.payload)["errorType"], after

    (before, failed, after), _ = hosted(tmp_path, scenario, source)
    assert before == after
    assert before[1] is True
    assert failed == "Runtime.ExitError"


def test_a_clone_that_fails_ends_its_environment_and_not_the_snapshot(tmp_path):
    source = """
import gc
(libc,) = {type(one) for one in gc.get_objects() if type(one).__name__ == "CLibrary"}
clone = libc.clone

def refused(self):
    libc.clone = clone
    raise BlockingIOError(11, "Resource temporarily unavailable")

libc.clone = refused
def handler(event, context): pass
"""

    async def scenario(host):
        with pytest.raises(InvokeError, match=r"cannot be cloned: \[Errno 11\] Resource temp"):
            await host.invoke()
        return (await host.invoke()).function_error

    failed, _ = hosted(tmp_path, scenario, source)
    assert failed is None


LOCKED = """
import logging, threading
HELD = threading.Event()
def hold():
    with logging._lock, logging.getLogger().handlers[0].lock:
        HELD.set()
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
HELD.wait()
def handler(event, context):
    logging.getLogger("made later").error("served")
"""


def test_locks_of_logging_that_a_thread_of_the_init_held_are_free(tmp_path):
    async def scenario(host):
        return await asyncio.gather(host.invoke(), host.invoke())

    results, _ = hosted(tmp_path, scenario, LOCKED)
    assert all("served" in "".join(result.logs) for result in results)


def test_an_isolated_function_is_restored_too(tmp_path):
    async def scenario(host):
        return await at_once(host, 2)

    seen, lines = hosted(tmp_path, scenario, isolate=True)
    if any("see this machine's files as they are" in line for line in lines):
        pytest.skip("this machine does not allow another view of its files")
    assert len({one["made"] for one in seen}) == 1
    assert [one["hooks"] for one in seen] == [["before", "after"]] * 2


def test_where_no_socket_fits_each_environment_has_its_own_init(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    seen, lines = hosted(tmp_path, lambda host: at_once(host, 2))
    assert len({one["made"] for one in seen}) == 2
    assert any("AF_UNIX path too long" in line and "TMPDIR" in line for line in lines)
    assert list(folder.glob("snapboot-snapshot-*")) == []


def test_where_clones_are_not_possible_each_environment_has_its_own_init(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "reason_of_machine", lambda: "pid namespaces are not allowed")
    seen, lines = hosted(tmp_path, lambda host: at_once(host, 2))
    assert len({one["made"] for one in seen}) == 2
    assert any("each environment runs its own init" in line for line in lines)


def test_a_function_with_a_wrapper_has_an_init_for_each_environment(tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    env = {"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}
    seen, lines = hosted(tmp_path, lambda host: at_once(host, 2), env=env)
    assert len({one["made"] for one in seen}) == 2
    assert any("AWS_LAMBDA_EXEC_WRAPPER starts another program" in line for line in lines)
