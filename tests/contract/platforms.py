"""Our host in the emulator's place: the same calls, the same answers to compare, the same log.

It runs in a thread with an event loop of its own, and is invoked over HTTP, as the emulator is.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

from snapboot_devkit.host import FunctionConfig, LocalHost
from snapboot_devkit.host.telemetry.logs import Source
from tests.contract.emulator import DEADLINE_S, PATH, POLL_S, Answer, Emulator, split_log
from tests.fakes.contenders import function_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from snapboot_devkit.host.telemetry.logs import LogLine
    from tests.fakes.contenders import Contender

T = TypeVar("T")

TIMEOUT: Final = "AWS_LAMBDA_FUNCTION_TIMEOUT"
MEMORY: Final = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
REFUSAL: Final = "X-Amzn-ErrorType"
# The states in which nothing happens until the next event does.
AT_REST: Final = frozenset({"cold", "ready", "abandoned", "reset", "dead"})
# The state of an environment that takes all its processes to be there.
UNAWARE: Final = frozenset({"ready"})
# What the emulator assumes; it goes by no other limit of its own.
DEFAULT_TIMEOUT_S: Final = 300.0
# The platform's own, which a function may not set.
OURS_TO_SET: Final = ("LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_NAME", TIMEOUT, MEMORY)


class Platform(Protocol):
    """What runs a function for a test: the emulator, or our host. Used by `with`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def invoke(self, event: bytes, headers: Mapping[str, str]) -> Answer:
        """Invoke the function once."""

    def rest(self) -> None:
        """Return when nothing is at work any more."""

    def notice(self) -> None:
        """Return when it has noticed that a process at rest has ended."""

    def end(self) -> None:
        """End every process; `logs` is complete from here on."""

    def logs(self) -> list[str]:
        """Return what the runtime wrote, one text for each invocation in order, and one before."""


class Host:
    """Our host, which runs `handler` out of `task_root` with `contender`. Use it by `with`."""

    def __init__(
        self,
        contender: Contender,
        handler: str,
        *,
        task_root: Path,
        environment: Mapping[str, str],
        layer: Path | None = None,
    ) -> None:
        self._lines: list[str] = []
        config = described(contender, handler, task_root, environment)
        self._host = LocalHost(
            config if layer is None else replace(config, layers=(layer,)),
            port=0,
            log=self._take,
        )
        self._loop = asyncio.new_event_loop()

    def __repr__(self) -> str:
        """Name the host."""
        return f"<Host {self._host!r}>"

    def __enter__(self) -> Self:
        """Return the host, which listens already."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="host")
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()
        self._await(self._stack.enter_async_context(self._host))
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End the host and its thread."""
        self.end()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def invoke(self, event: bytes, headers: Mapping[str, str]) -> Answer:
        """Invoke the function once."""
        assert self._host.address is not None
        connection = http.client.HTTPConnection(self._host.address, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("POST", PATH, event, dict(headers))
            response = connection.getresponse()
            content_type = response.getheader("Content-Type", "")
            refused = response.getheader(REFUSAL) is not None
            return Answer(response.status, content_type, response.read(), refused)

    def rest(self) -> None:
        """Return when nothing is at work any more: callers have their answers before."""
        self._wait_until(AT_REST.issuperset)

    def notice(self) -> None:
        """Return when it has noticed that a process at rest has ended."""
        self._wait_until(UNAWARE.isdisjoint)

    def end(self) -> None:
        """End every process, at rest; `logs` is complete from here on.

        Callers have their answers while the runtime may still write to the log, as on Lambda.
        """
        self._wait_until(AT_REST.issuperset)
        self._await(self._stack.aclose())

    def logs(self) -> list[str]:
        """Return what the runtime wrote, one text for each invocation in order, and one before."""
        return split_log("".join(f"{line}\n" for line in self._lines))

    def _take(self, line: LogLine) -> None:
        """Keep a line, but for what the host notes itself: the emulator keeps that to itself."""
        if line.source is not Source.PLATFORM or not line.text.startswith("snapboot: "):
            self._lines.append(line.text)

    def _wait_until(self, condition: Callable[[list[str]], bool]) -> None:
        deadline, pause = time.monotonic() + DEADLINE_S, threading.Event()
        while not condition(states := self._await(self._states())):
            assert time.monotonic() < deadline, f"waited {DEADLINE_S} s, and is still {states!r}"
            pause.wait(POLL_S)

    async def _states(self) -> list[str]:
        functions = self._host.health()["functions"].values()
        return [state for function in functions for state in function["environments"]]

    def _await(self, coroutine: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)


def described(
    contender: Contender, handler: str, task_root: Path, environment: Mapping[str, str]
) -> FunctionConfig:
    """Return the function as our host gets it: as the emulator does, by its variables."""
    variables = {**function_environment(task_root), **contender.environment(), **environment}
    return FunctionConfig(
        handler,
        task_root=task_root,
        bootstrap=contender.command(handler),
        timeout_s=float(variables.get(TIMEOUT, DEFAULT_TIMEOUT_S)),
        memory_mb=int(variables[MEMORY]),
        name=variables["AWS_LAMBDA_FUNCTION_NAME"],
        concurrency=1,  # the emulator has one environment
        image_env={k: v for k, v in variables.items() if k not in OURS_TO_SET},
    )


PLATFORMS: Final[tuple[type[Platform], ...]] = (Host, Emulator)
