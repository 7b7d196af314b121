"""The environments of one function: started when they are needed, used again, and retired.

Every request ends with an answer or a refusal: it waits here, or it is an environment's, which
answers for it. Where it goes is decided by `placing`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.errors import HostError
from snapboot_devkit.host.lifecycle.core import GOING_DOWN
from snapboot_devkit.host.lifecycle.terms import ServiceFailure
from snapboot_devkit.host.scaling.placing import (
    LAST_RESORT_S,
    SETTLE_S,
    Grow,
    Placing,
    PlacingRequest,
    RefuseRequest,
    Use,
    Wait,
    free,
    one_settles,
    place,
)
from snapboot_devkit.host.scaling.pooled_environment import PooledEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from snapboot_devkit.host.callers.in_process import Caller
    from snapboot_devkit.host.execution.environment import LocalEnvironment
    from snapboot_devkit.host.lifecycle.states import EnvironmentState
    from snapboot_devkit.host.lifecycle.terms import Invocation
    from snapboot_devkit.host.scaling.functions import Deployment


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that no environment has yet."""

    invocation: Invocation
    caller: Caller
    tenant: str
    since: float


class Pool:
    """The environments of one function, and the requests that wait for them."""

    def __init__(self, function: Deployment, make_room: Callable[[], bool]) -> None:
        """Begin empty; `make_room` returns whether the host has room for one more environment."""
        self._function = function
        self._make_room = make_room
        self._environments: list[PooledEnvironment] = []
        # Retired, or of older code: they end what they have begun.
        self._leaving: list[PooledEnvironment] = []
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._patience: asyncio.TimerHandle | None = None
        self._spin_down: asyncio.TimerHandle | None = None
        self._look_planned = False
        self._closed = False

    def __repr__(self) -> str:
        states = " ".join(state.value for state in self.states) or "empty"
        return f"<Pool {self._function.name!r}: {states}>"

    def __len__(self) -> int:
        """Return how many environments serve requests."""
        return len(self._environments)

    @property
    def states(self) -> list[EnvironmentState]:
        """Where the environments stand, also those that are about to leave."""
        return [one.environment.state for one in (*self._environments, *self._leaving)]

    @property
    def environments(self) -> list[LocalEnvironment]:
        """The environments, also those that are about to leave."""
        return [one.environment for one in (*self._environments, *self._leaving)]

    @property
    def idle_since(self) -> float | None:
        """The instant at which the one that is idle the longest was last at work, if any is."""
        return min((one.used_at for one in self._removable()), default=None)

    def provision(self) -> None:
        """Begin with the environments that are there from the start."""
        scale = self._function.scale
        for _ in range(scale.provisioned - sum(one.provisioned for one in self._environments)):
            self._grow("", provisioned=True).initialise()

    def initialise(self) -> None:
        """Begin the init of one environment ahead of any request, unless there is one."""
        if not self._environments and not self._closed:
            self._grow("").initialise()

    def invoke(self, invocation: Invocation, caller: Caller) -> None:
        """Have an event handled; `caller` hears of it in any case."""
        if self._closed:
            caller.refused(GOING_DOWN)
            return
        tenant = invocation.tenant_id if self._function.scale.per_tenant else ""
        index = None if self._waiting else free(self._environments, tenant)
        if index is not None:
            self._use(self._environments[index], invocation, caller)
            return
        self._waiting.append(_Waiting(invocation, caller, tenant, time.monotonic()))
        if len(self._waiting) == 1 and one_settles(self._environments, tenant):
            self._set_patience(SETTLE_S)
        else:
            self._serve()

    def renew(self, function: Deployment) -> None:
        """Serve with new code from now on; what the old one has begun it ends."""
        self._function, old = function, self._function
        self._leaving += self._environments
        self._environments.clear()
        self._look_soon()
        self._start(self._let_go(old))
        self.provision()

    def retire_one(self) -> bool:
        """Dispense with the environment that is idle the longest; tell whether there was one."""
        found = min(self._removable(), key=lambda one: one.used_at, default=None)
        if found:
            self._retire(found)
        return found is not None

    async def close(self) -> None:
        """Refuse all that wait, and end all environments, side by side."""
        self._closed = True
        for timer in (self._patience, self._spin_down):
            if timer:
                timer.cancel()
        while self._waiting:
            self._waiting.popleft().caller.refused(GOING_DOWN)
        self._leaving += self._environments
        self._environments.clear()
        for one in self._leaving:
            self._close(one)
        failures = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._function.close()
        for failure in failures:
            if failure:
                raise failure

    # ---- requests ----------------------------------------------------------------------------

    def _serve(self) -> None:
        """Place every request that waits; those that came first are asked for first."""
        still: deque[_Waiting] = deque()
        pause_s = LAST_RESORT_S
        while self._waiting:
            request = self._waiting.popleft()
            match self._place(request, ahead=sum(one.tenant == request.tenant for one in still)):
                case Wait(at_most_s):
                    still.append(request)
                    pause_s = min(pause_s, at_most_s)
                case Use(index):
                    self._use(self._environments[index], request.invocation, request.caller)
                case Grow(retire):
                    self._replace(retire, request)
                case RefuseRequest():
                    request.caller.refused(_too_many(self._function))
        self._waiting = still
        self._set_patience(pause_s)

    def _place(self, request: _Waiting, ahead: int) -> Placing:
        conditions = [one.condition for one in self._environments]
        waited_s = time.monotonic() - request.since
        asked = PlacingRequest(request.tenant, waited_s, ahead)
        return place(conditions, self._function.scale.limit, asked)

    def _use(self, one: PooledEnvironment, invocation: Invocation, caller: Caller) -> None:
        one.used_at = time.monotonic()
        one.invoke(invocation, caller)

    def _replace(self, index: int | None, request: _Waiting) -> None:
        if index is not None:
            self._retire(self._environments[index])
        elif not self._make_room():
            request.caller.refused(_HOST_IS_FULL)
            return
        self._use(self._grow(request.tenant), request.invocation, request.caller)

    def _set_patience(self, pause_s: float) -> None:
        """Look again when the first of those who wait has waited long enough.

        A timer for an earlier moment runs on, and sets the next.
        """
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + pause_s
        if self._patience is not None:
            if self._patience.when() <= due:
                return
            self._patience.cancel()
        self._patience = loop.call_at(due, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        self._serve()

    # ---- environments ------------------------------------------------------------------------

    def _grow(self, tenant: str, *, provisioned: bool = False) -> PooledEnvironment:
        def changed() -> None:
            self._changed(one)

        environment = self._function.environment(changed, provisioned=provisioned)
        one = PooledEnvironment(environment, self._function, tenant, time.monotonic(), provisioned)
        self._environments.append(one)
        one.opening = self._start(self._open(one))
        return one

    async def _open(self, one: PooledEnvironment) -> None:
        try:
            await one.environment.open()
        except (OSError, HostError) as exc:
            one.refuse(_not_opened(exc))
            self._environments = [other for other in self._environments if other is not one]
            self._leaving = [other for other in self._leaving if other is not one]
            return
        one.opened = True
        if self._closed:
            one.refuse(GOING_DOWN)
        else:
            one.begin()
            self._look_soon()

    def _changed(self, one: PooledEnvironment) -> None:
        if self._closed:
            return
        if self._waiting and not (self._leaving or one.dead) and one.capacity > 0:
            # The environment has done with its step, and the first who waits need wait no longer.
            first = self._waiting[0]
            if first.tenant == one.tenant:
                self._waiting.popleft()
                self._use(one, first.invocation, first.caller)
        if self._waiting or self._leaving or one.dead:
            self._look_soon()
        if one.idle:
            one.used_at = time.monotonic()
            if not self._spin_down:
                self._plan_spin_down(self._function.scale.idle_s)

    def _look_soon(self) -> None:
        """Look after the present step, which may be an environment's own."""
        if not self._look_planned:
            self._look_planned = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._look_planned = False
        for one in [one for one in self._environments if one.dead]:
            self._retire(one)
        for one in self._leaving:
            if one.dead or one.idle:
                self._close(one)
        self._serve()

    def _retire(self, one: PooledEnvironment) -> None:
        self._environments.remove(one)
        self._leaving.append(one)
        self._close(one)

    def _close(self, one: PooledEnvironment) -> None:
        if not one.closing:
            one.closing = True
            self._start(self._end(one))

    async def _end(self, one: PooledEnvironment) -> None:
        try:
            if one.opening is not None:
                await asyncio.wait([one.opening])
            if one.opened:
                await one.environment.close()
        finally:
            self._leaving = [other for other in self._leaving if other is not one]
        await self._let_go(one.function)

    async def _let_go(self, function: Deployment) -> None:
        """Close what is no longer used."""
        users = {id(one.function) for one in self._leaving}
        if function is not self._function and id(function) not in users:
            await function.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- idleness ----------------------------------------------------------------------------

    def _removable(self) -> list[PooledEnvironment]:
        return [one for one in self._environments if one.idle and not one.provisioned]

    def _plan_spin_down(self, wait_s: float) -> None:
        self._spin_down = asyncio.get_running_loop().call_later(wait_s, self._spin_down_idle)

    def _spin_down_idle(self) -> None:
        self._spin_down = None
        horizon = time.monotonic() - self._function.scale.idle_s
        for one in self._removable():
            if one.used_at <= horizon:
                self._retire(one)
        if (since := self.idle_since) is not None:
            self._plan_spin_down(since - horizon)


_HOST_IS_FULL: Final = ServiceFailure(
    429,
    "TooManyRequestsException",
    "Rate Exceeded: the host has as many environments as it may have, and all are at work; "
    "let an invocation end, or give the host more concurrency",
    "ConcurrentInvocationLimitExceeded",
)


def _too_many(function: Deployment) -> ServiceFailure:
    return ServiceFailure(
        429,
        "TooManyRequestsException",
        f"Rate Exceeded: all {function.scale.limit} environments of {function.name!r} are at work; "
        "let an invocation end, or give the function more concurrency",
        "ReservedFunctionConcurrentInvocationLimitExceeded",
    )


def _not_opened(exc: Exception) -> ServiceFailure:
    return ServiceFailure(
        500, "ServiceException", f"an environment could not be opened: {exc}; try again"
    )
