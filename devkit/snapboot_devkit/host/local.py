"""The local host: one function, its environment, and the Invoke API before it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

from snapboot_devkit.host.callers import Client, InvokeResult, Nobody, Program
from snapboot_devkit.host.environment import LocalEnvironment
from snapboot_devkit.host.errors import InvokeError
from snapboot_devkit.host.http.exchange import Body
from snapboot_devkit.host.http.server import Server, listen
from snapboot_devkit.host.identity import Tracing
from snapboot_devkit.host.routes import invoke as invoke_routes
from snapboot_devkit.host.routes.invoke import (
    InvocationType,
    InvokeCall,
    RefusedError,
    Wishes,
    checked_invocation,
    checked_payload,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.http.server import Exchange
    from snapboot_devkit.host.telemetry.logs import LogLine

LOOPBACK: Final = "127.0.0.1"
# A caller that takes longer over one request has gone astray.
_PATIENCE_S: Final = 60.0


def _silent(line: LogLine) -> None:
    """Let a line go; each invocation's result has its own."""
    del line


class LocalHost:
    """Lambda on this machine, for one function. Use it as an asynchronous context manager.

    With a port the Invoke API is served there (0 takes a free one, see `address`); without, the
    function can be invoked by `invoke` alone. Every line of the log goes to `log` as it comes.
    Entering raises AddressInUseError.
    """

    def __init__(
        self,
        config: FunctionConfig,
        *,
        port: int | None = None,
        host: str = LOOPBACK,
        log: Callable[[LogLine], None] = _silent,
    ) -> None:
        """Prepare a host; nothing is opened or started before it is entered."""
        self._config = config
        self._identity = config.identity
        self._tracing = Tracing()
        self._listen_on = host, port
        self._log = log
        self._server: Server | None = None
        self._environment: LocalEnvironment

    def __repr__(self) -> str:
        return f"<LocalHost {self._config.handler!r} at {self.address}>"

    @property
    def address(self) -> str | None:
        """Where the Invoke API is served, as `host:port`."""
        return self._server.address if self._server else None

    async def __aenter__(self) -> Self:
        """Open the host. The environment starts with its first invocation."""
        host, port = self._listen_on
        self._environment = LocalEnvironment(self._config, self._log)
        await self._environment.open()
        if port is not None:
            self._server = await self._serve(host, port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuse whoever waits, end every process and close every port."""
        try:
            await self._environment.close()
        finally:
            if self._server is not None:
                await self._server.close()

    def initialise(self) -> None:
        """Begin the init ahead of the first invocation, as Lambda may do."""
        self._environment.initialise()

    async def invoke(
        self,
        payload: Any = None,
        *,
        client_context: Any = None,
        tenant_id: str | None = None,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> InvokeResult:
        """Invoke the function and wait until it is done, figures and all.

        `payload` is the event: bytes are sent as they are, anything else as its JSON;
        `client_context` is anything JSON can hold. A function error is a result. Raises
        InvokeError for what the Invoke API would refuse.
        """
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        context = "" if client_context is None else json.dumps(client_context)
        wishes = Wishes(request_id, trace_id, context, tenant_id)
        try:
            event = checked_payload(Body(content, len(content)))
            invocation = checked_invocation(event, wishes, self._identity, self._tracing)
        except RefusedError as exc:
            raise InvokeError(exc.failure) from exc
        caller = Program()
        self._environment.invoke(invocation, caller)
        return await caller.outcome()

    # ---- the Invoke API's service ------------------------------------------------------------

    def opened(self, exchange: Exchange) -> None:
        """Answer at once what is not an invoke."""
        page = invoke_routes.page(exchange.head, self._environment.state.value)
        if page is not None:
            exchange.answer(page)

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take an invoke that is whole."""
        try:
            call = invoke_routes.parse(exchange.head, body, self._identity, self._tracing)
        except RefusedError as exc:
            exchange.answer(invoke_routes.render_failure(exc.failure))
            return
        self._take(call, exchange)

    def dropped(self, exchange: Exchange) -> None:
        """Go on without the caller, as Lambda does."""

    def _take(self, call: InvokeCall, exchange: Exchange) -> None:
        if call.kind is InvocationType.REQUEST_RESPONSE:
            caller = Client(exchange, call, self._identity.version)
            self._environment.invoke(call.invocation, caller)
            return
        if call.kind is InvocationType.EVENT:
            self._environment.invoke(call.invocation, Nobody(exchange))
        # Unless it has been refused.
        exchange.answer(invoke_routes.render_taken(call))

    async def _serve(self, host: str, port: int) -> Server:
        try:
            return await listen(self, host, port, patience_s=_PATIENCE_S)
        except BaseException:
            await self._environment.close()
            raise
