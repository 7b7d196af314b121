"""All functions of a host: their code, their environments, their events, a watch on their code."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

from snapboot_devkit.host import interpreters, sources
from snapboot_devkit.host.errors import ConfigError, HostError
from snapboot_devkit.host.execution import packaged
from snapboot_devkit.host.execution.environment import LocalEnvironment
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.host.scaling.async_events import AsyncInvokeQueue
from snapboot_devkit.host.scaling.pool import Pool
from snapboot_devkit.host.scaling.pooled_environment import Scale
from snapboot_devkit.host.telemetry.logs import LogStream, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from snapboot_devkit.host.callers.in_process import Caller
    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.environment import Restore
    from snapboot_devkit.host.execution.shared import Shared
    from snapboot_devkit.host.lifecycle.terms import Invocation
    from snapboot_devkit.host.scaling.reload import CodeWatch
    from snapboot_devkit.host.snapshots.snapshot import Snapshot
    from snapboot_devkit.host.sources import Code

# Environments of all functions together; each is an interpreter at least.
MAX_ENVIRONMENTS: Final = 100
# Of what is not as on Lambda so many texts are known, so that each is logged once. A refused call
# names its request, and so a function can make any number of them.
_MAX_NOTED: Final = 1000


class Functions:
    """The functions by name; the first is the one that is meant when none is named."""

    def __init__(self, configs: tuple[FunctionConfig, ...], max_environments: int) -> None:
        """Know the functions; none is served before `open`. Raises ConfigError."""
        self._configs = _by_name(configs)
        self._max_environments = max_environments
        self._hosted: dict[str, HostedFunction] = {}

    def __repr__(self) -> str:
        return f"<Functions {', '.join(self._configs)}>"

    def __iter__(self) -> Iterator[HostedFunction]:
        """Go through those that are served."""
        return iter(self._hosted.values())

    @property
    def configs(self) -> Mapping[str, FunctionConfig]:
        """The settings of each."""
        return MappingProxyType(self._configs)

    async def open(self, shared: Shared, *, watched: bool) -> None:
        """Serve all. Raises SourceError and ConfigError."""
        for config in self._configs.values():
            hosted = await HostedFunction.open(config, shared, self._make_room)
            self._hosted[config.name] = hosted
            if watched:
                await hosted.watch()

    def named(self, function: str | None) -> HostedFunction:
        """Return one by its name. Raises ConfigError."""
        name = next(iter(self._configs)) if function is None else function
        if name not in self._hosted:
            raise ConfigError(
                f"function {name!r} is not here; this host has {', '.join(self._hosted)}"
            )
        return self._hosted[name]

    def dispatch(self, function: str, invocation: Invocation, caller: Caller) -> None:
        """Have an event handled; `caller` hears of it in any case."""
        self._hosted[function].pool.invoke(invocation, caller)

    def post(self, function: str, invocation: Invocation) -> bool:
        """Take an event that no one waits for, if there is room for it."""
        events = self._hosted[function].events
        if not events.has_room(invocation):
            return False
        events.post(invocation)
        return True

    def health(self) -> dict[str, Any]:
        """Return how all are: a JSON document of the environments' states."""
        states = {name: one.pool.states for name, one in self._hosted.items()}
        return {
            "state": _overall([state for group in states.values() for state in group]),
            "functions": {
                name: {"environments": [state.value for state in group]}
                for name, group in states.items()
            },
        }

    def _make_room(self) -> bool:
        """Tell whether there may be one more environment, if need be for one that is idle."""
        pools = [one.pool for one in self]
        if sum(len(pool) for pool in pools) < self._max_environments:
            return True
        idle = [
            (since, i) for i, pool in enumerate(pools) if (since := pool.idle_since) is not None
        ]
        return bool(idle) and pools[min(idle)[1]].retire_one()


def _by_name(functions: tuple[FunctionConfig, ...]) -> dict[str, FunctionConfig]:
    if not functions:
        raise ConfigError("a host needs at least one function; give it a FunctionConfig")
    named = {config.name: config for config in functions}
    if len(named) < len(functions):
        names = sorted(config.name for config in functions)
        raise ConfigError(f"functions {names!r} must have a name each; change those that are equal")
    return named


def _overall(states: list[EnvironmentState]) -> str:
    """Return the state that matters most to who would invoke now."""
    if EnvironmentState.READY in states:
        return EnvironmentState.READY.value
    return states[0].value if states else EnvironmentState.COLD.value


class HostedFunction:
    """A function that can be invoked: by `pool`, or by `events` when no one waits."""

    def __init__(
        self, deployment: Deployment, shared: Shared, make_room: Callable[[], bool]
    ) -> None:
        """Serve a deployment; `make_room` is asked before each further environment."""
        self.config = deployment.source
        self.pool = Pool(deployment, make_room)
        rules, at_once = self.config.events, self.config.concurrency
        self.events = AsyncInvokeQueue(rules, at_once, self.pool.invoke, self._note)
        self._shared = shared
        # The host's own words, beside the log streams of the environments.
        self._notes = LogStream(shared.log, self.config.name)
        self._watch: CodeWatch | None = None
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
        from snapboot_devkit.host.scaling.reload import MAX_FILES, CodeWatch  # noqa: PLC0415

        roots = self.config.task_root, *self.config.layers, *self.config.env_files
        self._watch = CodeWatch(roots, self._code_changed)
        await self._watch.begin()
        if self._watch.is_partial:
            self._log_of_function(f"it has more than {MAX_FILES} files; the rest is not watched")
        if self._watch.note:
            self._log_of_function(self._watch.note)

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
                self._log_of_function(
                    "its code has changed but cannot be loaded, so the old code stays in use: "
                    f"{exc}"
                )
            else:
                what = "code has" if config.file_env == self.config.file_env else "variables have"
                self._log_of_function(f"its {what} changed; new events go to new environments")
                for file in config.env_files:
                    if not file.exists():
                        self._log_of_function(
                            f"the env file {str(file)!r} is gone; its last values stay"
                        )
                self.config = config
                self.pool.renew(deployment)

    def _log_of_function(self, text: str) -> None:
        self._note(f"snapboot: function {self.config.name!r}: {text}")

    def _note(self, text: str) -> None:
        self._notes.write(Source.PLATFORM, text)
        # They belong to no invocation.
        self._notes.take()


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
            self._note(f"no snapshot, so that each environment runs its own init: {reason}")
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
        """Log what is not as on Lambda: once, or again after very many others."""
        if text not in self._noted:
            if len(self._noted) >= _MAX_NOTED:
                self._noted.clear()
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
    """Return the settings with what only the unpacked code shows."""
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
