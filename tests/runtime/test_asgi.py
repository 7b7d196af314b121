"""`snapboot.asgi`: applications of ASGI in the runtime's own process."""

import base64
import gzip
import json
import signal
import socket

import pytest

from tests.fakes import http_events
from tests.fakes.contenders import OURS
from tests.fakes.function import Function
from tests.fakes.http_events import MAKERS, WEBSOCKET, headers_of, sent
from tests.fakes.runtime_api import DEADLINE_S, Call, Event, Reply, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
HTTP_TYPE = "application/vnd.awslambda.http-integration-response"
URL = sent(http_events.function_url())
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}

BASE = """
import asyncio
import json
import snapboot

async def respond(send, body, status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})

"""


def app(source: str, options: str = "lifespan='off'") -> str:
    """Return the code of a function whose application has this source."""
    lines = "\n".join(f"    {line}" for line in source.strip("\n").splitlines())
    return (
        f"{BASE}async def app(scope, receive, send):\n{lines}\n\n"
        f"handler = snapboot.asgi(app, {options})\n"
    )


ECHO = """
message = await receive()
shown = {key: value for key, value in scope.items() if not key.startswith("aws.")}
shown["body"] = message["body"]
shown["same"] = [scope["aws.event"]["requestContext"] is not None, scope["aws.context"].aws_request_id]
text = json.dumps(shown, default=lambda value: value.decode("latin-1"))
await respond(send, text.encode(), 200, [(b"content-type", b"application/json")])
"""


# --- the scope ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_a_request_reaches_the_application_and_its_response_the_integration(
    function: Function, over, name
):
    function.code(app(ECHO))
    event = MAKERS[name]("POST", "/a%20b", "x=1", [("X-Y", "z")], b"data")
    result = function.run(sent(event), environment=over).result
    assert (result["statusCode"], result["isBase64Encoded"]) == (200, False)
    assert ("content-type", "application/json") in headers_of(result)
    scope = json.loads(result["body"])
    root = "/prod" if name == "REST API" else ""
    headers = scope.pop("headers")
    assert ["x-y", "z"] in headers
    assert scope.pop("server")[1] == 443
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": f"{root}/a b",
        "raw_path": f"{root}/a%20b",
        "query_string": "x=1",
        "root_path": root,
        "client": ["203.0.113.7", 0],
        "extensions": {},
        "body": "data",
        "same": [True, "00000000-0000-4000-8000-000000000001"],
    }


def test_a_handler_can_be_called_by_a_test_of_the_functions_own():
    import snapboot

    seen = []

    async def application(scope, receive, send):
        seen.append(scope["type"])
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["started"] = True
            await send({"type": "lifespan.startup.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % scope["state"]["started"]})
        seen.append("background")

    handler = snapboot.asgi(application, stream=True)
    for _ in range(2):
        assert handler(http_events.function_url(), None)["body"] == "1"
    assert seen == ["lifespan", "http", "background", "http", "background"]
    assert "AsgiHandler of <function" in repr(handler)


# --- streams ------------------------------------------------------------------------------------


def streamed(run, at=0):
    """Return the prelude and the body of a streamed response."""
    request = run.answers[at]
    assert request.call is Call.RESPONSE, request.body
    assert request.header("Content-Type") == HTTP_TYPE
    assert request.header("Lambda-Runtime-Function-Response-Mode") == "streaming"
    prelude, _, body = bytes(request.body).partition(bytes(8))
    return json.loads(prelude), body


PIECES = """
await send({"type": "http.response.start", "status": 201, "headers": [
    (b"content-type", b"text/plain"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]})
for number in range(3):
    await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
await send({"type": "http.response.body"})
"""
STREAM = "lifespan='off', stream=True"


@pytest.mark.parametrize("name", ["function URL", "REST API"])
def test_a_response_is_streamed_where_the_integration_can(function: Function, over, name):
    function.code(app(PIECES, STREAM))
    run = function.run(sent(MAKERS[name]()), sent(MAKERS[name]()), environment=over)
    prelude, body = streamed(run, 1)
    assert prelude.pop("statusCode") == 201
    assert headers_of(prelude) == [
        ("content-type", "text/plain"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]
    assert ("cookies" in prelude) is (name == "function URL")
    assert body == b"012"
    assert run.answers[1].trailers == ()


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"function URL", "REST API"}))
def test_a_response_is_whole_where_the_integration_cannot_stream(function: Function, name):
    function.code(app(PIECES, STREAM))
    result = function.run(sent(MAKERS[name]())).result
    assert (result["statusCode"], result["body"]) == (201, "012")


WAITING = """
import os
await send({"type": "http.response.start", "status": 200})
await send({"type": "http.response.body", "body": b"first", "more_body": True})
while not os.path.exists("seen"):
    await asyncio.sleep(0.01)
await send({"type": "http.response.body", "body": b"second"})
"""


def test_a_piece_is_sent_before_the_next_one_is_there(function: Function):
    """The second piece is made when the first has been seen at the other end."""
    function.code(app(WAITING, STREAM))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(DEADLINE_S)
        with RuntimeProcess(OURS, "app.handler", address, task_root=function.root):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(DEADLINE_S)
                until(connection, b"\r\n\r\n")
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    b"Lambda-Runtime-Aws-Request-Id: one\r\n"
                    b"Lambda-Runtime-Deadline-Ms: 9999999999999\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(URL.body), URL.body)
                )
                assert b"second" not in until(connection, b"first\r\n")
                (function.root / "seen").touch()
                until(connection, b"second\r\n0\r\n\r\n")


def until(connection: socket.socket, mark: bytes) -> bytes:
    """Return what arrives, up to and including a mark."""
    data = b""
    while mark not in data:
        received = connection.recv(1 << 16)
        assert received, f"the connection ended after {data!r}"
        data += received
    return data


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_body_that_must_not_be_is_not_sent(function: Function, options, method, status):
    function.code(app(f"await respond(send, b'body', {status})", options))
    run = function.run(sent(http_events.function_url(method)))
    if "stream" in options:
        assert streamed(run) == ({"statusCode": status, "headers": {}}, b"")
    else:
        assert run.result["body"] == ""


def test_a_stream_is_compressed_piece_by_piece(function: Function):
    source = PIECES.replace('b"%d" % number', 'b"%d" % number * 1000')
    function.code(app(source, f"{STREAM}, compress=True"))
    event = http_events.function_url(headers=[("accept-encoding", "gzip")])
    prelude, body = streamed(function.run(sent(event)))
    assert prelude["headers"]["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"0" * 1000 + b"1" * 1000 + b"2" * 1000


DISCONNECT = """
if scope["path"] == "/seen":
    return await respond(send, json.dumps(seen).encode())
await receive()
waiting = asyncio.ensure_future(receive())
await send({"type": "http.response.start", "status": 200})
try:
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await asyncio.sleep(0)
except OSError as exc:
    seen.append(str(exc))
    seen.append((await waiting)["type"])
    seen.append((await receive())["type"])
    RAISE
"""


@pytest.mark.parametrize(
    "how", ["raise", "raise KeyError from exc", "raise ExceptionGroup('of tasks', [exc])", "return"]
)
def test_a_refused_stream_is_a_disconnect_to_the_application(function: Function, how):
    function.code(app(DISCONNECT.replace("RAISE", how), STREAM) + "\nseen = []\n")
    faults = {Call.RESPONSE: [Reply(status=413, early=True)]}
    run = function.run(URL, sent(http_events.function_url(path="/seen")), faults=faults)
    _, body = streamed(run, -1)
    message, *kinds = json.loads(body)
    assert message == "the client takes no more of the response to GET /"
    assert kinds == ["http.disconnect"] * 2
    assert "ERROR" not in run.stdout


def test_an_error_after_a_disconnect_is_logged_and_the_next_request_served(function: Function):
    cleanup = "await asyncio.sleep(0.01)\nraise ValueError('of the cleanup')"
    code = f"{DISCONNECT.replace('RAISE', 'pass')}{cleanup}"
    function.code(app(code, STREAM) + "\nseen = []\n")
    faults = {Call.RESPONSE: [Reply(status=413, early=True)]}
    run = function.run(URL, sent(http_events.function_url(path="/seen")), faults=faults)
    assert streamed(run, -1)[0]["statusCode"] == 200
    assert "ValueError: of the cleanup" in run.stdout


def test_status_and_headers_go_out_although_the_first_piece_is_cancelled(function: Function):
    function.code(
        app(
            """
            await receive()
            await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]})
            try:
                async with asyncio.timeout(0):
                    await send({"type": "http.response.body", "body": b"slow", "more_body": True})
            except TimeoutError:
                pass
            await send({"type": "http.response.body", "body": b"sorry"})
            """.replace("\n            ", "\n"),
            STREAM,
        )
    )
    prelude, body = streamed(function.run(URL))
    assert (prelude["statusCode"], prelude["headers"]["x-a"]) == (201, "1")
    assert body.endswith(b"sorry")


def test_the_length_of_a_body_that_is_not_sent_is_no_matter(function: Function):
    function.code(app("await receive()\nawait respond(send, b'x' * 7_000_000)"))
    result = function.run(sent(http_events.function_url(method="HEAD"))).result
    assert (result["statusCode"], result["body"]) == (200, "")


def test_after_the_response_an_application_receives_a_disconnect(function: Function):
    function.code(
        app("""
await receive()
waiting = asyncio.ensure_future(receive())
await asyncio.sleep(0)
await respond(send, b"")
print((await waiting)["type"], (await receive())["type"])
""")
    )
    assert "http.disconnect http.disconnect" in function.run(URL).stdout


# --- after the response -------------------------------------------------------------------------

LATER = """
await respond(send, json.dumps(done).encode())
await asyncio.sleep(0.01)
done.append(scope["path"])
print("done", scope["path"])
"""


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
def test_what_an_application_does_after_its_response_is_done_before_the_next_event(
    function: Function, over, options
):
    function.code(app(LATER, options) + "\ndone = []\n")
    events = [sent(http_events.function_url(path=path)) for path in ("/a", "/b")]
    run = function.run(*events, environment=over)
    assert bytes(run.answers[1].body).count(b"/a") == 1
    assert run.stdout.split() == ["done", "/a", "done", "/b"]


def test_a_response_does_not_wait_for_what_comes_after_it(function: Function):
    function.code(
        app("""
import os
await respond(send, b"here")
while not os.path.exists("seen"):
    await asyncio.sleep(0.01)
print("background done")
""")
    )
    with RuntimeAPI(URL) as api:
        process = RuntimeProcess(OURS, "app.handler", api.address, task_root=function.root)
        with process:
            assert api.wait_for(Call.RESPONSE).json()["body"] == "here"
            assert len(api.sent(Call.NEXT)) == 1
            (function.root / "seen").touch()
            api.wait_idle()
        assert b"background done" in process.stdout


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
@pytest.mark.parametrize("pause", ["", "await asyncio.sleep(0.001)"])
def test_an_error_after_the_response_is_logged_and_changes_nothing(
    function: Function, options, pause
):
    function.code(app(f"await respond(send, b'fine')\n{pause}\nraise KeyError('late')", options))
    run = function.run(URL, URL)
    assert b"fine" in run.answers[1].body
    assert run.stdout.count("[ERROR] KeyError: 'late'") == 2


# --- applications that break the rules ----------------------------------------------------------

START = 'await send({"type": "http.response.start", "status": 200})'
MORE = 'await send({"type": "http.response.body", "body": b"a", "more_body": True})'
WHOLE = 'await send({"type": "http.response.body", "body": b"a"})'
WRONG = {
    "sends nothing": ("pass", "the application ended without a response to GET /"),
    "sends no body": (START, "ended before its response to GET / was complete"),
    "sends a body first": (WHOLE, "sent 'http.response.body' before 'http.response.start'"),
    "starts twice": (f"{START}\n{START}", "sent 'http.response.start' amid its response"),
    "sends nonsense": ('await send({"type": "x"})', "sent 'x' before 'http.response.start'"),
    "sends text": (
        f"{START}\nawait send({{'type': 'http.response.body', 'body': 'a'}})",
        "it must be bytes",
    ),
    "raises": ("raise LookupError('no table')", "no table"),
    "raises after start": (f"{START}\nraise LookupError('no table')", "no table"),
    "has headers of text": (
        'await send({"type": "http.response.start", "status": 200, "headers": [("x", "y")]})',
        "names and values must be bytes",
    ),
    "has a header of one": (
        'await send({"type": "http.response.start", "status": 200, "headers": [(b"x",)]})',
        "a header of the response to GET / is (b'x',); it must be a pair",
    ),
    "has no status": ('await send({"type": "http.response.start"})', "the status of GET / is None"),
    "sends what is no message": ("await send('x')", "sent 'x', which is not a message of ASGI"),
    "sends a message of no type": ("await send({})", "sent {}, which is not a message of ASGI"),
    "injects a header": (
        'await respond(send, b"", 200, [(b"x", b"a\\r\\nset-cookie: b")])',
        "has a line break or a NUL in its value",
    ),
    "cancels itself": ("asyncio.current_task().cancel()\nawait asyncio.sleep(0)", ""),
}


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
@pytest.mark.parametrize("name", WRONG)
def test_an_application_that_breaks_the_rules_is_an_error_that_says_how(
    function: Function, name, options
):
    source, complaint = WRONG[name]
    function.code(
        app(f'if scope["path"] == "/good": return await respond(send, b"good")\n{source}', options)
    )
    run = function.run(URL, sent(http_events.function_url(path="/good")))
    assert complaint in run.document["errorMessage"]
    assert b"good" in run.answers[1].body


@pytest.mark.parametrize("source", [f"{WHOLE}\n{WHOLE}", f"{WHOLE}\n{START}"])
def test_what_is_sent_after_the_response_is_an_error_in_the_log(function: Function, source):
    function.code(app(f"{START}\n{source}"))
    run = function.run(URL)
    assert run.result["body"] == "a"
    assert "after the response was complete" in run.stdout


@pytest.mark.parametrize(
    ("source", "complaint"),
    [("raise LookupError('no table')", "no table"), ("return", "was complete"), (START, "amid")],
)
def test_an_error_amid_a_stream_is_in_its_trailers(function: Function, source, complaint):
    function.code(app(f"{START}\n{MORE}\n{source}", STREAM))
    run = function.run(URL, URL)
    assert streamed(run, 1)[1] == b"a"
    document = base64.b64decode(dict(run.answers[1].trailers)[ERROR_BODY])
    assert complaint in json.loads(document)["errorMessage"]


def test_an_application_of_wsgi_is_an_error_that_names_the_other_way(function: Function):
    function.code(
        "import snapboot\ndef app(environ, start_response): ...\n"
        "handler = snapboot.asgi(app, lifespan='off')"
    )
    message = function.run(URL).document["errorMessage"]
    assert "cannot be called as an application of ASGI: app() takes 2 positional" in message
    assert message.endswith("for one of the other kind there is snapboot.wsgi")


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
def test_tasks_of_an_application_may_send_at_the_same_time(function: Function, options):
    message = '{"type": "http.response.body", "body": b"%d" % number, "more_body": True}'
    sending = f"await asyncio.gather(*[send({message}) for number in range(5)])"
    function.code(app(f"{START}\n{sending}\n{WHOLE}", options))
    run = function.run(URL)
    body = streamed(run)[1] if options == STREAM else run.result["body"].encode()
    assert body == b"01234a"


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
@pytest.mark.parametrize("pause", ["", "await asyncio.sleep(0.001)"])
def test_an_application_that_ends_the_process_is_answered_for_first(
    function: Function, options, pause
):
    function.code(app(f"await respond(send, b'last')\n{pause}\nraise SystemExit(3)", options))
    run = function.run(URL)
    assert b"last" in run.answers[0].body
    assert run.returncode == 3


@pytest.mark.parametrize("given", ["None", "1", "'app'"])
def test_what_is_no_application_is_an_init_error(function: Function, given):
    function.code(f"import snapboot\nhandler = snapboot.asgi({given})")
    assert "which is not an application of ASGI" in function.run().document["errorMessage"]


# --- the lifespan -------------------------------------------------------------------------------

LIFESPAN = """
if scope["type"] == "lifespan":
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["pool"] = "open"
    print("started")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    print("shut down")
    await send({"type": "lifespan.shutdown.complete"})
    return
scope["state"]["count"] = scope["state"].get("count", 0) + 1
await respond(send, json.dumps(scope["state"]).encode())
"""


def test_an_application_starts_once_at_function_init_and_its_state_reaches_each_request(
    function: Function, over
):
    function.code(app(LIFESPAN, "") + "print('imported')\n")
    run = function.run(URL, URL, environment=over)
    assert [json.loads(result["body"]) for result in run.results] == [
        {"pool": "open", "count": 1}
    ] * 2
    assert run.stdout.split() == ["imported", "started"]


def test_a_start_and_its_loop_last_across_a_snapshot(function: Function):
    function.code(app(LIFESPAN, ""))
    run = function.run(URL, environment=SNAP_START)
    assert json.loads(run.result["body"])["pool"] == "open"
    calls = [request.call for request in run.requests]
    assert calls[:2] == [Call.RESTORE_NEXT, Call.NEXT]
    assert run.stdout.split() == ["started"]


FAILING = {
    "reports it": (
        "await receive()\nawait send({'type': 'lifespan.startup.failed', 'message': 'no pool'})",
        "the application's start failed: no pool",
    ),
    "reports it and raises": (
        "await receive()\nawait send({'type': 'lifespan.startup.failed'})\nraise OSError('no pool')",
        "no pool",
    ),
    "gives no reason": (
        "await receive()\nawait send({'type': 'lifespan.startup.failed'})",
        "it gives no reason",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_start_that_fails_is_an_init_error(function: Function, name):
    source, complaint = FAILING[name]
    function.code(app(source, ""))
    run = function.run(URL)
    assert run.error.call is Call.INIT_ERROR
    assert complaint in run.document["errorMessage"]
    assert run.returncode == 1


WITHOUT = {
    "raises at once": "assert scope['type'] == 'http', 'no lifespan here'",
    "raises later": "if scope['type'] != 'http':\n    await receive()\n    raise KeyError('later')",
    "returns": "if scope['type'] != 'http': return",
    "sends a response": "",
}


@pytest.mark.parametrize("name", WITHOUT)
def test_an_application_without_a_lifespan_goes_on(function: Function, name):
    source = f"{WITHOUT[name]}\nawait respond(send, json.dumps('state' in scope).encode())"
    function.code(app(source, ""))
    run = function.run(URL)
    assert run.result["body"] == "false"
    assert ("[ERROR]" in run.stdout) is (name == "raises later")


@pytest.mark.parametrize("name", WITHOUT)
def test_an_application_without_a_lifespan_is_an_init_error_if_it_must_have_one(
    function: Function, name
):
    function.code(app(f"{WITHOUT[name]}\nawait respond(send, b'')", "lifespan='on'"))
    assert function.run(URL).error.call is Call.INIT_ERROR


def test_an_unknown_way_to_treat_the_lifespan_is_an_init_error(function: Function):
    function.code(app("pass", "lifespan='maybe'"))
    message = function.run().document["errorMessage"]
    assert message == "lifespan is 'maybe'; it can be 'auto', 'on', 'off'"


def terminated(function: Function, *events: Event):
    """Run a function until it waits, end it by SIGTERM, and return how it ended."""
    with RuntimeAPI(*events) as api:
        process = RuntimeProcess(OURS, "app.handler", api.address, task_root=function.root)
        with process:
            api.wait_idle()
            process.signal(signal.SIGTERM)
            return process.wait()


@pytest.mark.parametrize("events", [(), (URL,)])
def test_sigterm_shuts_an_application_down_and_ends_the_process_as_ever(function, events):
    function.code(app(LIFESPAN, ""))
    ending = terminated(function, *events)
    assert ending.stdout.split() == [b"started", b"shut", b"down"]
    assert ending.returncode == -signal.SIGTERM


SHUTDOWNS = {
    "hangs": ("await asyncio.Event().wait()", "has not shut down within 2 s"),
    "fails": (
        "await send({'type': 'lifespan.shutdown.failed', 'message': 'stuck'})",
        "the application's shutdown failed: stuck",
    ),
    "raises": ("raise KeyError('stuck')", "[ERROR] KeyError: 'stuck'"),
    "sends nonsense": ("await send({'type': 'nonsense'})", "sent 'nonsense' in its lifespan"),
    "returns": ("", ""),
}


@pytest.mark.parametrize("name", SHUTDOWNS)
def test_a_shutdown_that_goes_wrong_is_logged_and_the_process_ends(function: Function, name):
    source, logged = SHUTDOWNS[name]
    function.code(
        app(
            "if scope['type'] == 'lifespan':\n"
            "    await receive()\n"
            "    await send({'type': 'lifespan.startup.complete'})\n"
            f"    await receive()\n    {source}",
            "",
        )
    )
    ending = terminated(function)
    assert logged in ending.stdout.decode()
    assert ending.returncode == -signal.SIGTERM


def test_a_handler_of_sigterm_of_the_functions_own_is_left_in_place(function: Function):
    own = "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(7))\n"
    function.code(own + app(LIFESPAN, ""))
    assert terminated(function).returncode == 7


def test_a_request_being_served_is_answered_before_the_shutdown(function: Function):
    source = LIFESPAN.replace(
        "await respond",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nawait asyncio.sleep(0)\nawait respond",
    )
    function.code(app(source, ""))
    run = function.run(URL)
    assert json.loads(run.result["body"])["pool"] == "open"
    assert run.stdout.split() == ["started", "shut", "down"]
    assert run.returncode == -signal.SIGTERM


def test_several_applications_of_a_module_start_and_shut_down_together(function: Function):
    code = app(LIFESPAN, "") + "other = snapboot.asgi(app)\n"
    function.code(code)
    assert terminated(function).stdout.split().count(b"shut") == 2


# --- WebSocket, options -------------------------------------------------------------------------


def test_a_connection_of_a_websocket_api_is_refused_and_the_log_says_why(function: Function):
    function.code(app("raise AssertionError"))
    run = function.run(sent(WEBSOCKET))
    assert run.result["statusCode"] == 501
    assert "[WARNING]" in run.stdout
    assert "A WebSocket connection cannot be made here" in run.stdout


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
def test_a_request_to_upgrade_to_websocket_is_refused(function: Function, options):
    function.code(app("raise AssertionError", options))
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "x")]
    run = function.run(sent(http_events.function_url(headers=headers)))
    head, body = streamed(run) if "stream" in options else (run.result, run.result["body"].encode())
    assert head["statusCode"] == 501
    assert body.startswith(b"A WebSocket connection cannot be made here")


@pytest.mark.parametrize("options", ["lifespan='off'", STREAM])
def test_a_status_may_count_as_a_failed_invocation(function: Function, options):
    source = 'await respond(send, b"busy", int(scope["path"][1:]))'
    function.code(app(source, f"{options}, error_statuses=(500, '502-504')"))
    events = [sent(http_events.function_url(path=path)) for path in ("/503", "/501", "/500")]
    run = function.run(*events)
    assert [answer.call for answer in run.answers] == [Call.ERROR, Call.RESPONSE, Call.ERROR]
    document = run.answers[0].json()
    assert document["errorType"] == "HTTPStatusError"
    assert document["errorMessage"].startswith("GET /503 was answered 503")
    assert "busy" in document["errorMessage"]


QUEUE = {"Records": [{"eventSource": "aws:sqs", "body": "é"}]}
EVENTS = """
event = json.loads((await receive())["body"])
assert (scope["method"], scope["path"]) == ("POST", "/events"), scope
if not event: return await respond(send, b"no such path", 404)
await respond(send, b"" if event == 1 else json.dumps(event["Records"]).encode())
"""


def test_other_events_are_posted_and_the_response_is_the_result(function: Function):
    function.code(app(EVENTS, "lifespan='off', stream=True, events_path='/events'"))
    run = function.run(sent(QUEUE), Event(b"1"), Event(b"0"), sent(QUEUE))
    assert [answer.call for answer in run.answers[:3]] == [Call.RESPONSE, Call.RESPONSE, Call.ERROR]
    assert run.answers[0].json() == QUEUE["Records"]
    assert run.answers[1].json() is None
    assert "POST /events was answered 404" in run.answers[2].json()["errorMessage"]


def test_other_events_are_an_error_without_a_path_for_them(function: Function):
    function.code(app("raise AssertionError"))
    message = function.run(sent(QUEUE)).document["errorMessage"]
    assert "it is of 'aws:sqs' and has 'Records'" in message


def test_a_response_beyond_the_limit_is_an_error_that_names_its_size(function: Function):
    function.code(app("await respond(send, bytes(5_000_000))"))
    document = function.run(URL).document
    assert document["errorType"] == "ResponseSizeError"
    assert "is of 5000000 bytes" in document["errorMessage"]
    assert "give stream=True" in document["errorMessage"]


def test_headers_that_a_streaming_rest_api_would_not_read_to_their_end_are_an_error(function):
    function.code(app("await respond(send, b'', 200, [(b'x', b'v' * 20_000)])", STREAM))
    run = function.run(sent(http_events.rest()), URL)
    assert "that streams takes 16384: send fewer headers" in run.document["errorMessage"]
    assert streamed(run, 1)[0]["headers"]["x"] == "v" * 20_000


def test_a_body_without_end_is_stopped_at_the_limit_where_it_is_not_streamed(function: Function):
    source = """
await send({"type": "http.response.start", "status": 200})
while True:
    await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
"""
    function.code(app(source))
    document = function.run(URL).document
    assert document["errorType"] == "ResponseSizeError"
    assert "is of 7000000 bytes and not at its end" in document["errorMessage"]


def test_a_handler_called_on_the_loop_says_that_it_runs_the_loop_itself(function: Function):
    function.code(
        app("await respond(send, b'x')").replace("handler =", "web =")
        + "async def handler(event, context): return web(event, context)\n"
    )
    message = function.run(URL).document["errorMessage"]
    assert "call it from a handler that is not async def" in message


def test_a_handler_may_be_called_by_another(function: Function):
    function.code(
        app(LATER).replace("handler =", "web =")
        + "done = []\ndef handler(event, context): return web(event, context)\n"
    )
    run = function.run(URL, URL)
    assert [result["body"] for result in run.results] == ["[]", '["/"]']


def test_a_thousand_requests_leave_no_task_behind(function: Function):
    source = """
import gc
if scope["path"] == "/count":
    await asyncio.sleep(0)
    return await respond(send, b"%d" % len(asyncio.all_tasks()))
asyncio.ensure_future(receive())
await receive()
await respond(send, b"x")
await asyncio.sleep(0)
"""
    function.code(app(source))
    run = function.run(*[URL] * 1000, sent(http_events.function_url(path="/count")))
    assert run.results[-1]["body"] == "1"
