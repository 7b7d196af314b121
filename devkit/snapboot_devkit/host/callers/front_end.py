"""The front end: requests over HTTP become invocations, which are dispatched to functions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host.callers.clients import Client, StreamClient, UrlClient
from snapboot_devkit.host.routes import function_url
from snapboot_devkit.host.routes import invoke as invoke_routes
from snapboot_devkit.host.routes.invoke import InvocationType, InvokeTarget, Resolved
from snapboot_devkit.host.routes.refusals import RefusedError, render_failure
from snapboot_devkit.host.scaling.async_events import QUEUE_IS_FULL

if TYPE_CHECKING:
    from snapboot_devkit.host.http.connection import Exchange
    from snapboot_devkit.host.http.exchange import Body, Head
    from snapboot_devkit.host.routes.cross_site import OriginPolicy
    from snapboot_devkit.host.routes.function_url import UrlTarget
    from snapboot_devkit.host.scaling.functions import Functions


# How many heads are known; when there are more, all are looked at again.
_KNOWN: Final = 64


class FrontEnd:
    """The service behind a host's port: the Invoke API, function URLs, and how the host is."""

    def __init__(self, functions: Functions, policy: OriginPolicy) -> None:
        """Dispatch to `functions` what `policy` lets in."""
        self._functions = functions
        self._policy = policy
        # Heads come again and again as the same object, and are looked at once.
        self._known: dict[int, tuple[Head, UrlTarget | InvokeTarget | Resolved | None]] = {}

    def __repr__(self) -> str:
        return f"<FrontEnd of {self._functions!r}>"

    def opened(self, exchange: Exchange) -> None:
        """Answer at once what is for no function."""
        head = exchange.head
        known = self._known.get(id(head))
        if known is not None and known[0] is head:
            exchange.note = known[1]
            return
        answer = self._policy.refusal(head)
        if answer is None:
            exchange.note = asked = function_url.target(head) or invoke_routes.target(head.path)
            if isinstance(asked, function_url.UrlTarget):
                answer = function_url.page(head)
            else:
                answer = invoke_routes.page(head, asked, self._functions.health)
        if answer is not None:
            exchange.answer(answer)
        elif len(self._known) < _KNOWN:
            self._known[id(head)] = head, asked
        else:
            self._known.clear()

    def closed(self, exchange: Exchange, body: Body) -> None:
        """Take an invocation that is whole."""
        asked = exchange.note
        try:
            if isinstance(asked, InvokeTarget):
                asked = invoke_routes.resolved(asked, exchange.head, self._functions.configs)
                if id(exchange.head) in self._known:
                    self._known[id(exchange.head)] = exchange.head, asked
            if isinstance(asked, Resolved):
                self._call(exchange, body, asked)
            elif isinstance(asked, function_url.UrlTarget):
                self._visit(exchange, body, asked)
        except RefusedError as exc:
            exchange.answer(render_failure(exc.failure))

    def dropped(self, exchange: Exchange) -> None:
        """Go on without the caller, as Lambda does."""

    def _visit(self, exchange: Exchange, body: Body, asked: UrlTarget) -> None:
        function = function_url.resolve(asked.name, self._functions.configs)
        visit = function_url.RequestContext(exchange.peer, time.time())
        invocation = function_url.parse(exchange.head, body, asked, function.identity, visit)
        caller = UrlClient(exchange, invocation, streamed=function.stream_url)
        self._functions.dispatch(function.name, invocation, caller)

    def _call(self, exchange: Exchange, body: Body, asked: Resolved) -> None:
        call = invoke_routes.parse(asked, exchange.head, body)
        if call.kind is InvocationType.REQUEST_RESPONSE:
            identity = call.identity
            kind = StreamClient if call.streamed else Client
            caller = kind(exchange, call, identity.version)
            self._functions.dispatch(identity.name, call.invocation, caller)
            return
        answer = invoke_routes.render_taken(call)
        if call.kind is InvocationType.EVENT:
            taken = self._functions.post(call.identity.name, call.invocation)
            answer = answer if taken else render_failure(QUEUE_IS_FULL)
        exchange.answer(answer)
