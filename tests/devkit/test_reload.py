"""New code for new environments: what is watched, and what a change does to a host."""

import asyncio
import os
import py_compile
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from snapboot_devkit.host import LocalHost
from snapboot_devkit.host.scaling import reload
from snapboot_devkit.host.scaling.reload import (
    FORCE_POLLING,
    IGNORED_FOLDERS,
    LOOK_S,
    CodeWatch,
    look,
)
from tests.devkit.hosted import DEADLINE_S, config


def written(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(found, root):
    return sorted(os.path.relpath(path, root) for path in found)


def test_every_file_of_the_code_is_watched(tmp_path):
    written(tmp_path, app_py="a", package__deep__module_py="b", data="c")
    assert names(look([tmp_path]).stamps, tmp_path) == ["app.py", "data", "package/deep/module.py"]


@pytest.mark.parametrize("folder", sorted(IGNORED_FOLDERS))
def test_what_tools_leave_behind_is_not_watched(tmp_path, folder):
    written(tmp_path, app_py="a")
    written(tmp_path / folder, thing="b")
    written(tmp_path / "package" / folder, thing="b")
    written(tmp_path, **{"app.pyc": "c", "app.py~": "d"})
    assert names(look([tmp_path]).stamps, tmp_path) == ["app.py"]


def test_a_virtual_environment_is_not_watched_whatever_its_name(tmp_path):
    written(tmp_path, app_py="a")
    written(tmp_path / "env", **{"pyvenv.cfg": "", "lib__x_py": ""})
    assert names(look([tmp_path]).stamps, tmp_path) == ["app.py"]


def test_so_many_files_are_watched_and_no_more(tmp_path):
    written(tmp_path, **{f"f{number}": "" for number in range(5)})
    assert len(look([tmp_path], limit=3).stamps) == 3


def test_what_is_not_a_file_or_not_there_is_passed_by(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert look([tmp_path, tmp_path / "missing"]).stamps == {}


def test_the_file_that_the_host_itself_logs_to_is_not_watched(tmp_path):
    written(tmp_path, app_py="a")
    program = (
        "import pathlib, sys; from snapboot_devkit.host.scaling.reload import look;"
        "print(*look([pathlib.Path(sys.argv[1])]).stamps)"
    )
    output = tmp_path / "output"
    with output.open("wb") as file:
        subprocess.run([sys.executable, "-c", program, tmp_path], check=True, stdout=file)
    assert output.read_text().split() == [str(tmp_path / "app.py")]


def replace(folder):
    """Replace a file by one of the same size and time, as some tools do."""
    other = folder / "other"
    shutil.copy2(folder / "app.py", other)
    other.replace(folder / "app.py")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "app.py").write_text("something else"),
        lambda folder: (folder / "new.py").write_text(""),
        lambda folder: (folder / "app.py").unlink(),
        replace,
    ],
    ids=["written", "added", "removed", "replaced"],
)
def test_a_change_is_noticed(tmp_path, change):
    written(tmp_path, app_py="a")

    async def scenario():
        changed = asyncio.Event()
        watch = CodeWatch([tmp_path], changed.set)
        await watch.begin()
        change(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            await changed.wait()
        await watch.close()

    asyncio.run(scenario())


def test_a_watch_that_was_interrupted_as_it_began_can_be_closed(tmp_path):
    async def scenario():
        watch = CodeWatch([tmp_path], None)
        beginning = asyncio.create_task(watch.begin())
        await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait([beginning])
        await watch.close()

    asyncio.run(scenario())


BEHAVIOUR = "def handler(event, context):\n    return {}\n"
SLOW = """import pathlib
def handler(event, context):
    if event == "wait":
        while not pathlib.Path("go").exists():
            pass
    return {}
"""


class Log:
    """The lines of the host's log, and a way to wait for one."""

    def __init__(self):
        self.lines = []
        self.changed = asyncio.Event()

    def __call__(self, line):
        self.lines.append(line.text)
        self.changed.set()

    async def until(self, text):
        while not any(text in line for line in self.lines):
            self.changed.clear()
            await self.changed.wait()
        self.lines.clear()


def reloading(scenario, task_root, **settings):
    async def play():
        log = Log()
        function = config("app.handler", task_root=task_root, bootstrap=None, **settings)
        async with asyncio.timeout(DEADLINE_S):
            async with LocalHost(function, log=log, reload=True) as host:
                await scenario(host, log)

    asyncio.run(play())


def put(folder, text):
    (folder / "app.py").write_text(text)


def test_the_next_event_meets_the_new_code(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"1"
        put(tmp_path, BEHAVIOUR.format(22))
        await log.until("its code has changed; new events go to new environments")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, tmp_path)


def test_what_is_at_work_when_the_code_changes_ends_with_the_old_code(tmp_path):
    put(tmp_path, SLOW.format(1))

    async def scenario(host, log):
        await host.invoke()
        slow = asyncio.ensure_future(host.invoke("wait"))
        await log.until("START RequestId")
        put(tmp_path, BEHAVIOUR.format(22))
        await log.until("its code has changed")
        assert (await host.invoke()).payload == b"22"
        (tmp_path / "go").touch()
        assert (await slow).payload == b"1"

    reloading(scenario, tmp_path, concurrency=1)


def test_a_broken_version_shows_its_error_and_a_repair_works(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario(host, log):
        await host.invoke()
        put(tmp_path, "def handler(:")
        await log.until("its code has changed")
        assert (await host.invoke()).function_error == "Unhandled"
        put(tmp_path, BEHAVIOUR.format(333))
        await log.until("its code has changed")
        assert (await host.invoke()).payload == b"333"

    reloading(scenario, tmp_path)


def pack(path, text):
    """Write a zip as tools do: beside, then in place of the old one."""
    with zipfile.ZipFile(path.with_suffix(".new"), "w") as archive:
        archive.writestr("app.py", text)
    path.with_suffix(".new").replace(path)


def test_a_zip_that_is_built_again_is_unpacked_again_and_a_damaged_one_is_reported(tmp_path):
    path = tmp_path / "function.zip"
    pack(path, BEHAVIOUR.format(1))

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"1"
        path.write_bytes(b"PK, but no more")
        await log.until("its code has changed but cannot be loaded, so the old code stays in use: ")
        assert (await host.invoke()).payload == b"1"
        pack(path, BEHAVIOUR.format(22))
        await log.until("new events go to new environments")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, path)


def test_no_request_is_lost_or_refused_however_often_the_code_changes(tmp_path):
    put(tmp_path, BEHAVIOUR.format(0))
    changes = 3

    async def scenario(host, log):
        stopped = asyncio.Event()

        async def client():
            seen = []
            while not stopped.is_set():
                result = await host.invoke()
                assert result.function_error is None
                seen.append(int(result.payload))
            return seen

        clients = [asyncio.ensure_future(client()) for _ in range(2)]
        for number in range(1, changes + 1):
            put(tmp_path, BEHAVIOUR.format(number * 10**number))
            await log.until("new events go to new environments")
        last = await host.invoke()
        stopped.set()
        seen = await asyncio.gather(*clients)
        assert int(last.payload) == changes * 10**changes
        assert all(numbers == sorted(numbers) for numbers in seen)

    reloading(scenario, tmp_path, concurrency=3)


def at_the_time(path, nanoseconds):
    """Give a file the time of a save within one certain second."""
    os.utime(path, ns=(nanoseconds, nanoseconds))


SECOND = 1_700_000_000 * 10**9


@pytest.fixture
def compiling(monkeypatch):
    """Let Python write bytecode, as it does unless a variable says not to."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.mark.usefixtures("compiling")
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled by others"])
def test_of_two_equally_long_saves_in_a_second_the_second_one_runs(tmp_path, compiled):
    def save(number, at):
        put(tmp_path, BEHAVIOUR.format(number))
        at_the_time(tmp_path / "app.py", SECOND + at)
        if compiled and number == 1:
            py_compile.compile(tmp_path / "app.py")

    save(1, 100)

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"1"
        save(2, 600)
        await log.until("its code has changed")
        assert (await host.invoke()).payload == b"2"
        assert list(tmp_path.rglob("*.pyc")) == []

    reloading(scenario, tmp_path)


@pytest.mark.usefixtures("compiling")
def test_what_was_compiled_before_the_last_save_is_not_run_at_the_start_either(tmp_path):
    for number in (1, 2):
        put(tmp_path, BEHAVIOUR.format(number))
        at_the_time(tmp_path / "app.py", SECOND + 900 * number)
        if number == 1:
            compiled = py_compile.compile(tmp_path / "app.py")
            os.utime(compiled, ns=(SECOND + 1000, SECOND + 1000))

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"2"

    reloading(scenario, tmp_path)


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        (py_compile.PycInvalidationMode.TIMESTAMP, False),
        (py_compile.PycInvalidationMode.UNCHECKED_HASH, True),
        (py_compile.PycInvalidationMode.CHECKED_HASH, True),
    ],
)
def test_only_bytecode_that_python_would_take_by_its_time_is_removed(tmp_path, mode, kept):
    put(tmp_path, "x = 1")
    at_the_time(tmp_path / "app.py", SECOND)
    compiled = py_compile.compile(tmp_path / "app.py", invalidation_mode=mode)
    reload.forget_bytecode([str(tmp_path / "app.py")], older_alone=True)
    assert Path(compiled).exists()
    reload.forget_bytecode([str(tmp_path / "app.py"), str(tmp_path / "gone.py"), "/dev/null"])
    assert Path(compiled).exists() is kept


@pytest.mark.usefixtures("compiling")
@pytest.mark.parametrize("wrapped", [False, True])
def test_nothing_is_compiled_into_the_folder_of_the_code(tmp_path, wrapped):
    code = written(tmp_path / "code", app_py="import other\n" + BEHAVIOUR.format(1), other_py="")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    env = {"AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)} if wrapped else {}

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"1"

    reloading(scenario, code, env=env)
    assert list(code.rglob("*.pyc")) == []


def test_the_folders_behind_symbolic_links_are_watched_and_circles_are_no_harm(tmp_path):
    shared = written(tmp_path / "shared", part__module_py="a", other__file_py="b")
    code = written(tmp_path / "code", app_py="a")
    (code / "linked").symlink_to("../shared/part")
    (code / "circle").symlink_to(".")
    (code / "file.py").symlink_to(shared / "other" / "file.py")
    found = look([code])
    assert names(found.stamps, code)[:1] == ["app.py"]
    assert {"file.py", "linked/module.py"} < set(names(found.stamps, code))
    assert str(code / "linked") in found.folders
    assert str(shared / "other") in found.folders


def move_link(folder):
    (folder / "link").unlink()
    (folder / "link").symlink_to("../second")


CHANGES = {
    "written behind a link": lambda code: (code / "link" / "module.py").write_text("changed"),
    "replaced behind a link": lambda code: replace_by(code / "link" / "module.py", "changed"),
    "a link that leads elsewhere": move_link,
    "what a linked file is": lambda code: replace_by(code.parent / "other" / "file.py", "changed"),
    "in a folder that is new": lambda code: written(code / "new" / "deeper", module_py="new"),
    "saved by renaming": lambda code: replace_by(code / "app.py", "changed"),
}


def replace_by(path, text):
    """Write a file as editors do: beside, then in place of the old one."""
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.replace(path)


@pytest.mark.parametrize("polled", [False, True], ids=["noticed", "looked for"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_wherever_it_is(tmp_path, change, polled, monkeypatch):
    monkeypatch.setenv(FORCE_POLLING, str(polled))
    code = written(tmp_path / "code", app_py="a")
    for name in ("first", "second"):
        written(tmp_path / name, module_py=name)
    written(tmp_path / "other", file_py="a")
    (code / "link").symlink_to("../first")
    (code / "linked.py").symlink_to("../other/file.py")

    async def scenario():
        changed = asyncio.Event()
        watch = CodeWatch([code], changed.set)
        await watch.begin()
        assert bool(watch.note) is polled
        # A second change, after the first has been noticed, in a place that it has made.
        for act in (CHANGES[change], lambda folder: written(folder / "last", module_py="b")):
            act(code)
            async with asyncio.timeout(DEADLINE_S):
                await changed.wait()
            changed.clear()
        await watch.close()

    asyncio.run(scenario())


def test_a_machine_without_notices_is_reported_and_its_changes_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv(FORCE_POLLING, "true")
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario(host, log):
        await log.until("WATCHFILES_FORCE_POLLING is set; its files are looked at every 0.3 s")
        assert (await host.invoke()).payload == b"1"
        put(tmp_path, BEHAVIOUR.format(22))
        await log.until("its code has changed")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, tmp_path)


def test_on_a_busy_machine_the_next_look_is_put_off_by_what_this_one_has_taken(
    tmp_path, monkeypatch
):
    waiting = threading.Event()

    def kept_waiting(roots):
        waiting.wait(0.2)
        return look(roots)

    monkeypatch.setenv(FORCE_POLLING, "true")
    monkeypatch.setattr("snapboot_devkit.host.scaling.reload.look", kept_waiting)
    written(tmp_path, app_py="a")

    async def scenario():
        watch = CodeWatch([tmp_path], None)
        await watch.begin()
        await watch.close()
        return watch._pause_s

    assert asyncio.run(scenario()) == LOOK_S


WHICH = "import os\ndef handler(event, context):\n    return os.environ['STAGE']\n"


def test_an_edited_file_of_variables_counts_for_new_environments(tmp_path):
    code = written(tmp_path / "code", app_py=WHICH)
    file = tmp_path / "variables" / "local.env"
    written(file.parent, **{"local.env": "STAGE=old\n"})

    async def scenario(host, log):
        assert (await host.invoke()).payload == b'"old"'
        replace_by(file, "STAGE='")
        await log.until("so the old code stays in use: line 1 of the env file")
        assert (await host.invoke()).payload == b'"old"'
        replace_by(file, "STAGE=new\n")
        await log.until("its variables have changed; new events go to new environments")
        assert (await host.invoke()).payload == b'"new"'
        file.unlink()
        await log.until(f"the env file {str(file)!r} is gone; its last values stay")
        assert (await host.invoke()).payload == b'"new"'

    reloading(scenario, code, env_files=[file])


@pytest.mark.parametrize("count", [1, 2])
def test_a_change_in_a_layer_counts_as_well(tmp_path, count):
    code = written(
        tmp_path / "code",
        app_py="import inlayer\ndef handler(event, context):\n    return inlayer.X\n",
    )
    layers = [
        written(tmp_path / f"layer{number}", python__inlayer_py="X = 1") for number in range(count)
    ]

    async def scenario(host, log):
        assert (await host.invoke()).payload == b"1"
        written(layers[-1], python__inlayer_py="X = 22")
        await log.until("its code has changed")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, code, layers=layers)


def test_a_change_while_the_code_is_taken_up_is_not_lost(tmp_path):
    path = tmp_path / "function.zip"
    pack(path, BEHAVIOUR.format(0))

    async def scenario(host, log):
        for number in range(1, 6):
            pack(path, BEHAVIOUR.format(number))
            await log.until("its code has changed")
            # At once, while the last one may still be unpacked.
            pack(path, BEHAVIOUR.format(number * 1000))
            while (await host.invoke()).payload != str(number * 1000).encode():
                pass

    reloading(scenario, path)


def test_without_reload_the_code_stays_as_it_was_when_its_environment_started(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario():
        async with LocalHost(config("app.handler", task_root=tmp_path, bootstrap=None)) as host:
            first = await host.invoke()
            put(tmp_path, BEHAVIOUR.format(22))
            return [first.payload, (await host.invoke()).payload]

    assert asyncio.run(scenario()) == [b"1", b"1"]
