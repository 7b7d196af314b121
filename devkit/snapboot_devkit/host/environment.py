"""One execution environment for real: performs what its lifecycle asks for.

The runtime's process, its Runtime API, its log and the timer of its deadline belong to it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from snapboot_devkit.host.errors import HostError
from snapboot_devkit.host.http.server import Server, listen
from snapboot_devkit.host.lifecycle import effects, records, terms
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.core import Environment
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.routes import runtime as runtime_routes
from snapboot_devkit.host.sandbox.environ import runtime_environ
from snapboot_devkit.host.sandbox.process import RuntimeProcess, launch
from snapboot_devkit.host.telemetry import loglines
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.callers import Caller
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.http.exchange import Body, Response
    from snapboot_devkit.host.http.server import Exchange
    from snapboot_devkit.host.telemetry.logs import LogLine

_LOOPBACK: Final = "127.0.0.1"
# Between two looks at the memory of a runtime at work; what ends in between is not seen.
_MEMORY_WATCH_S: Final = 0.1
_AT_WORK: Final = frozenset(
    {EnvironmentState.INITIALISING, EnvironmentState.RESTORING, EnvironmentState.INVOKING}
)


class LocalEnvironment:
    """An execution environment on this machine."""

    def __init__(self, config: FunctionConfig, sink: Callable[[LogLine], None]) -> None:
        """Prepare an environment of a function; nothing runs before `open`."""
        self._config = config
        self._core = Environment(config.rules, lambda: str(uuid4()))
        self._log = LogStream(sink)
        self._log_stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid4().hex}"
        self._numbers = itertools.count(1)
        self._calls: dict[int, Exchange] = {}
        self._routes: dict[Exchange, tuple[int, runtime_routes.Route]] = {}
        self._callers: dict[int, Caller] = {}
        self._server: Server
        self._process: RuntimeProcess | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._memory_watch: asyncio.TimerHandle | None = None
        self._dead = asyncio.Event()

    def __repr__(self) -> str:
        return f"<LocalEnvironment {self.state.value}, {self._process}>"

    @property
    def state(self) -> EnvironmentState:
        """Where the environment stands."""
        return self._core.state

    async def open(self) -> None:
        """Open the Runtime API, on a port of its own."""
        self._server = await listen(self, _LOOPBACK, 0)

    def initialise(self) -> None:
        """Begin the init ahead of any request."""
        self._feed(msg.InitRequested())

    def invoke(self, invocation: terms.Invocation, caller: Caller) -> None:
        """Handle an event when its turn has come."""
        number = next(self._numbers)
        self._callers[number] = caller
        self._feed(msg.InvokeRequested(number, invocation))

    async def close(self) -> None:
        """Refuse whoever waits, end all processes, and close the Runtime API."""
        self._feed(msg.StopRequested())
        await self._dead.wait()
        await self._server.close()

    # ---- the Runtime API's service -----------------------------------------------------------

    def opened(self, exchange: Exchange) -> None:
        """Take a call whose head has arrived."""
        snapstart = self._config.initialization is terms.InitializationType.SNAP_START
        route = runtime_routes.route(exchange.head, snapstart=snapstart)
        if not isinstance(route, runtime_routes.Route):
            exchange.answer(route)
            return
        number = next(self._numbers)
        self._calls[number] = exchange
        self._routes[exchange] = number, route
        if message := runtime_routes.opening(route, number, exchange.head):
            self._feed(message)

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take a call that is whole."""
        number, route = self._routes[exchange]
        message = runtime_routes.closing(route, number, exchange.head, body)
        if message is None:
            self._reply(number, runtime_routes.PONG)
            return
        if isinstance(message, msg.NextCalled) and self._process:
            # What was printed before belongs to the invocation that ends here.
            self._process.flush()
        self._feed(message)

    def dropped(self, exchange: Exchange) -> None:
        """Take note of a call that broke off."""
        number, _ = self._routes.get(exchange, (0, None))
        self._feed(msg.CallDropped(number))
        self._forget(number)

    # ---- the process's owner -----------------------------------------------------------------

    def printed(self, line: str) -> None:
        """Take a line of the runtime's output."""
        self._log.write(Source.FUNCTION, line)

    def exited(self, code: int) -> None:
        """Take note of the end of the runtime."""
        self._server.hang_up()
        self._feed(msg.ProcessExited(code))

    # ---- performing --------------------------------------------------------------------------

    def _feed(self, message: msg.Message) -> None:
        now = terms.Instant(time.monotonic(), time.time())
        for effect in self._core.feed(message, now):
            self._perform(effect)
        self._set_timer()
        if self.state is EnvironmentState.DEAD:
            self._dead.set()

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Reply():
                self._reply(effect.call, runtime_routes.render(effect.content))
            case effects.Answer():
                self._callers[effect.caller].answered(effect.result)
            case effects.Refuse():
                self._callers.pop(effect.caller).refused(effect.failure)
            case effects.Spawn():
                self._spawn()
            case effects.Kill():
                self._kill()
            case records.Report():
                self._finish(effect)
            case records.InitReport() if self._process:
                self._process.peak_mb()
                self._record(effect)
            case records.Start():
                self._watch_memory()
                self._record(effect)
            case effects.Terminate() | effects.BeginStream() | effects.Subscribe():
                raise TypeError(f"{effect!r} is not performed yet")
            case _:
                self._record(effect)

    def _reply(self, number: int, response: Response) -> None:
        if exchange := self._forget(number):
            exchange.answer(response)

    def _forget(self, number: int) -> Exchange | None:
        exchange = self._calls.pop(number, None)
        if exchange is not None:
            del self._routes[exchange]
        return exchange

    def _spawn(self) -> None:
        environ = runtime_environ(self._config, self._server.address, self._log_stream)
        try:
            self._process = launch(self._config.command, self._config.task_root, environ, self)
            self._watch_memory()
        except HostError as exc:
            self._process = None
            # Not from within the message that asked for the process.
            asyncio.get_running_loop().call_soon(self._feed, msg.SpawnFailed(str(exc)))

    def _watch_memory(self) -> None:
        """Look at the memory now and then, since a process that has ended cannot be asked."""
        if self._memory_watch is None:
            loop = asyncio.get_running_loop()
            self._memory_watch = loop.call_later(_MEMORY_WATCH_S, self._look_at_memory)

    def _look_at_memory(self) -> None:
        self._memory_watch = None
        if self._process and self.state in _AT_WORK:
            self._process.peak_mb()
            self._watch_memory()

    def _kill(self) -> None:
        if self._process:
            self._process.kill()

    def _record(self, record: records.Record) -> None:
        line = loglines.text_line(record, self._config.identity.version)
        if line is not None:
            self._log.write(Source.PLATFORM, line)

    def _finish(self, report: records.Report) -> None:
        whole = replace(
            report,
            memory_size_mb=self._config.memory_mb,
            max_memory_used_mb=self._process.peak_mb() if self._process else None,
        )
        self._record(whole)
        self._callers.pop(report.caller).finished(whole, self._log.take())

    def _set_timer(self) -> None:
        """Let the timer ring at the lifecycle's deadline; one that rings too early is no harm."""
        deadline = self._core.deadline
        if deadline == self._timer_at:
            return
        self._timer_at = deadline
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer_at = self._timer = None
        if self._process:
            self._process.flush()
        self._feed(msg.TimePassed())
