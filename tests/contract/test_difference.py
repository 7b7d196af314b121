"""A declared difference explains what it declares, and hides nothing else."""

from __future__ import annotations

import pytest

from tests.contract.difference import Change, Difference, absent, unexplained
from tests.contract.observation import FIELDS, Observation


def seen(**fields: str) -> Observation:
    return Observation({name: fields.get(name, "") for name in FIELDS})


def declared(*changes: Change, before: tuple[int, int] | None = None) -> list[Difference]:
    return [Difference(("suite/case",), "does", "does not", "a reason", changes, before)]


def test_equal_observations_need_no_declaration() -> None:
    assert unexplained("suite/case", seen(body="1"), seen(body="1"), []) == []


def test_an_undeclared_difference_is_reported_with_both_sides() -> None:
    [complaint] = unexplained("suite/case", seen(body="null"), seen(body="NaN"), [])
    assert complaint == "suite/case: body\n  snapboot     'null'\n  awslambdaric 'NaN'"


def test_a_declared_difference_explains_its_own_case_alone() -> None:
    table = declared(Change("body", "null", "NaN"))
    assert unexplained("suite/case", seen(body="null"), seen(body="NaN"), table) == []
    assert unexplained("suite/other", seen(body="null"), seen(body="NaN"), table) != []


def test_a_declared_difference_hides_no_other_in_the_same_text() -> None:
    table = declared(Change("log", "one", "two"))
    assert unexplained("suite/case", seen(log="one, a"), seen(log="two, a"), table) == []
    assert unexplained("suite/case", seen(log="one, a"), seen(log="two, b"), table) != []


def test_a_declared_difference_of_one_field_says_nothing_of_another() -> None:
    table = declared(Change("body", "null", "NaN"))
    ours, theirs = seen(body="null", log="null"), seen(body="NaN", log="NaN")
    assert len(unexplained("suite/case", ours, theirs, table)) == 1


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("", "words"), ("[1]", "[2]"), ("[1]", "words"), ("a (b) c", "a.b.c")],
)
def test_the_mark_for_any_text_stands_for_what_differs(ours: str, theirs: str) -> None:
    changes = {
        ("", "words"): Change("body", "", "w…"),
        ("[1]", "[2]"): Change("body", "[…", "[…"),
        ("[1]", "words"): Change("body", "…", "…ds"),
        ("a (b) c", "a.b.c"): Change("body", "a (…) c", "a.…"),
    }
    table = declared(changes[ours, theirs])
    assert unexplained("suite/case", seen(body=ours), seen(body=theirs), table) == []


def test_what_is_nothing_is_not_rewritten_within_something() -> None:
    table = declared(Change("log", "", "a line"))
    assert unexplained("suite/case", seen(log="other"), seen(log="a line"), table) != []


def test_a_declared_difference_that_does_not_occur_is_reported() -> None:
    table = declared(Change("body", "null", "NaN"))
    [complaint] = absent({"suite/case": seen(body="NaN")}, table)
    assert "not observed" in complaint
    assert absent({"suite/case": seen(body="null")}, table) == []


def test_differences_of_cases_that_were_not_run_are_left_alone() -> None:
    assert absent({"other/case": seen()}, declared(Change("body", "null", "NaN"))) == []


def test_a_difference_of_older_pythons_is_none_on_this_one() -> None:
    table = declared(Change("body", "null", "NaN"), before=(3, 0))
    assert unexplained("suite/case", seen(body="null"), seen(body="NaN"), table) != []
    assert absent({"suite/case": seen(body="NaN")}, table) == []
