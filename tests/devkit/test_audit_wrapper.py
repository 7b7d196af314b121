"""An audit for AWS's managed runtime that is served by snapboot, through its wrapper."""

from __future__ import annotations

import shutil

import pytest

from snapboot_devkit.package.audit import audit, fix
from tests.devkit.audited import codes, compile_all, filled, zipped
from tests.fakes.contenders import ROOT

RUNTIME = ROOT / "runtime"
WITHOUT = shutil.ignore_patterns("__pycache__", "exec")
OF_THE_WRAPPER = {"wrapper-not-executable", "wrapper-incomplete", "wrapper-python"}


@pytest.fixture
def layer(tmp_path):
    """Return the wrapper layer, with bytecode for this version, and some for another."""
    folder = filled(tmp_path / "layer", {})
    shutil.copytree(RUNTIME, folder / "snapboot.d", ignore=WITHOUT)
    shutil.copy(RUNTIME / "snapboot/exec", folder / "snapboot")
    compile_all(folder)
    for path in list(folder.rglob("*.pyc")):
        other = path.with_name(f"{path.name.partition('.')[0]}.cpython-399.pyc")
        shutil.copy(path, other)
    return folder


@pytest.fixture
def function(tmp_path):
    """Return a function in whose folder pip has put the runtime, without bytecode."""
    folder = filled(tmp_path / "function", {"app.py": "def handler(event, context): return 1\n"})
    shutil.copytree(RUNTIME / "snapboot", folder / "snapboot", ignore=WITHOUT)
    shutil.copy(RUNTIME / "snapboot/exec", folder / "snapboot/exec")
    return folder


def test_the_layer_is_one_for_a_managed_runtime_and_nothing_is_wrong_with_it(layer):
    report = audit(layer)
    assert (report.form, report.place, codes(report)) == ("layer", "managed", {})


def test_fixing_the_layer_keeps_the_bytecode_of_every_version(layer):
    before = sorted(path.name for path in layer.rglob("*.pyc"))
    fix(layer)
    assert sorted(path.name for path in layer.rglob("*.pyc")) == before


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_wrapper_that_is_not_executable_is_an_error(layer, function, tmp_path, packed):
    for folder, path, place in (
        (layer, "snapboot", "/opt/snapboot"),
        (function, "snapboot/exec", "/var/task/snapboot/exec"),
    ):
        (folder / path).chmod(0o644)
        package = zipped(folder, tmp_path / f"{folder.name}.zip") if packed else folder
        report = audit(package)
        assert codes(report)["wrapper-not-executable"] == "error"
        (finding,) = (one for one in report.findings if one.code == "wrapper-not-executable")
        assert finding.path == path
        assert f"AWS_LAMBDA_EXEC_WRAPPER={place}" in finding.message


def test_a_wrapper_without_its_runtime_is_reported(layer):
    shutil.rmtree(layer / "snapboot.d/snapboot")
    assert codes(audit(layer))["wrapper-incomplete"] == "warning"


def test_what_the_wrapper_itself_compiles_at_each_start_counts(function):
    with_wrapper = audit(function)
    assert codes(with_wrapper)["bytecode-missing"] == "warning"
    (function / "snapboot/exec").unlink()
    without = audit(function)
    assert with_wrapper.measured.modules > without.measured.modules + 5


def test_nothing_of_it_is_said_of_a_function_for_another_runtime(function):
    (function / "snapboot/exec").chmod(0o644)
    report = audit(function, target="provided.al2023")
    assert not OF_THE_WRAPPER & codes(report).keys()
