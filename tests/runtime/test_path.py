"""`sys.path` and what `site` does for a function, as under the managed runtime."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT, Contender
from tests.fakes.mounts import LAYERS, TASK_ROOT, mounted
from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.fakes.function import Function

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_OF_LAYERS = f"/opt/python/lib/{PYTHON}/site-packages"
PATH = """
import sys

def handler(event, context):
    return sys.path
"""
FROM_CHECKOUT = [sys.executable, "-SsP", str(ROOT / "bootstrap")]


def position(path: list[str], entry: object) -> int:
    assert path.count(str(entry)) == 1, (entry, path)
    return path.index(str(entry))


# --- the order ----------------------------------------------------------------------------------


def test_the_path_leads_from_the_function_over_its_layers_to_our_folder(function: Function):
    function.code(PATH)
    path = function.run(Event()).result
    assert path[:3] == [str(function.root), SITE_OF_LAYERS, "/opt/python"]
    assert path[-1] == str(ROOT / "runtime")


def test_packages_of_the_interpreter_come_before_the_standard_library(function: Function):
    function.code(PATH)
    path = function.run(Event()).result
    ours = [entry for entry in path if entry.endswith(("site-packages", "dist-packages"))][1:]
    assert ours
    assert position(path, ours[-1]) < position(path, Path(os.__file__).parent)


def test_a_pythonpath_of_the_users_takes_the_place_of_the_layers(function: Function):
    function.code(PATH)
    path = function.run(Event(), environment={"PYTHONPATH": "/one:/two"}).result
    assert path[:3] == [str(function.root), "/one", "/two"]
    assert not any(entry.startswith("/opt/python") for entry in path), "there are no layers"


def test_child_processes_get_the_pythonpath_of_the_managed_runtime(function: Function):
    function.code("import os\ndef handler(event, context): return os.getenv('PYTHONPATH')")
    theirs = function.run(Event(), environment={"LAMBDA_RUNTIME_DIR": "/var/runtime"})
    own = function.run(Event(), environment={"PYTHONPATH": "/one"})
    assert (theirs.result, own.result) == ("/var/runtime", "/one")


def test_the_working_directory_is_not_on_the_path(function: Function, tmp_path):
    function.code(PATH)
    change = ["sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path), *FROM_CHECKOUT]
    contender = Contender("elsewhere", lambda handler: change, dict)
    path = function.run(Event(), contender=contender).result
    assert not {"", ".", str(tmp_path)} & set(path)


def test_the_task_root_is_var_task_unless_named(function: Function):
    function.code(PATH)
    run = function.run(Event(), contender=mounted(FROM_CHECKOUT, {TASK_ROOT: function.root}))
    assert run.result[0] == TASK_ROOT


# --- layers -------------------------------------------------------------------------------------


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """Return the content of /opt: a package in each folder for Python, and a `.pth` file in each."""
    folder = tmp_path / "layers"
    for place in ("python", f"python/lib/{PYTHON}/site-packages"):
        (folder / place / "from_path_file").mkdir(parents=True)
        (folder / place / "layer.pth").write_text("from_path_file\n")
        (folder / place / "both.py").write_text(f"where = {place!r}\n")
    (folder / "python/plain.py").write_text("")
    (folder / f"python/lib/{PYTHON}/site-packages/installed.py").write_text("")
    return folder


IMPORTS_FROM_LAYERS = """
import both, installed, plain, sys

def handler(event, context):
    return [both.where, sys.path]
"""


def test_layers_bring_modules_and_path_files(function: Function, layers):
    function.code(IMPORTS_FROM_LAYERS)
    contender = mounted(FROM_CHECKOUT, {TASK_ROOT: function.root, LAYERS: layers})
    where, path = function.run(Event(), contender=contender).result
    assert where == f"python/lib/{PYTHON}/site-packages"
    assert position(path, "/opt/python/from_path_file")
    assert position(path, f"{SITE_OF_LAYERS}/from_path_file")


LAST = [SITE_OF_LAYERS, "/opt/python"]


@pytest.mark.parametrize(
    ("python_path", "behind"),
    [("/one", LAST), ("", LAST), ("/opt/python", LAST[:1]), (":".join(LAST), [])],
)
def test_layers_come_last_when_a_wrapper_sets_pythonpath(
    function: Function, layers, bare_python, python_path, behind
):
    wrapper = function.write(
        "wrapper", f'#!/bin/sh\nexport PYTHONPATH="{python_path}"\nexec "$@"\n'
    )
    wrapper.chmod(0o755)
    function.code(IMPORTS_FROM_LAYERS)
    command = [bare_python, "-SsP", str(ROOT / "bootstrap")]
    contender = mounted(command, {TASK_ROOT: function.root, LAYERS: layers})
    run = function.run(
        Event(), contender=contender, environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrapper"}
    )
    _, path = run.result
    added = [f"{folder}/from_path_file" for folder in LAST]
    assert [entry for entry in path if entry in added][: len(behind)] == added[: len(behind)]
    own = [entry for entry in path if entry not in added][:-1]
    assert own[len(own) - len(behind) :] == behind
    assert all(path.count(folder) == 1 for folder in LAST)
    assert path[-1] == str(ROOT / "runtime")


# --- what `site` does ---------------------------------------------------------------------------


def test_path_files_of_the_task_root_are_read(function: Function):
    function.write("vendored/dependency.py", "value = 1")
    function.write("my.pth", "vendored\nimport sys; sys.executed_from_a_path_file = True\n")
    function.code("""
        import dependency, sys

        def handler(event, context):
            return [dependency.value, sys.executed_from_a_path_file]
    """)
    assert function.run(Event()).result == [1, True]


def test_a_path_file_that_fails_is_reported_and_does_not_stop_the_function(function: Function):
    function.write("my.pth", "import does_not_exist_anywhere\n")
    function.code(PATH)
    run = function.run(Event())
    assert run.result
    assert "does_not_exist_anywhere" in run.stderr


def test_site_is_not_imported_where_nothing_needs_it(function: Function):
    function.code("import sys\ndef handler(event, context): return 'site' in sys.modules")
    assert function.run(Event(), contender=_in_an_empty_environment(function)).result is False


def _in_an_empty_environment(function: Function) -> Contender:
    """Return our runtime on an interpreter without packages: an editable install is a path file."""
    folder = function.root.parent / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    return Contender("bare", lambda handler: [str(python), "-SsP", str(ROOT / "bootstrap")], dict)


def test_packages_of_a_virtual_environment_are_found(function: Function):
    contender = _in_an_empty_environment(function)
    (packages,) = (function.root.parent / "venv/lib").glob("*/site-packages")
    (packages / "dependency.py").write_text("value = 1")
    function.code("""
        import dependency, sys

        def handler(event, context):
            return [dependency.__file__, sys.prefix]
    """)
    run = function.run(Event(), contender=contender)
    assert run.result == [str(packages / "dependency.py"), str(function.root.parent / "venv")]


def test_packages_are_found_by_an_interpreter_outside_of_any_environment(function: Function):
    base = Path(sys.base_prefix) / "bin" / PYTHON
    if subprocess.run([base, "-c", "import pip"], check=False, capture_output=True).returncode:
        pytest.skip(f"{base} has no package to be found, not even pip")
    contender = Contender(
        "base", lambda handler: [str(base), "-SsP", str(ROOT / "bootstrap")], dict
    )
    function.code("import pip\ndef handler(event, context): return pip.__file__")
    known = function.run(Event(), contender=contender)
    assert known.result.startswith(sys.base_prefix)


def test_sitecustomize_is_run(function: Function, tmp_path):
    folder = tmp_path / "customized"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys; sys.customized = True\n")
    function.code("import sys\ndef handler(event, context): return sys.customized")
    assert function.run(Event(), environment={"PYTHONPATH": str(folder)}).result is True


@pytest.mark.parametrize("name", ["exit", "quit"])
def test_the_builtins_that_site_adds_are_there(function: Function, name):
    function.code(f"def handler(event, context): {name}(3)")
    assert function.run(Event()).returncode == 3


def test_python_options_by_variable_are_honoured(function: Function):
    function.code(
        "import faulthandler\ndef handler(event, context): return faulthandler.is_enabled()",
    )
    assert function.run(Event(), environment={"PYTHONFAULTHANDLER": "1"}).result is True


# --- bytecode -----------------------------------------------------------------------------------


def test_bytecode_is_written_where_it_can_be(function: Function):
    function.code(PATH)
    function.run(Event(), environment={"PYTHONDONTWRITEBYTECODE": None})
    assert list(function.root.glob("__pycache__/app.*.pyc"))


def test_no_bytecode_is_tried_where_the_task_root_is_read_only(function: Function):
    function.code("import sys\ndef handler(event, context): return sys.dont_write_bytecode")
    contender = mounted(FROM_CHECKOUT, {TASK_ROOT: function.root})
    run = function.run(Event(), contender=contender, environment={"PYTHONDONTWRITEBYTECODE": None})
    assert run.result is True


def test_no_bytecode_is_tried_as_early_as_in_the_import_of_the_handler(function: Function):
    function.code("""
        import sys

        tried = not sys.dont_write_bytecode

        def handler(event, context):
            return tried
    """)
    contender = mounted(FROM_CHECKOUT, {TASK_ROOT: function.root})
    run = function.run(Event(), contender=contender, environment={"PYTHONDONTWRITEBYTECODE": None})
    assert run.result is False


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_bytecode_is_tried_where_permissions_forbid_it(function: Function):
    function.code("import sys\ndef handler(event, context): return sys.dont_write_bytecode")
    function.root.chmod(0o555)
    assert function.run(Event(), environment={"PYTHONDONTWRITEBYTECODE": None}).result is True
