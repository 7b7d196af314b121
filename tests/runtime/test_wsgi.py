"""`snapboot.wsgi`: applications of WSGI in the runtime's own process."""

import base64
import gzip
import json
from wsgiref.validate import validator

import pytest

from tests.fakes import http_events
from tests.fakes.function import Function
from tests.fakes.http_events import MAKERS, WEBSOCKET, content_of, headers_of, sent
from tests.fakes.runtime_api import Call, Event, Reply

ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
URL = sent(http_events.function_url())


def app(source: str, options: str = "") -> str:
    """Return the code of a function whose application has this source."""
    lines = "\n".join(f"    {line}" for line in source.strip("\n").splitlines())
    return (
        f"import json\nimport snapboot\n\ndef app(environ, start_response):\n{lines}\n\n"
        f"handler = snapboot.wsgi(app, {options})\n"
    )


def streamed(run, at=0):
    """Return the prelude and the body of a streamed response."""
    request = run.answers[at]
    assert request.call is Call.RESPONSE, request.body
    assert request.header("Lambda-Runtime-Function-Response-Mode") == "streaming"
    prelude, _, body = bytes(request.body).partition(bytes(8))
    return json.loads(prelude), body


ECHO = """
shown = {key: value for key, value in environ.items() if isinstance(value, (str, bool, tuple))}
shown["body"] = environ["wsgi.input"].read().decode("latin-1")
shown["same"] = [environ["aws.event"] is environ["serverless.event"],
                 environ["serverless.context"].aws_request_id == environ["aws.context"].aws_request_id]
print("to the log", file=environ["wsgi.errors"])
start_response("200 OK", [("Content-Type", "application/json")])
return [json.dumps(shown).encode()]
"""


@pytest.mark.parametrize("name", MAKERS)
def test_a_request_reaches_the_application_and_its_response_the_integration(
    function: Function, over, name
):
    function.code(app(ECHO))
    headers = [("X-Y", "é"), ("Content-Type", "text/plain"), ("Cookie", "a=1; b=2")]
    event = MAKERS[name]("POST", "/a%20b/%C3%A9", "x=1", headers, b"data")
    run = function.run(sent(event), environment=over)
    result = run.result
    assert (result["statusCode"], result["isBase64Encoded"]) == (200, False)
    assert ("content-type", "application/json") in headers_of(result)
    environ = json.loads(result["body"])
    forwarded = [key for key in environ if key.startswith("HTTP_X_FORWARDED")]
    assert len(forwarded) == 3
    for key in forwarded:
        del environ[key]
    host = environ.pop("SERVER_NAME")
    assert environ.pop("HTTP_HOST") == host
    principal = {"REMOTE_USER": "ada"} if name in ("REST API", "HTTP API 1.0") else {}
    version = environ.pop("SERVER_SOFTWARE")
    assert version.startswith("snapboot/")
    root = "/prod" if name == "REST API" else ""
    assert environ == principal | {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": root,
        "PATH_INFO": "/a b/\u00c3\u00a9",  # latin-1 for the bytes of UTF-8 (PEP 3333)
        "REQUEST_URI": f"{root}/a%20b/%C3%A9?x=1",
        "QUERY_STRING": "x=1",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "HTTP_X_Y": "\u00c3\u00a9",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": [1, 0],
        "wsgi.url_scheme": "https",
        "wsgi.input_terminated": True,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "body": "data",
        "same": [True, True],
    }
    assert "to the log" in run.stdout + run.stderr


@pytest.mark.parametrize("name", MAKERS)
def test_the_environ_is_what_the_standard_librarys_validator_takes(name):
    import snapboot

    def application(environ, start_response):
        environ["wsgi.input"].read(1)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"valid"]

    handler = snapboot.wsgi(validator(application))
    event = MAKERS[name]("POST", "/x", "a=1", [("Content-Type", "text/plain")], b"data")
    assert handler(event, None)["body"] == "valid"


WRITING = """
write = start_response("200 OK", [("Content-Type", "text/plain")])
write(b"written, ")
write(b"")
return [b"", b"returned"]
"""
LATE = """
if False: yield
start_response("200 OK", [("Content-Type", "text/plain")])
yield b""
yield b"written, returned"
"""


@pytest.mark.parametrize("options", ["", "stream=True"])
@pytest.mark.parametrize("source", [WRITING, LATE])
def test_what_is_written_comes_before_what_is_returned(function: Function, options, source):
    function.code(app(source, options))
    run = function.run(URL)
    body = streamed(run)[1] if options else run.result["body"].encode()
    assert body == b"written, returned"


CLOSING = """
class Body:
    pieces = iter([b"a", b"b"])
    def __iter__(self): return self
    def __next__(self):
        if environ["PATH_INFO"] == "/fail": raise LookupError("no table")
        return next(self.pieces)
    def close(self): print("closed")
start_response(environ["QUERY_STRING"] or "200 OK", [])
return Body()
"""


@pytest.mark.parametrize("options", ["", "stream=True", "error_statuses=(503,)"])
def test_the_body_is_closed_once_whatever_happens(function: Function, over, options):
    function.code(app(CLOSING, options))
    events = [
        http_events.function_url(),
        http_events.function_url(path="/fail"),
        http_events.function_url("HEAD"),
        http_events.function_url(query="503"),
        http_events.function_url(query="999"),
    ]
    run = function.run(*map(sent, events), environment=over)
    assert len(run.answers) == 5
    assert run.stdout.split().count("closed") == 4, "and none where start_response is refused"


def test_headers_that_a_streaming_rest_api_would_not_read_to_their_end_are_an_error(function):
    source = CLOSING.replace(", [])", ', [("X", "v" * 20_000)])')
    function.code(app(source, "stream=True"))
    run = function.run(sent(http_events.rest()))
    assert "that streams takes 16384: send fewer headers" in run.document["errorMessage"]
    assert run.stdout.startswith("closed")


def test_a_refused_stream_closes_the_body(function: Function):
    function.code(
        app(
            """
            def pieces():
                try:
                    while True:
                        yield b"x" * 100_000
                finally:
                    print("closed")
            start_response("200 OK", [])
            return pieces()
            """.replace("\n            ", "\n"),
            "stream=True",
        )
    )
    run = function.run(URL, faults={Call.RESPONSE: [Reply(status=413, early=True)]})
    assert run.stdout.split() == ["closed"]


EXC_INFO = """
import sys
start_response("200 OK", [("X-A", "1")])
MORE
try:
    raise KeyError("no table")
except KeyError:
    start_response("500 Internal Server Error", [("X-B", "2")], sys.exc_info())
yield b"failed"
"""


def test_a_response_may_be_replaced_until_it_is_sent(function: Function):
    function.code(app(EXC_INFO.replace("MORE", "yield b''"), "stream=True"))
    prelude, body = streamed(function.run(URL))
    assert (prelude["statusCode"], prelude["headers"], body) == (500, {"x-b": "2"}, b"failed")


def test_a_response_that_has_begun_cannot_be_replaced_where_it_is_whole_either(function: Function):
    function.code(app(EXC_INFO.replace("MORE", "yield b'begun'")))
    assert function.run(URL).document["errorType"] == "KeyError"


@pytest.mark.parametrize("name", MAKERS)
def test_a_header_with_an_underscore_does_not_pass_for_one_with_a_hyphen(function: Function, name):
    function.code(app(ECHO))
    headers = [("X_Forwarded_For", "6.6.6.6"), ("X_User", "admin"), ("Content_Length", "999")]
    body = function.run(sent(MAKERS[name]("POST", "/", "", headers, b"data"))).result["body"]
    assert "6.6.6.6" not in body
    assert "admin" not in body
    assert json.loads(body)["CONTENT_LENGTH"] == "4"


def test_a_response_that_is_sent_cannot_be_replaced_and_the_error_goes_on(function: Function):
    function.code(app(EXC_INFO.replace("MORE", "yield b'begun'"), "stream=True"))
    run = function.run(URL)
    assert streamed(run)[1] == b"begun"
    document = json.loads(base64.b64decode(dict(run.answers[0].trailers)[ERROR_BODY]))
    assert document["errorType"] == "KeyError"


@pytest.mark.parametrize("name", ["function URL", "REST API"])
def test_a_response_is_streamed_where_the_integration_can(function: Function, over, name):
    function.code(
        app(
            'start_response("201 Created", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])\n'
            'return (b"%d" % number for number in range(3))',
            "stream=True",
        )
    )
    prelude, body = streamed(function.run(sent(MAKERS[name]()), environment=over))
    assert prelude.pop("statusCode") == 201
    assert headers_of(prelude) == [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    assert body == b"012"


def test_a_response_is_whole_where_the_integration_cannot_stream(function: Function):
    function.code(app('start_response("200 OK", [])\nreturn [b"a", b"b"]', "stream=True"))
    assert function.run(sent(http_events.alb())).result["body"] == "ab"


def test_a_stream_is_compressed_piece_by_piece(function: Function):
    function.code(
        app(
            'start_response("200 OK", [("Content-Type", "text/plain")])\n'
            'return (b"%d" % number * 1000 for number in range(3))',
            "stream=True, compress=True",
        )
    )
    event = http_events.function_url(headers=[("accept-encoding", "gzip")])
    prelude, body = streamed(function.run(sent(event)))
    assert prelude["headers"]["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"0" * 1000 + b"1" * 1000 + b"2" * 1000


@pytest.mark.parametrize("options", ["", "stream=True"])
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_body_that_must_not_be_is_not_sent(function: Function, options, method, status):
    function.code(app(f'start_response("{status} X", [])\nreturn [b"body"]', options))
    run = function.run(sent(http_events.function_url(method)))
    assert (streamed(run)[1] if options else run.result["body"].encode()) == b""


def test_binary_bodies_go_both_ways(function: Function):
    function.code(app('start_response("200 OK", [])\nreturn [environ["wsgi.input"].read()]'))
    run = function.run(sent(http_events.rest("POST", body=b"\xff\0")))
    assert content_of(run.result) == b"\xff\0"


# --- applications that break the rules ----------------------------------------------------------

OK = 'start_response("200 OK", [])'
WRONG = {
    "does not start": ("return [b'']", "did not call start_response (GET /)"),
    "does not start before its body": ("return [b'a']", "did not call start_response (GET /)"),
    "starts twice": (f"{OK}\n{OK}\nreturn []", "was called twice without exc_info"),
    "returns nothing": (OK, "returned None for GET /; it must be an iterable of bytes"),
    "returns text": (f"{OK}\nreturn ['a']", "a piece of type 'str'; it must be bytes"),
    "returns bytes": (f"{OK}\nreturn b'abc'", "a piece of type 'int'; it must be bytes"),
    "writes text": (f"{OK}('a')\nreturn []", "a piece of type 'str'; it must be bytes"),
    "has no status": ("start_response(None, [])\nreturn []", "with the status None"),
    "has a status of words": ("start_response('OK', [])\nreturn []", "with the status 'OK'"),
    "has headers of bytes": ("start_response('200 OK', [(1, 2)])\nreturn []", "must be bytes"),
    "injects a header": (
        "start_response('200 OK', [('X', 'a\\r\\nSet-Cookie: b')])\nreturn []",
        "has a line break or a NUL in its value",
    ),
    "raises": ("raise LookupError('no table')", "no table"),
    "raises after its start": (f"{OK}\nraise LookupError('no table')", "no table"),
}


@pytest.mark.parametrize("options", ["", "stream=True"])
@pytest.mark.parametrize("name", WRONG)
def test_an_application_that_breaks_the_rules_is_an_error_that_says_how(
    function: Function, name, options
):
    source, complaint = WRONG[name]
    good = f'if environ["PATH_INFO"] == "/good":\n    {OK}\n    return [b"good"]\n'
    function.code(app(good + source, options))
    run = function.run(URL, sent(http_events.function_url(path="/good")))
    assert complaint in run.document["errorMessage"]
    assert b"good" in run.answers[1].body


def test_an_application_of_asgi_is_an_error_that_names_the_other_way(function: Function):
    function.code(
        "import snapboot\nasync def app(scope, receive, send): ...\nhandler = snapboot.wsgi(app)"
    )
    message = function.run(URL).document["errorMessage"]
    assert "cannot be called as an application of WSGI: app() missing 1 required" in message
    assert message.endswith("for one of the other kind there is snapboot.asgi")


def test_what_is_no_application_is_an_init_error(function: Function):
    function.code("import snapboot\nhandler = snapboot.wsgi('app')")
    assert "which is not an application of WSGI" in function.run().document["errorMessage"]


# --- WebSocket, options -------------------------------------------------------------------------


def test_a_connection_of_a_websocket_api_is_refused_and_the_log_says_why(function: Function):
    function.code(app("raise AssertionError"))
    run = function.run(sent(WEBSOCKET))
    assert run.result["statusCode"] == 501
    assert "A WebSocket connection cannot be made here" in run.stdout


@pytest.mark.parametrize("options", ["", "stream=True, "])
def test_a_status_may_count_as_a_failed_invocation(function: Function, options):
    source = 'start_response(environ["PATH_INFO"][1:], [])\nreturn [b"busy"]'
    function.code(app(source, f"{options}error_statuses='500,502-504'"))
    events = [sent(http_events.function_url(path=path)) for path in ("/503", "/501", "/500")]
    run = function.run(*events)
    assert [answer.call for answer in run.answers] == [Call.ERROR, Call.RESPONSE, Call.ERROR]
    assert run.answers[0].json()["errorMessage"].startswith("GET /503 was answered 503")


def test_other_events_are_posted_and_the_response_is_the_result(function: Function):
    source = (
        'start_response("200 OK" if environ["PATH_INFO"] == "/events" else "404", [])\n'
        'return [environ["wsgi.input"].read()]'
    )
    function.code(app(source, "events_path='/events'"))
    queue = {"Records": [{"eventSource": "aws:sqs", "body": "é"}]}
    assert function.run(sent(queue), Event(b"1")).results == [queue, 1]


def test_a_body_without_end_is_stopped_and_closed_where_it_is_not_streamed(function: Function):
    source = """
start_response("200 OK", [])
try:
    while True:
        yield bytes(1_000_000)
finally:
    print("closed")
"""
    function.code(app(source))
    run = function.run(URL)
    assert "is of 7000000 bytes and not at its end" in run.document["errorMessage"]
    assert run.stdout.startswith("closed")


def test_the_base_path_of_a_custom_domain_is_removed(function: Function):
    function.code(app(ECHO, "base_path='/v1/'"))
    events = [http_events.http_2_0(path="/v1/orders"), http_events.alb(path="/orders")]
    bodies = [json.loads(result["body"]) for result in function.run(*map(sent, events)).results]
    assert [(body["SCRIPT_NAME"], body["PATH_INFO"]) for body in bodies] == [
        ("/v1", "/orders"),
        ("", "/orders"),
    ]
