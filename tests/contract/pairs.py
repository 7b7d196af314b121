"""One suite with one runtime under the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.emulator import Emulator
from tests.contract.observation import observe

if TYPE_CHECKING:
    from tests.contract.observation import Observation
    from tests.contract.suites import Suite
    from tests.fakes.contenders import Contender


def run(suite: Suite, contender: Contender) -> dict[str, Observation]:
    """Return what each case of the suite showed, by name."""
    root = suite.task_root
    with Emulator(
        contender, suite.handler, task_root=root, environment=suite.environment
    ) as emulator:
        answers = [emulator.invoke(case.event, case.headers) for case in suite.cases]
        emulator.end()
        before, *logs = emulator.logs()
    assert len(logs) == len(answers), f"{len(answers)} invocations made {len(logs)} START lines"
    logs[0] = before + logs[0]
    return {
        case.name: observe(answer, log, task_root=root, exact=case.exact)
        for case, answer, log in zip(suite.cases, answers, logs, strict=True)
    }
