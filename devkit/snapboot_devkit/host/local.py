"""The local host: several functions, their environments, and the front end before them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any, Final, Self

from snapboot_devkit import extras
from snapboot_devkit.host.callers.in_process import InProcessCaller, InvokeResult
from snapboot_devkit.host.errors import InvokeError
from snapboot_devkit.host.execution.shared import Shared
from snapboot_devkit.host.http.exchange import Body
from snapboot_devkit.host.http.refusal_line import refusal_line
from snapboot_devkit.host.http.server import Server, listen
from snapboot_devkit.host.protocol import LOOPBACK
from snapboot_devkit.host.routes.invocation import (
    InvokeOptions,
    checked_invocation,
    checked_payload,
)
from snapboot_devkit.host.routes.refusals import RefusedError
from snapboot_devkit.host.sandbox import cgroups
from snapboot_devkit.host.sandbox.reaper import Reaper
from snapboot_devkit.host.scaling.async_events import QUEUE_IS_FULL
from snapboot_devkit.host.scaling.functions import MAX_ENVIRONMENTS, Functions
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.environment import LocalEnvironment
    from snapboot_devkit.host.http.exchange import Head, Response
    from snapboot_devkit.host.lifecycle.terms import Invocation
    from snapboot_devkit.host.scaling.functions import HostedFunction
    from snapboot_devkit.host.telemetry.logs import LogLine

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
        """Prepare a host; nothing is opened or started before it is entered.

        Raises ModuleNotFoundError where a library is not installed that unusual requests need.
        """
        extras.require_host()
        self._functions = Functions(functions, max_environments)
        self._listen_on = host, port
        self._log = log
        self._reload = reload
        self._allow_hosts = frozenset(allow_hosts)
        self._server: Server | None = None
        self._reaper: Reaper | None = None

    def __repr__(self) -> str:
        return f"<LocalHost of {self._functions!r} at {self.address}>"

    @property
    def address(self) -> str | None:
        """Where the Invoke API is served, as `host:port`."""
        return self._server.address if self._server else None

    @property
    def functions(self) -> Mapping[str, FunctionConfig]:
        """The functions by name; the first is the one that is meant when none is named."""
        return self._functions.configs

    async def __aenter__(self) -> Self:
        """Open the host. Environments start with the first invocations, or are provisioned."""
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Refuse all that wait, end every process and close every port."""
        await self._close()

    def initialise(self, function: str | None = None) -> None:
        """Begin an init ahead of the first invocation, as Lambda may do; of all, or of one."""
        for one in [self._functions.named(function)] if function else self._functions:
            one.pool.initialise()

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
        options = InvokeOptions(request_id, trace_id, _context(client_context), tenant_id)
        return await self._begin(function, payload, options, InProcessCaller()).outcome()

    def stream(  # noqa: PLR0913 - each is a parameter of the Invoke API
        self,
        payload: Any = None,
        *,
        function: str | None = None,
        client_context: Any = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> InProcessCaller:
        """Invoke a function, and return who reads the response as it comes.

        `async for piece in program.pieces()` reads it, `await program.outcome()` has the figures
        in the end; read to the end, or leave the iterator. Raises InvokeError.
        """
        options = InvokeOptions(request_id, trace_id, _context(client_context), tenant_id)
        return self._begin(function, payload, options, InProcessCaller(streamed=True))

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

        The log says what becomes of the event, should it fail. Raises InvokeError.
        """
        hosted = self._functions.named(function)
        options = InvokeOptions(request_id, trace_id, "", tenant_id)
        invocation = self._invocation(hosted, payload, options, asynchronous=True)
        if not self._functions.post(hosted.config.name, invocation):
            raise InvokeError(QUEUE_IS_FULL)
        return invocation.request_id

    def pause_clock(self) -> None:
        """Let no deadline come nearer in any environment: there is a debugger."""
        for environment in self._environments:
            environment.pause_clock()

    def resume_clock(self) -> None:
        """Let the time go on."""
        for environment in self._environments:
            environment.resume_clock()

    def health(self) -> dict[str, Any]:
        """Return how the host is: a JSON document of the environments' states."""
        return self._functions.health()

    @property
    def _environments(self) -> list[LocalEnvironment]:
        return [one for hosted in self._functions for one in hosted.pool.environments]

    async def _open(self) -> None:
        self._reaper = await asyncio.to_thread(Reaper)
        shared = Shared(self._log, self._reaper)
        if text := await asyncio.to_thread(cgroups.missing):
            LogStream(self._log).write(Source.PLATFORM, f"snapboot: {text}")
        await self._functions.open(shared, watched=self._reload)
        host, port = self._listen_on
        if port is not None:
            from snapboot_devkit.host.callers.front_end import FrontEnd  # noqa: PLC0415
            from snapboot_devkit.host.routes.cross_site import OriginPolicy  # noqa: PLC0415

            policy = OriginPolicy(host, socket.gethostname(), self._allow_hosts)
            service = FrontEnd(self._functions, policy)
            self._server = await listen(
                service, host, port, patience_s=_PATIENCE_S, refused=self._refused
            )
        for hosted in self._functions:
            hosted.pool.provision()

    async def _close(self) -> None:
        try:
            await asyncio.gather(*(one.close() for one in self._functions))
        finally:
            if self._server is not None:
                await self._server.close()
            if self._reaper is not None:
                await asyncio.to_thread(self._reaper.close)

    def _refused(self, head: Head | None, response: Response) -> None:
        """Log a refused request: its sender may not look at what came back."""
        LogStream(self._log).write(Source.PLATFORM, refusal_line(head, response))

    def _begin(
        self, function: str | None, payload: Any, options: InvokeOptions, caller: InProcessCaller
    ) -> InProcessCaller:
        hosted = self._functions.named(function)
        hosted.pool.invoke(self._invocation(hosted, payload, options), caller)
        return caller

    def _invocation(
        self,
        hosted: HostedFunction,
        payload: Any,
        options: InvokeOptions,
        *,
        asynchronous: bool = False,
    ) -> Invocation:
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        try:
            event = checked_payload(Body(content, len(content)), asynchronous=asynchronous)
            return checked_invocation(event, options, hosted.config)
        except RefusedError as exc:
            raise InvokeError(exc.failure) from exc


def _context(client_context: Any) -> str:
    return "" if client_context is None else json.dumps(client_context)
