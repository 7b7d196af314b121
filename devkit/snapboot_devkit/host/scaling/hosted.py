"""One function on the host: its environments, its events, and a watch on its code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from snapboot_devkit.host.errors import HostError
from snapboot_devkit.host.scaling.deployment import Deployment
from snapboot_devkit.host.scaling.pool import Pool
from snapboot_devkit.host.scaling.postbox import Postbox
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.shared import Shared
    from snapboot_devkit.host.scaling.reload import Watch


class HostedFunction:
    """A function that can be invoked: by `pool`, or by `events` when nobody waits."""

    def __init__(
        self, deployment: Deployment, shared: Shared, make_room: Callable[[], bool]
    ) -> None:
        """Serve a deployment; `make_room` is asked before each further environment."""
        self.config = deployment.source
        self.pool = Pool(deployment, make_room)
        rules, at_once = self.config.events, self.config.concurrency
        self.events = Postbox(rules, at_once, self.pool.invoke, self._note)
        self._shared = shared
        # The host's own words, beside the log streams of the environments.
        self._notes = LogStream(shared.log, self.config.name)
        self._watch: Watch | None = None
        self._reload: asyncio.Task[None] | None = None
        self._changed_again = False

    def __repr__(self) -> str:
        return f"<HostedFunction {self.config.name!r}, {self.pool!r}>"

    @classmethod
    async def open(
        cls, config: FunctionConfig, shared: Shared, make_room: Callable[[], bool]
    ) -> Self:
        """Unpack a function's code. Raises SourceError and ConfigError."""
        return cls(await Deployment.prepare(config, shared), shared, make_room)

    async def watch(self) -> None:
        """Serve with new code from now on whenever it changes."""
        from snapboot_devkit.host.scaling.reload import MAX_FILES, Watch  # noqa: PLC0415

        roots = self.config.task_root, *self.config.layers, *self.config.env_files
        self._watch = Watch(roots, self._code_changed)
        await self._watch.begin()
        if self._watch.is_partial:
            self._tell(f"it has more than {MAX_FILES} files; the rest is not watched")
        if self._watch.note:
            self._tell(self._watch.note)

    async def close(self) -> None:
        """Stop watching, give up what events are left, and end all environments."""
        if self._watch is not None:
            await self._watch.close()
        if self._reload is not None:
            await self._reload
        self.events.close()
        await self.pool.close()

    # ---- reload ------------------------------------------------------------------------------

    def _code_changed(self) -> None:
        self._changed_again = True
        if self._reload is None or self._reload.done():
            self._reload = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        while self._changed_again:
            self._changed_again = False
            try:
                config = self.config.reread()
                deployment = await Deployment.prepare(config, self._shared)
            except HostError as exc:
                self._tell(f"its code has changed, but the old one stays: {exc}")
            else:
                what = "code has" if config.file_env == self.config.file_env else "variables have"
                self._tell(f"its {what} changed; new events go to new environments")
                for file in config.env_files:
                    if not file.exists():
                        self._tell(f"the env file {str(file)!r} is gone; its last values stay")
                self.config = config
                self.pool.renew(deployment)

    def _tell(self, text: str) -> None:
        self._note(f"snapboot: function {self.config.name!r}: {text}")

    def _note(self, text: str) -> None:
        self._notes.write(Source.PLATFORM, text)
        # They belong to no invocation.
        self._notes.take()
