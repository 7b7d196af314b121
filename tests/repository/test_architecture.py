"""The host's layers hold, and docs/architecture.md draws the state tables that run."""

import re

import pytest

from tests.repository.architecture import HOST, RANKS, TABLES, imports

PAGE = HOST.parents[2] / "docs" / "architecture.md"
ARROW = re.compile(r"    (\w+) --> (\w+): (.+)")


def test_every_part_of_the_host_has_its_layer():
    parts = {path.name.removesuffix(".py") for path in HOST.iterdir() if path.name[0] not in "_."}
    assert parts == set(RANKS)


def test_the_hosts_imports_point_down_alone():
    found = list(imports())
    assert len(found) > 200
    upward = {
        f"{file} imports {needed}" for file, own, needed in found if RANKS[own] >= RANKS[needed]
    }
    assert upward == set()


@pytest.mark.parametrize("name", TABLES)
def test_the_page_draws_each_transition_of_a_table_and_no_other(name):
    text = PAGE.read_text(encoding="utf-8")
    drawn = text.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]
    arrows = {
        (before, move, after)
        for before, after, moves in ARROW.findall(drawn)
        for move in moves.split(", ")
    }
    table = {(state.name, move.name, after.name) for (state, move), after in TABLES[name].items()}
    assert arrows == table
