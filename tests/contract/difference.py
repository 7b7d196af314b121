"""A declared difference between two that should do the same, and whether it explains what was seen.

The two are the runtimes, or the platforms: ours and the other. A change is a rewriting: the part
of our text that it names, written as the other has it.
What is left when all changes of a case are applied has to be equal, so that a declared difference
hides nothing beside itself. `…` stands for any text.
"""

from __future__ import annotations

import fnmatch
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.contract.observation import Observation

ANY: Final = "…"
RUNTIMES: Final = ("snapboot", "awslambdaric")


@dataclass(frozen=True, slots=True)
class Change:
    """In `field` of an observation, `ours` stands where the other has `theirs`."""

    field: str
    ours: str
    theirs: str

    def occurs_in(self, text: str) -> bool:
        """Return whether our text shows this side of it."""
        return _pattern(self.ours).search(text) is not None if self.ours else not text

    def rewrite(self, text: str) -> str:
        """Return our text as it would be without this difference."""
        if not self.ours:
            return text or self.theirs
        if self.ours == ANY:
            return self.theirs
        return _pattern(self.ours).sub(lambda _: self.theirs, text)


@dataclass(frozen=True, slots=True)
class Difference:
    """What the two do differently in `cases`, and why we do.

    A case is named `suite/case`, with the wild cards of fnmatch. `ours` and `theirs` say in words
    what `changes` say exactly. `before` is the version of Python from which on the two do the same.
    """

    cases: tuple[str, ...]
    ours: str
    theirs: str
    reason: str
    changes: tuple[Change, ...]
    before: tuple[int, int] | None = None

    def concerns(self, case: str) -> bool:
        """Return whether the case is one of those declared, for the Python that runs."""
        if self.before is not None and sys.version_info >= self.before:
            return False
        return self.names(case)

    def names(self, case: str) -> bool:
        """Return whether the case is one of those declared."""
        return any(fnmatch.fnmatchcase(case, pattern) for pattern in self.cases)


def unexplained(
    case: str,
    ours: Observation,
    theirs: Observation,
    declared: Sequence[Difference],
    sides: tuple[str, str] = RUNTIMES,
) -> list[str]:
    """Return a complaint for each field of a case that no declared difference explains."""
    complaints = []
    for field, value in ours.fields.items():
        expected = value
        for change in changes_of(case, field, declared):
            expected = change.rewrite(expected)
        if not _pattern(expected).fullmatch(theirs[field]):
            complaints.append(_complaint(case, field, (value, theirs[field]), sides))
    return complaints


def absent(observed: Mapping[str, Observation], declared: Sequence[Difference]) -> list[str]:
    """Return a complaint for each declared change that occurs in none of the cases it names.

    Only differences that concern one of the observed cases are looked at.
    """
    return [
        f"declared for {difference.cases!r}, not observed: {change!r}"
        for difference in declared
        for change in difference.changes
        if _is_absent(change, [o for case, o in observed.items() if difference.concerns(case)])
    ]


def _is_absent(change: Change, observations: Sequence[Observation]) -> bool:
    return bool(observations) and not any(change.occurs_in(o[change.field]) for o in observations)


def changes_of(case: str, field: str, declared: Sequence[Difference]) -> list[Change]:
    """Return the declared changes that concern one field of one case."""
    concerned = (difference for difference in declared if difference.concerns(case))
    return [change for each in concerned for change in each.changes if change.field == field]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split(ANY))), re.DOTALL)


def _complaint(case: str, field: str, values: tuple[str, str], sides: tuple[str, str]) -> str:
    lines = (f"  {side:12} {value!r}" for side, value in zip(sides, values, strict=True))
    return "\n".join((f"{case}: {field}", *lines))
