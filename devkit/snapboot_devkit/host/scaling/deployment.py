"""One version of a function: its settings and its code, unpacked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from snapboot_devkit.host import interpreters, sources
from snapboot_devkit.host.execution import packaged
from snapboot_devkit.host.execution.environment import LocalEnvironment
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.scaling.resident import Scale
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.environment import Restore
    from snapboot_devkit.host.execution.shared import Shared
    from snapboot_devkit.host.snapshots.snapshot import Snapshot
    from snapboot_devkit.host.sources import Code


class Deployment:
    """What the environments of a function are made from; close it when they have gone."""

    def __init__(
        self, source: FunctionConfig, config: FunctionConfig, code: Code, shared: Shared
    ) -> None:
        """Run `code` as `config` says; `source` keeps the settings as they were given."""
        self.source = source
        self.name = config.name
        self.scale = Scale(
            limit=config.concurrency,
            provisioned=config.provisioned,
            idle_s=config.idle_s,
            at_once=config.max_concurrency or 1,
            per_tenant=config.per_tenant,
        )
        self._config = config
        self._code = code
        self._shared = shared
        self._noted: set[str] = set()
        self._snapshot = self._snapshot_of(config)

    def __repr__(self) -> str:
        return f"<Deployment {self.name!r} of {str(self._code.task_root)!r}>"

    @classmethod
    async def prepare(cls, config: FunctionConfig, shared: Shared) -> Self:
        """Unpack the code, where it is packed. Raises SourceError and ConfigError."""
        code = await asyncio.to_thread(
            sources.prepare, config.task_root, config.layers, made=shared.watch
        )
        try:
            settled = _settled(config, code)
            settled, code = await asyncio.to_thread(_with_names, settled, code, shared.watch)
            return cls(config, settled, code, shared)
        except BaseException:
            code.close()
            raise

    def environment(
        self, changed: Callable[[], None], *, provisioned: bool = False
    ) -> LocalEnvironment:
        """Return a new environment, which calls `changed` after every step."""
        config = self._config if provisioned else _beyond_provisioned(self._config)
        restores = self._restore if self._snapshot else None
        return LocalEnvironment(
            config, self._code, self._shared, changed, self._note, restored_from=restores
        )

    def _snapshot_of(self, config: FunctionConfig) -> Snapshot | None:
        """Return what environments are restored from; None where each has an init of its own."""
        if not config.rules.has_snapshot or config.bootstrap is not None or not config.handler:
            return None
        from snapboot_devkit.host.snapshots import snapshot  # noqa: PLC0415 - for SnapStart alone

        reason = snapshot.reason_against(config)
        try:
            made = None if reason else snapshot.Snapshot(config)
        except OSError as exc:
            import tempfile  # noqa: PLC0415

            made, reason = None, f"{exc} (in {tempfile.gettempdir()!r}; TMPDIR chooses another)"
        if made is None:
            self._note(f"each environment has an init of its own, as no snapshot: {reason}")
            return None
        self._shared.watch(made.folder)
        return made

    async def _restore(self, environment: LocalEnvironment) -> Restore:
        assert self._snapshot is not None
        return await self._snapshot.ready(self._template, environment)

    def _template(self, changed: Callable[[], None]) -> LocalEnvironment:
        """Return the environment that the snapshot is taken of; it is never frozen or invoked."""
        assert self._snapshot is not None
        config = replace(self._config, freeze=False)
        return LocalEnvironment(
            config, self._code, self._shared, changed, self._note, command=self._snapshot.command
        )

    def _note(self, text: str) -> None:
        """Tell, once, what is not as on Lambda."""
        if text not in self._noted:
            self._noted.add(text)
            LogStream(self._shared.log, self.name).write(Source.PLATFORM, f"snapboot: {text}")

    async def close(self) -> None:
        """End the snapshot, and remove what was unpacked."""
        if self._snapshot is not None:
            await self._snapshot.close()
            self._shared.forget(self._snapshot.folder)
        await asyncio.to_thread(self._code.close)
        if self._code.temporary is not None:
            self._shared.forget(self._code.temporary)


def _settled(config: FunctionConfig, code: Code) -> FunctionConfig:
    """Return the settings with what only the unpacked code tells."""
    own = packaged.bootstrap(code) if config.isolate and config.python is None else None
    if config.bootstrap is None and own:
        config = replace(config, bootstrap=[str(own)])
    elif config.bootstrap is None and not config.handler and code.bootstrap:
        config = replace(config, bootstrap=[str(code.bootstrap)])
    return replace(config, task_root=code.task_root)


def _with_names(
    config: FunctionConfig, code: Code, made: Callable[[Path], None]
) -> tuple[FunctionConfig, Code]:
    """Have the function's interpreter run from a folder where it has its usual names.

    That is made only where `python3` would be another one, such as the system's.
    """
    program = config.python_program
    if program is None or interpreters.is_found(program):
        return config, code
    code = replace(code, temporary=code.temporary or sources.temporary_folder(made=made))
    assert code.temporary is not None
    named = interpreters.give_names(program, code.temporary / "python")
    if config.bootstrap is None:
        return replace(config, python=str(named)), code
    return replace(config, bootstrap=[str(named), *config.command[1:]]), code


def _beyond_provisioned(config: FunctionConfig) -> FunctionConfig:
    """Return the settings of an environment that was not there from the start.

    Requests beyond the provisioned concurrency spill over to environments on demand.
    """
    if config.initialization is not InitializationType.PROVISIONED_CONCURRENCY:
        return config
    return replace(config, initialization=InitializationType.ON_DEMAND, provisioned=0)
