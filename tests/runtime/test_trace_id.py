"""The trace id of each invocation, wherever code may look for it, and what it costs in memory."""

from __future__ import annotations

import sys

import pytest

from snapboot.environment import MAX_SETENV_CALLS
from tests.fakes.runtime_api import Event

# Before and after the variable moves to memory of our own.
EARLY, LATE = 2, MAX_SETENV_CALLS + 3

PYTHON = "import os; print(os.environ.get('_X_AMZN_TRACE_ID'))"
WAYS = {
    "os.environ": "return os.environ.get('_X_AMZN_TRACE_ID')",
    "os.getenv": "return os.getenv('_X_AMZN_TRACE_ID')",
    "os.environb": "return os.environb[b'_X_AMZN_TRACE_ID'].decode()",
    "posix.environ": "return posix.environ[b'_X_AMZN_TRACE_ID'].decode()",
    "subprocess": "return subprocess.check_output([sys.executable, '-c', PYTHON], text=True)",
    "subprocess with preexec_fn": """
        return subprocess.check_output(
            [sys.executable, '-c', PYTHON], text=True, preexec_fn=lambda: None)""",
    "subprocess by posix_spawn": """
        return subprocess.run([sys.executable, '-c', PYTHON], stdout=subprocess.PIPE,
            close_fds=False, text=True).stdout""",
    "a shell": "return subprocess.check_output('echo $_X_AMZN_TRACE_ID', shell=True, text=True)",
    "os.system": """
        os.system('echo $_X_AMZN_TRACE_ID > /tmp/%d.trace' % os.getpid())
        return take('/tmp/%d.trace' % os.getpid())""",
    "os.popen": "return os.popen('echo $_X_AMZN_TRACE_ID').read()",
    "os.fork": """
        child = os.fork()
        if not child:
            pathlib.Path('/tmp/%d.trace' % os.getpid()).write_text(os.environ['_X_AMZN_TRACE_ID'])
            os._exit(0)
        os.waitpid(child, 0)
        return take('/tmp/%d.trace' % child)""",
    "os.execv": """
        child = os.fork()
        if not child:
            script = 'echo $_X_AMZN_TRACE_ID > /tmp/%d.trace' % os.getpid()
            os.execv('/bin/sh', ['sh', '-c', script])
        os.waitpid(child, 0)
        return take('/tmp/%d.trace' % child)""",
    "os.posix_spawn": """
        path = '/tmp/%d.trace' % os.getpid()
        script = 'echo $_X_AMZN_TRACE_ID > ' + path
        os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', script], os.environ), 0)
        return take(path)""",
    "asyncio": """
        async def ask():
            child = await asyncio.create_subprocess_exec(
                sys.executable, '-c', PYTHON, stdout=asyncio.subprocess.PIPE)
            return (await child.communicate())[0].decode()
        return asyncio.run(ask())""",
    **{
        f"multiprocessing by {method}": f"""
        context = multiprocessing.get_context({method!r})
        ours, theirs = context.Pipe()
        child = context.Process(target=report, args=(theirs,))
        child.start()
        answer = ours.recv()
        child.join()
        return answer"""
        for method in ("fork", "spawn", "forkserver")
    },
    "getenv of the C library": """
        library = ctypes.CDLL(None)
        library.getenv.restype = ctypes.c_char_p
        return library.getenv(b'_X_AMZN_TRACE_ID').decode()""",
}
CODE = """
    import asyncio, ctypes, multiprocessing, os, pathlib, posix, subprocess, sys

    PYTHON = {python!r}

    def take(path):
        text = pathlib.Path(path).read_text()
        os.unlink(path)
        return text

    def report(pipe):
        pipe.send(os.environ.get('_X_AMZN_TRACE_ID'))

    def ask():
        {way}

    def handler(event, context):
        if event:
            return ask()
"""


def trace_id(number: int) -> str:
    return f"Root=1-{number:08x}-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"


def events(count: int, *, asked: int) -> list[Event]:
    return [
        Event(b"%d" % (number >= asked), headers={"Lambda-Runtime-Trace-Id": trace_id(number)})
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [EARLY, LATE], ids=["early", "late"])
@pytest.mark.parametrize("way", WAYS)
def test_code_and_children_see_the_trace_id_of_their_invocation(function, way, count) -> None:
    function.code(CODE.format(python=PYTHON, way=WAYS[way].strip()))
    asked = count - 1 if "forkserver" in way else count - 2  # which keeps what it was born with
    run = function.run(*events(count, asked=asked))
    assert [answer.strip() for answer in run.results[asked:]] == [
        trace_id(number) for number in range(asked, count)
    ]


@pytest.mark.parametrize("count", [EARLY, LATE], ids=["early", "late"])
def test_an_invocation_without_a_trace_id_leaves_none_behind(function, count) -> None:
    function.code("""
        import ctypes, os

        def handler(event, context):
            return [os.environ.get('_X_AMZN_TRACE_ID'), ctypes.CDLL(None).getenv(b'_X_AMZN_TRACE_ID')]
    """)
    without = Event(b"1", headers={"Lambda-Runtime-Trace-Id": None})
    run = function.run(*events(count, asked=0), without, *events(1, asked=0))
    assert run.results[-2] == [None, 0]
    assert run.results[-1][0] == trace_id(0)


def test_a_trace_id_beyond_the_buffer_is_seen_whole(function) -> None:
    long = "Root=" + "x" * 2_000
    function.code("""
        import subprocess

        def handler(event, context):
            return event and subprocess.check_output(
                'echo $_X_AMZN_TRACE_ID', shell=True, text=True).strip()
    """)
    beyond = Event(b"1", headers={"Lambda-Runtime-Trace-Id": long})
    run = function.run(*events(LATE, asked=LATE), beyond, *events(1, asked=0))
    assert run.results[-2:] == [long, trace_id(0)]


@pytest.mark.parametrize(
    "harm",
    [
        "os.environ.clear()",
        "os.environ = dict(os.environ)",
        "os.putenv('_X_AMZN_TRACE_ID', 'stale')",
        "os.unsetenv('_X_AMZN_TRACE_ID')",
        "os.environ['_X_AMZN_TRACE_ID'] = 'stale'",
        "sys.modules['os'] = object()",
        "sys.modules['os'] = None",
        "sys.modules['os'] = types.SimpleNamespace(environ=())",
        "[sys.modules.pop(name, None) for name in ('os', 'posix')]",
    ],
)
@pytest.mark.parametrize("count", [EARLY, LATE], ids=["early", "late"])
def test_what_a_function_does_to_its_environment_does_not_hide_the_next_trace_id(
    function, harm, count
) -> None:
    function.code(f"""
        import os, posix, sys, types
        environ, system = posix.environ, posix.system

        def handler(event, context):
            if not event:
                {harm}
                return None
            path = f'/tmp/{{posix.getpid()}}.trace'
            system(f'echo $_X_AMZN_TRACE_ID > {{path}}')
            seen = open(path).read().strip()
            posix.unlink(path)
            replaced = getattr(os, 'environ')
            return [seen, environ[b'_X_AMZN_TRACE_ID'].decode(), replaced['_X_AMZN_TRACE_ID']]
    """)
    run = function.run(*events(count, asked=count - 1))
    expected = trace_id(count - 1)
    seen, known, replaced = run.results[-1]
    assert (seen, known) == (expected, expected)
    assert replaced == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_trace_ids_leave_no_memory_behind(function) -> None:
    function.code("""
        import os

        def resident_kb():
            with open('/proc/self/statm') as file:
                return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') // 1024

        def handler(event, context):
            import snapboot.environment as inside

            def set_ids(count):
                for number in range(count):
                    inside.environment.set_trace_id(f'Root=1-{number:08x}-ad49b0e87f6ef6c87fc2e700;Lineage=1:1fdcb11b:0')

            set_ids(10_000)
            before = resident_kb()
            set_ids(200_000)
            return resident_kb() - before
    """)
    assert function.run(Event()).result < 1024  # setenv alone would keep 25 MB
