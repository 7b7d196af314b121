"""The course of a rehearsal: fresh inits, one snapshot, and restores of it, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from snapboot_devkit.host import protocol
from snapboot_devkit.profile.environment import Outcome, PhaseEnd
from snapboot_devkit.rehearse import checks
from snapboot_devkit.rehearse.stage import Backend, Clone, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapboot_devkit.host import FunctionConfig

RESTORES: Final = 5
INVOCATIONS: Final = 1


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """How much to rehearse. `token` names a value or function that must differ, as module.name."""

    backend: Backend = Backend.CLONE
    restores: int = RESTORES
    invocations: int = INVOCATIONS
    fresh: int | None = None
    event: bytes = b"{}"
    token: str = ""
    ignored: frozenset[str] = frozenset()
    init_limit_s: float | None = None
    restore_limit_s: float = protocol.RESTORE_LIMIT_S


@dataclass(slots=True)
class Rehearsal:
    """What came of it; times in ms, each sample in the order it was taken."""

    handler: str
    python: str
    plan: RehearsalPlan
    fresh_init_ms: list[float] = field(default_factory=list)
    fresh_invoke_ms: list[float] = field(default_factory=list)
    init_ms: float | None = None
    before_hooks: list[tuple[str, str, int | None]] = field(default_factory=list)
    snapshot_ms: float | None = None
    clock_jumped: bool = False
    clones: list[Clone] = field(default_factory=list)
    findings: list[checks.RehearsalFinding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    printed: str = ""


def rehearse(
    config: FunctionConfig, plan: RehearsalPlan, progress: Callable[[str], object] = str
) -> Rehearsal:
    """Hold a rehearsal. Raises HostError where that is not possible."""
    with Stage(config) as stage:
        held = Rehearsal(config.handler, stage.python_version, plan, notes=list(stage.notes))
        _fresh(stage, plan, held, progress)
        progress("init of the snapshot")
        _restores(stage, plan, held, progress)
        held.findings = [one for one in held.findings if one.check not in plan.ignored]
        return held


def _fresh(
    stage: Stage, plan: RehearsalPlan, held: Rehearsal, progress: Callable[[str], object]
) -> None:
    limit_s = stage.config.rules.init_limit_s
    for turn in range(plan.restores if plan.fresh is None else plan.fresh):
        progress(f"fresh init {turn + 1}")
        with stage.start_fresh() as environment:
            outcome, took_ns = environment.wait_until_ready(limit_s)
            if outcome.ended is not PhaseEnd.READY:
                held.notes.append(f"a fresh init failed: {outcome.text}")
                return
            held.fresh_init_ms.append(took_ns / 1e6)
            done = environment.invoke(plan.event, stage.config.timeout_s)
            if isinstance(done, Outcome):
                held.notes.append(f"a fresh environment failed: {done.text}")
                return
            held.fresh_invoke_ms.append(done.response_ns / 1e6)


def _restores(
    stage: Stage, plan: RehearsalPlan, held: Rehearsal, progress: Callable[[str], object]
) -> None:
    limit_s = plan.init_limit_s or stage.config.rules.init_limit_s
    with stage.start_template(plan.backend, plan.token) as template:
        outcome = template.wait_for_snapshot(limit_s)
        held.before_hooks = template.hooks
        if template.initialised_ns is not None:
            held.init_ms = template.initialised_ns / 1e6
        if outcome.ended is not PhaseEnd.READY:
            held.findings = checks.of_failed_init(outcome, template.hooks)
            held.printed = template.printed
            return
        held.snapshot_ms = (template.snapshot_ns or 0) / 1e6
        held.clock_jumped = template.clock_jumped
        temporary = checks.of_temporary_files(stage.temporary_files())
        for turn in range(plan.restores):
            progress(f"restore {turn + 1}")
            events = [plan.event] * plan.invocations
            clone = template.restore(plan.restore_limit_s, events, stage.config.timeout_s)
            held.clones.append(clone)
            if clone.outcome is not None:
                break  # the others would fail likewise
        held.findings = [
            *checks.of_snapshot(template.found),
            *temporary,
            *checks.of_clones(held.clones, shared=plan.backend.can_see_uniqueness),
        ]
        held.notes += template.troubles
        held.printed = template.printed
