"""Asynchronous handlers: one event loop for as long as the environment lives.

It runs while a handler or a response of its kind is at work, and stands still in between, as the
environment does on Lambda. Tasks may outlive the invocation that started them: they go on with the
next one. What a task sets of the context variables is its own, as with asyncio anywhere.
"""

import asyncio
import sys
from contextvars import copy_context

from .environment import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextvars import Context as Variables
    from typing import Any, TypeVar

    Hook = TypeVar("Hook", bound=Callable[[], object])


class EnvironmentLoop:
    """The event loop, made when it is first needed, by the function's own policy if it set one."""

    __slots__ = ("_loop", "_paused", "_task")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._paused: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Any] | None = None

    def __repr__(self) -> str:
        return f"<EnvironmentLoop {self._loop!r}>"

    def run(self, awaitable: "Awaitable[Any]") -> "Any":
        """Return what an awaitable returns; raise what it raises."""
        return self.resume(self.task(awaitable))

    def task(self, awaitable: "Awaitable[Any]") -> "asyncio.Task[Any]":
        """Return a task for `resume`."""
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._loop = _new_loop()
        if environment.local is None and environment.context is not None:
            environment.enter(environment.context)
        task = loop.create_task(self._stopping(awaitable))  # which copies the context variables
        task.add_done_callback(self._stop)  # where it is cancelled before it has begun
        return task

    def resume(self, task: "asyncio.Task[Any]") -> "Any":
        """Run a task until it ends or calls `pause`; return its result, None after a pause."""
        self._task = task
        paused, self._paused = self._paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)
        task.get_loop().run_forever()
        if not task.done():
            if self._paused is not None:
                return None
            task.cancel()
            raise RuntimeError(
                "the event loop was stopped before the handler had ended; it belongs to the"
                " runtime and goes on with the next event"
            )
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise error
        return task.result()

    async def pause(self) -> None:
        """Have `resume` return; what called this goes on with the next `resume`."""
        loop = asyncio.get_running_loop()
        self._paused = loop.create_future()
        loop.stop()
        await self._paused

    def release(self) -> None:
        """Have `resume` return soon, although its task is not done, unless it is by then."""
        asyncio.get_running_loop().call_soon(self._release, self._task)

    @property
    def is_running(self) -> bool:
        """Whether the loop is at work at this moment: a signal handler may ask."""
        return self._loop is not None and self._loop.is_running()

    def _release(self, task: "asyncio.Task[Any] | None") -> None:
        if task is not None and task is self._task:
            self._task = None
            self._paused = task.get_loop().create_future()
            task.get_loop().stop()

    async def _stopping(self, awaitable: "Awaitable[Any]") -> "Any":
        """Stop the loop in the very round in which the awaitable ends."""
        try:
            return await awaitable
        finally:
            self._stop(asyncio.current_task())

    def _stop(self, task: "asyncio.Task[Any] | None") -> None:
        """Stop the loop if this is the task that it runs for, and once: uvloop's stops later."""
        if task is not None and task is self._task:
            self._task = None
            task.get_loop().stop()


environment_loop = EnvironmentLoop()


def on_init(hook: "Hook", /) -> "Hook":
    """Have a function run at the end of Function Init, on the event loop if it is `async def`.

    For what wants a running loop: clients, pools, background tasks. Serves as a decorator. They run
    in the order in which they are registered; what one raises is an init error. Raises RuntimeError
    once events are handled.
    """
    if environment.context is not None:
        raise RuntimeError(
            f"snapboot.on_init was called for {hook!r} while an event is handled; register it when"
            " the module of the handler is imported"
        )
    environment.on_init.append(hook)
    return hook


def run_on_init() -> None:
    """Run what was registered. Raises what that raises."""
    for hook in environment.on_init:
        result: Any = hook()
        if hasattr(type(result), "__await__"):
            environment_loop.run(result)
            continue
        from .streaming import is_source

        if is_source(result):
            raise TypeError(
                f"{hook!r}, registered by snapboot.on_init, has returned a"
                f" {type(result).__name__!r}, and no one iterates over it; it must not yield"
            )


def awaiting(handler: "Callable[[Any, Any], Awaitable[Any]]") -> "Callable[[Any, Any], Any]":
    """Return a handler that runs an asynchronous one on the environment's event loop."""

    def call(event: "Any", context: "Any") -> "Any":
        return environment_loop.run(handler(event, context))

    return call


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(_log_in_its_variables)
    if sys.version_info < (3, 12):  # from then on the loop calls the handler in them by itself
        loop.set_task_factory(_task_with_variables)
    return loop


def _task_with_variables(
    loop: asyncio.AbstractEventLoop, coroutine: "Any", context: "Variables | None" = None
) -> "asyncio.Task[Any]":
    variables = context or copy_context()
    task = asyncio.Task(coroutine, loop=loop, context=variables)
    task._variables = variables  # type: ignore[attr-defined]  # noqa: SLF001 - it is ours
    return task


def _log_in_its_variables(loop: asyncio.AbstractEventLoop, details: "dict[str, Any]") -> None:
    variables = getattr(details.get("future"), "_variables", None)
    (variables.run if variables else _call)(loop.default_exception_handler, details)


def _call(function: "Callable[..., None]", *arguments: "Any") -> None:
    function(*arguments)
