"""The host's layers hold, and docs/architecture.md draws the state tables that run."""

import re

import pytest

from tests.repository.architecture import (
    DEVKIT,
    HOST,
    PARTS,
    RANKS,
    ROOT,
    TABLES,
    UPWARD,
    circles,
    imports,
    module_imports,
    part_imports,
)

PAGE = HOST.parents[2] / "docs" / "architecture.md"
ARROW = re.compile(r"    (\w+) --> (\w+): (.+)")


def test_every_part_of_the_host_has_its_layer():
    # A folder that was renamed may leave its bytecode behind.
    folders = {path.parent.name for path in HOST.glob("*/__init__.py")}
    files = {path.stem for path in HOST.glob("*.py")} - {"__init__"}
    assert folders | files == set(RANKS)


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


RUNTIME = HOST.parents[2] / "runtime" / "snapboot"


def test_no_two_modules_of_the_runtime_need_each_other_to_load_or_for_their_types():
    """What a function imports when it is called does not count, nor the package itself."""
    graph = {
        path.stem: {name.split(".")[1] for name in module_imports(path) if name.startswith(".")}
        for path in RUNTIME.glob("*.py")
        if path.stem != "__init__"
    }
    assert len(graph) > 30
    assert "wire" in graph["api"]
    assert circles(graph) == []


def test_a_circle_is_found_with_its_way():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(graph) == [["b", "c", "b"], ["c", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_every_file_and_folder_of_the_devkit_belongs_to_a_part():
    named = {place for _, places in PARTS.values() for place in places}
    found = {
        f"{DEVKIT}/{path.name}"
        for path in (ROOT / DEVKIT).iterdir()
        if (path.is_dir() or path.suffix == ".py")
        and path.name not in ("__init__.py", "__pycache__")
    }
    assert found == {place for place in named if place.startswith(DEVKIT)}
    assert all((ROOT / place).exists() for place in named)


def test_the_parts_import_downward_alone():
    order = list(PARTS)
    found = part_imports()
    assert ("cli", "host") in found
    upward = {(own, needed) for own, needed in found if order.index(own) > order.index(needed)}
    assert upward == UPWARD
