"""The runtime as its environment sees it: a state, the calls that wait, the answer under way.

Which calls are legal in which state is the table in `states`; a call that is not is refused and
changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapboot_devkit.host.lifecycle import effects, failures
from snapboot_devkit.host.lifecycle.states import (
    ASKED_FOR,
    PROCESS,
    RUNTIME,
    WAITING,
    ProcessMove,
    ProcessState,
    RuntimeMove,
    RuntimeState,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.lifecycle import messages as msg
    from snapboot_devkit.host.lifecycle import terms
    from snapboot_devkit.host.lifecycle.terms import CallToken


class Runtime:
    """The runtime's side of an environment. What it wants done goes to `ask`."""

    def __init__(self, ask: Callable[[effects.Effect], None]) -> None:
        """Begin with nothing started."""
        self.state = RuntimeState.STARTED
        self.process = ProcessState.ABSENT
        self.answering: msg.ResponseBegun | msg.ErrorBegun | None = None
        self._ask = ask
        self._blocked: list[CallToken] = []

    def __repr__(self) -> str:
        return f"<Runtime {self.state.value}, {self.process.value}>"

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.process is not ProcessState.ABSENT

    @property
    def waiting(self) -> bool:
        """Whether the runtime has done its part and waits for an event, or for its restore."""
        return self.process is ProcessState.RUNNING and self.state in WAITING

    def spawn(self) -> None:
        """Ask for the process."""
        self.state = RuntimeState.STARTED
        self._move_process(ProcessMove.SPAWN)
        self._ask(effects.Spawn())

    def dismiss(self) -> None:
        """Hear nothing more of a process that is about to end."""
        self._move_process(ProcessMove.DISMISS)
        self.answering = None

    def exited(self) -> None:
        """Take note that the process has ended."""
        self._move_process(ProcessMove.EXIT)
        self.answering = None
        self._blocked.clear()

    def step(self, move: RuntimeMove, call: CallToken) -> bool:
        """Follow a call, or refuse it and stay."""
        if self.process is ProcessState.RUNNING:
            after = RUNTIME.get((self.state, move))
            if after is not None:
                self.state = after
                return True
        self._reply(call, failures.illegal_transition(self.state, ASKED_FOR[move]))
        return False

    def move(self, move: RuntimeMove) -> None:
        """Make a legal move."""
        self.state = RUNTIME[self.state, move]

    def block(self, call: CallToken) -> None:
        """Let a call wait."""
        self._blocked.append(call)

    def release(self, move: RuntimeMove, content: effects.Restored | terms.Delivery) -> None:
        """Answer the call that has waited longest; others wait on, for the next event."""
        self.state = RUNTIME[self.state, move]
        if self._blocked:
            self._ask(effects.Reply(self._blocked.pop(0), content))

    def end_answer(self, call: CallToken) -> msg.ResponseBegun | msg.ErrorBegun | None:
        """Return the answer that was under way by a call, and that has come to its end."""
        begun = self.answering
        if begun is None or begun.call != call:
            return None
        self.answering = None
        self.move(RuntimeMove.ANSWERED)
        return begun

    def drop(self, call: CallToken) -> None:
        """Take note that a call broke off; one that waited waits no longer."""
        if call in self._blocked:
            self._blocked.remove(call)

    def _move_process(self, move: ProcessMove) -> None:
        self.process = PROCESS[self.process, move]

    def _reply(self, call: CallToken, content: effects.Content) -> None:
        self._ask(effects.Reply(call, content))
