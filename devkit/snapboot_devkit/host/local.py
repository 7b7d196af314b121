"""The local host: several functions, their environments, and the front end before them."""

from __future__ import annotations

import asyncio
import json
import socket
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from snapboot_devkit.host.errors import ConfigError, InvokeError
from snapboot_devkit.host.execution.shared import Shared
from snapboot_devkit.host.front.callers import InvokeResult, Program
from snapboot_devkit.host.http.exchange import Body
from snapboot_devkit.host.http.refusal_line import refusal_line
from snapboot_devkit.host.http.server import Server, listen
from snapboot_devkit.host.identity import Tracing
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.routes.invocation import Wishes, checked_invocation, checked_payload
from snapboot_devkit.host.routes.refusals import RefusedError
from snapboot_devkit.host.sandbox import cgroups
from snapboot_devkit.host.sandbox.guard import Guard
from snapboot_devkit.host.scaling.events import QUEUE_IS_FULL
from snapboot_devkit.host.scaling.hosted import HostedFunction
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.front.callers import Caller
    from snapboot_devkit.host.http.exchange import Head, Response
    from snapboot_devkit.host.lifecycle.terms import Invocation
    from snapboot_devkit.host.scaling.resident import Environment
    from snapboot_devkit.host.telemetry.logs import LogLine

LOOPBACK: Final = "127.0.0.1"
# Environments of all functions together; each is an interpreter at least.
MAX_ENVIRONMENTS: Final = 100
# A caller that takes longer over one request has gone astray.
_PATIENCE_S: Final = 60.0


def _silent(line: LogLine) -> None:
    """Let a line go; each invocation's result has its own."""
    del line


class LocalHost:
    """Lambda on this machine. Use it as an asynchronous context manager.

    With a port the Invoke API is served there (0 takes a free one, see `address`); without, the
    functions can be invoked by `invoke` alone. Every line of the log goes to `log` as it comes.
    There are at most `max_environments`, whatever the functions. With `reload` a function whose
    code has changed gets new environments; what is at work is not disturbed. Of pages in browsers
    only those of `allow_hosts` may ask, besides the functions' own; `*` allows all.

    Raises ConfigError. Entering raises AddressInUseError and SourceError.
    """

    def __init__(  # noqa: PLR0913 - each is an option that users know
        self,
        *functions: FunctionConfig,
        port: int | None = None,
        host: str = LOOPBACK,
        log: Callable[[LogLine], None] = _silent,
        max_environments: int = MAX_ENVIRONMENTS,
        reload: bool = False,
        allow_hosts: Iterable[str] = (),
    ) -> None:
        """Prepare a host; nothing is opened or started before it is entered."""
        self._configs = _by_name(functions)
        self._tracing = Tracing()
        self._listen_on = host, port
        self._log = log
        self._max_environments = max_environments
        self._reload = reload
        self._allow_hosts = frozenset(allow_hosts)
        self._hosted: dict[str, HostedFunction] = {}
        self._server: Server | None = None
        self._guard: Guard | None = None

    def __repr__(self) -> str:
        return f"<LocalHost of {', '.join(self._configs)} at {self.address}>"

    @property
    def address(self) -> str | None:
        """Where the Invoke API is served, as `host:port`."""
        return self._server.address if self._server else None

    @property
    def functions(self) -> Mapping[str, FunctionConfig]:
        """The functions by name; the first is the one that is meant when none is named."""
        return MappingProxyType(self._configs)

    async def __aenter__(self) -> Self:
        """Open the host. Environments start with the first invocations, or are provisioned."""
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuse whoever waits, end every process and close every port."""
        await self._close()

    def initialise(self, function: str | None = None) -> None:
        """Begin an init ahead of the first invocation, as Lambda may do; of all, or of one."""
        for name in [function] if function else self._hosted:
            self._named(name).pool.initialise()

    async def invoke(  # noqa: PLR0913 - each is a parameter of the Invoke API
        self,
        payload: Any = None,
        *,
        function: str | None = None,
        client_context: Any = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> InvokeResult:
        """Invoke a function and wait until it is done, figures and all.

        `payload` is the event: bytes are sent as they are, anything else as its JSON;
        `client_context` is anything JSON can hold. A function error is a result. Raises
        InvokeError for what the Invoke API would refuse.
        """
        wishes = Wishes(request_id, trace_id, _context(client_context), tenant_id)
        return await self._begin(function, payload, wishes, Program()).outcome()

    def stream(  # noqa: PLR0913 - each is a parameter of the Invoke API
        self,
        payload: Any = None,
        *,
        function: str | None = None,
        client_context: Any = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> Program:
        """Invoke a function, and return who reads the response as it comes.

        `async for piece in program.pieces()` reads it, `await program.outcome()` has the figures
        in the end; read to the end, or leave the iterator. Raises InvokeError.
        """
        wishes = Wishes(request_id, trace_id, _context(client_context), tenant_id)
        return self._begin(function, payload, wishes, Program(streamed=True))

    def send(
        self,
        payload: Any = None,
        *,
        function: str | None = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Invoke a function asynchronously, as with type `Event`; return the request id.

        The log tells what becomes of the event, should it fail. Raises InvokeError.
        """
        hosted = self._named(function)
        wishes = Wishes(request_id, trace_id, "", tenant_id)
        invocation = self._invocation(hosted, payload, wishes, asynchronous=True)
        if not self.post(hosted.config.name, invocation):
            raise InvokeError(QUEUE_IS_FULL)
        return invocation.request_id

    def pause_clock(self) -> None:
        """Let no deadline come nearer in any environment: somebody is debugging."""
        for environment in self._environments():
            environment.pause_clock()

    def resume_clock(self) -> None:
        """Let the time go on."""
        for environment in self._environments():
            environment.resume_clock()

    # ---- what the front end asks for ---------------------------------------------------------

    def dispatch(self, function: str, invocation: Invocation, caller: Caller) -> None:
        """Have an event handled; `caller` hears of it in any case."""
        self._hosted[function].pool.invoke(invocation, caller)

    def post(self, function: str, invocation: Invocation) -> bool:
        """Take an event that nobody waits for, if there is room for it."""
        events = self._hosted[function].events
        if not events.has_room(invocation):
            return False
        events.post(invocation)
        return True

    def health(self) -> dict[str, Any]:
        """Return how the host is: a JSON document of the environments' states."""
        states = {name: one.pool.states for name, one in self._hosted.items()}
        return {
            "state": _overall([state for group in states.values() for state in group]),
            "functions": {
                name: {"environments": [state.value for state in group]}
                for name, group in states.items()
            },
        }

    # ------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        self._guard = await asyncio.to_thread(Guard)
        shared = Shared(self._log, self._guard)
        if text := await asyncio.to_thread(cgroups.missing):
            LogStream(self._log).write(Source.PLATFORM, f"snapboot: {text}")
        for config in self._configs.values():
            hosted = await HostedFunction.open(config, shared, self._make_room)
            self._hosted[config.name] = hosted
            if self._reload:
                await hosted.watch()
        host, port = self._listen_on
        if port is not None:
            from snapboot_devkit.host.front.front_end import FrontEnd  # noqa: PLC0415
            from snapboot_devkit.host.routes.cross_site import Gate  # noqa: PLC0415

            gate = Gate(host, socket.gethostname(), self._allow_hosts)
            service = FrontEnd(self, self._tracing, gate)
            self._server = await listen(
                service, host, port, patience_s=_PATIENCE_S, refused=self._refused
            )
        for hosted in self._hosted.values():
            hosted.pool.provision()

    async def _close(self) -> None:
        try:
            await asyncio.gather(*(one.close() for one in self._hosted.values()))
        finally:
            if self._server is not None:
                await self._server.close()
            if self._guard is not None:
                await asyncio.to_thread(self._guard.close)

    def _refused(self, head: Head | None, response: Response) -> None:
        """Log a refused request: its sender may not look at what came back."""
        LogStream(self._log).write(Source.PLATFORM, refusal_line(head, response))

    def _environments(self) -> list[Environment]:
        return [one for hosted in self._hosted.values() for one in hosted.pool.environments]

    def _named(self, function: str | None) -> HostedFunction:
        name = next(iter(self._configs)) if function is None else function
        if name not in self._hosted:
            raise ConfigError(
                f"function {name!r} is not here; this host has {', '.join(self._hosted)}"
            )
        return self._hosted[name]

    def _begin(
        self, function: str | None, payload: Any, wishes: Wishes, caller: Program
    ) -> Program:
        hosted = self._named(function)
        hosted.pool.invoke(self._invocation(hosted, payload, wishes), caller)
        return caller

    def _invocation(
        self, hosted: HostedFunction, payload: Any, wishes: Wishes, *, asynchronous: bool = False
    ) -> Invocation:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        try:
            event = checked_payload(Body(content, len(content)), asynchronous=asynchronous)
            return checked_invocation(event, wishes, hosted.config, self._tracing)
        except RefusedError as exc:
            raise InvokeError(exc.failure) from exc

    def _make_room(self) -> bool:
        """Tell whether there may be one more environment, if need be for one that is idle."""
        pools = [one.pool for one in self._hosted.values()]
        if sum(len(pool) for pool in pools) < self._max_environments:
            return True
        idle = [
            (since, i) for i, pool in enumerate(pools) if (since := pool.idle_since) is not None
        ]
        return bool(idle) and pools[min(idle)[1]].retire_one()


def _by_name(functions: tuple[FunctionConfig, ...]) -> dict[str, FunctionConfig]:
    if not functions:
        raise ConfigError("a host needs at least one function; give it a FunctionConfig")
    named = {config.name: config for config in functions}
    if len(named) < len(functions):
        names = sorted(config.name for config in functions)
        raise ConfigError(f"functions {names!r} must have a name each; change those that are equal")
    return named


def _context(client_context: Any) -> str:
    return "" if client_context is None else json.dumps(client_context)


def _overall(states: list[EnvironmentState]) -> str:
    """Return the state that matters most to who would invoke now."""
    if EnvironmentState.READY in states:
        return EnvironmentState.READY.value
    return states[0].value if states else EnvironmentState.COLD.value
