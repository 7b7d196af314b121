"""The runs of a profile: plain ones, interleaved, for the totals; instrumented ones for shares."""

from __future__ import annotations

import gc
import itertools
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapboot_devkit.profile import statistics, trace
from snapboot_devkit.profile.environment import Invoked, Outcome, PhaseEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snapboot_devkit.profile.target import Contender, ProfiledFunction
    from snapboot_devkit.profile.trace import RunTrace

# As long as Lambda lets an on-demand init take.
INIT_LIMIT_S: Final = 10.0
INSTRUMENTED: Final = 5
_ENOUGH_WIDTH: Final = 0.05
MIN_RUNS: Final = 10
MAX_RUNS: Final = 50
_BUDGET_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """How much to measure; without `runs` until the median's interval is 5 % wide."""

    runs: int | None = None
    warmup: int = 1
    events: tuple[bytes, ...] = ()
    init_limit_s: float = INIT_LIMIT_S
    invoke_limit_s: float = 3.0
    instrumented: int = INSTRUMENTED


@dataclass(slots=True)
class Series:
    """The plain runs of one contender, each sample in the order it was taken, in ns."""

    contender: Contender
    warmup_ns: list[int] = field(default_factory=list)
    ready_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int | None] = field(default_factory=list)
    first_invocation_ns: list[int] = field(default_factory=list)
    function_error: str = ""
    failed: bool = False

    @property
    def ready_ms(self) -> list[float]:
        """From the spawn to the first `next`, in ms."""
        return [ns / 1e6 for ns in self.ready_ns]


@dataclass(slots=True)
class FailedRun:
    """A run that did not come to its first `next`, and what was known by then."""

    contender: str
    outcome: Outcome
    printed: str
    trace: RunTrace | None = None


@dataclass(slots=True)
class Measured:
    """All samples of a profile. `failure` ends it: what was measured before is kept."""

    series: list[Series]
    traces: list[RunTrace] = field(default_factory=list)
    usage: RunTrace | None = None
    failure: FailedRun | None = None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def main(self) -> Series:
        """The function as it was asked for."""
        return self.series[0]

    @property
    def running(self) -> list[Series]:
        """All that have not failed."""
        return [one for one in self.series if not one.failed]

    @property
    def instrumented_ms(self) -> list[float]:
        """The totals of the instrumented runs."""
        return [one.ready_ns / 1e6 for one in self.traces if one.ready_ns is not None]


def measure(
    target: ProfiledFunction,
    contenders: Sequence[Contender],
    plan: MeasurementPlan,
    progress: Callable[[str], object] = str,
) -> Measured:
    """Run all contenders in turn, round after round. Raises ProfileError and KeyboardInterrupt."""
    measured = Measured([Series(one) for one in contenders], notes=list(target.notes))
    measured.warnings += _of_machine()
    throttled = _throttled()
    gc.disable()  # a collection in this process would fall into a run
    try:
        _measure(target, plan, measured, progress)
    finally:
        gc.enable()
    if _throttled() > throttled:
        measured.warnings.append(
            "the control group of this process was throttled meanwhile: its CPU quota is part of "
            "these figures; measure where there is none, or with --memory to choose one"
        )
    for series in measured.series:
        measured.warnings += of_series(series, plan)
    return measured


def _measure(
    target: ProfiledFunction,
    plan: MeasurementPlan,
    measured: Measured,
    progress: Callable[[str], object],
) -> None:
    for number in range(plan.warmup):
        progress(f"warm-up {number + 1} of {plan.warmup}")
        for series in measured.running:
            _plain(target, series, plan, measured, warmup=True)
    began = time.monotonic()
    for number in itertools.count(1):
        if measured.main.failed or _enough(measured, plan, number - 1, time.monotonic() - began):
            break
        progress(f"run {number}{f' of {plan.runs}' if plan.runs else ''}")
        # Each second round goes the other way, so that none always follows the same other.
        running = measured.running
        for series in running if number % 2 else running[::-1]:
            _plain(target, series, plan, measured)
        gc.collect()
    _look_into(target, plan, measured, progress)


def _enough(measured: Measured, plan: MeasurementPlan, done: int, elapsed_s: float) -> bool:
    if plan.runs is not None:
        return done >= plan.runs
    if done < MIN_RUNS:
        return False
    if done >= MAX_RUNS or elapsed_s > _BUDGET_S:
        return True
    return all(
        statistics.estimate(series.ready_ms).width <= _ENOUGH_WIDTH for series in measured.running
    )


def _plain(
    target: ProfiledFunction,
    series: Series,
    plan: MeasurementPlan,
    measured: Measured,
    *,
    warmup: bool = False,
) -> None:
    """Take one sample, or note why there is none: a contender that fails is not started again."""
    if measured.main.failed:
        return
    with target.start(series.contender) as environment:
        outcome, ready_ns = environment.wait_until_ready(plan.init_limit_s)
        if outcome.ended is not PhaseEnd.READY:
            series.failed = True
            failure = FailedRun(series.contender.name, outcome, environment.printed)
            measured.failure = measured.failure or failure
            if series is measured.main:
                measured.failure = failure
        elif warmup:
            series.warmup_ns.append(ready_ns)
        else:
            series.ready_ns.append(ready_ns)
            series.cpu_ns.append(environment.cpu_ns())
            if plan.events:
                done = environment.invoke(plan.events[0], plan.invoke_limit_s)
                if isinstance(done, Invoked):
                    series.first_invocation_ns.append(done.response_ns)
                    series.function_error = series.function_error or done.error
                else:
                    series.function_error = done.text


def _look_into(
    target: ProfiledFunction,
    plan: MeasurementPlan,
    measured: Measured,
    progress: Callable[[str], object],
) -> None:
    """Do the instrumented runs: their shares are what is wanted, never their totals."""
    main = measured.main.contender
    reason = target.reason_against_probing(main)
    if reason is not None:
        measured.notes.append(f"no look into the init: {reason}")
        return
    failed = measured.main.failed
    count = 1 if failed else plan.instrumented
    for number in range(count):
        progress(f"instrumented run {number + 1} of {count}")
        found, failure = _instrumented(target, main, plan, "times", events=())
        if failure is None:
            measured.traces.append(found)
        elif failed and measured.failure is not None:
            measured.failure.trace = found
        else:
            measured.notes.append(
                f"an instrumented run failed where plain ones do not: {failure.text}"
            )
    if plan.events and not failed:
        progress("looking for modules that the events never use")
        found, failure = _instrumented(target, main, plan, "usage", events=plan.events)
        if failure is None:
            measured.usage = found
        else:
            measured.notes.append(f"unused modules were not looked for: {failure.text}")


def _instrumented(
    target: ProfiledFunction,
    contender: Contender,
    plan: MeasurementPlan,
    mode: str,
    events: Sequence[bytes],
) -> tuple[RunTrace, Outcome | None]:
    record = target.scratch / f"record-{mode}-{time.monotonic_ns()}"
    # What is watched takes longer, and an init that takes too long was noticed by a plain run.
    slack = 5 if mode == "usage" else 2
    failure = None
    with target.start(contender, mode=mode, record=record) as environment:
        outcome, ready_ns = environment.wait_until_ready(plan.init_limit_s * slack)
        if outcome.ended is not PhaseEnd.READY:
            failure = outcome
        for event in events if failure is None else ():
            done = environment.invoke(event, plan.invoke_limit_s * slack)
            if isinstance(done, Outcome):
                failure = done
                break
            if done.error:
                failure = Outcome(PhaseEnd.EXITED, f"the event failed: {done.error}")
                break
        started_ns = environment.started_ns
    found = trace.read(
        record, started_ns, None if outcome.ended is not PhaseEnd.READY else ready_ns
    )
    record.unlink(missing_ok=True)
    return found, failure


# ---- warnings, each with the flag that helps -------------------------------------------------

_BUSY_LOAD_PER_CPU: Final = 0.5
_SLOW_START: Final = 1.5
_OUTLIER_SHARE: Final = 0.05
_WIDE: Final = 0.1


def _of_machine() -> list[str]:
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    if load <= _BUSY_LOAD_PER_CPU:
        return []
    remedy = "measure when it is quiet, or with more --runs"
    return [f"the machine is busy (load {load:.2f} per CPU): {remedy}"]


def of_series(series: Series, plan: MeasurementPlan) -> list[str]:
    """Warn of what the samples themselves show."""
    values, name = series.ready_ms, series.contender.name
    if not values:
        return []
    found = []
    middle = statistics.median(values)
    first = (series.warmup_ns[0] / 1e6) if series.warmup_ns else values[0]
    if not plan.warmup and first > _SLOW_START * middle:
        found.append(
            f"{name}: the first run took {first:.0f} ms, {first / middle:.1f} times the median: "
            "files were not in memory yet; leave it out with --warmup 1"
        )
    if (far := statistics.outliers(values)) > _OUTLIER_SHARE * len(values):
        found.append(
            f"{name}: {far} of {len(values)} samples are outliers: something else runs on this "
            "machine; measure when it is quiet, or with more --runs"
        )
    interval = statistics.estimate(values)
    if not interval.certain:
        found.append(
            f"{name}: {len(values)} runs are too few for an interval; give --runs "
            f"{statistics.ENOUGH_FOR_INTERVAL} or more"
        )
    elif interval.width > _WIDE:
        found.append(
            f"{name}: the interval of the median is {interval.width:.0%} wide; give more than "
            f"--runs {len(values)}"
        )
    if change := statistics.drift(values):
        found.append(
            f"{name}: the second half of the runs took {change.value:.2f} times the first: the "
            "machine has changed meanwhile; measure again when it is quiet"
        )
    if two := statistics.groups(values):
        low, high = two
        found.append(
            f"{name}: the runs fall into two groups, {low[0]:.0f} to {low[-1]:.0f} ms and "
            f"{high[0]:.0f} to {high[-1]:.0f} ms, and the median may be where no run was; measure "
            "again when the machine is quiet"
        )
    return found


def _throttled() -> int:
    """Return how often the kernel has throttled our control group for want of CPU quota."""
    total = 0
    for path in ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat"):
        try:
            text = Path(path).read_text("ascii")
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled" and value.isdigit():
                total += int(value)
    return total
