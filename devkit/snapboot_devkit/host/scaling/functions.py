"""All functions of a host: who serves them, and within which limit of environments."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host.errors import ConfigError
from snapboot_devkit.host.lifecycle.states import EnvironmentState
from snapboot_devkit.host.scaling.hosted import HostedFunction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snapboot_devkit.host.config import FunctionConfig
    from snapboot_devkit.host.execution.shared import Shared
    from snapboot_devkit.host.front.callers import Caller
    from snapboot_devkit.host.lifecycle.terms import Invocation

# Environments of all functions together; each is an interpreter at least.
MAX_ENVIRONMENTS: Final = 100


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
        """Take an event that nobody waits for, if there is room for it."""
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
