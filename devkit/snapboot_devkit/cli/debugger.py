"""The debugger of `--debug PORT`, or none."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from snapboot_devkit.cli.exits import UsageError
from snapboot_devkit.host import AddressInUseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from snapboot_devkit.debugging import DebugSession, PausableClock
    from snapboot_devkit.host import FunctionConfig


class Debugger:
    """What a function can be debugged with; without a port it leaves everything as it is."""

    def __init__(self, port: int | None, write: Callable[[str], object]) -> None:
        """Report processes that wait by `write`."""
        self._session: DebugSession | None = None
        if port is not None:
            from snapboot_devkit.debugging import DebugSession  # noqa: PLC0415

            self._session = DebugSession(port, lambda line: write(f"snapboot: {line}\n"))

    def __repr__(self) -> str:
        return f"<Debugger {self._session or 'off'}>"

    @property
    def is_on(self) -> bool:
        """Whether there is one."""
        return bool(self._session)

    async def __aenter__(self) -> Self:
        """Open the port. Raises UsageError."""
        try:
            if self._session:
                await self._session.__aenter__()
        except AddressInUseError as exc:
            raise UsageError(f"{exc}, by --debug") from exc
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close the port."""
        if self._session:
            await self._session.close()

    def prepared(self, config: FunctionConfig) -> FunctionConfig:
        """Return the function as it is to be started. Raises ConfigError."""
        if not self._session:
            return config
        from snapboot_devkit.debugging import debugged  # noqa: PLC0415

        command = debugged(config.command, self._session.report_port, config.task_root)
        return replace(config, bootstrap=command, concurrency=1)

    @contextlib.asynccontextmanager
    async def driving(self, clock: PausableClock) -> AsyncIterator[None]:
        """Let the clock rest whenever the function stands still."""
        if not self._session:
            yield
            return
        self._session.drive(clock)
        try:
            yield
        finally:
            self._session.release()
