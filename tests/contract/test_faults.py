"""Every fault of the Runtime API ends as the table says, with each of the two runtimes."""

from __future__ import annotations

import pytest

from tests.contract.fault import Fault, Outcome, Stage, run
from tests.contract.faults import FAULTS, PAIRS, PAUSE_S, THEIR_PAIRS
from tests.contract.outcomes import CUT, OUTCOMES
from tests.contract.suites import FUNCTIONS
from tests.fakes.contenders import AWSLAMBDARIC, OURS
from tests.fakes.runtime_api import RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess
from tests.fakes.scenario import Ending
from tests.fakes.scenario import Stage as CutStage


def _parameters(pairs: tuple[tuple[Stage, Fault], ...]) -> list[object]:
    return [
        pytest.param(
            *(stage, fault),
            id=f"{stage.name}: {fault.name}",
            marks=[pytest.mark.slow] if fault.reply.pause_s >= PAUSE_S else [],
        )
        for stage, fault in pairs
    ]


def _is_one_of(seen: Outcome, expected: tuple[Outcome, ...]) -> bool:
    return any(
        (each.exit_code, each.sends, each.answers) == (seen.exit_code, seen.sends, seen.answers)
        and each.last_line in seen.last_line
        for each in expected
    )


@pytest.mark.parametrize(("stage", "fault"), _parameters(PAIRS))
def test_snapboot_takes_the_fault_as_declared(stage: Stage, fault: Fault) -> None:
    ours, *_ = OUTCOMES[stage.name][fault.name]
    seen = run(stage, fault, OURS)
    assert _is_one_of(seen, (ours,)), f"declared {ours!r}, seen {seen!r}"
    if ours.last_line:
        assert seen.last_line.startswith("snapboot: ")
        assert stage.call.value in seen.last_line


@pytest.mark.usefixtures("incumbent")
@pytest.mark.parametrize(("stage", "fault"), _parameters(THEIR_PAIRS))
def test_awslambdaric_takes_the_fault_as_declared(stage: Stage, fault: Fault) -> None:
    _, *theirs = OUTCOMES[stage.name][fault.name]
    seen = run(stage, fault, AWSLAMBDARIC)
    assert _is_one_of(seen, tuple(theirs)), f"declared {theirs!r}, seen {seen!r}"


def test_the_table_speaks_of_the_faults_that_are_tried_and_of_no_others() -> None:
    tried = {stage: [fault.name for fault in faults] for stage, faults in FAULTS.items()}
    assert {stage: list(rows) for stage, rows in OUTCOMES.items()} == tried


def test_what_timing_decides_is_declared_so() -> None:
    """A reset that comes while a stream is still sent is met by the sending or the receiving."""
    lines = {
        fault.name: ours.last_line
        for stage in ("stream", "long stream")
        for fault in FAULTS[stage]
        for ours, *_ in [OUTCOMES[stage][fault.name]]
        if (cut := fault.reply.cut) is not None and cut.ending is Ending.RESET
        if cut.stage in {CutStage.BEFORE_READING, CutStage.MID_REQUEST, CutStage.AMID_BODY}
    }
    assert len(lines) == 3
    assert set(lines.values()) == {CUT}


def test_snapboot_never_sends_an_answer_twice() -> None:
    posts = {name: rows for name, rows in OUTCOMES.items() if "next" not in name}
    assert {ours.sends for rows in posts.values() for ours, *_ in rows.values()} == {1}


def test_a_runtime_api_that_is_not_there_ends_snapboot_with_its_address() -> None:
    with RuntimeAPI() as gone:
        address = gone.address
    with RuntimeProcess(OURS, "app.handler", address, task_root=FUNCTIONS / "echo") as process:
        ended = process.wait()
    assert ended.returncode == 1
    assert ended.last_error_line.startswith("snapboot: ")
    assert address in ended.last_error_line
