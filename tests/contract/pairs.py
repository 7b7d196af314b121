"""One suite with one runtime under the emulator, or under our host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.emulator import Emulator
from tests.contract.observation import observe

if TYPE_CHECKING:
    from tests.contract.observation import Observation
    from tests.contract.platforms import Platform
    from tests.contract.suites import Suite
    from tests.fakes.contenders import Contender


def run(
    suite: Suite, contender: Contender, platform: type[Platform] = Emulator
) -> dict[str, Observation]:
    """Return what each case of the suite showed, by name."""
    root = suite.task_root
    with platform(
        contender, suite.handler, task_root=root, environment=suite.environment
    ) as running:
        answers = [running.invoke(case.event, case.headers) for case in suite.cases]
        running.end()
        before, *logs = running.logs()
    ran = sum(not answer.refused for answer in answers)
    assert len(logs) == ran, f"{ran} invocations made {len(logs)} START lines"
    logs[0] = before + logs[0]
    logged = iter(logs)
    return {
        case.name: observe(
            answer,
            "" if answer.refused else next(logged),
            task_root=root,
            exact=case.exact,
        )
        for case, answer in zip(suite.cases, answers, strict=True)
    }
