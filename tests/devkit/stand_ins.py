"""A function whose environments do what a test says, behind the interface of real ones."""

import asyncio

from snapboot_devkit.host.lifecycle.records import Report
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.lifecycle.terms import FunctionResult, Invocation, ServiceFailure
from snapboot_devkit.host.scaling.pool import Pool
from snapboot_devkit.host.scaling.pooled_environment import Scale

DEADLINE_S = 60
GONE = ServiceFailure(500, "ServiceException", "gone")


def event(name="e", tenant=""):
    return Invocation(name, b"{}", "arn", tenant_id=tenant)


class Caller:
    """Keeps all that it gets, in order."""

    sink = None

    def __init__(self):
        self.got = []

    def answered(self, result):
        self.got.append(bytes(result.payload).decode())

    def finished(self, report, lines):
        self.got.append("finished")

    def refused(self, failure):
        self.got.append(failure.reason or failure.status)


class StandIn:
    """One environment, whose invocations go on until the test answers and ends them."""

    def __init__(self, function, changed, provisioned):
        self.function = function
        self.provisioned = provisioned
        self.state = EnvironmentState.COLD
        self.lifecycle = self
        self.callers = []
        self.answers = 0
        self.closed = False
        self._changed = changed

    @property
    def idle(self):
        return not self.callers

    @property
    def settling(self):
        ending = bool(self.callers) or self.state is EnvironmentState.RESETTING
        return ending and self.answers == len(self.callers)

    @property
    def capacity_left(self):
        return self.function.scale.at_once - len(self.callers)

    async def open(self):
        await self.function.gate.wait()
        if self.function.broken:
            raise OSError(24, "Too many open files")

    def initialise(self):
        self.state = EnvironmentState.READY
        self._changed()

    def invoke(self, invocation, caller):
        assert not self.closed
        assert self.capacity_left > 0
        self.state = EnvironmentState.READY
        self.callers.append(caller)
        self._changed()

    async def close(self):
        self.die()
        self.closed = True
        self.function.changed.set()

    def answer(self):
        """Answer the oldest invocation; the runtime is still at work."""
        self.callers[self.answers].answered(FunctionResult(b"done"))
        self.answers += 1
        self._changed()

    def settle(self):
        """Come to rest after the oldest invocation."""
        self.answers -= 1
        self.callers.pop(0).finished(Report(1, "r", 1.0, 1), ())
        self._changed()

    def serve(self):
        self.answer()
        self.settle()

    def die(self):
        """End, with all that is at work."""
        self.state = EnvironmentState.DEAD
        for caller in self.callers[self.answers :]:
            caller.refused(GONE)
        self.callers.clear()
        self.answers = 0
        self._changed()


class Function:
    """One version of a function; `environments` are all that it ever had."""

    name = "f"

    def __init__(self, **scale):
        self.scale = Scale(**{"limit": 2, "provisioned": 0, "idle_s": DEADLINE_S} | scale)
        self.environments = []
        self.closed = False
        self.broken = False
        # Environments open while it is set.
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Event()

    def environment(self, changed, *, provisioned=False):
        one = StandIn(self, changed, provisioned)
        self.environments.append(one)
        self.changed.set()
        return one

    async def close(self):
        self.closed = True
        self.changed.set()

    async def until(self, condition):
        """Wait until something is so; every change of the environments has a look."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def soon():
    """Return when nothing else in the loop is ready to run."""
    ready = asyncio.get_running_loop()._ready
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - there is no event for that
        await asyncio.sleep(0)


def played(scenario, *, has_room=lambda: True, **scale):
    """Run a scenario with a pool and its function; the pool is closed, and must be empty, then."""

    async def play():
        function = Function(**scale)
        pool = Pool(function, has_room)
        async with asyncio.timeout(DEADLINE_S):
            try:
                await scenario(pool, function)
            finally:
                await pool.close()
        assert all(one.closed for one in function.environments) or function.broken
        assert function.closed
        assert not pool.environments

    asyncio.run(play())
