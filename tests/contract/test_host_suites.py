"""With the same runtime, our host gives the emulator's answers and logs, but for what is declared."""

from __future__ import annotations

import pytest

from tests.contract import pairs
from tests.contract.difference import absent, unexplained
from tests.contract.emulator import Emulator
from tests.contract.host_differences import EVERYWHERE, OF_SUITES, SIDES
from tests.contract.observation import Observation
from tests.contract.platforms import Host
from tests.contract.suites import RESULTS, SUITES, Suite
from tests.fakes.contenders import CONTENDERS, OURS, Contender

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("oracles")]


def in_lines(seen: Observation) -> Observation:
    """Return an observation with the log as lines: to our host, no write ends within one."""
    lines = (line for line in seen["log"].split("\n") if line)
    return Observation({**seen.fields, "log": "\n".join(lines)})


def observed(suite: Suite, contender: Contender, platform: type) -> dict[str, Observation]:
    seen = pairs.run(suite, contender, platform)
    return {f"{contender.name}/{suite.name}/{case}": in_lines(seen[case]) for case in seen}


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_our_host_does_as_the_emulator_but_for_declared_differences(
    suite: Suite, contender: Contender
) -> None:
    ours, theirs = (observed(suite, contender, platform) for platform in (Host, Emulator))
    complaints = [
        complaint
        for case, seen in ours.items()
        for complaint in unexplained(case, seen, theirs[case], OF_SUITES, SIDES)
    ]
    complaints += absent(ours, [each for each in OF_SUITES if each not in EVERYWHERE])
    assert not complaints, "\n".join(["", *complaints])


def test_what_is_declared_everywhere_occurs() -> None:
    assert absent(observed(RESULTS, OURS, Host), EVERYWHERE) == []
