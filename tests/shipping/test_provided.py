"""`provided.al2023`: zip and layer on a system without any Python, under AWS's emulator."""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil

import pytest

from oracles import roots
from tests.fakes.mounts import MOUNT
from tests.shipping import packages, rooted
from tests.shipping.cases import BOTO3, CASES, OPTIONAL, PLAIN
from tests.shipping.rooted import Rooted

pytestmark = pytest.mark.slow

ARCHIVE = "snapboot.modules"
HEXVERSION_AT = 20
# The packaged bootstrap names its interpreter by that path.
WITH_VAR_TASK = ("unshare", "--mount", "sh", "-euc", MOUNT, "sh", "--")
NO_PYTHON = "garbage that no interpreter could compile ]["


@pytest.fixture(scope="module")
def root():
    return roots.bare()


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layer")
    source = packages.witnessed(PLAIN, folder / "source")
    output = packages.package(source, folder / "dist", "--as", "layer", *packages.INTERPRETER)
    return packages.unpack(output / packages.LAYER, folder / "opt")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return what returns the folder of a function that brings all it needs; it stays as it is."""

    @functools.cache
    def packaged(name):
        folder = tmp_path_factory.mktemp(name)
        source = packages.witnessed(
            next(case for case in CASES if case.name == name), folder / "source"
        )
        output = packages.package(source, folder / "dist", "--as", "zip", *packages.INTERPRETER)
        return packages.unpack(output / packages.FUNCTION, folder / "task")

    return lambda case: packaged(case.name)


@pytest.fixture
def changeable(alone, case, tmp_path):
    """Return a copy of such a folder."""
    return shutil.copytree(alone(case), tmp_path / "task", symlinks=True)


@pytest.fixture
def on_the_layer(tmp_path, case):
    """Return the folder of a function that brings neither interpreter nor runtime."""
    source = packages.witnessed(case, tmp_path / "source")
    options = ("--as", "zip", "--no-interpreter", *packages.INTERPRETER)
    output = packages.package(source, tmp_path / "dist", *options)
    return packages.unpack(output / packages.FUNCTION, tmp_path / "task")


def second_answer(root, case, places):
    """Invoke the function twice; return its answer the second time, and the log."""
    with Rooted(root, packages.HANDLER, places=places) as function:
        for _ in range(2):
            answer = function.invoke(json.dumps(case.event).encode())
        assert answer.status == 200, f"{answer!r} of {function!r}"
        return json.loads(answer.body), function.log()


def assert_it_came_from_the_archive(case, answer):
    """The result is right, and no module of it had to be compiled or looked for."""
    assert answer.get("result") == case.result, answer
    assert answer["compiled"] == []
    assert answer["loaders"]["ArchiveLoader"] >= case.modules


def test_the_root_has_no_python(root):
    found = [path for path in root.glob("usr/**/*python*") if path.is_file()]
    assert [
        path for path in found if path.suffix in {"", ".so"} and path.stat().st_mode & 0o111
    ] == []


@pytest.mark.parametrize("case", [PLAIN, BOTO3], ids=str)
def test_a_zip_runs_without_any_python_around_it(root, case, alone):
    answer, log = second_answer(root, case, {"/var/task": alone(case)})
    assert_it_came_from_the_archive(case, answer)
    assert log == ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_function_runs_on_the_layer(root, layer, case, on_the_layer):
    answer, log = second_answer(root, case, {"/var/task": on_the_layer, "/opt": layer})
    assert_it_came_from_the_archive(case, answer)
    assert log == ""


@pytest.mark.parametrize("case", [OPTIONAL], ids=str)
def test_what_only_this_machines_interpreter_has_is_not_taken_along(
    root, layer, case, on_the_layer
):
    assert importlib.util.find_spec("pip"), "the interpreter of the tests has nothing to take along"
    answer, log = second_answer(root, case, {"/var/task": on_the_layer, "/opt": layer})
    assert_it_came_from_the_archive(case, answer)
    assert log == ""


@pytest.mark.parametrize("case", [PLAIN], ids=str)
def test_no_source_is_read_at_all(root, changeable, case):
    sources = packages.sources([changeable])
    assert len(sources) > 300
    for source in sources:
        source.write_text(NO_PYTHON)
    answer, log = second_answer(root, case, {"/var/task": changeable})
    assert_it_came_from_the_archive(case, answer)
    assert log == ""


@pytest.mark.parametrize("case", [BOTO3], ids=str)
def test_without_its_archive_a_function_runs_from_bytecode(root, changeable, case):
    (changeable / ARCHIVE).unlink()
    answer, log = second_answer(root, case, {"/var/task": changeable})
    assert (answer["result"], answer["compiled"], log) == (case.result, [], "")
    assert "ArchiveLoader" not in answer["loaders"]


@pytest.mark.parametrize("case", [PLAIN], ids=str)
def test_an_archive_of_another_release_is_refused_in_one_line_and_does_no_harm(
    root, changeable, case
):
    with (changeable / ARCHIVE).open("r+b") as file:
        file.seek(HEXVERSION_AT)
        file.write(bytes(4))
    answer, log = second_answer(root, case, {"/var/task": changeable})
    assert (answer["result"], answer["compiled"]) == (case.result, [])
    (line,) = log.splitlines()
    assert "/var/task/snapboot.modules is not used" in line


@pytest.mark.parametrize("case", [PLAIN], ids=str)
def test_bytecode_that_is_missing_is_reported_in_one_line(root, changeable, case):
    (changeable / ARCHIVE).unlink()
    for folder in list(changeable.rglob("__pycache__")):
        shutil.rmtree(folder)
    answer, log = second_answer(root, case, {"/var/task": changeable})
    assert answer["result"] == case.result
    assert "/var/task/app.py" in answer["compiled"]
    (line,) = log.splitlines()
    assert "compiled" in line


def test_the_host_runs_what_was_packaged(alone):
    rooted.require()
    packed = alone(PLAIN).parent / "dist" / packages.FUNCTION
    command = ["invoke", packages.HANDLER, json.dumps(PLAIN.event), "--isolate", "--timeout", "30"]
    command += ["--task-root", str(packed)]
    done = packages.snapboot(*command, under=[*WITH_VAR_TASK])
    assert done.returncode == 0, done
    answer = json.loads(done.stdout)
    assert answer["result"] == {**PLAIN.result, "name": answer["result"]["name"]}
    assert answer["compiled"] == []
    assert answer["loaders"]["ArchiveLoader"] >= PLAIN.modules
