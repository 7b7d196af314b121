"""The HTTP side of one environment: the APIs that its runtime and its extensions call.

Requests become messages for the lifecycle, each with the `Call` that its reply comes back to. What
the requests mean is the business of `routes`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http import site
from snapboot_devkit.host.http.connection import Refused, unheard
from snapboot_devkit.host.http.exchange import Body, Head, Response, error_response
from snapboot_devkit.host.http.server import listen
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.routes import runtime, services

if TYPE_CHECKING:
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.relay import Relay
    from snapboot_devkit.host.http.connection import Exchange
    from snapboot_devkit.host.http.server import Server
    from snapboot_devkit.host.lifecycle import effects
    from snapboot_devkit.host.routes import extensions, telemetry

# By what names the APIs are called is looked at once.
_HOSTS: Final = 16
# What is noted with a connection of the runtime.
_OF_RUNTIME: Final = "runtime"
_Route: TypeAlias = "runtime.Route | extensions.ExtensionCall | telemetry.SubscribeCall"


class Owner(Protocol):
    """Receives the calls."""

    def called(self, *messages: msg.Message) -> None:
        """Take a call, or its beginning and end; the answer is given by `EnvironmentApi.reply`."""


class Call:
    """One request to the APIs; `relay` takes the body of one that is a stream."""

    __slots__ = ("begun", "exchange", "relay", "route")

    def __init__(self, route: _Route, exchange: Exchange) -> None:
        """Stand for a request, which is open as long as its exchange knows the call."""
        self.route = route
        self.exchange = exchange
        self.relay: Relay | None = None
        # The message for its head, which goes to the lifecycle together with that for its end.
        self.begun: msg.RuntimeCall | None = None
        exchange.note = self

    def __repr__(self) -> str:
        return f"<Call {self.route.value} {self.exchange!r}>"


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
        self._config = config
        self._snapstart = config.initialization is InitializationType.SNAP_START
        self._managed = config.initialization is InitializationType.MANAGED_INSTANCES
        # A runtime asks for each event by the same head, and answers by heads that are alike, of
        # which only the first is looked at.
        self._next: Head | None = None
        self._let_in: object = None
        self._server: Server

    def __repr__(self) -> str:
        return f"<EnvironmentApi {self.address}>"

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return self._server.address

    async def open(self) -> None:
        """Listen, on a port of its own."""
        self._server = await listen(self, protocol.LOOPBACK, 0, refused=self._refused)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await self._server.close()

    def forget_runtime(self) -> None:
        """End what a runtime that has gone has left: it must not count as the next one's."""
        self._server.hang_up(_OF_RUNTIME)

    def reply(self, call: Call, content: effects.Content) -> None:
        """Answer a call, if its caller still waits."""
        exchange = call.exchange
        if exchange.note is call:
            exchange.note = None
            if isinstance(call.route, runtime.Route):
                exchange.answer(runtime.render(content))
            else:
                exchange.answer(self._render(call.route, content))

    # ---- the server's service ----------------------------------------------------------------

    def opened(self, exchange: Exchange) -> None:
        """Take a call whose head has arrived."""
        head = exchange.head
        if head is self._next:
            exchange.connection.note = _OF_RUNTIME
            Call(runtime.Route.NEXT, exchange)
            return
        if head.alike is None or head.alike is not self._let_in:
            if _is_foreign(head):
                exchange.answer(_FOREIGN)
                return
            self._let_in = head.alike
        route = self._route(head)
        if isinstance(route, Response):
            exchange.answer(route)
            return
        call = Call(route, exchange)
        if not isinstance(route, runtime.Route):
            return
        exchange.connection.note = _OF_RUNTIME
        begun = runtime.opening(route, call, head)
        if begun is None:
            if route is runtime.Route.NEXT:
                self._next = head
        elif exchange.whole and runtime.is_kept(begun):
            call.begun = begun
        else:
            self._owner.called(begun)

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take a call that is whole."""
        call: Call = exchange.note
        if call.route is runtime.Route.NEXT:
            self._owner.called(msg.NextCalled(call))
            return
        if call.relay is not None:
            body = Body(call.relay.collected, call.relay.size, body.trailers)
        outcome = self._closing(call, exchange.head, body)
        if isinstance(outcome, Response):
            exchange.note = None
            exchange.answer(outcome)
        elif call.begun is not None:
            self._owner.called(call.begun, outcome)
        else:
            self._owner.called(outcome)

    def dropped(self, exchange: Exchange) -> None:
        """Take note of a call that broke off."""
        call: Call | None = exchange.note
        if call is not None:
            # Before the call is forgotten: one that broke off half-way can still be answered.
            self._owner.called(msg.CallDropped(call))
            exchange.note = None

    # ---- the routes --------------------------------------------------------------------------

    def _route(self, head: Head) -> _Route | Response:
        if head.path.startswith(protocol.RUNTIME_INVOCATION):
            return runtime.route(head)
        if head.path.startswith(protocol.EXTENSIONS):
            from snapboot_devkit.host.routes import extensions  # noqa: PLC0415 - used by few

            return extensions.route(head)
        if head.path.startswith((protocol.TELEMETRY_PATH, protocol.LOGS_PATH)):
            from snapboot_devkit.host.routes import telemetry  # noqa: PLC0415

            return telemetry.route(head)
        page = services.page(head, self.services)
        return page or runtime.route(head, snapstart=self._snapstart)

    def _closing(self, call: Call, head: Head, body: Body) -> msg.Message | Response:
        if isinstance(call.route, runtime.Route):
            return runtime.closing(call.route, call, head, body)
        from snapboot_devkit.host.routes import extensions, telemetry  # noqa: PLC0415

        if isinstance(call.route, extensions.ExtensionCall):
            return extensions.closing(call.route, call, head, body)
        return telemetry.closing(call.route, call, head, body, managed=self._managed)

    def _render(
        self, route: extensions.ExtensionCall | telemetry.SubscribeCall, content: effects.Content
    ) -> Response:
        from snapboot_devkit.host.routes import extensions, telemetry  # noqa: PLC0415

        if isinstance(route, extensions.ExtensionCall):
            return extensions.render(content, _facts(self._config))
        return telemetry.render(content)


def _facts(config: FunctionConfig) -> extensions.FunctionDetails:
    """Return what extensions may know of the function."""
    from snapboot_devkit.host.routes import extensions  # noqa: PLC0415

    identity = config.identity
    return extensions.FunctionDetails(
        config.name, identity.version, config.handler, identity.account
    )


def _is_foreign(head: Head) -> bool:
    """Tell whether a page in a browser has sent it; no page is a runtime or an extension.

    These may send any `Host`, but none that a page could have been loaded from.
    """
    headers = head.headers
    return (
        protocol.ORIGIN in headers
        or protocol.FETCH_SITE in headers
        or _is_public(headers.get(b"host", b""))
    )


@functools.lru_cache(_HOSTS)
def _is_public(host: bytes) -> bool:
    name = site.host_named(host)
    return "." in name and not (
        site.is_loopback(name) or site.is_address(name) or name in protocol.SANDBOX_HOSTS
    )


_FOREIGN: Final = error_response(
    403, "ForeignRequest", "only processes of the environment may call"
)
