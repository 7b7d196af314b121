"""Handlers that are `async def`: one event loop for as long as the environment lives."""

import pytest

from tests.fakes.contenders import OURS
from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess


def test_every_event_is_handled_on_the_same_loop(function: Function, over):
    function.code("""
        import asyncio

        async def handler(event, context):
            await asyncio.sleep(0)
            return [event, id(asyncio.get_running_loop())]
    """)
    first, second = function.run(Event(b"1"), Event(b"2"), environment=over).results
    assert [first[0], second[0]] == [1, 2]
    assert first[1] == second[1]


@pytest.mark.parametrize(
    "code",
    [
        "import functools\nasync def work(e, c): return e\nhandler = functools.partial(work)",
        "async def work(e, c): return e\ndef handler(e, c): return work(e, c)",
        "class Handler:\n    async def __call__(self, e, c): return e\nhandler = Handler()",
    ],
    ids=["a partial", "a function that returns a coroutine", "an object"],
)
def test_whatever_returns_a_coroutine_is_awaited(function: Function, code):
    function.code(code)
    assert function.run(Event(b"7")).result == 7


def test_what_is_made_on_init_lives_on_the_loop_of_the_events(function: Function):
    function.code("""
        import asyncio
        import snapboot

        order = []

        @snapboot.on_init
        async def start():
            global queue, task
            order.append("first")
            queue = asyncio.Queue()
            task = asyncio.create_task(serve())

        @snapboot.on_init
        def after():
            order.append("second")

        async def serve():
            while True:
                number, done = await queue.get()
                done.set_result(number * 2)

        async def handler(event, context):
            done = asyncio.get_running_loop().create_future()
            await queue.put((event, done))
            return [await done, order]
    """)
    run = function.run(Event(b"2"), Event(b"3"))
    assert run.results == [[4, ["first", "second"]], [6, ["first", "second"]]]


def test_what_on_init_raises_is_an_init_error(function: Function):
    function.code("""
        import snapboot

        @snapboot.on_init
        async def start():
            raise OSError("no database")

        def handler(event, context): ...
    """)
    run = function.run(Event())
    assert run.error.call is Call.INIT_ERROR
    assert run.document["errorMessage"] == "no database"
    assert run.returncode == 1


def test_what_is_registered_too_late_is_an_error(function: Function):
    function.code("""
        import snapboot

        def handler(event, context):
            snapboot.on_init(print)
    """)
    assert "register it when the module" in function.run(Event()).document["errorMessage"]


def test_a_task_may_outlive_its_invocation_and_keeps_its_context(function: Function):
    function.code("""
        import asyncio
        import snapboot

        tasks = []

        async def later():
            await asyncio.sleep(0.001)
            return snapboot.current_context().aws_request_id

        async def handler(event, context):
            tasks.append(asyncio.create_task(later()))
            if event:
                return [await tasks[0], snapboot.current_context().aws_request_id]
    """)
    run = function.run(Event(b"0", request_id="one"), Event(b"1", request_id="two"))
    assert run.results == [None, ["one", "two"]]


def test_the_error_of_a_task_is_logged_under_the_id_of_the_event_that_started_it(
    function: Function,
):
    function.code("""
        import asyncio

        tasks = set()

        async def fail():
            await asyncio.sleep(0.001)
            raise LookupError("in the background")

        async def handler(event, context):
            if not event:
                task = asyncio.create_task(fail())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            while event and tasks:
                await asyncio.sleep(0.001)
    """)
    run = function.run(Event(b"0", request_id="starter"), Event(b"1", request_id="other"))
    (line,) = [line for line in run.stdout.splitlines() if "never retrieved" in line]
    assert "\tstarter\t" in line
    assert "LookupError: in the background" in run.stdout


def test_context_variables_do_not_leak_from_one_event_to_the_next(function: Function):
    function.code("""
        import contextvars

        seen = contextvars.ContextVar("seen", default="nothing")

        async def handler(event, context):
            before = seen.get()
            seen.set(event)
            return before
    """)
    assert function.run(Event(b"1"), Event(b"2")).results == ["nothing", "nothing"]


def test_context_variables_that_a_plain_decorator_sets_are_those_of_the_event(function: Function):
    function.code("""
        import contextvars
        import functools

        user = contextvars.ContextVar("user", default="nobody")

        def logged_in(handler):
            @functools.wraps(handler)
            def wrapper(event, context):
                user.set(event)
                return handler(event, context)
            return wrapper

        @logged_in
        async def handler(event, context):
            return user.get()
    """)
    assert function.run(Event(b'"ada"'), Event(b'"bob"')).results == ["ada", "bob"]


def test_a_thread_finds_its_own_invocation_or_the_one_in_flight(function: Function):
    function.code("""
        import contextvars
        import threading
        import snapboot

        ready = threading.Event()
        found = []

        def look():
            ready.wait(20)
            found.append(snapboot.current_context().aws_request_id)

        def handler(event, context):
            if event:
                run = contextvars.copy_context().run
                threads.extend([threading.Thread(target=run, args=(look,))])
                threads[-1].start()
                return None
            ready.set()
            threads.append(threading.Thread(target=contextvars.Context().run, args=(look,)))
            for number, thread in enumerate(threads):
                if number:
                    thread.start()
                thread.join(20)
            return found

        threads = []
    """)
    run = function.run(Event(b"1", request_id="one"), Event(b"0", request_id="two"))
    assert run.results[1] == ["one", "two"]


def test_a_plain_handler_may_run_loops_of_its_own(function: Function):
    function.code("""
        import asyncio

        async def work():
            return "done"

        def handler(event, context):
            return asyncio.run(work())
    """)
    assert function.run(Event(), Event()).results == ["done", "done"]


HOSTILE = {
    "cancels itself": (
        "asyncio.current_task().cancel()\n    await asyncio.sleep(0)",
        "CancelledError",
    ),
    "stops the loop": (
        "asyncio.get_running_loop().stop()\n    await asyncio.sleep(9)",
        "RuntimeError",
    ),
    "closes the loop": ("asyncio.get_running_loop().close()", "RuntimeError"),
    "raises what asyncio itself uses": ("raise StopIteration", "RuntimeError"),
    "cancels everything": (
        "[task.cancel() for task in asyncio.all_tasks()]\n    await asyncio.sleep(0)",
        "CancelledError",
    ),
}


@pytest.mark.parametrize(("statement", "error"), HOSTILE.values(), ids=HOSTILE)
def test_a_handler_that_harms_the_loop_is_answered_and_so_is_the_next(function, statement, error):
    function.code(f"""
import asyncio

async def handler(event, context):
    if not event:
        return "well"
    {statement}
""")
    run = function.run(Event(b"1"), Event(b"0"))
    assert run.answers[0].json()["errorType"] == error
    assert run.answers[1].json() == "well"
    assert run.returncode is None


def test_a_policy_of_the_functions_own_makes_the_loop(function: Function):
    function.code("""
        import asyncio
        import warnings

        class Loop(asyncio.SelectorEventLoop):
            pass

        class Policy(asyncio.DefaultEventLoopPolicy):
            _loop_factory = Loop

        warnings.simplefilter("ignore")
        asyncio.set_event_loop_policy(Policy())

        async def handler(event, context):
            return type(asyncio.get_running_loop()).__name__
    """)
    assert function.run(Event()).result == "Loop"


@pytest.mark.slow
def test_nothing_is_left_of_ten_thousand_invocations(function: Function):
    function.code("""
        import asyncio
        import gc
        import os
        import threading

        def left():
            loops = [kept for kept in gc.get_objects() if isinstance(kept, asyncio.BaseEventLoop)]
            tasks = len(asyncio.all_tasks())
            return [tasks, threading.active_count(), len(os.listdir("/dev/fd")), len(loops)]

        async def wait():
            await asyncio.sleep(0)

        async def pieces():
            yield "one"
            await wait()
            yield "two"

        async def handler(event, context):
            await asyncio.gather(wait(), asyncio.create_task(wait()))
            if event == 1:
                return pieces()
            if event == 2:
                raise ValueError("told")
            return left() if event else None
    """)
    count = 10_000
    events = [Event(b"%d" % (n % 3)) for n in range(count)]
    look = Event(b"3")
    with (
        RuntimeAPI(*events[:300], look, *events[300:], look, deadline_s=300) as api,
        RuntimeProcess(OURS, "app.handler", api.address, task_root=function.root),
    ):
        api.wait_idle()
        answers = [each for each in api.requests if each.call in (Call.RESPONSE, Call.ERROR)]
    assert len(answers) == count + 2
    assert answers[-1].json() == answers[300].json()
    assert answers[-1].json()[:2] + answers[-1].json()[3:] == [1, 1, 1]


def test_a_loop_that_stops_a_round_later_serves_event_after_event(function: Function):
    function.code("""
        import asyncio

        class Loop(asyncio.SelectorEventLoop):
            def stop(self):  # as in uvloop
                self.call_soon(super().stop)

        asyncio.new_event_loop = Loop

        async def pieces(event):
            yield str(event)
            await asyncio.sleep(0.001)
            yield "."

        async def handler(event, context):
            await asyncio.sleep(0.001)
            return pieces(event) if event % 2 else event
    """)
    run = function.run(*(Event(b"%d" % number) for number in range(4)))
    assert [bytes(answer.body) for answer in run.answers] == [b"0", b"1.", b"2", b"3."]


def test_a_handler_that_stopped_the_loop_does_not_stop_it_for_the_next_event(function: Function):
    function.code("""
        import asyncio

        async def handler(event, context):
            if event == 1:
                asyncio.get_running_loop().stop()
                await asyncio.Event().wait()
            await asyncio.sleep(0.001)
            return event
    """)
    run = function.run(Event(b"1"), Event(b"2"))
    assert [answer.call for answer in run.answers] == [Call.ERROR, Call.RESPONSE]


def test_trace_id_w3c_fields_and_context_are_reached_from_context_variables(function: Function):
    function.code("""
        import asyncio
        import os
        import snapboot

        def look():
            context = snapboot.current_context()
            return [context.aws_request_id, context.w3c(), os.environ["_X_AMZN_TRACE_ID"]]

        async def task():
            await asyncio.sleep(0)
            return look()

        async def pieces():
            yield str([await task(), await asyncio.to_thread(look)])

        async def handler(event, context):
            if event:
                return pieces()
            return [look(), await asyncio.create_task(task()), await asyncio.to_thread(look)]
    """)
    headers = {
        "Lambda-Runtime-Trace-Id": "Root=1-2",
        "Lambda-Runtime-Client-Context": '{"w3c": {"traceparent": "00-a-b-01"}}',
    }
    run = function.run(
        *(Event(n, request_id=i, headers=headers) for n, i in ((b"0", "a"), (b"1", "b")))
    )
    seen = [{"traceparent": "00-a-b-01"}, "Root=1-2"]
    assert run.answers[0].json() == [["a", *seen]] * 3
    assert bytes(run.answers[1].body).decode() == str([["b", *seen]] * 2)
