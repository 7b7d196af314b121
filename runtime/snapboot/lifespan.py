"""The lifespan of an application of ASGI: its start at Function Init, its shutdown on SIGTERM."""

import asyncio
import posix
import signal

from .aio import environment_loop
from .logs import log_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MODES = ("auto", "on", "off")
# As long as Lambda waits after SIGTERM at the most.
SHUTDOWN_S = 2.0
# For an application that has reported a failure, to end with the exception behind it.
FAILURE_S = 1.0
STARTUP = "lifespan.startup"
SHUTDOWN = "lifespan.shutdown"


class LifespanError(RuntimeError):
    """The start of an application failed: an init error."""


class Lifespan:
    """The start and the shutdown of one application. `state` is None if it has no lifespan."""

    def __init__(self, app: "Callable[..., Any]", mode: str) -> None:
        """Raise ValueError for an unknown mode."""
        if mode not in MODES:
            raise ValueError(f"lifespan is {mode!r}; it can be {', '.join(map(repr, MODES))}")
        self._app = app
        self._mode = mode
        self.state: dict[str, Any] | None = None
        self._is_started = mode == "off"
        self._task: asyncio.Task[None] | None = None
        self._asked = ""
        self._has_received = False
        self._answered: asyncio.Event
        self._wanted: asyncio.Event
        self._failure: str | None = None

    def __repr__(self) -> str:
        return f"<Lifespan of {self._app!r}>"

    def start(self) -> None:
        """Have the application start, once. Raises what it failed with."""
        if not self._is_started:
            self._is_started = True
            environment_loop.run(self._start())

    def shut_down(self) -> None:
        """Have the application shut down, if it has started. What fails is logged."""
        if self._task is not None and not self._task.done() and self.state is not None:
            environment_loop.run(self._shut_down(self._task))

    async def _start(self) -> None:
        self._wanted = asyncio.Event()
        state: dict[str, Any] = {}
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        self._ask(STARTUP)
        self._task = asyncio.create_task(self._run(scope))
        await self._answered.wait()
        if self._failure is not None:
            await asyncio.wait({self._task}, timeout=FAILURE_S)
            error = self._task.exception() if self._task.done() else None
            raise error or LifespanError(f"the application's start failed: {self._failure}")
        if not self._asked:
            self.state = state
            return
        error = self._task.exception()
        if self._mode == "on":
            message = f"{self._app!r} has no lifespan, and lifespan is 'on'"
            raise error or LifespanError(message)
        if error is not None and self._has_received:
            from .main import reported

            reported(error, "")

    async def _shut_down(self, task: "asyncio.Task[None]") -> None:
        self._ask(SHUTDOWN)
        waiting = asyncio.ensure_future(self._answered.wait())
        await asyncio.wait({waiting}, timeout=SHUTDOWN_S)
        if not waiting.done():
            waiting.cancel()
            log_warning(f"snapboot: the application has not shut down within {SHUTDOWN_S:g} s")
        elif self._failure is not None:
            log_warning(f"snapboot: the application's shutdown failed: {self._failure}")
        elif task.done() and (error := task.exception()) is not None:
            from .main import reported

            reported(error, "")

    def _ask(self, kind: str) -> None:
        self._asked = kind
        self._has_received = False
        self._answered = asyncio.Event()
        self._wanted.set()

    async def _run(self, scope: "dict[str, Any]") -> None:
        try:
            await self._app(scope, self._receive, self._send)
        finally:
            self._answered.set()

    async def _receive(self) -> "dict[str, Any]":
        await self._wanted.wait()
        self._wanted.clear()
        self._has_received = True
        return {"type": self._asked}

    async def _send(self, message: "Any") -> None:
        kind = message["type"]
        if not self._asked or kind not in (f"{self._asked}.complete", f"{self._asked}.failed"):
            raise LifespanError(f"the application sent {kind!r} in its lifespan")
        if kind.endswith(".failed"):
            self._failure = str(message.get("message") or "it gives no reason")
        self._asked = ""
        self._answered.set()


class Ending:
    """What is done when the platform ends the environment, for all applications in it.

    Lambda sends SIGTERM where an extension is registered, and nothing at all otherwise.
    """

    def __init__(self) -> None:
        self._lifespans: list[Lifespan] = []
        self.is_due = False

    def __repr__(self) -> str:
        return f"<Ending of {self._lifespans!r}>"

    def await_signal(self, lifespan: Lifespan) -> None:
        """Shut an application down on SIGTERM, unless the function handles that itself."""
        if lifespan.state is None:
            return
        try:
            if not self._lifespans and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:  # not in the main thread
            return
        self._lifespans.append(lifespan)

    def end(self) -> None:
        """Shut all applications down, the last one first, and end as the signal does."""
        self.is_due = False
        while self._lifespans:
            self._lifespans.pop().shut_down()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        posix.kill(posix.getpid(), signal.SIGTERM)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if environment_loop.is_running:
            self.is_due = True  # once the request has been answered
        else:
            self.end()


ending = Ending()
