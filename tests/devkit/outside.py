"""A host for programs outside its event loop, functions that stream, and gates they wait at."""

import asyncio
import os
import sys

from snapboot_devkit.host import FunctionConfig, LocalHost
from tests.devkit.hosted import DEADLINE_S, HERE


def streaming(name="streaming", **settings):
    """Return a function that streams what its event says; see `streaming_runtime`."""
    runtime = [sys.executable, "-B", str(HERE / "streaming_runtime.py")]
    settings = {"task_root": HERE, "bootstrap": runtime, "timeout_s": 30.0} | settings
    return FunctionConfig("none", name=name, **settings)


def served(scenario, *functions, **options):
    """Run a scenario, a plain function of the host's address, beside a host."""

    async def play():
        async with asyncio.timeout(DEADLINE_S), LocalHost(*functions, port=0, **options) as host:
            return await asyncio.to_thread(scenario, host.address)

    return asyncio.run(play())


class OriginPolicy:
    """A place that a function waits at until it is opened, which is possible ahead, too."""

    def __init__(self, folder):
        self.path = str(folder / "gate")
        os.mkfifo(self.path)
        # With both ends here, neither the function nor the test waits for the other to come.
        self._ends = os.open(self.path, os.O_RDWR)

    def open(self):
        """Let one pass."""
        os.write(self._ends, b"!")

    def close(self):
        os.close(self._ends)
