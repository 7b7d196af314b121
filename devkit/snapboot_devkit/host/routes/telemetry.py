"""The Telemetry API and the Logs API on the wire: a PUT becomes a subscription. No I/O.

Whether the extension exists and may still subscribe is the lifecycle's business. Here a request
is refused when it asks for what the platform does not offer; all that is wrong with it is said at
once, as the platform does it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from snapboot_devkit.host import protocol
from snapboot_devkit.host.http.exchange import (
    Body,
    Head,
    Response,
    error_response,
    header_lines,
    no_such_page,
    wrong_method,
)
from snapboot_devkit.host.lifecycle import effects
from snapboot_devkit.host.lifecycle import messages as msg
from snapboot_devkit.host.lifecycle.terms import (
    CallToken,
    Subscription,
    TelemetryApi,
)
from snapboot_devkit.host.routes import extensions


class SubscribeCall(Enum):
    """The one call of each API, by the API it subscribes to."""

    TELEMETRY = TelemetryApi.TELEMETRY
    LOGS = TelemetryApi.LOGS


_ROUTES: Final = {
    protocol.TELEMETRY_PATH: SubscribeCall.TELEMETRY,
    protocol.LOGS_PATH: SubscribeCall.LOGS,
}
_INVALID: Final = {
    TelemetryApi.TELEMETRY: protocol.TELEMETRY_INVALID,
    TelemetryApi.LOGS: protocol.LOGS_INVALID,
}
_METHODS: Final = ("POST", "PUT")
_PORTS: Final = range(1, 65_535 + 1)

_DEFAULTS: Final = Subscription(TelemetryApi.TELEMETRY, "", ())
_NO_LOGS_API: Final = error_response(
    202, protocol.LOGS_NOT_SUPPORTED, "Logs API is not supported; use the Telemetry API"
)
SUBSCRIBED: Final = Response(
    200, header_lines((protocol.CONTENT_TYPE, protocol.JSON.encode())), b'"OK"'
)


def route(head: Head) -> SubscribeCall | Response:
    """Return which call a request is, or the response that refuses it."""
    found = _ROUTES.get(head.path.removesuffix("/"))
    if found is None:
        return no_such_page(head)
    return found if head.method == "PUT" else wrong_method(head, "PUT")


def closing(
    found: SubscribeCall, call: CallToken, head: Head, body: Body, *, managed: bool = False
) -> msg.SubscribeCalled | Response:
    """Return the lifecycle's message when a call is whole, or the response that refuses it.

    Managed instances take the latest schema alone, and have no Logs API.
    """
    # Who may ask for events may subscribe: the rules for the identifier are the same.
    caller = extensions.closing(extensions.ExtensionCall.NEXT, call, head, body)
    if not isinstance(caller, msg.ExtensionNextCalled):
        return caller if isinstance(caller, Response) else no_such_page(head)
    if managed and found is SubscribeCall.LOGS:
        return _NO_LOGS_API
    subscription = parse(found.value, body, managed=managed)
    if isinstance(subscription, Response):
        return subscription
    return msg.SubscribeCalled(call, caller.identifier, subscription)


def parse(api: TelemetryApi, body: Body, *, managed: bool = False) -> Subscription | Response:
    """Return what a subscription's document asks for, or the 400 with all that is wrong."""
    if body.size > protocol.MAX_EXTENSION_BODY_BYTES:
        limit = protocol.MAX_EXTENSION_BODY_BYTES
        return _refusal(api, [f"the body takes {body.size} bytes; it may take {limit}"])
    try:
        document = json.loads(body.content)
    except (ValueError, RecursionError) as exc:
        return _refusal(api, [f"the body is not JSON: {exc}"])
    if not isinstance(document, dict):
        return _refusal(api, [f"the body is {document!r}; it must be a JSON object"])
    request = _SubscriptionRequest(api, document)
    subscription = request.subscription(managed=managed)
    return _refusal(api, request.faults) if request.faults else subscription


def render(content: effects.Content) -> Response:
    """Return a reply of the lifecycle as a response."""
    match content:
        case effects.SubscriptionAccepted():
            return SUBSCRIBED
        case effects.Denied(status, error_type, message):
            return error_response(status, error_type, message)
    raise TypeError(f"{content!r} is not a reply of the Telemetry API")


def _refusal(api: TelemetryApi, faults: list[str]) -> Response:
    return error_response(400, _INVALID[api], "; ".join(faults))


@dataclass(slots=True)
class _SubscriptionRequest:
    """A subscription's document; what is wrong with it gathers in `faults`."""

    api: TelemetryApi
    document: dict[str, Any]
    faults: list[str] = field(default_factory=list)

    def subscription(self, *, managed: bool) -> Subscription:
        """Return what is asked for, which counts only when there are no faults."""
        buffering = self._object("buffering", self.document.get("buffering", {}))

        def number(key: str, allowed: range, default: int) -> int:
            return self._within(f"buffering.{key}", buffering.get(key, default), allowed)

        uri, port, method = self._destination()
        return Subscription(
            api=self.api,
            schema_version=self._schema(managed=managed),
            types=self._types(),
            uri=uri,
            port=port,
            method=method,
            max_items=number("maxItems", protocol.BUFFER_ITEMS, _DEFAULTS.max_items),
            max_bytes=number("maxBytes", protocol.BUFFER_BYTES, _DEFAULTS.max_bytes),
            timeout_ms=number("timeoutMs", protocol.BUFFER_TIMEOUT_MS, _DEFAULTS.timeout_ms),
        )

    def _schema(self, *, managed: bool) -> str:
        if self.api is TelemetryApi.LOGS:
            known: tuple[str, ...] = protocol.LOGS_SCHEMAS
            asked = self.document.get("schemaVersion", known[0])
        else:
            known = protocol.MANAGED_SCHEMAS if managed else protocol.TELEMETRY_SCHEMAS
            asked = self.document.get("schemaVersion")
        return self._one_of("schemaVersion", asked, known)

    def _types(self) -> tuple[str, ...]:
        types = self.document.get("types")
        if not isinstance(types, list) or not types:
            self._fault("types", types, f"a list of some of {_listed(protocol.TELEMETRY_TYPES)}")
            return ()
        known = [self._one_of("types", name, protocol.TELEMETRY_TYPES) for name in types]
        return tuple(dict.fromkeys(known))

    def _destination(self) -> tuple[str, int, str]:
        """Return URI, port and method, of which a destination over TCP has the port alone."""
        destination = self._object("destination", self.document.get("destination"))
        protocols = ("HTTP", "TCP")
        name = self._one_of("destination.protocol", destination.get("protocol"), protocols)
        if name == "TCP":
            return "", self._port("destination.port", destination.get("port")), _DEFAULTS.method
        self._one_of("destination.encoding", destination.get("encoding", "JSON"), ("JSON",))
        method = destination.get("method", _DEFAULTS.method)
        return (
            self._uri(destination.get("URI")) if name else "",
            0,
            self._one_of("destination.method", method, _METHODS),
        )

    def _uri(self, uri: object) -> str:
        wanted = f"http://{protocol.SANDBOX_HOSTS[0]}:<port>/<path>"
        parts = _split(uri)
        if parts is None or parts.scheme != "http" or parts.hostname not in protocol.SANDBOX_HOSTS:
            self._fault("destination.URI", uri, wanted)
            return ""
        if parts.port is None:
            self.faults.append(f"URI port is not provided: {uri!r}; give {wanted}")
            return ""
        self._port("destination.URI's port", parts.port)
        return parts.geturl()

    def _port(self, name: str, port: object) -> int:
        number = self._within(name, port, _PORTS)
        if number == protocol.RESERVED_PORT:
            self._fault(name, port, "any other port; this one belongs to the platform")
        return number

    def _object(self, name: str, value: object) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._fault(name, value, "a JSON object")
        return {}

    def _one_of(self, name: str, value: object, allowed: tuple[str, ...]) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        self._fault(name, value, f"one of {_listed(allowed)}")
        return ""

    def _within(self, name: str, value: object, allowed: range) -> int:
        # In Python a bool is an int; in JSON it is not.
        if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
            return value
        self._fault(name, value, f"a number from {allowed[0]} to {allowed[-1]}")
        return 0

    def _fault(self, name: str, value: object, wanted: str) -> None:
        self.faults.append(f"{name} is {_shown(value)}; it must be {wanted}")


def _split(uri: object) -> SplitResult | None:
    """Return the parts of a URI that can be sent as it stands, or None."""
    if not isinstance(uri, str) or not uri.isascii() or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)
