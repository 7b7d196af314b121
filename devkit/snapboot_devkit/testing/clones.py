"""A function restored several times from one snapshot, for a test to compare what came of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from snapboot_devkit.host import FunctionConfig, InitializationType
from snapboot_devkit.rehearse import rehearsal
from snapboot_devkit.rehearse.stage import Backend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapboot_devkit.rehearse.checks import RehearsalFinding

# What a test may call shorter than FunctionConfig does.
_SHORT: Final = {"timeout": "timeout_s", "memory": "memory_mb"}


@dataclass(frozen=True, slots=True)
class Clones:
    """What came of it: for each clone the results of its invocations, and all findings."""

    results: list[list[Any]]
    findings: list[RehearsalFinding]

    def check(self) -> None:
        """Raise AssertionError, which names all findings, unless there are none."""
        lines = [f"{one.check}: {one.where} {one.text}; {one.remedy}" for one in self.findings]
        if lines:
            raise AssertionError("SnapStart would not be safe:\n" + "\n".join(lines))


def restored(  # noqa: PLR0913 - each is an option that users know
    count: int,
    handler: str,
    *,
    event: Any = None,
    invocations: int = 1,
    token: str = "",
    ignore: Iterable[str] = (),
    backend: str = Backend.CLONE,
    **settings: Any,
) -> Clones:
    """Initialise a function once, restore it `count` times, and have each handle the event.

    The settings are those of FunctionConfig, where `timeout` is in seconds and `memory` in MB.
    Raises HostError.
    """
    settings = {_SHORT.get(name, name): value for name, value in settings.items()}
    config = FunctionConfig(handler, initialization=InitializationType.SNAP_START, **settings)
    plan = rehearsal.RehearsalPlan(
        backend=Backend(backend),
        restores=count,
        invocations=invocations,
        fresh=0,
        event=json.dumps(event).encode(),
        token=token,
        ignored=frozenset(ignore),
    )
    held = rehearsal.rehearse(config, plan)
    results = [[json.loads(result) for result in clone.results] for clone in held.clones]
    return Clones(results, held.findings)
