"""One environment in a pool, and all that a pool knows of it and of its function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.scaling.placing import Condition
from snapboot_devkit.lazy_dataclass import dataclass

if TYPE_CHECKING:
    import asyncio

    from snapboot_devkit.host.callers.in_process import Caller
    from snapboot_devkit.host.execution.environment import LocalEnvironment
    from snapboot_devkit.host.lifecycle.terms import Invocation, ServiceFailure
    from snapboot_devkit.host.scaling.functions import Deployment


@dataclass(frozen=True, slots=True)
class Scale:
    """How many environments there are.

    At most `limit`, of which `provisioned` are there from the start; one that was `idle_s` seconds
    without an event goes. Each takes up to `at_once` events at a time. With `per_tenant` no two
    tenants share one.
    """

    limit: int
    provisioned: int
    idle_s: float
    at_once: int = 1
    per_tenant: bool = False


class PooledEnvironment:
    """An environment in a pool; until it is open its requests wait beside it."""

    opened = ahead = closing = False
    opening: asyncio.Task[None] | None = None

    def __init__(
        self,
        environment: LocalEnvironment,
        function: Deployment,
        tenant: str,
        used_at: float,
        provisioned: bool,  # noqa: FBT001
    ) -> None:
        """Begin with one that is still to be opened."""
        self.environment = environment
        self._lifecycle = environment.lifecycle
        self.function = function
        self.tenant = tenant
        self.used_at = used_at
        self.provisioned = provisioned
        self.queue: list[tuple[Invocation, Caller]] = []

    def __repr__(self) -> str:
        return f"<PooledEnvironment {self.environment!r}>"

    @property
    def dead(self) -> bool:
        """Whether the environment has ended by itself."""
        return self.environment.state is EnvironmentState.DEAD

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return self.opened and self._lifecycle.idle

    @property
    def capacity(self) -> int:
        """How many more events it takes."""
        if self.opened:
            return self._lifecycle.capacity_left
        return self.function.scale.at_once - len(self.queue)

    @property
    def warm(self) -> bool:
        """Whether it has been initialised."""
        return self.environment.state is EnvironmentState.READY

    @property
    def settling(self) -> bool:
        """Whether it will be free in a moment."""
        return self.opened and self._lifecycle.settling

    @property
    def condition(self) -> Condition:
        """How it is placed to serve a request."""
        return Condition(
            self.tenant,
            self.capacity,
            warm=self.warm,
            idle=self.idle and not self.provisioned,
            settling=self.settling,
            used_at=self.used_at,
        )

    def invoke(self, invocation: Invocation, caller: Caller) -> None:
        """Hand an event over, as soon as it is open."""
        if self.opened:
            self.environment.invoke(invocation, caller)
        else:
            self.queue.append((invocation, caller))

    def initialise(self) -> None:
        """Begin the init, as soon as it is open."""
        self.ahead = True
        if self.opened:
            self.environment.initialise()

    def begin(self) -> None:
        """Start with what has come in since the environment was wanted; it is open now."""
        if self.ahead:
            self.environment.initialise()
        for invocation, caller in self.queue:
            self.environment.invoke(invocation, caller)
        self.queue.clear()

    def refuse(self, failure: ServiceFailure) -> None:
        """Refuse all that wait until it is open."""
        for _, caller in self.queue:
            caller.refused(failure)
        self.queue.clear()
