"""The settings that the lifecycle depends on."""

from __future__ import annotations

from snapboot_devkit.host import protocol
from snapboot_devkit.host.lifecycle.terms import InitializationType
from snapboot_devkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one function; limits in seconds.

    `extensions` are the file names of the external ones. `max_concurrency` is set on managed
    instances alone. With `text_log` no log line says that the runtime is done: only
    extensions that have subscribed to telemetry get that record.
    """

    timeout_s: float = 3.0
    init_limit_s: float = protocol.INIT_LIMIT_S
    restore_limit_s: float = protocol.RESTORE_LIMIT_S
    initialization: InitializationType = InitializationType.ON_DEMAND
    check_invocation_id: bool = True
    extensions: tuple[str, ...] = ()
    max_concurrency: int | None = None
    text_log: bool = False

    @property
    def has_snapshot(self) -> bool:
        """Whether environments begin with a restore."""
        return self.initialization is InitializationType.SNAP_START


@dataclass(frozen=True, slots=True)
class EventRules:
    """How a function's events are retried: one retry after each delay; durations in seconds.

    Lambda waits for about one minute, then two; that is too long to watch. An
    event waits for six hours at the longest there, too.
    """

    retry_delays_s: tuple[float, ...] = (1.0, 2.0)
    max_age_s: float = 6 * 3600.0
