"""The tables of differences and of faults as Markdown, for the README and docs/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.contract.differences import DIFFERENCES
from tests.contract.fault import ANSWERS
from tests.contract.faults import NAMED
from tests.contract.host_differences import OF_SCENES, OF_SUITES
from tests.contract.outcomes import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.contract.difference import Difference
    from tests.contract.fault import Outcome
    from tests.fakes.runtime_api import Call

# What stands for a runtime that has no such call.
NOTHING: Final = "does not stream"


def differences() -> str:
    """Return the table of differences in behaviour; what is the same difference is one row."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for each in DIFFERENCES:
        words = (each.ours, each.theirs, each.reason)
        groups.setdefault(words, []).extend(_where(each))
    rows = [(", ".join(dict.fromkeys(cases)), *words) for words, cases in groups.items()]
    return _table(("where", "snapboot", "awslambdaric 4.2.2", "why"), rows)


def host_differences() -> str:
    """Return the table of what our host does differently from AWS's emulator."""
    listed = (*OF_SUITES, *OF_SCENES)
    rows = dict.fromkeys((each.ours, each.theirs, each.reason) for each in listed)
    return _table(("`snapboot start`", "AWS's emulator", "why"), rows)


def faults() -> str:
    """Return the table of faults, those together that end alike."""
    rows = [
        (f"`{stage}`", ", ".join(names), *cells)
        for stage, outcomes in OUTCOMES.items()
        for cells, names in _alike(outcomes, NAMED[stage].call).items()
    ]
    return _table(("call", "fault", "snapboot", "awslambdaric 4.2.2"), rows)


def _where(difference: Difference) -> list[str]:
    until = difference.before
    version = f" (before Python {'.'.join(map(str, until))})" if until else ""
    return [_readable(case) + version for case in difference.cases]


def _readable(case: str) -> str:
    """Return a case as people name it: the suite alone, where all its cases are meant."""
    suite, _, name = case.rpartition("/")
    words = suite if name == "*" else f"{suite}: {name}"
    return words.replace("[!eiglu]*.handler", "at import").replace("*", "")


def _alike(
    outcomes: Mapping[str, Sequence[Outcome]], call: Call
) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for name, (ours, *theirs) in outcomes.items():
        cells = (
            _reported(ours, call),
            " or ".join(_reported(each, call) for each in theirs) or NOTHING,
        )
        groups.setdefault(cells, []).append(name)
    return groups


def _reported(outcome: Outcome, call: Call) -> str:
    return ", ".join(_clauses(outcome, call))


def _clauses(outcome: Outcome, call: Call) -> Iterator[str]:
    yield "goes on" if outcome.exit_code is None else f"exit {outcome.exit_code}"
    if call in ANSWERS and outcome.sends > 1:
        yield "**the answer was sent twice**"
    if len(set(outcome.answers)) > 1:
        yield "**takes half an event for the event**"
    if outcome.last_line:
        yield f"`{outcome.last_line}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
