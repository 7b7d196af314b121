"""Results that are sent piece by piece: generators, iterators, and their asynchronous kin."""

import base64
import json

import pytest

from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, Reply

MODE = "Lambda-Runtime-Function-Response-Mode"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
HTTP_TYPE = "application/vnd.awslambda.http-integration-response"


def streamed(function: Function, code: str, **settings):
    """Run a function for one event; return the request that carried its stream, and the log."""
    function.code(code)
    run = function.run(Event(), Event(b"0"), **settings)
    first = run.answers[0]
    assert first.call is Call.RESPONSE, first.body
    assert first.header(MODE) == "streaming"
    assert first.header("Transfer-Encoding") == "chunked"
    assert first.complete
    assert run.returncode is None
    return first, run


def document_in(request) -> dict:
    trailers = dict(request.trailers)
    return json.loads(base64.b64decode(trailers[ERROR_BODY]))


SOURCES = {
    "a generator": "def handler(event, context):\n    yield 'one '\n    yield b'two'",
    "an asynchronous generator": (
        "async def handler(event, context):\n    yield 'one '\n    yield b'two'"
    ),
    "an iterator": "def handler(event, context): return iter(['one ', b'two'])",
    "an iterator from a coroutine": "async def handler(event, context): return iter(['one two'])",
    "an asynchronous iterator": """
class Source:
    pieces = iter(["one ", bytearray(b"two")])
    def __aiter__(self): return self
    async def __anext__(self):
        for piece in self.pieces: return piece
        raise StopAsyncIteration
def handler(event, context): return Source()""",
    "a file": "import io\ndef handler(event, context): return io.BytesIO(b'one two')",
    "memory of any shape": (
        "import array\ndef handler(event, context):\n"
        "    yield memoryview(b'one ')\n    yield array.array('H', b'two '[:4])[:1]\n    yield 'o'"
    ),
}


@pytest.mark.parametrize("code", SOURCES.values(), ids=SOURCES)
def test_what_yields_is_streamed(function: Function, over, code):
    request, run = streamed(function, code, environment=over)
    assert bytes(request.body) == b"one two"
    assert request.trailers == ()
    assert request.header("Content-Type") == "application/octet-stream"
    assert request.header("Trailer") == f"{ERROR_TYPE}, {ERROR_BODY}"
    assert len(run.answers) == 2, "the next event is served"


def test_the_invocation_id_is_echoed(function: Function):
    function.code("def handler(event, context): yield 'x'")
    header = ("Lambda-Runtime-Invocation-Id", "attempt-7")
    run = function.run(Event(headers=dict([header])))
    assert run.answers[0].header(header[0]) == "attempt-7"


def test_a_stream_of_nothing_is_an_empty_response(function: Function, over):
    request, _ = streamed(function, "def handler(e, c): yield from ('', b'')", environment=over)
    assert request.body == b""


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_status_headers_and_cookies_go_ahead_of_the_body(function: Function, over, kind):
    request, _ = streamed(
        function,
        f"""
        import snapboot

        {kind} body():
            yield "hello"

        def handler(event, context):
            headers = {{"content-type": "text/plain"}}
            return snapboot.HttpResponse(201, headers, ["a=1", "b=2"], body())
        """,
        environment=over,
    )
    assert request.header("Content-Type") == HTTP_TYPE
    prelude, body = bytes(request.body).split(bytes(8))
    assert json.loads(prelude) == {
        "statusCode": 201,
        "headers": {"content-type": "text/plain"},
        "cookies": ["a=1", "b=2"],
    }
    assert body == b"hello"


def test_a_whole_http_response_is_the_document_that_integrations_take(function: Function):
    function.code("""
        import snapboot

        def handler(event, context):
            return snapboot.HttpResponse(404, {"x": "y"}, ["a=1"], event and b"\\0" or "text")
    """)
    text = {"statusCode": 404, "headers": {"x": "y"}, "cookies": ["a=1"], "body": "text"}
    binary = {**text, "body": "AA==", "isBase64Encoded": True}
    assert function.run(Event(b"0"), Event(b"1")).results == [text, binary]


def test_the_values_of_a_repeated_header_are_joined(function: Function):
    function.code("""
        import snapboot

        def handler(event, context):
            return snapboot.HttpResponse(200, [("vary", "a"), ("x", "y"), ("vary", "b")], body="")
    """)
    assert function.run(Event()).result["headers"] == {"vary": "a, b", "x": "y"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("99", "status of an HTTP response is 99"),
        ("'200'", "status of an HTTP response is '200'"),
        ("200, {'a': 1}", "header 'a' is 1"),
        (
            "200, {'a': 'x\\r\\nset-cookie: b=1'}",
            "header 'a' is 'x\\r\\nset-cookie: b=1', with a line break",
        ),
        ("200, {'a\\n': 'x'}", "header is 'a\\n', with a line break"),
        ("200, {}, ['a=1\\n']", "a cookie is 'a=1\\n', with a line break"),
        ("200, {}, [b'a=1']", "a cookie is b'a=1'; names and values must be str"),
        ("200, {}, 'a=1'", "cookies are 'a=1'; give a list"),
        (
            "200, [('Set-Cookie', 'a=1')] * 2",
            "'Set-Cookie' is repeated; give its values as cookies",
        ),
        ("200, {}, [], {'a': 1}", "of type 'dict'; it can be bytes"),
    ],
)
def test_an_http_response_that_cannot_be_sent_says_why(function: Function, arguments, complaint):
    function.code(f"import snapboot\ndef handler(e, c): return snapboot.HttpResponse({arguments})")
    assert complaint in function.run(Event()).document["errorMessage"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_error_before_the_first_byte_is_answered_like_any_other(function: Function, over, kind):
    function.code(f"""
        {kind} handler(event, context):
            yield ""
            raise KeyError("early")
            yield "never"
    """)
    run = function.run(Event(), environment=over)
    assert run.error.call is Call.ERROR
    assert run.document["errorType"] == "KeyError"
    assert [line for line in run.document["stackTrace"] if "handler" in line]
    assert not [line for line in run.document["stackTrace"] if "asyncio" in line]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_error_amid_the_stream_is_in_the_trailers_and_in_the_log(function: Function, over, kind):
    code = f"""
        {kind} handler(event, context):
            yield "begun"
            raise ValueError("late: ü")
    """
    request, run = streamed(function, code, environment=over)
    assert bytes(request.body) == b"begun"
    assert dict(request.trailers)[ERROR_TYPE] == "ValueError"
    document = document_in(request)
    assert document["errorMessage"] == "late: ü"
    assert document["requestId"] == request.request_id
    assert "in handler" in document["stackTrace"][0]
    assert "[ERROR] ValueError: late: ü" in run.stdout


@pytest.mark.parametrize(
    ("statement", "in_document"),
    [
        ("sink(60)", "in sink"),
        ("raise ValueError('x' * 100_000)", "xxx"),
        ("raise type('E' * 5000, (Exception,), {})('long')", "EEE"),
        ("raise ValueError('\\ud800' * 9000)", "ValueError"),
    ],
)
def test_the_trailers_of_an_error_are_no_longer_than_gos_server_takes(
    function: Function, statement, in_document
):
    function.code(f"""
        def sink(depth):
            if depth:
                sink(depth - 1)
            raise ValueError("at the bottom")

        def handler(event, context):
            yield "first"
            {statement}
    """)
    request = function.run(Event()).answers[0]
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in request.trailers)
    assert size < 4096 - len("0\r\n\r\n")
    assert in_document in json.dumps(document_in(request))


def test_a_chunk_of_another_type_is_named_with_its_place(function: Function):
    request, _ = streamed(function, "def handler(e, c):\n    yield 'a'\n    yield {'b': 1}")
    message = document_in(request)["errorMessage"]
    assert message.startswith("chunk 1 of the streamed response is of type 'dict'")


@pytest.mark.parametrize("error", ["ValueError('alarm')", "TimeoutError('alarm')"])
def test_a_signal_handler_that_raises_amid_a_chunk_over_urllib3_ends_the_stream(
    function: Function, error
):
    """As one does while a slow peer has a chunk wait, of which a part is sent by then."""
    function.code(f"""
        import http.client

        whole = http.client.HTTPConnection.send

        def send(self, data):
            if b"second" not in data:
                return whole(self, data)
            whole(self, data[:5])
            raise {error}

        http.client.HTTPConnection.send = send

        def handler(event, context):
            return stream() if event else "next"

        def stream():
            yield "first"
            yield "second"
    """)
    over = {"SNAPBOOT_TRANSPORT": "urllib3"}
    run = function.run(Event(b"1"), Event(b"0"), environment=over)
    assert run.answers[-1].json() == "next"
    assert "alarm" in run.stdout


def test_a_refused_stream_closes_its_generator(function: Function):
    function.code("""
        closed = []

        def pieces():
            try:
                while True:
                    yield b"x" * 100_000
            finally:
                closed.append(True)

        def handler(event, context):
            return closed if event else pieces()
    """)
    refusal = Reply(status=413, early=True)
    run = function.run(Event(b"0"), Event(b"1"), faults={Call.RESPONSE: [refusal]})
    assert run.answers[-1].json() == [True]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_many_small_pieces_at_once_are_few_chunks(function: Function, kind):
    code = f"{kind} handler(event, context):\n    for n in range(100_000): yield f'{{n:08d}}'"
    request, _ = streamed(function, code)
    assert bytes(request.body) == b"".join(b"%08d" % n for n in range(100_000))
    assert request.chunks < 10_000


def test_millions_of_empty_pieces_are_nothing(function: Function):
    code = "def handler(event, context):\n    for _ in range(1_000_000): yield ''\n    yield 'x'"
    request, _ = streamed(function, code)
    assert bytes(request.body) == b"x"


def test_a_codec_of_the_functions_own_is_not_handed_a_generator(function: Function):
    code = """
        import json
        import snapboot

        snapboot.set_codec(dumps=lambda value: json.dumps(value, default=str))

        def handler(event, context):
            return (piece for piece in ("a", "b"))
    """
    request, _ = streamed(function, code)
    assert bytes(request.body) == b"ab"


SCOPES = {
    "a context variable": """
        async def pieces():
            token = variable.set("begun")
            yield variable.get()
            variable.reset(token)
            yield variable.get()
    """,
    "a time-out": """
        async def pieces():
            try:
                async with asyncio.timeout(0.01):
                    yield "begun"
                    await asyncio.Event().wait()
            except TimeoutError:
                yield ", ended"
    """,
    "a task group": """
        async def failing():
            await asyncio.sleep(0)
            raise KeyError("in a task")

        async def pieces():
            try:
                async with asyncio.TaskGroup() as group:
                    yield "begun"
                    group.create_task(failing())
                    await asyncio.Event().wait()
            except* KeyError:
                yield ", ended"
    """,
}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_what_an_asynchronous_generator_enters_lasts_for_all_chunks(function, over, scope):
    code = """
        import asyncio
        import contextvars

        variable = contextvars.ContextVar("variable", default=", ended")
    """
    code += (
        scope
        + """
        async def handler(event, context):
            return pieces()
    """
    )
    request, _ = streamed(function, code, environment=over)
    assert request.trailers == ()
    assert bytes(request.body) == b"begun, ended"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_buffer_may_be_used_again_for_the_next_chunk(function: Function, over, kind):
    code = f"""
        {kind} handler(event, context):
            buffer = bytearray()
            for number in range(3):
                buffer += b"%d" % number * (number + 1)
                yield buffer
                buffer.clear()
    """
    request, _ = streamed(function, code, environment=over)
    assert request.trailers == ()
    assert bytes(request.body) == b"011222"


def test_bytes_with_methods_of_their_own_are_streamed_as_they_are(function: Function):
    code = """
        class Piece(bytes):
            __bytes__ = lambda self: b"other"
            __len__ = lambda self: 0

        def handler(event, context):
            yield Piece(b"own")
    """
    request, _ = streamed(function, code)
    assert bytes(request.body) == b"own"


def test_a_process_without_threads_to_spare_streams_nonetheless(function: Function):
    code = """
        import _thread

        def handler(event, context):
            _thread.stack_size(1 << 47)  # more than there is
            for number in range(3):
                yield str(number)
            try:
                _thread.start_new_thread(print, ())
            except RuntimeError as exc:
                yield str(exc)
    """
    request, _ = streamed(function, code)
    assert request.trailers == ()
    assert bytes(request.body) == b"012can't start new thread"


def test_an_error_in_finally_is_reported_and_the_next_event_served(function: Function):
    code = """
        def handler(event, context):
            try:
                yield "a"
            finally:
                raise RuntimeError("in finally")
    """
    request, _ = streamed(function, code)
    assert document_in(request)["errorMessage"] == "in finally"


NESTED = {
    "a generator in a document": (
        "def handler(e, c): return {'body': [(n for n in 'ab')]}",
        (
            "to stream the generator that is in the result, return it by itself or as the body of"
            " snapboot.HttpResponse"
        ),
    ),
    "an asynchronous generator in a list": (
        "async def body(): yield 'a'\ndef handler(e, c): return [body()]",
        "to stream the async_generator that is in the result",
    ),
    "a coroutine in a document": (
        "async def body(): ...\ndef handler(e, c): return {'body': body()}",
        "; await the coroutine that is in the result",
    ),
    "a document that holds itself, and a generator": (
        "def handler(e, c):\n    a = [iter(())]\n    a.insert(0, a)\n    return a",
        "to stream the tuple_iterator",
    ),
    "an asynchronous encoder": (
        (
            "import snapboot\nasync def dumps(value): return '1'\nsnapboot.set_codec(dumps=dumps)\n"
            "def handler(e, c): return e"
        ),
        (
            "dumps of snapboot.set_codec has returned a 'coroutine'; it must return str or bytes (give"
            " a function that is not async def)"
        ),
    ),
    "an encoder that yields": (
        (
            "import snapboot\ndef dumps(value): yield '1'\nsnapboot.set_codec(dumps=dumps)\n"
            "def handler(e, c): return e"
        ),
        "dumps of snapboot.set_codec has returned a 'generator'; it must return str or bytes",
    ),
    "an encoder of the function's own that cannot encode a generator": (
        (
            "import json, snapboot\nsnapboot.set_codec(dumps=json.dumps)\n"
            "def handler(e, c): return {'body': iter([1])}"
        ),
        "to stream the list_iterator that is in the result",
    ),
    "an asynchronous decoder": (
        (
            "import snapboot\nasync def loads(value): return 1\nsnapboot.set_codec(loads=loads)\n"
            "def handler(e, c): return e"
        ),
        "loads of snapboot.set_codec has returned a 'coroutine'; it must return the event",
    ),
    "a coroutine as a body": (
        (
            "import snapboot\nasync def body(): ...\n"
            "def handler(e, c): return snapboot.HttpResponse(body=body())"
        ),
        (
            "of type 'coroutine'; it can be bytes, str, an iterator or an asynchronous iterator (for"
            " JSON, json.dumps(...); await a coroutine"
        ),
    ),
    "a coroutine as a chunk": (
        "async def piece(): ...\ndef handler(e, c): yield piece()",
        (
            "chunk 0 of the streamed response is of type 'coroutine': yield str or bytes (for JSON,"
            " json.dumps(...); await a coroutine"
        ),
    ),
}


@pytest.mark.parametrize(("code", "remedy"), NESTED.values(), ids=NESTED)
def test_a_generator_or_coroutine_that_cannot_be_taken_names_the_remedy(function, code, remedy):
    function.code(code)
    run = function.run(Event())
    assert remedy in run.document["errorMessage"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_hook_of_the_init_that_yields_is_an_init_error(function: Function, kind):
    function.code(f"""
        import snapboot

        @snapboot.on_init
        {kind} start():
            yield

        def handler(event, context): ...
    """)
    run = function.run()
    assert run.error.call is Call.INIT_ERROR
    assert "it must not yield" in run.document["errorMessage"]
