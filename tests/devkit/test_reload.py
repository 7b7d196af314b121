"""New code for new environments: what is watched, and what a change does to a host."""

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from snapboot_devkit.host import LocalHost
from snapboot_devkit.host.scaling.reload import IGNORED_FOLDERS, Watch, stamps
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
    assert names(stamps([tmp_path]), tmp_path) == ["app.py", "data", "package/deep/module.py"]


@pytest.mark.parametrize("folder", sorted(IGNORED_FOLDERS))
def test_what_tools_leave_behind_is_not_watched(tmp_path, folder):
    written(tmp_path, app_py="a")
    written(tmp_path / folder, thing="b")
    written(tmp_path / "package" / folder, thing="b")
    written(tmp_path, **{"app.pyc": "c", "app.py~": "d"})
    assert names(stamps([tmp_path]), tmp_path) == ["app.py"]


def test_a_virtual_environment_is_not_watched_whatever_its_name(tmp_path):
    written(tmp_path, app_py="a")
    written(tmp_path / "env", **{"pyvenv.cfg": "", "lib__x_py": ""})
    assert names(stamps([tmp_path]), tmp_path) == ["app.py"]


def test_so_many_files_are_watched_and_no_more(tmp_path):
    written(tmp_path, **{f"f{number}": "" for number in range(5)})
    assert len(stamps([tmp_path], limit=3)) == 3


def test_what_is_no_file_or_not_there_is_passed_by(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert stamps([tmp_path, tmp_path / "missing"]) == {}


def test_the_file_that_the_host_itself_logs_to_is_not_watched(tmp_path):
    written(tmp_path, app_py="a")
    program = (
        "import pathlib, sys; from snapboot_devkit.host.scaling.reload import stamps;"
        "print(*stamps([pathlib.Path(sys.argv[1])]))"
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
        watch = Watch([tmp_path], changed.set)
        await watch.begin()
        change(tmp_path)
        async with asyncio.timeout(DEADLINE_S):
            await changed.wait()
        await watch.close()

    asyncio.run(scenario())


def test_a_watch_that_was_interrupted_as_it_began_can_be_closed(tmp_path):
    async def scenario():
        watch = Watch([tmp_path], None)
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


class Told:
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
        told = Told()
        function = config("app.handler", task_root=task_root, bootstrap=None, **settings)
        async with asyncio.timeout(DEADLINE_S):
            async with LocalHost(function, log=told, reload=True) as host:
                await scenario(host, told)

    asyncio.run(play())


def put(folder, text):
    (folder / "app.py").write_text(text)


def test_the_next_event_meets_the_new_code(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario(host, told):
        assert (await host.invoke()).payload == b"1"
        put(tmp_path, BEHAVIOUR.format(22))
        await told.until("its code has changed; new events go to new environments")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, tmp_path)


def test_what_is_at_work_when_the_code_changes_ends_with_the_old_code(tmp_path):
    put(tmp_path, SLOW.format(1))

    async def scenario(host, told):
        await host.invoke()
        slow = asyncio.ensure_future(host.invoke("wait"))
        await told.until("START RequestId")
        put(tmp_path, BEHAVIOUR.format(22))
        await told.until("its code has changed")
        assert (await host.invoke()).payload == b"22"
        (tmp_path / "go").touch()
        assert (await slow).payload == b"1"

    reloading(scenario, tmp_path, concurrency=1)


def test_a_broken_version_shows_its_error_and_a_repair_works(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario(host, told):
        await host.invoke()
        put(tmp_path, "def handler(:")
        await told.until("its code has changed")
        assert (await host.invoke()).function_error == "Unhandled"
        put(tmp_path, BEHAVIOUR.format(333))
        await told.until("its code has changed")
        assert (await host.invoke()).payload == b"333"

    reloading(scenario, tmp_path)


def pack(path, text):
    """Write a zip as tools do: beside, then in place of the old one."""
    with zipfile.ZipFile(path.with_suffix(".new"), "w") as archive:
        archive.writestr("app.py", text)
    path.with_suffix(".new").replace(path)


def test_a_zip_that_is_built_again_is_unpacked_again_and_a_damaged_one_is_told(tmp_path):
    path = tmp_path / "function.zip"
    pack(path, BEHAVIOUR.format(1))

    async def scenario(host, told):
        assert (await host.invoke()).payload == b"1"
        path.write_bytes(b"PK, but no more")
        await told.until("its code has changed, but the old one stays: ")
        assert (await host.invoke()).payload == b"1"
        pack(path, BEHAVIOUR.format(22))
        await told.until("new events go to new environments")
        assert (await host.invoke()).payload == b"22"

    reloading(scenario, path)


def test_no_request_is_lost_or_refused_however_often_the_code_changes(tmp_path):
    put(tmp_path, BEHAVIOUR.format(0))
    changes = 3

    async def scenario(host, told):
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
            await told.until("new events go to new environments")
        last = await host.invoke()
        stopped.set()
        seen = await asyncio.gather(*clients)
        assert int(last.payload) == changes * 10**changes
        assert all(numbers == sorted(numbers) for numbers in seen)

    reloading(scenario, tmp_path, concurrency=3)


def test_without_reload_the_code_stays_as_it_was_when_its_environment_started(tmp_path):
    put(tmp_path, BEHAVIOUR.format(1))

    async def scenario():
        async with LocalHost(config("app.handler", task_root=tmp_path, bootstrap=None)) as host:
            first = await host.invoke()
            put(tmp_path, BEHAVIOUR.format(22))
            return [first.payload, (await host.invoke()).payload]

    assert asyncio.run(scenario()) == [b"1", b"1"]
