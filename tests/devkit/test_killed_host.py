"""A host that is killed without asking: nothing of it is left, not even its temporary files."""

import json
import os
import select
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.devkit.hosted import DEADLINE_S, HERE

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
        print(host._guard.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(json.loads(sys.argv[1])))
"""


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
