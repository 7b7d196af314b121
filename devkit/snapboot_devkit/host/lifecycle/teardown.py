"""How the processes of an environment end: asked first where anybody registered, then killed.

The order and the shares are RAPID's. Without extensions the runtime is killed at once. With any,
it gets SIGTERM and a share of the budget; then the external extensions that asked for SHUTDOWN
get that event, the others are killed; what is left at the end of the budget is killed.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle import effects
from snapboot_devkit.host.lifecycle.terms import SHUTDOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle.extensions import Extensions
    from snapboot_devkit.host.lifecycle.runtime import Runtime
    from snapboot_devkit.host.lifecycle.terms import Instant, ShutdownReason

INTERNAL_BUDGET_S: Final = 0.5
EXTERNAL_BUDGET_S: Final = 2.0
# The runtime's share of the budget.
RUNTIME_SHARE: Final = 0.3


class _Stage(Enum):
    LEAVING = auto()
    RUNTIME = auto()
    EXTENSIONS = auto()
    LAST = auto()


class Teardown:
    """The end of one set of processes; `deadline` is when it needs to be fed the time."""

    def __init__(
        self,
        runtime: Runtime,
        extensions: Extensions,
        reason: ShutdownReason,
        ask: Callable[[effects.Effect], None],
        *,
        grace_s: float | None = None,
    ) -> None:
        """Plan the end of all that is alive; `grace_s` is another share for the runtime."""
        self.deadline: float | None = None
        self._runtime = runtime
        self._extensions = extensions
        self._reason = reason
        self._ask = ask
        self._grace_s = grace_s
        self._stage = _Stage.RUNTIME
        self._end: Instant

    def __repr__(self) -> str:
        return f"<Teardown {self._stage.name.lower()}, {self._reason.value}>"

    @property
    def done(self) -> bool:
        """Whether no process is left."""
        return not self._runtime.alive and not self._extensions.any_alive

    def begin(self, now: Instant, *, leave_s: float = 0.0) -> None:
        """Take the first step; a runtime that leaves by itself is given `leave_s` seconds."""
        budget_s = leave_s + self._budget_s
        self._end = type(now)(now.mono + budget_s, now.epoch + budget_s)
        if not self._runtime.alive:
            self._end_extensions()
        elif leave_s:
            self._stage = _Stage.LEAVING
            self.deadline = now.mono + leave_s
        else:
            self._end_runtime(now)

    def runtime_exited(self) -> None:
        """Take note that the runtime has gone."""
        if self._stage in (_Stage.LEAVING, _Stage.RUNTIME):
            self._end_extensions()

    def time_passed(self, now: Instant) -> None:
        """Stop waiting for what was waited for."""
        if self.deadline is None or now.mono < self.deadline:
            return
        self.deadline = None
        match self._stage:
            case _Stage.LEAVING:
                self._end_runtime(now)
            case _Stage.RUNTIME:
                self._ask(effects.Kill())
            case _:
                self._stage = _Stage.LAST
                for member in self._extensions:
                    if member.alive:
                        self._ask(effects.Kill(member.name))

    @property
    def _budget_s(self) -> float:
        if self._extensions.any_external:
            return EXTERNAL_BUDGET_S
        return INTERNAL_BUDGET_S if len(self._extensions) else 0.0

    def _end_runtime(self, now: Instant) -> None:
        self._stage = _Stage.RUNTIME
        if budget_s := self._budget_s:
            self._ask(effects.Terminate())
            self.deadline = now.mono + (self._grace_s or RUNTIME_SHARE * budget_s)
        else:
            self._ask(effects.Kill())

    def _end_extensions(self) -> None:
        self._stage = _Stage.EXTENSIONS
        self.deadline = self._end.mono
        event = effects.ShutdownEvent(int(self._end.epoch * protocol.MS_PER_S), self._reason)
        for member in self._extensions:
            if member.alive and SHUTDOWN in member.events:
                self._extensions.send_shutdown(member, event)
            elif member.alive:
                self._ask(effects.Kill(member.name))
