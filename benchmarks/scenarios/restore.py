"""A restore on this machine, by a local clone, beside a fresh init of the same function.

From the release of `restore/next` to `next` in a clone of a boto3 function, beside its init from
spawn to `next`; a request to the host that needs a new environment, restored by a clone, beside a
cold start; and the time that restore safety takes of it, by its own clock. A local clone is not
AWS's restore, which loads the snapshot from storage.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from benchmarks.contenders import OURS, Contender, our_version
from benchmarks.endpoints import ContenderError
from benchmarks.packages import CLIENT, HANDLER, package, packagings
from benchmarks.samples import RestoreSample
from snapboot_devkit.host import FunctionConfig, InitializationType, LocalHost
from snapboot_devkit.host.errors import HostError
from snapboot_devkit.host.snapshots.snapshot import reason_of_machine
from snapboot_devkit.profile.environment import Outcome, PhaseEnd
from snapboot_devkit.rehearse.stage import Backend, Stage

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.bench import Bench
    from snapboot_devkit.profile.environment import MeasuredEnvironment
    from snapboot_devkit.rehearse.stage import TemplateProcess

LOCAL: Final = "local clone"
FRESH: Final = "fresh init"
# At the level DEBUG, which this function has from its snapshot on, the runtime says what restore
# safety took.
FUNCTION: Final = replace(
    CLIENT,
    name=f"{CLIENT.name}, restored",
    init=f"{CLIENT.init}\n\nimport logging, snapboot\n"
    "snapboot.before_snapshot(logging.getLogger().setLevel, logging.DEBUG)",
)
LIMIT_S: Final = 60.0
MEMORY_MB: Final = 512
EVENT: Final = b"{}"
_INITIALIZATION: Final = {
    LOCAL: InitializationType.SNAP_START,
    FRESH: InitializationType.ON_DEMAND,
}
_SAFETY: Final = re.compile(r"snapboot: restore safety: .*; (\d+\.\d+) ms")


def entrants(_bench: Bench) -> tuple[Contender, ...]:
    """Return the ways in which an environment comes to be; both run our runtime."""
    return (
        Contender(LOCAL, our_version(), "snapboot rehearse", ()),
        Contender(FRESH, our_version(), "bootstrap", ()),
    )


def rounds(bench: Bench) -> int:
    """Return how many rounds `measure` will yield: none where nothing can be cloned."""
    return 0 if reason_of_machine() else bench.plan.runs


def measure(bench: Bench) -> Iterator[Sequence[RestoreSample]]:
    """Yield the rounds: one of each way, in turn. Raises `ContenderError`."""
    if reason := reason_of_machine():
        sys.stderr.write(f"restore is not measured: {reason}\n")
        return
    ours = next((one for one in packagings(bench) if one.name == OURS), None)
    if ours is None:
        raise ContenderError(f"has no runtime: --contenders must name {OURS!r} to be restored")
    folder = package(bench, FUNCTION, ours).folder
    try:
        with ExitStack() as stack:
            fresh = stack.enter_context(Stage(_config(bench, folder, FRESH)))
            stage = stack.enter_context(Stage(_config(bench, folder, LOCAL)))
            template = stack.enter_context(stage.start_template(Backend.CLONE, ""))
            _check(template, template.wait_for_snapshot(LIMIT_S))

            def take(number: int, source: random.Random) -> list[RestoreSample]:
                return [
                    _restored(number, template, bench, folder)
                    if way == LOCAL
                    else _started(number, fresh, bench, folder)
                    for way in source.sample((LOCAL, FRESH), 2)
                ]

            yield from bench.part(bench.plan.runs, take)
    except HostError as error:
        raise ContenderError(f"could not be rehearsed ({error})") from error


def _config(bench: Bench, folder: Path, way: str) -> FunctionConfig:
    return FunctionConfig(
        HANDLER,
        task_root=folder,
        timeout_s=LIMIT_S,
        memory_mb=MEMORY_MB,
        python=str(bench.interpreter.path),
        per_tenant=True,
        initialization=_INITIALIZATION[way],
    )


def _restored(number: int, template: TemplateProcess, bench: Bench, folder: Path) -> RestoreSample:
    clone = template.restore(LIMIT_S, [EVENT], LIMIT_S)
    _check(template, clone.outcome)
    found = _SAFETY.findall(template.printed)
    if clone.restored_ns is None or not found:
        raise ContenderError(f"did not say what restore safety took: {template.printed!r}")
    safety_ns = round(float(found[-1]) * 1e6)
    answered_ns = asyncio.run(_answered(_config(bench, folder, LOCAL)))
    return RestoreSample(number, LOCAL, clone.restored_ns, answered_ns, safety_ns)


def _started(number: int, stage: Stage, bench: Bench, folder: Path) -> RestoreSample:
    with stage.start_fresh() as environment:
        outcome, ready_ns = environment.wait_until_ready(LIMIT_S)
        _check(environment, outcome)
    answered_ns = asyncio.run(_answered(_config(bench, folder, FRESH)))
    return RestoreSample(number, FRESH, ready_ns, answered_ns, None)


def _check(environment: MeasuredEnvironment, outcome: Outcome | None) -> None:
    if outcome is not None and outcome.ended is not PhaseEnd.READY:
        raise ContenderError(f"came to no end ({outcome.text}): {environment.printed!r}")


async def _answered(config: FunctionConfig) -> int:
    """Return how long a request took that needed a new environment.

    With SnapStart there is a snapshot by then: it is taken for another tenant's request.
    """
    async with LocalHost(config, log=lambda _line: None) as host:
        if config.initialization is InitializationType.SNAP_START:
            await host.invoke(EVENT, tenant_id="first")
        began_ns = time.perf_counter_ns()
        result = await host.invoke(EVENT, tenant_id="second")
        took_ns = time.perf_counter_ns() - began_ns
    if result.function_error:
        raise ContenderError(f"answered {result.payload[:200]!r} to an invocation")
    return took_ns
