"""HTTP requests as the integrations of Lambda deliver them: which there are, and what each says.

`KINDS` is the table. What an application answers is put into the form of its kind in
`http_answer.py`.
"""

from urllib.parse import quote, unquote, unquote_to_bytes, urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = dict[str, Any]
    Headers = list[tuple[bytes, bytes]]

MIB = 1 << 20
# The response of a function, as JSON: 6 MB for Lambda; a load balancer takes less.
LAMBDA_BYTES = 6 * MIB + 100
ALB_BYTES = 1 * MIB
# What may be in a path or a query besides letters and digits (RFC 3986), and what is encoded.
URL_SAFE = "%/:?@!$&'()*+,;=-._~"
PATH_SAFE = "/:@!$&'()*+,;=-._~"
# They belong to the connection of a client with AWS (RFC 9110, 7.6.1).
OF_THE_CONNECTION = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
HTTP_PORT, HTTPS_PORT = 80, 443


class EventError(ValueError):
    """An event that a web application cannot be given. The message says what it is."""


class Request:
    """One request. `path` is all of it, decoded, `root` where the application is mounted.

    `raw_path` and `query` are as they are in a URL. Header names are in lower case; `cookie`
    is one header. `is_http` is False where another event has been made a request.
    """

    __slots__ = (
        "body",
        "client",
        "event",
        "headers",
        "http_version",
        "is_http",
        "kind",
        "method",
        "path",
        "path_bytes",
        "query",
        "raw_path",
        "root",
        "scheme",
        "server",
    )

    def __init__(self, kind: "Kind", event: "Any", method: str, body: bytes) -> None:
        self.kind = kind
        self.event = event
        self.method = method.upper()
        self.body = body
        self.is_http = True
        self.headers: Headers = []
        self.query = b""
        self.http_version = "1.1"
        self.client: tuple[str, int] | None = None
        self.scheme = "https"
        self.server: tuple[str, int] = ("lambda", HTTPS_PORT)
        self.set_path("/", "", is_decoded=True)

    def __repr__(self) -> str:
        return f"<Request {self}>"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def set_path(self, sent: str, root: str, *, is_decoded: bool) -> None:
        """Take over the path as the integration sent it, and the root as it is in a URL."""
        encoded = quote(sent, safe=PATH_SAFE if is_decoded else URL_SAFE)
        self.raw_path = encoded.encode()
        self.path_bytes = unquote_to_bytes(encoded)
        self.path = self.path_bytes.decode("utf-8", "replace")
        self.root = unquote(root)

    def header(self, name: bytes) -> str:
        """Return the values of a header, joined with commas; "" without."""
        return ",".join(value.decode("latin-1") for key, value in self.headers if key == name)

    @property
    def wants_websocket(self) -> bool:
        """Whether the client asks to go on with WebSocket, which no integration can do."""
        asked = self.header(b"upgrade").lower()
        return (
            self.kind is WEBSOCKET
            or "websocket" in asked
            or bool(self.header(b"sec-websocket-key"))
        )


class Kind:
    """A row of the table: a sort of event, by what it is recognised, and what it can do.

    `read` makes a request of it; without, it is none. `form` is the form of its response.
    `is_decoded` says that the path comes percent-decoded, `is_encoded` that the parameters of the
    query come percent-encoded. `streams` says that the integration can be set up to stream.
    """

    __slots__ = (
        "form",
        "is_decoded",
        "is_encoded",
        "matches",
        "max_bytes",
        "name",
        "read",
        "streams",
    )

    def __init__(  # noqa: PLR0913 - a row of a table
        self,
        name: str,
        matches: "Callable[[Event, Event], bool]",
        read: "Callable[[Kind, Event, Event], Request] | None" = None,
        form: str = "",
        *,
        is_decoded: bool = False,
        is_encoded: bool = False,
        streams: bool = False,
        max_bytes: int = LAMBDA_BYTES,
    ) -> None:
        """Take functions of the event and its `requestContext`."""
        self.name = name
        self.matches = matches
        self.read = read
        self.form = form
        self.is_decoded = is_decoded
        self.is_encoded = is_encoded
        self.streams = streams
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"<Kind {self.name!r}>"


def _read_2_0(kind: "Kind", event: "Event", context: "Event") -> Request:
    http = _mapping(context["http"])
    request = Request(kind, event, str(http.get("method") or "GET"), _body(event))
    sent = str(event.get("rawPath") or http.get("path") or "/")
    stage = str(context.get("stage") or "$default")
    root = f"/{stage}" if _is_below(sent, f"/{stage}") else ""
    request.set_path(sent, root, is_decoded=kind.is_decoded)
    request.query = quote(str(event.get("rawQueryString") or ""), safe=URL_SAFE).encode()
    cookies = event.get("cookies")
    _set_headers(request, event, [("cookie", "; ".join(map(str, cookies)))] if cookies else [])
    _set_peers(request, str(http.get("sourceIp") or ""), str(http.get("protocol") or ""))
    return request


def _read_websocket(kind: "Kind", event: "Event", context: "Event") -> Request:
    request = Request(kind, event, "GET", b"")
    request.set_path(f"/{context.get('routeKey') or ''}", "", is_decoded=True)
    return request


def _read_1_0(kind: "Kind", event: "Event", context: "Event") -> Request:
    request = Request(kind, event, str(event.get("httpMethod") or "GET"), _body(event))
    sent = str(event.get("path") or "/")
    # With the stage, which is part of the URL, where the event's own path is without.
    whole = str(context.get("path") or sent)
    root = whole.removesuffix(sent) if sent != "/" else whole.rstrip("/")
    root = root if root != whole or sent == "/" else ""
    request.set_path(root + sent, root, is_decoded=kind.is_decoded)
    request.query = _query(event, is_encoded=kind.is_encoded)
    _set_headers(request, event)
    address = _mapping(context.get("identity")).get("sourceIp") or ""
    _set_peers(request, str(address), str(context.get("protocol") or ""))
    return request


def _is_function_url(context: "Event") -> bool:
    """Whether it is one: its domain starts with its id, as only a default domain of an API does."""
    domain = str(context.get("domainName") or "")
    own = context.get("apiId") == context.get("domainPrefix") or ".lambda-url." in domain
    return "http" in context and own and ".execute-api." not in domain


# Who decodes a path, and who does not, is not documented; authors of adapters have observed it.
# API Gateway streams for REST APIs alone, a load balancer does not stream at all.
KINDS = (
    Kind("an authorizer", lambda event, _: "methodArn" in event or "routeArn" in event),
    WEBSOCKET := Kind(
        "a WebSocket API",
        lambda event, context: "connectionId" in context and "httpMethod" not in event,
        _read_websocket,
        "1.0",
    ),
    Kind(
        "a load balancer",
        lambda _, context: "elb" in context,
        _read_1_0,
        "load balancer",
        is_encoded=True,
        max_bytes=ALB_BYTES,
    ),
    Kind(
        "a function URL",
        lambda _, context: _is_function_url(context),
        _read_2_0,
        "2.0",
        streams=True,
    ),
    Kind("an HTTP API", lambda _, context: "http" in context, _read_2_0, "2.0", is_decoded=True),
    Kind(
        "an HTTP API with payload 1.0",
        lambda event, _: "httpMethod" in event and event.get("version") == "1.0",
        _read_1_0,
        "1.0",
        is_decoded=True,
    ),
    Kind(
        "a REST API",
        lambda event, _: "httpMethod" in event and "path" in event,
        _read_1_0,
        "1.0",
        streams=True,
    ),
)
OTHER = Kind("another event", lambda *_: True)


def kind_of(event: "Any") -> Kind:
    """Return the row of the table that an event belongs to, `OTHER` if it is none of them."""
    if isinstance(event, dict):
        context = _mapping(event.get("requestContext"))
        for kind in KINDS:
            if kind.matches(event, context):
                return kind
    return OTHER


def request_of(event: "Any", base_path: str = "", events_path: str = "") -> Request:
    """Return the request that an event is. Raises EventError for one that is none.

    `base_path` is where a custom domain has the API. With `events_path`, an event that is not a
    request of HTTP is made one: it is posted there, as JSON.
    """
    kind = kind_of(event)
    if kind.read is not None and not (kind is WEBSOCKET and events_path):
        try:
            request = kind.read(kind, event, _mapping(event.get("requestContext")))
        except EventError:
            raise
        except (AttributeError, TypeError, ValueError) as exc:
            raise EventError(f"the event of {kind.name} cannot be read: {exc}") from exc
        if base_path and _is_below(request.path, base_path):
            request.root = base_path
        return request
    if not events_path:
        raise EventError(_refusal(kind, event))
    return _posted(event, events_path)


def _posted(event: "Any", path: str) -> Request:
    from .codec import codec

    is_json = not isinstance(event, bytes)
    request = Request(OTHER, event, "POST", codec.encode(event) if is_json else event)
    request.is_http = False
    request.set_path(path, "", is_decoded=True)
    content_type = b"application/json" if is_json else b"application/octet-stream"
    length = b"%d" % len(request.body)
    request.headers = [
        (b"host", b"lambda"),
        (b"content-type", content_type),
        (b"content-length", length),
    ]
    return request


def _refusal(kind: Kind, event: "Any") -> str:
    known = ", ".join(row.name for row in KINDS if row.read is not None and row is not WEBSOCKET)
    return (
        f"the event is not an HTTP request: {_seen(kind, event)}. A web application takes those of"
        f" {known}. Give events_path='/events' to have all other events posted to this path of the"
        " application as JSON, or handle them in a function of their own"
    )


def _seen(kind: Kind, event: "Any") -> str:
    if kind is not OTHER:
        return f"it is of {kind.name} of API Gateway"
    if not isinstance(event, dict):
        return f"it is of type {type(event).__name__!r}"
    records = event.get("Records")
    first = _mapping(records[0]) if isinstance(records, list) and records else {}
    source = first.get("eventSource") or first.get("EventSource") or event.get("source")
    keys = ", ".join(map(repr, list(event)[:8])) or "no keys"
    return f"it is of {source!r} and has {keys}" if source else f"it has {keys}"


def _body(event: "Event") -> bytes:
    body = event.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise EventError(f"the body of the event is of type {type(body).__name__!r}, and not text")
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    from binascii import Error, a2b_base64

    try:
        return a2b_base64(body)
    except (Error, ValueError) as exc:
        raise EventError(
            f"the body of the event is not base64, as its isBase64Encoded says: {exc}; it begins"
            f" {body[:40]!r}"
        ) from exc


def _query(event: "Event", *, is_encoded: bool) -> bytes:
    multiple = event.get("multiValueQueryStringParameters")
    found = _mapping(multiple or event.get("queryStringParameters"))
    pairs = [
        (name, "" if value is None else str(value))
        for name, values in found.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    if not is_encoded:
        return urlencode(pairs).encode()
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return quote(text, safe=URL_SAFE).encode()


def _set_headers(
    request: Request, event: "Event", further: "list[tuple[str, str]] | None" = None
) -> None:
    multiple = _mapping(event.get("multiValueHeaders"))
    pairs = [
        (name.lower(), value)
        for name, values in multiple.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    known = {name for name, _ in pairs}
    single = _mapping(event.get("headers")).items()
    pairs += [(name.lower(), value) for name, value in single if name.lower() not in known]
    pairs += further or []
    encoded = [(_encoded(name), _encoded(value)) for name, value in pairs if value is not None]
    # The body is whole, decoded, and may have been changed on its way.
    request.headers = [
        (name, value)
        for name, value in encoded
        if name not in (b"content-length", b"transfer-encoding")
    ]
    if request.body or len(request.headers) < len(encoded):
        request.headers.append((b"content-length", b"%d" % len(request.body)))


def _set_peers(request: Request, address: str, protocol: str) -> None:
    """Set who is at both ends, and what they speak."""
    if not address:  # a load balancer puts the address of its client behind what that has sent
        address = request.header(b"x-forwarded-for").rpartition(",")[2].strip()
    request.client = _client(address) if address else None
    if request.header(b"x-forwarded-proto").partition(",")[0].strip().lower() == "http":
        request.scheme = "http"
    version = protocol.upper().removeprefix("HTTP/").removesuffix(".0")
    request.http_version = {"1": "1.0", "2": "2"}.get(version, "1.1")
    host, port = _host_and_port(request.header(b"host").partition(",")[0].strip())
    if not port.isdecimal():
        port = request.header(b"x-forwarded-port").partition(",")[0].strip()
    default = HTTP_PORT if request.scheme == "http" else HTTPS_PORT
    is_port = port.isdecimal() and len(port) <= 5
    request.server = (host or "lambda", int(port) if is_port else default)


def _client(address: str) -> tuple[str, int]:
    """Return address and port: a load balancer may be set up to add the port."""
    name, port = _host_and_port(address)
    is_port = port.isdecimal() and (name.endswith("]") or ":" not in name)
    return (name.strip("[]"), int(port)) if is_port else (address, 0)


def _host_and_port(host: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # an address of IPv6 has colons of its own
        return host, ""
    return name, port


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _encoded(value: "Any") -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _mapping(value: "Any") -> "Event":
    return value if isinstance(value, dict) else {}
