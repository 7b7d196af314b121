"""What a function does to its own process does not end it: the next event is handled."""

from __future__ import annotations

import pytest

from tests.fakes.runtime_api import Call, Event

HARMS = {
    "the connection set to not block": "[os.set_blocking(n, False) for n in sockets()]",
    "its descriptors closed": "os.closerange(3, 64)",
    "the connection's number given to a file": "[os.dup2(null, n) for n in sockets()]",
    "os replaced": "sys.modules['os'] = None",
    "os and posix removed": "[sys.modules.pop(name, None) for name in ('os', 'posix')]",
    "the variables cleared": "os.environ.clear()",
    "stdout closed": "sys.stdout.close()",
    "stdout gone": "sys.stdout = sys.stderr = None",
    "descriptors 0 to 2 closed": "[os.close(n) for n in (0, 1, 2)]",
    "the current folder removed": "d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "a default time-out for sockets": "socket.setdefaulttimeout(0.001)",
    "SIGPIPE by default": "signal.signal(signal.SIGPIPE, signal.SIG_DFL)",
    "no collector": "gc.disable()",
    "a profile function": "sys.setprofile(lambda *a: None); sys.settrace(lambda *a: None)",
    "no file may be opened": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
    "a thread that never ends": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "sys.exit in a thread": "t = threading.Thread(target=sys.exit); t.start(); t.join()",
    "the import system emptied": "sys.meta_path.clear(); sys.path.clear()",
}
CODE = """
    import gc, os, resource, signal, socket, stat, sys, tempfile, threading

    null = os.open('/dev/null', os.O_RDWR)

    def sockets():
        open_now = [int(n) for n in os.listdir('/proc/self/fd')]
        return [n for n in open_now if is_socket(n)]

    def is_socket(n):
        try:
            return stat.S_ISSOCK(os.fstat(n).st_mode)
        except OSError:
            return False

    def handler(event, context):
        if event == 1:
            {harm}
        if event == 3:
            raise ValueError('told')
        return event
"""


@pytest.mark.parametrize("harm", HARMS)
def test_the_process_goes_on_and_an_error_is_still_answered(function, harm) -> None:
    function.code(CODE.format(harm=HARMS[harm]))
    run = function.run(Event(b"1"), Event(b"2"), Event(b"3"), Event(b"4"))

    assert run.returncode is None, run.stderr
    assert [answer.call for answer in run.answers] == [
        *[Call.RESPONSE] * 2,
        Call.ERROR,
        Call.RESPONSE,
    ]
    assert run.answers[2].json()["errorType"] == "ValueError"
    assert run.answers[2].json()["errorMessage"] == "told"
    assert [answer.json() for answer in run.answers if answer.call is Call.RESPONSE] == [1, 2, 4]


def test_an_error_is_answered_and_logged_where_no_descriptor_is_left(function) -> None:
    function.code("""
        kept = []

        def handler(event, context):
            if event == 2:
                return len(kept)
            while True:
                kept.append(open('/dev/null'))
    """)
    run = function.run(Event(b"1"), Event(b"2"))
    first, second = run.answers
    assert first.json()["errorType"] == "OSError"
    assert "Too many open files" in first.json()["errorMessage"]
    assert "[ERROR] OSError: " in run.stdout
    assert second.call is Call.RESPONSE


RESULTS = {
    "a length of its own": ("__len__", "lambda self: 3"),
    "a length that fails": ("__len__", "lambda self: 1 / 0"),
    "bytes of its own": ("__bytes__", "lambda self: b'other'"),
    "a sum of its own": ("__radd__", "lambda self, other: b'GET /'"),
    "a truth of its own": ("__bool__", "lambda self: False"),
    "a buffer of its own": ("__buffer__", "lambda self, flags: memoryview(b'other')"),
}


@pytest.mark.parametrize("size", [8, 20_000])
@pytest.mark.parametrize("kind", RESULTS)
def test_bytes_with_methods_of_their_own_are_sent_as_they_are(function, kind, size) -> None:
    method, body = RESULTS[kind]
    function.code(f"""
        class Result(bytes):
            {method} = {body}

        def handler(event, context):
            return Result(b'x' * {size}) if event else 'next'
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert [answer.body for answer in run.answers] == [b"x" * size, b'"next"']


def test_what_only_pretends_to_be_bytes_is_an_error_of_its_own(function) -> None:
    function.code("""
        class Result:
            __class__ = bytes

        def handler(event, context):
            return Result() if event else 'next'
    """)
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.answers[0].json()["errorType"] == "Runtime.MarshalError"
    assert run.answers[1].body == b'"next"'


ERRORS = {
    "a name that is no text": "class Meta(type):\n    __name__ = 5\nclass Error(Exception, metaclass=Meta): pass",
    "a traceback that fails": "class Error(Exception):\n    __traceback__ = property(lambda self: 1 / 0)",
    "text with methods of its own": """
class Text(str):
    __len__ = __getitem__ = lambda *a: 1 / 0
class Error(Exception):
    __str__ = lambda self: Text('told')""",
    "a class of another": "class Error(Exception):\n    __class__ = property(lambda self: 1 / 0)",
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_exception_with_methods_that_fail_is_still_answered(function, kind) -> None:
    function.write(
        "app.py", ERRORS[kind] + "\n\ndef handler(event, context):\n    if event: raise Error()\n"
    )
    run = function.run(Event(b"1"), Event(b"0"))
    assert [answer.call for answer in run.answers] == [Call.ERROR, Call.RESPONSE]
    assert "errorType" in run.answers[0].json()


@pytest.mark.parametrize(
    "handler", [".app.handler", "/app.handler", "./app.handler", "../app.handler", "..handler"]
)
def test_a_name_with_a_dot_or_slash_in_front_ends_as_at_aws(function, handler) -> None:
    function.code("def handler(event, context): return event")
    run = function.run(Event(), handler=handler)
    assert [request.call for request in run.requests] == [Call.INIT_ERROR]
    assert run.document["errorType"] == "TypeError"
    assert run.document["errorMessage"].startswith(
        "the 'package' argument is required to perform a relative import for '."
    )
