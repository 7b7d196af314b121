"""Events as requests, and responses as documents: pure functions, for each kind of integration."""

import gzip
import json

import pytest

from snapboot.http_answer import Answer, Options, ResponseSizeError
from snapboot.http_events import KINDS, EventError, kind_of, request_of
from tests.fakes import http_events
from tests.fakes.http_events import ADDRESS, ENCODED_PATHS, MAKERS, WEBSOCKET, headers_of

NAMES = {
    "REST API": "a REST API",
    "HTTP API 1.0": "an HTTP API with payload 1.0",
    "HTTP API 2.0": "an HTTP API",
    "function URL": "a function URL",
    "load balancer": "a load balancer",
    "load balancer, multi-value": "a load balancer",
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def options(**given):
    """Return options, those not given as by default."""
    default = {"stream": False, "compress": False, "base_path": ""}
    return Options(**default | {"error_statuses": (), "events_path": ""} | given)


def answered(event, status=200, headers=(), body=b"", **given):
    """Return the document of a response to an event."""
    chosen = options(**given)
    return Answer(chosen.request(event), chosen, status, list(headers)).whole(body)


# --- which kind -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_each_event_is_of_its_own_kind(name):
    assert kind_of(MAKERS[name]()).name == NAMES[name]
    assert {row.name for row in KINDS if row.read} == {*NAMES.values(), "a WebSocket API"}


def test_a_function_url_of_the_local_host_is_one_by_its_address_too():
    event = http_events.function_url()
    event["requestContext"] |= {
        "domainName": "127.0.0.1",
        "apiId": "orders",
        "domainPrefix": "orders",
    }
    assert kind_of(event).name == "a function URL"


def test_a_custom_domain_of_an_http_api_is_no_function_url():
    event = http_events.http_2_0()
    event["requestContext"] |= {"domainName": "api.example.com", "domainPrefix": "api"}
    assert kind_of(event).name == "an HTTP API"


@pytest.mark.parametrize(
    ("event", "seen"),
    [
        (None, "it is of type 'NoneType'"),
        ([1], "it is of type 'list'"),
        (b"\0", "it is of type 'bytes'"),
        ({}, "it has no keys"),
        ({"Records": [{"eventSource": "aws:sqs"}]}, "it is of 'aws:sqs' and has 'Records'"),
        ({"Records": [{"EventSource": "aws:sns"}]}, "it is of 'aws:sns'"),
        ({"source": "aws.events", "detail": {}}, "it is of 'aws.events' and has 'source'"),
        ({"requestContext": "text", "Records": 1}, "it has 'requestContext', 'Records'"),
        ({"type": "TOKEN", "methodArn": "arn"}, "it is of an authorizer of API Gateway"),
        ({"version": "2.0", "routeArn": "arn"}, "it is of an authorizer of API Gateway"),
    ],
)
def test_an_event_of_no_known_kind_says_what_was_seen_and_what_to_do(event, seen):
    with pytest.raises(EventError) as caught:
        request_of(event)
    assert seen in str(caught.value)
    assert "Give events_path='/events'" in str(caught.value)
    assert "a load balancer, a function URL, an HTTP API" in str(caught.value)


@pytest.mark.parametrize("event", [None, [1], {"Records": [{"é": 1}]}, WEBSOCKET, b"\0\xff"])
def test_an_event_that_is_not_http_is_posted_to_a_path(event):
    request = request_of(event, events_path="/events")
    assert (request.method, request.path, request.is_http) == ("POST", "/events", False)
    body = event if isinstance(event, bytes) else json.loads(request.body)
    assert body == event
    assert (b"content-length", b"%d" % len(request.body)) in request.headers


# --- the request ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_a_request_is_the_same_whichever_service_delivers_it(name):
    headers = [("Accept", "text/html"), ("Cookie", "a=1; b=2"), ("X-Custom", "vål")]
    event = MAKERS[name]("PATCH", "/a%20b/%C3%A9", "x=1&y=%20z&x=2", headers, b"\xff\0")
    request = request_of(event)
    assert request.method == "PATCH"
    assert request.path.removeprefix(request.root) == "/a b/é"
    assert request.raw_path.endswith(b"/a%20b/%C3%A9")
    expected = {
        "REST API": b"x=1&x=2&y=+z",
        "HTTP API 1.0": b"x=1&x=2&y=+z",
        "load balancer": b"x=2&y=%20z",  # it passes on the last value alone
        "load balancer, multi-value": b"x=1&x=2&y=%20z",
    }
    assert request.query == expected.get(name, b"x=1&y=%20z&x=2")
    assert request.body == b"\xff\0"
    assert (b"cookie", b"a=1; b=2") in request.headers
    assert (b"x-custom", "vål".encode()) in request.headers
    assert (b"content-length", b"2") in request.headers
    assert all(header == header.lower() for header, _ in request.headers)
    assert request.client == (ADDRESS, 0)
    assert (request.scheme, request.server[1], request.http_version) == ("https", 443, "1.1")
    assert request.server[0].endswith((".amazonaws.com", ".on.aws"))


@pytest.mark.parametrize("name", MAKERS)
def test_a_percent_sign_in_a_path_is_decoded_once(name):
    request = request_of(MAKERS[name](path="/100%25%2041"))
    assert request.path.removeprefix(request.root) == "/100% 41"
    assert request.raw_path.endswith(b"/100%25%2041")
    twice = request_of(MAKERS[name](path="/%2541"))
    assert twice.path.removeprefix(twice.root) == "/%41"


@pytest.mark.parametrize("name", ENCODED_PATHS)
def test_what_is_not_utf_8_in_a_path_is_kept_in_its_bytes(name):
    request = request_of(MAKERS[name](path="/%FF%2Fx"))
    assert request.path_bytes.endswith(b"/\xff/x")
    assert request.path.endswith("/\ufffd/x")
    assert request.raw_path.endswith(b"/%FF%2Fx")


def test_a_question_mark_in_a_decoded_path_does_not_begin_the_query():
    assert request_of(http_events.http_2_0(path="/what%3F")).raw_path == b"/what%3F"


@every
def test_values_of_a_repeated_header_arrive_all(make):
    headers = request_of(make(headers=[("X-Many", "1"), ("X-Many", "2")])).headers
    values = [value for name, value in headers if name == b"x-many"]
    single = make is http_events.alb
    assert b",".join(values) == (b"2" if single else b"1,2")


def test_a_parameter_without_a_value_has_an_empty_one():
    assert request_of(http_events.rest(query="a&b=")).query == b"a=&b="
    event = http_events.rest() | {"queryStringParameters": {"a": None}}
    assert request_of(event).query == b"a="


def test_a_query_of_a_load_balancer_is_never_decoded_or_encoded_twice():
    event = http_events.alb(query="q=a%26b%3Dc%2520&plus=1+1&raw=é")
    assert request_of(event).query == b"q=a%26b%3Dc%2520&plus=1+1&raw=%C3%A9"


@pytest.mark.parametrize(
    ("event", "root", "path"),
    [
        (http_events.rest(path="/orders"), "/prod", "/prod/orders"),
        (http_events.rest(path="/"), "/prod", "/prod/"),
        (http_events.http_2_0(path="/orders", stage="dev"), "/dev", "/dev/orders"),
        (http_events.http_2_0(path="/orders"), "", "/orders"),
        (http_events.http_1_0(path="/orders"), "", "/orders"),
        (http_events.function_url(path="/prod/orders"), "", "/prod/orders"),
        (http_events.alb(path="/orders"), "", "/orders"),
    ],
)
def test_the_stage_in_the_url_is_where_the_application_is_mounted(event, root, path):
    request = request_of(event)
    assert (request.root, request.path) == (root, path)


@pytest.mark.parametrize(
    ("path", "root"),
    [("/v1/orders", "/v1"), ("/v1", "/v1"), ("/v12/orders", ""), ("/orders", ""), ("/", "")],
)
@every
def test_a_base_path_is_the_root_of_what_is_below_it(make, path, root):
    event = make(path=path)
    event["requestContext"] |= {"path": path, "domainName": "api.example.com"}
    assert request_of(event, base_path="/v1").root == root


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ("203.0.113.7:4711", ("203.0.113.7", 4711)),
        ("[2001:db8::1]:4711", ("2001:db8::1", 4711)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("203.0.113.7", ("203.0.113.7", 0)),
        ("unknown", ("unknown", 0)),
    ],
)
def test_a_load_balancer_may_add_the_port_of_its_client(sent, client):
    event = http_events.alb()
    event["headers"]["x-forwarded-for"] = f"1.1.1.1, {sent}"
    assert request_of(event).client == client


def test_the_client_of_a_load_balancer_is_the_address_that_it_has_added_itself():
    event = http_events.alb()
    event["headers"]["x-forwarded-for"] = "6.6.6.6, 203.0.113.9"
    assert request_of(event).client == ("203.0.113.9", 0)


@pytest.mark.parametrize(
    ("headers", "scheme", "server"),
    [
        ({"x-forwarded-proto": "http"}, "http", ("h", 80)),
        ({"x-forwarded-proto": "http", "x-forwarded-port": "8080"}, "http", ("h", 8080)),
        ({"host": "h:81"}, "https", ("h", 81)),
        ({"host": "[::1]:82"}, "https", ("[::1]", 82)),
        ({"host": "[::1]"}, "https", ("[::1]", 443)),
        ({"host": ""}, "https", ("lambda", 443)),
        ({"x-forwarded-port": "nonsense"}, "https", ("h", 443)),
        ({"x-forwarded-proto": "javascript"}, "https", ("h", 443)),
    ],
)
def test_scheme_and_server_are_those_of_the_url(headers, scheme, server):
    event = http_events.function_url()
    event["headers"] = {"host": "h"} | headers
    request = request_of(event)
    assert (request.scheme, request.server) == (scheme, server)


@pytest.mark.parametrize(
    ("protocol", "version"),
    [("HTTP/1.0", "1.0"), ("HTTP/1.1", "1.1"), ("HTTP/2.0", "2"), ("HTTP/2", "2"), ("", "1.1")],
)
def test_the_version_is_one_of_those_that_asgi_knows(protocol, version):
    event = http_events.function_url()
    event["requestContext"]["http"]["protocol"] = protocol
    assert request_of(event).http_version == version


def test_an_event_of_the_console_with_nothing_but_nulls_is_a_request():
    event = {
        "httpMethod": "GET",
        "path": "/",
        "requestContext": {"path": None, "identity": None},
        "resource": "/",
    } | dict.fromkeys(
        ("headers", "multiValueHeaders", "queryStringParameters", "body", "isBase64Encoded")
    )
    request = request_of(event)
    assert (request.path, request.headers, request.body) == ("/", [], b"")


@pytest.mark.parametrize(
    ("body", "complaint"),
    [("Ä!", "is not base64"), ("abc", "is not base64"), ({"a": 1}, "is of type 'dict'")],
)
def test_a_body_that_cannot_be_read_says_why(body, complaint):
    event = http_events.rest() | {"body": body, "isBase64Encoded": True}
    with pytest.raises(EventError, match=complaint):
        request_of(event)


@pytest.mark.parametrize(
    "change",
    [
        {"cookies": 7},
        {"rawPath": "/\ud800"},
        {"rawQueryString": "\ud800"},
    ],
)
def test_an_event_that_is_damaged_is_an_error_that_names_its_kind(change):
    with pytest.raises(EventError, match="the event of a function URL cannot be read: "):
        request_of(http_events.function_url() | change)


# --- the response -----------------------------------------------------------------------------

COOKIES = [(b"Set-Cookie", b"a=1"), (b"X-A", b"1"), (b"Set-Cookie", b"b=2"), (b"x-a", b"2")]
FORMS = {
    "REST API": {"multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "x-a": ["1", "2"]}},
    "HTTP API 1.0": {"multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "x-a": ["1", "2"]}},
    "HTTP API 2.0": {"headers": {"x-a": "1, 2"}, "cookies": ["a=1", "b=2"]},
    "function URL": {"headers": {"x-a": "1, 2"}, "cookies": ["a=1", "b=2"]},
    "load balancer": {
        "headers": {"x-a": "1, 2", "set-cookie": "a=1", "Set-cookie": "b=2"},
        "statusDescription": "201 Created",
    },
    "load balancer, multi-value": {
        "multiValueHeaders": {"set-cookie": ["a=1", "b=2"], "x-a": ["1", "2"]},
        "statusDescription": "201 Created",
    },
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_response_has_the_form_of_its_integration(name):
    document = answered(MAKERS[name](), 201, COOKIES, b"text")
    assert document == {"statusCode": 201, "body": "text", "isBase64Encoded": False} | FORMS[name]


@pytest.mark.parametrize(
    ("body", "headers", "is_base64"),
    [
        ("é\n".encode(), [], False),
        (b"\xff", [(b"content-type", b"text/plain; charset=latin-1")], True),
        (b"\x89PNG", [(b"content-type", b"image/png")], True),
        (b"a\0b", [], True),
        (b"text", [(b"content-encoding", b"br")], True),
        (b"", [], False),
    ],
)
@every
def test_a_body_is_base64_where_it_is_not_text(make, body, headers, is_base64):
    document = answered(make(), headers=headers, body=body)
    assert document["isBase64Encoded"] is is_base64
    assert http_events.content_of(document) == body


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@every
def test_some_responses_have_no_body(make, method, status):
    document = answered(make(method), status, [(b"content-length", b"4")], b"body")
    assert document["body"] == ""
    assert (("content-length", "4") in headers_of(document)) is (status != 204)


def test_headers_of_the_connection_do_not_go_out():
    headers = [(b"Connection", b"close"), (b"Transfer-Encoding", b"chunked"), (b"x", b"y")]
    assert headers_of(answered(http_events.rest(), headers=headers)) == [("x", "y")]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (b"x", b"a\r\nset-cookie: b", "line break or a NUL"),
        (b"x", b"a\nb", "line break or a NUL"),
        (b"x", b"a\0", "line break or a NUL"),
        (b"x\r\ny", b"a", "is not the name of a header"),
        (b"x: y", b"a", "is not the name of a header"),
        (b"", b"a", "is not the name of a header"),
        ("\u00fc".encode(), b"a", "is not the name of a header"),
    ],
)
def test_a_header_that_would_smuggle_another_in_is_an_error(name, value, complaint):
    with pytest.raises(ValueError, match=complaint):
        answered(http_events.rest(), headers=[(name, value)])


@pytest.mark.parametrize("status", [99, 101, 600, "200", None])
def test_a_status_that_cannot_be_sent_is_an_error(status):
    with pytest.raises(ValueError, match="it must be 200 to 599"):
        answered(http_events.rest(), status)


def test_a_header_that_is_not_bytes_is_an_error():
    with pytest.raises(TypeError, match="names and values must be bytes"):
        answered(http_events.rest(), headers=[("x", "y")])


@pytest.mark.parametrize(
    ("make", "size", "remedy"),
    [
        (http_events.function_url, 6_291_556, "give stream=True"),
        (http_events.rest, 6_291_556, "give stream=True"),
        (http_events.http_2_0, 6_291_556, "a function URL or a REST API can stream it"),
        (http_events.alb, 1_048_576, "a function URL or a REST API can stream it"),
    ],
)
def test_a_response_beyond_the_limit_says_how_large_it_is_and_what_to_do(make, size, remedy):
    room = size - len(json.dumps(answered(make()), separators=(",", ":")))
    whole = answered(make(), body=b"x" * room)
    assert len(json.dumps(whole, separators=(",", ":"))) == size
    with pytest.raises(ResponseSizeError) as caught:
        answered(make(), body=b"x" * (room + 1))
    assert f"is of {room + 1} bytes, as JSON of {size + 1};" in str(caught.value)
    assert f" takes {size}: " in str(caught.value)
    assert remedy in str(caught.value)


def test_headers_count_towards_the_limit():
    headers = [(b"x%d" % number, b"v" * 1000) for number in range(7000)]
    with pytest.raises(ResponseSizeError, match="is of 1 bytes, as JSON of 7"):
        answered(http_events.function_url(), headers=headers, body=b"x")


def test_the_limit_is_of_the_json_and_not_of_the_body():
    with pytest.raises(ResponseSizeError, match=r"is of 2000000 bytes, as JSON of 12000"):
        answered(http_events.rest(), body=b"\x01" * 2_000_000)


# --- options ----------------------------------------------------------------------------------

GZIP = [("Accept-Encoding", "br, gzip;q=0.5")]
HTML = (b"content-type", b"text/html; charset=utf-8")
LONG = b"<p>" * 1000


@pytest.mark.parametrize("accept", ["*", "*;q=0, GZIP", "gzip;q=0.001", "deflate, gzip ; q=1"])
def test_gzip_may_be_accepted_in_many_ways(accept):
    event = http_events.rest(headers=[("Accept-Encoding", accept)])
    document = answered(event, headers=[HTML], body=LONG, compress=True)
    assert ("content-encoding", "gzip") in headers_of(document)


@every
def test_a_response_is_compressed_where_the_client_takes_it(make):
    headers = [HTML, (b"content-length", b"3000"), (b"etag", b'"1"')]
    document = answered(make(headers=GZIP), headers=headers, body=LONG, compress=True)
    assert gzip.decompress(http_events.content_of(document)) == LONG
    found = dict(headers_of(document))
    assert found["content-encoding"] == "gzip"
    assert found["vary"] == "accept-encoding"
    assert found["etag"] == 'W/"1"'
    assert "content-length" not in found


@pytest.mark.parametrize(
    ("accept", "headers", "body"),
    [
        ("", [HTML], LONG),
        ("br", [HTML], LONG),
        ("gzip;q=0", [HTML], LONG),
        ("gzip; q=0.000, br", [HTML], LONG),
        ("*, gzip;q=0", [HTML], LONG),
        ("gzip", [HTML], b"short"),
        ("gzip", [(b"content-type", b"image/png")], LONG),
        ("gzip", [], LONG),
        ("gzip", [HTML, (b"content-encoding", b"br")], LONG),
        ("gzip", [HTML, (b"content-range", b"bytes 0-2999/9000")], LONG),
        ("gzip", [HTML, (b"cache-control", b"no-transform")], LONG),
    ],
)
def test_a_response_is_left_as_it_is_where_that_is_better(accept, headers, body):
    event = http_events.rest(headers=[("Accept-Encoding", accept)])
    document = answered(event, headers=headers, body=body, compress=True)
    assert http_events.content_of(document) == body
    assert ("content-encoding", "gzip") not in headers_of(document)


@pytest.mark.parametrize("given", [(500, "502-504"), "500,502-504", [500, 502, "503-504"]])
def test_statuses_and_ranges_of_them_make_a_failed_invocation(given):
    from snapboot.http_answer import HTTPStatusError

    chosen = options(error_statuses=given)
    assert chosen.error_statuses == {500, 502, 503, 504}
    answer = Answer(chosen.request(http_events.rest()), chosen, 503, [])
    with pytest.raises(HTTPStatusError, match=r"GET /prod/ was answered 503.*begins b'busy'"):
        answer.whole(b"busy")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"error_statuses": ["5xx"]}, "error_statuses has '5xx'"),
        ({"error_statuses": [99]}, "error_statuses has 99"),
        ({"error_statuses": 500}, "error_statuses is 500; give a list"),
        ({"base_path": "orders"}, "must begin with a slash: '/orders'"),
        ({"events_path": "events"}, "must begin with a slash: '/events'"),
        ({"events_path": None}, "events_path is None"),
    ],
)
def test_an_option_of_no_use_is_an_error(given, complaint):
    with pytest.raises((TypeError, ValueError), match=complaint):
        options(**given)
