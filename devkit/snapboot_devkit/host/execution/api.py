"""The HTTP side of one environment: the APIs that its runtime and its extensions call.

Requests become messages for the lifecycle; its replies find their way back by the number that
every call gets here. What the requests mean is the business of `routes`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias
from weakref import WeakSet

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http import site
from snapboot_devkit.host.http.connection import Refused, unheard
from snapboot_devkit.host.http.exchange import Body, Head, Response, error_response
from snapboot_devkit.host.http.server import listen
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.routes import extensions, runtime, services, telemetry

if TYPE_CHECKING:
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.relay import Relay
    from snapboot_devkit.host.http.connection import Connection, Exchange
    from snapboot_devkit.host.http.server import Server
    from snapboot_devkit.host.lifecycle import effects

_LOOPBACK: Final = "127.0.0.1"
_Route: TypeAlias = runtime.Route | extensions.Route | telemetry.Route


class Owner(Protocol):
    """Who is told of the calls."""

    def called(self, message: msg.Message) -> None:
        """Take a call; the answer is given by `EnvironmentApi.reply`."""


@dataclass(slots=True)
class _Call:
    number: int
    route: _Route
    exchange: Exchange
    relay: Relay | None = None


class EnvironmentApi:
    """The server that `AWS_LAMBDA_RUNTIME_API` names."""

    def __init__(
        self,
        owner: Owner,
        config: FunctionConfig,
        known: services.Services,
        refused: Refused = unheard,
    ) -> None:
        """Tell `owner` of every call; `known` is what the services beside the APIs tell."""
        self._refused = refused
        self.services = known
        self._owner = owner
        self._facts = _facts(config)
        self._snapstart = config.initialization is InitializationType.SNAP_START
        self._managed = config.initialization is InitializationType.MANAGED_INSTANCES
        self._numbers = itertools.count(1)
        self._by_number: dict[int, _Call] = {}
        self._by_exchange: dict[Exchange, _Call] = {}
        self._of_runtime: WeakSet[Connection] = WeakSet()
        self._server: Server

    def __repr__(self) -> str:
        return f"<EnvironmentApi {self.address}, {len(self._by_number)} calls open>"

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return self._server.address

    async def open(self) -> None:
        """Listen, on a port of its own."""
        self._server = await listen(self, _LOOPBACK, 0, refused=self._refused)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._server.close()

    def forget_runtime(self) -> None:
        """End what a runtime that has gone has left: it must not count as the next one's."""
        for connection in tuple(self._of_runtime):
            connection.close()

    def exchange(self, number: int) -> Exchange:
        """Return the exchange of an open call."""
        return self._by_number[number].exchange

    def relay(self, number: int, relay: Relay) -> None:
        """Let a relay take the body of a call."""
        self._by_number[number].relay = relay

    def reply(self, number: int, content: effects.Content) -> None:
        """Answer a call, if its caller still waits."""
        call = self._forget(number)
        if call is not None:
            call.exchange.answer(self._render(call.route, content))

    # ---- the server's service ----------------------------------------------------------------

    def opened(self, exchange: Exchange) -> None:
        """Take a call whose head has arrived."""
        route = (
            _foreign(exchange.head)
            or services.page(exchange.head, self.services)
            or self._route(exchange.head)
        )
        if isinstance(route, Response):
            exchange.answer(route)
            return
        call = _Call(next(self._numbers), route, exchange)
        self._by_number[call.number] = self._by_exchange[exchange] = call
        if isinstance(route, runtime.Route):
            self._of_runtime.add(exchange.connection)
            self._tell(runtime.opening(route, call.number, exchange.head))

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take a call that is whole."""
        call = self._by_exchange[exchange]
        if call.relay is not None:
            body = replace(body, content=call.relay.collected, size=call.relay.size)
        outcome = self._closing(call, exchange.head, body)
        if isinstance(outcome, Response):
            self._forget(call.number)
            exchange.answer(outcome)
        else:
            self._tell(outcome)

    def dropped(self, exchange: Exchange) -> None:
        """Take note of a call that broke off."""
        call = self._by_exchange.get(exchange)
        if call is not None:
            # Before the call is forgotten: one that broke off half-way can still be answered.
            self._tell(msg.CallDropped(call.number))
            self._forget(call.number)

    # ---- the routes --------------------------------------------------------------------------

    def _route(self, head: Head) -> _Route | Response:
        if head.path.startswith(protocol.EXTENSIONS):
            return extensions.route(head)
        if head.path.startswith((protocol.TELEMETRY_PATH, protocol.LOGS_PATH)):
            return telemetry.route(head)
        return runtime.route(head, snapstart=self._snapstart)

    def _closing(self, call: _Call, head: Head, body: Body) -> msg.Message | Response:
        match call.route:
            case extensions.Route():
                return extensions.closing(call.route, call.number, head, body)
            case telemetry.Route():
                return telemetry.closing(call.route, call.number, head, body, managed=self._managed)
            case runtime.Route():
                return runtime.closing(call.route, call.number, head, body)

    def _render(self, route: _Route, content: effects.Content) -> Response:
        match route:
            case extensions.Route():
                return extensions.render(content, self._facts)
            case telemetry.Route():
                return telemetry.render(content)
            case runtime.Route():
                return runtime.render(content)

    def _tell(self, message: msg.Message | None) -> None:
        if message is not None:
            self._owner.called(message)

    def _forget(self, number: int) -> _Call | None:
        call = self._by_number.pop(number, None)
        if call is not None:
            del self._by_exchange[call.exchange]
        return call


def _facts(config: FunctionConfig) -> extensions.Facts:
    """Return what extensions may know of the function."""
    identity = config.identity
    return extensions.Facts(config.name, identity.version, config.handler, identity.account)


def _foreign(head: Head) -> Response | None:
    """Refuse what a page in a browser has sent; no page is a runtime or an extension.

    These may send any `Host`, but none that a page could have been loaded from.
    """
    host = site.host_of(head)
    public = "." in host and not (
        site.is_loopback(host) or site.is_address(host) or host in protocol.SANDBOX_HOSTS
    )
    if public or protocol.ORIGIN in head.headers or protocol.FETCH_SITE in head.headers:
        return error_response(403, "ForeignRequest", "only processes of the environment may call")
    return None
