"""The runtime as its environment sees it: its process, its state, the calls that wait.

Which calls are legal in which state is a table in `states`; a call that is not is refused and
changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle import effects, failures
from snapboot_devkit.host.lifecycle.states import (
    ASKED_FOR,
    PROCESS,
    ProcessMove,
    ProcessState,
    RuntimeMove,
    RuntimeState,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapboot_devkit.host.lifecycle import terms
    from snapboot_devkit.host.lifecycle.terms import CallToken


class Runtime:
    """The runtime's side of an environment. What it wants done goes to `ask`."""

    def __init__(
        self,
        table: Mapping[tuple[RuntimeState, RuntimeMove], RuntimeState],
        ask: Callable[[effects.Effect], None],
    ) -> None:
        """Begin with nothing started; `table` says which calls are legal."""
        self.state = RuntimeState.STARTED
        self.process = ProcessState.ABSENT
        # Those that wait for an event, the first one the longest.
        self.blocked: deque[CallToken] = deque()
        self._table = table
        self._ask = ask

    def __repr__(self) -> str:
        return f"<Runtime {self.state.value}, {self.process.value}>"

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.process is not ProcessState.ABSENT

    def spawn(self) -> None:
        """Ask for the process."""
        self.state = RuntimeState.STARTED
        self.blocked.clear()
        self._move_process(ProcessMove.SPAWN)
        self._ask(effects.Spawn())

    def dismiss(self) -> None:
        """Hear nothing more of a process that is about to end."""
        self._move_process(ProcessMove.DISMISS)

    def exited(self) -> None:
        """Take note that the process has ended."""
        self._move_process(ProcessMove.EXIT)

    def step(self, move: RuntimeMove, call: CallToken) -> bool:
        """Follow a call, or refuse it and stay."""
        if self.process is ProcessState.RUNNING:
            after = self._table.get((self.state, move))
            if after is not None:
                self.state = after
                return True
        self._ask(effects.Reply(call, failures.illegal_transition(self.state, ASKED_FOR[move])))
        return False

    def move(self, move: RuntimeMove) -> None:
        """Make a legal move."""
        self.state = self._table[self.state, move]

    def release(self, move: RuntimeMove, content: effects.Restored | terms.Delivery) -> None:
        """Answer the call that has waited longest; others wait on, for the next event."""
        self.state = self._table[self.state, move]
        if self.blocked:
            self._ask(effects.Reply(self.blocked.popleft(), content))

    def drop(self, call: CallToken) -> None:
        """Take note that a call broke off; one that waited waits no longer."""
        if call in self.blocked:
            self.blocked.remove(call)

    def _move_process(self, move: ProcessMove) -> None:
        self.process = PROCESS[self.process, move]
