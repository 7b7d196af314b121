"""Under AWS's own emulator, both runtimes give the same answers and write the same log lines."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import pytest

from tests.contract import pairs
from tests.contract.difference import absent, unexplained
from tests.contract.differences import DIFFERENCES
from tests.contract.suites import SUITES, Suite, samples
from tests.fakes.contenders import AWSLAMBDARIC, OURS

if TYPE_CHECKING:
    from pathlib import Path


def compare(suite: Suite) -> None:
    """Fail with every difference that is not declared, and every declared one that is none."""
    ours, theirs = (
        {f"{suite.name}/{case}": seen for case, seen in pairs.run(suite, contender).items()}
        for contender in (OURS, AWSLAMBDARIC)
    )
    complaints = [
        complaint
        for case, observation in ours.items()
        for complaint in unexplained(case, observation, theirs[case], DIFFERENCES)
    ]
    complaints += absent(ours, DIFFERENCES)
    assert not complaints, "\n".join(["", *complaints])


@pytest.mark.usefixtures("oracles")
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_both_runtimes_do_the_same_but_for_declared_differences(suite: Suite) -> None:
    compare(suite)


@pytest.mark.usefixtures("oracles")
def test_both_runtimes_take_every_event_sample_of_aws() -> None:
    compare(samples())


def test_every_declared_difference_names_a_case_that_is_run() -> None:
    cases = [f"{suite.name}/{case.name}" for suite in SUITES for case in suite.cases]
    idle = [
        pattern
        for difference in DIFFERENCES
        for pattern in difference.cases
        if not fnmatch.filter(cases, pattern)
    ]
    assert idle == []


def test_every_suite_runs_a_function_that_exists() -> None:
    roots: set[Path] = {suite.task_root for suite in SUITES}
    assert [root for root in roots if not root.is_dir()] == []
