"""What is refused is reported: one line at the terminal, with what to do instead."""

import ast
import contextlib
import http.client
import json
import re
import socket

import pytest

from snapboot_devkit.cli import commands
from snapboot_devkit.cli.hints import of_error
from snapboot_devkit.host import FunctionConfig, Source
from snapboot_devkit.host.http.exchange import Head, Response, error_response
from snapboot_devkit.host.http.refusal_line import refusal_line
from snapboot_devkit.host.http.server import _no_address
from tests.devkit.hosted import DEADLINE_S, config
from tests.devkit.outside import served, streaming
from tests.devkit.test_command import process
from tests.devkit.test_start import started  # noqa: F401 - a fixture
from tests.fakes.contenders import ROOT

# ---- what is typed ---------------------------------------------------------------------------


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    (folder / "orders").mkdir(parents=True)
    (folder / "app.py").write_text("def handler(event, context): return event\n")
    (folder / "orders" / "api.py").write_text("def create(event, context): return event\n")
    (folder / "template.yaml").touch()
    return folder


FORMS = "write the handler as module.function, such as "


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["frob"], "No such command 'frob'; see snapboot --help"),
        (["invoke"], "arguments are required: handler; see snapboot invoke --help"),
        (["invoke", "app.handler", "--frob"], "there is no option --frob; see snapboot invoke"),
        (["invoke", "app.handler", "--memory", "much"], "--memory: 'much' is not a whole number"),
        (["invoke", "app.handler", "--log-format", "XML"], "'XML' is not one of 'Text', 'JSON'"),
        (["invoke", "app.handler", "--debug", "65536"], "--debug: '65536' is not a port"),
        (["start"], "the following arguments are required: [NAME=]HANDLER"),
        (["invoke", "app.handler", "--memor", "3"], "did you mean --memory?"),
        (["invoke", "app.handler", "{}", "{}"], "'{}' is one argument too many"),
        (["invoke", "app.handler", "--memory"], "--memory: expected one argument"),
        (["start", "app.handler", "--port", "99999"], "is not a port: give a number from 0"),
        (["start", "app.handler", "--port", "-1"], "is not a port: give a number from 0"),
        (["start", "app.handler", "--host", "no.invalid"], "cannot listen on no.invalid:9000: "),
        (["start", "app.handler", "--host", "a..b"], "give an address of this machine"),
        (["start", "app.handler", "--host", "192.0.2.1"], "give an address of this machine"),
        (["start", "nope.handler"], "there is no module 'nope' to serve: "),
        (["start", "nope.handler"], "code' has: app, orders.api; another folder is named by"),
        (["start", "orders.nope.handler"], "there is no module 'orders.nope' to serve"),
        (["start", "a=app.handler", "b=nope.handler"], "there is no module 'nope' to serve"),
        (["start", "template.yaml"], "templates of SAM, CloudFormation and others are not read"),
        (["start", "app"], f"cannot serve 'app': {FORMS}app.handler"),
        (["start", "app.py"], f"cannot serve 'app.py': {FORMS}app.handler"),
        (["start", "app:handler"], f"cannot serve 'app:handler': {FORMS}app.handler"),
        (["start", "orders.api:create"], f"{FORMS}orders.api.create"),
        (["start", "orders/api:create"], f"{FORMS}orders/api.create"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else " ".join(value)[:40],
)
def test_what_cannot_be_used_is_one_line_with_a_remedy(words, expected, code, capfd):
    usual = ["--task-root", str(code)] if words[0] == "start" and words[1:] else []
    with pytest.raises(SystemExit) as ended:
        commands.main([*words, *usual])
    printed = capfd.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith("snapboot: ")
    assert printed.err.count("\n") == 1
    assert expected in printed.err


def test_who_types_nothing_sees_the_commands_and_no_success(capfd):
    with pytest.raises(SystemExit) as ended:
        commands.main([])
    assert ended.value.code == 2
    assert "invoke" in capfd.readouterr().out


@pytest.mark.parametrize(
    "handler",
    ["app.handler", "orders.api.create", "orders/api.create", "json.loads", "packages.x.f"],
)
def test_a_module_that_can_be_found_anywhere_is_served(started, code, tmp_path, handler):  # noqa: F811
    layer = tmp_path / "layer" / "python" / "packages"
    layer.mkdir(parents=True)
    (layer / "x.py").write_text("raise SystemExit('not before an event comes')\n")
    usual = ("--task-root", str(code), "--layer", str(layer.parents[1]))
    started(f"it={handler}", usual=usual)


@pytest.mark.parametrize(
    ("handler", "hint"),
    [
        ("fn:handler", f"{FORMS}fn.handler"),
        ("app", f"{FORMS}app.handler"),
        ("orders/api", f"{FORMS}orders/api.create"),
        ("what ever", f"{FORMS}app.handler"),
    ],
)
def test_the_handler_that_a_hint_suggests_is_one(handler, hint, code):
    function = FunctionConfig(handler, task_root=code)
    assert of_error(function, "Runtime.MalformedHandlerName", "") == hint


WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER=/opt/trace"
ISOLATE = "hint: layers are at /opt with --isolate alone; add it, or name the file of "


def test_a_wrapper_in_a_layer_that_is_not_at_opt_is_reported_with_the_option(code, tmp_path):
    (tmp_path / "layer").mkdir()
    usual = ("--task-root", str(code), "--layer", str(tmp_path / "layer"), "--env", WRAPPER)
    done = process("invoke", "app.handler", *usual)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith(ISOLATE)


def test_so_it_is_while_the_host_serves(started, code):  # noqa: F811
    service = started("app.handler", "--env", WRAPPER, usual=("--task-root", str(code)))
    service.invoke("app", {})
    service.logged(ISOLATE)


@pytest.mark.parametrize(
    ("port", "error", "expected"),
    [
        (99_999, OverflowError("port must be 0-65535."), "ports end at 65535; choose another port"),
        (80, PermissionError(13, "Permission denied"), "choose a port above 1023"),
        (80, OSError(24, "Too many open files"), "allow more open files (ulimit -n)"),
        (80, OSError(98, "Address already in use"), "choose another port"),
        (80, socket.gaierror(-2, "Name or service not known"), "give an address of this machine"),
    ],
)
def test_why_an_address_cannot_be_had_decides_the_remedy(port, error, expected):
    assert expected in str(_no_address("host", port, error))


REFUSALS = {
    "AddressInUseError", "ConfigError", "HostError", "InvokeError", "RefusedError", "SourceError",
    "UsageError", "_forbidden", "bad_content", "bad_parameter", "invalid", "not_found",
}  # fmt: skip
REMEDIES = re.compile(
    r"; |must|use |give |write |choose |leave |one of|one line|such as|takes|has URLs|by --|only version"
)
# The messages of which a part says what to do that the caller gives.
COMPLETED = {"handlers.py", "unpacking.py"}
# What the Invoke API says itself.
OF_LAMBDA = {"Could not parse request body into json: "}


def _refusals():
    for file in sorted((ROOT / "devkit" / "snapboot_devkit").rglob("*.py")):
        if {"cli", "host", "debugging"} & set(file.parts) and file.name not in COMPLETED:
            for call in ast.walk(ast.parse(file.read_text())):
                name = getattr(call, "func", None)
                if getattr(name, "id", None) in REFUSALS and call.args:
                    yield file.relative_to(ROOT), call


def test_every_message_of_the_code_that_refuses_says_what_to_do():
    silent = []
    for file, call in _refusals():
        texts = [
            part.value
            for argument in call.args
            for part in ast.walk(argument)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        ]
        message = "".join(texts)
        if " " in message and not REMEDIES.search(message) and not OF_LAMBDA & set(texts):
            silent.append(f"{file}:{call.lineno}: {message}")
    assert silent == []
    assert {path.name for path in (ROOT / "devkit/snapboot_devkit").rglob("*.py")} >= COMPLETED


# ---- what is asked for -----------------------------------------------------------------------


def own_lines(scenario, *functions):
    """Run a scenario beside a host; return what it returns, and the host's own words in the log."""
    lines = []

    def log(line):
        if line.source is Source.PLATFORM and line.text.startswith("snapboot: "):
            lines.append(line.text)

    return served(scenario, *functions, log=log), lines


def lines_of(requests, *functions):
    """Send requests to a host; return the statuses, and the host's own words."""

    def play(address):
        statuses = []
        for method, path, headers, body in requests:
            connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
            with contextlib.closing(connection):
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                with contextlib.suppress(http.client.IncompleteRead):
                    response.read()
                statuses.append(response.status)
        return statuses

    return own_lines(play, *functions)


INVOKE = "/2015-03-31/functions/test_function/invocations"


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        (("POST", INVOKE, {"Origin": "https://evil.example"}, "{}"), 403, "--allow-host evil.example"),
        (("POST", INVOKE, {"Sec-Fetch-Site": "cross-site"}, "{}"), 403, "open the address directly"),
        (("POST", INVOKE, {"Host": "evil.example"}, "{}"), 403, "--allow-host evil.example"),
        (("POST", INVOKE, {}, "{"), 400, "parse request body into json"),
        (("POST", INVOKE.replace("test_function", "nope"), {}, "{}"), 404, "Function not found"),
        (("POST", INVOKE, {"X-Amz-Invocation-Type": "Nope"}, "{}"), 400, "must be"),
        (("POST", INVOKE, {"X-Amz-Client-Context": "!"}, "{}"), 400, "must be a base64-encoded JSON"),
        (("POST", INVOKE, {"X-Amz-Tenant-Id": "me"}, "{}"), 400, "enant"),
        (("POST", INVOKE, {}, "x" * (6 * 1024 * 1024 + 101)), 413, "must be smaller than"),
        (("GET", INVOKE, {}, None), 405, "use POST"),
        (("GET", "/no/such/page", {}, None), 404, "404 page not found"),
        (("TRACE", "/function-url/test_function/", {}, None), 405, "use GET, POST"),
        (("GET", "/function-url/nope/", {}, None), 404, "this host has URLs of 'test_function'"),
    ],
)  # fmt: skip
def test_a_refused_request_is_a_line_of_the_log_that_says_why(asked, status, expected):
    statuses, lines = lines_of([asked], config("echo"))
    assert statuses == [status]
    (line,) = lines
    assert f"is answered {status}: " in line
    assert expected in line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"statusCode": "yes"}, "502: statusCode 'yes' must be a number from 200 to 599"),
        ({"statusCode": 200, "headers": {"a b": "c"}}, "502: 'a b' is not a header name"),
        ({"statusCode": 200, "body": "!", "isBase64Encoded": True}, "502: body is not the base64"),
    ],
)
def test_a_function_urls_502_is_in_the_log_with_its_reason(tmp_path, result, expected):
    (tmp_path / "app.py").write_text(f"def handler(event, context): return {result!r}\n")
    function = FunctionConfig("app.handler", task_root=tmp_path, name="web", timeout_s=30)
    statuses, (line,) = lines_of([("GET", "/function-url/web/x?y=1", {}, None)], function)
    assert statuses == [502]
    assert expected in line
    assert "GET 127.0.0.1:" in line


def test_what_a_function_answers_itself_is_no_refusal(tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context): return {'statusCode': 502}\n")
    function = FunctionConfig("app.handler", task_root=tmp_path, name="web", timeout_s=30)
    assert lines_of([("GET", "/function-url/web/", {}, None)], function) == ([502], [])


def test_a_stream_that_breaks_off_is_reported_as_well():
    event = {"pieces": ["some"], "error": {"errorType": "Function.Boom", "errorMessage": "boom"}}
    asked = ("POST", "/function-url/web/", {"content-type": "application/json"}, json.dumps(event))
    statuses, (line,) = lines_of([asked], streaming("web", stream_url=True))
    assert statuses == [200]
    assert "502: the function failed: " in line
    assert "boom" in line


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /\x1b]0;x HTTP/1.1\r\nhost: localhost\r\n\r\n", "not a request that HTTP/1.1 allows"),
        (b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n", "Content-Length"),
        (b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx", "before its body"),
    ],
)  # fmt: skip
def test_what_is_not_a_request_at_all_is_reported_as_well(request_, expected):
    def play(address):
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), DEADLINE_S) as connection:
            connection.sendall(request_.replace(b"%b", INVOKE.encode()))
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").readline().split()[1]

    status, (line,) = own_lines(play, config("echo"))
    assert status == b"400"
    assert expected in line
    assert line.isprintable()


def test_a_line_never_carries_what_a_terminal_would_obey():
    head = Head("GET", "/\x1b[2J" + "x" * 300, "", {b"host": b"a\nb"})
    line = refusal_line(head, error_response(400, "Nope", "first\nsecond \x9b1m"))
    assert line.isprintable()
    assert "first second" in line
    assert len(line) < 300
    assert "answered 500: raw" in refusal_line(None, Response(500, b"", b"raw"))
