"""`snapboot package --as wrapper-layer`: one layer for the functions of AWS's managed runtimes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from oracles import awslambdaric
from snapboot_devkit import aws_runtime
from snapboot_devkit.package.binary import bytecode
from snapboot_devkit.package.outputs.wrapper_layer import HOME, VERSIONS, WRAPPER
from tests.devkit.packages import own_interpreter, snapboot
from tests.fakes.contenders import ROOT, Contender
from tests.fakes.fixtures import function
from tests.fakes.runtime_api import Event
from tests.shipping.packages import LAYER, unpack

__all__ = ["function"]

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
# No wait for what cannot be reached.
OFFLINE = {**os.environ, "UV_OFFLINE": "1"}


def made(output, *arguments, **settings):
    words = ("package", "--as", "wrapper-layer", "--output", output, "--json", *arguments)
    done = snapboot(*words, **{"env": OFFLINE, **settings})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return the report of a layer, and the layer."""
    output = tmp_path_factory.mktemp("layer")
    report = made(output, "--python", own_interpreter().prefix)
    return report, output / LAYER


@pytest.fixture
def opt(packed, tmp_path):
    return unpack(packed[1], tmp_path / "opt")


def test_it_is_a_script_and_the_runtime_beside_it_and_no_name_on_the_functions_path(packed):
    report, path = packed
    with zipfile.ZipFile(path) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {name.split("/")[0] for name in modes} == {WRAPPER, HOME}
    assert stat.S_IMODE(modes[WRAPPER]) == 0o755
    assert f"{HOME}/snapboot/main.py" in modes
    assert f"{HOME}/snapshot_restore_py.py" in modes
    assert not [name for name in modes if "devkit" in name or name.endswith(".so")]
    assert report["files"] == [
        {"path": str(path), "zipBytes": path.stat().st_size, "sizeBytes": _unpacked(path)}
    ]
    assert report["variable"] == "AWS_LAMBDA_EXEC_WRAPPER=/opt/snapboot"


def _unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def test_every_module_has_unchecked_bytecode_for_each_version_that_was_found(packed, opt):
    report, _ = packed
    found = {version for version, program in report["compiledBy"].items() if program}
    assert OWN in found
    magics = {bytecode.MAGICS[tuple(map(int, version.split(".")))] for version in found}
    sources = list((opt / HOME).rglob("*.py"))
    assert len(sources) > 20
    for source in sources:
        headers = [
            bytecode.header(path.read_bytes())
            for path in (source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")
        ]
        assert {header.magic for header in headers} == magics
        assert {header.mode for header in headers} == {bytecode.Mode.UNCHECKED_HASH}
        assert all(header.is_of(source.read_bytes()) for header in headers)


def test_versions_without_an_interpreter_are_named_with_what_to_do(packed):
    report, _ = packed
    assert list(report["compiledBy"]) == [f"{major}.{minor}" for major, minor in VERSIONS]
    missing = [version for version, program in report["compiledBy"].items() if not program]
    assert len(report["warnings"]) == len(missing)
    for version, warning in zip(missing, report["warnings"], strict=True):
        assert f"no bytecode for CPython {version}" in warning
        assert f"uv python install {version}" in warning


@pytest.mark.slow
def test_the_same_sources_make_the_same_bytes(packed, tmp_path):
    interpreter = own_interpreter()
    made(tmp_path / "again", "--python", f"{interpreter.program},{OWN}")
    assert (tmp_path / "again" / LAYER).read_bytes() == packed[1].read_bytes()


def test_the_output_for_people_says_what_to_do_with_it(tmp_path):
    words = ("package", "--as", "wrapper-layer", "--output", tmp_path / "dist")
    done = snapboot(*words, env=OFFLINE)
    assert done.returncode == 0, done.stderr
    (line,) = (each for each in done.stdout.splitlines() if each.startswith("bytecode for"))
    assert OWN in line.removeprefix("bytecode for CPython ").split(", ")
    assert f"fileb://{tmp_path}/dist/{LAYER}" in done.stdout
    assert "Variables={AWS_LAMBDA_EXEC_WRAPPER=/opt/snapboot}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((".",), "leave out the folder '.'"),
        (("--handler", "app.handler"), "leave out --handler 'app.handler'"),
        (("--python", "3.10"), "3.11"),
        (("--python", "/nowhere"), "'/nowhere'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, arguments, words):
    usual = ("package", "--as", "wrapper-layer", "--output", tmp_path / "dist")
    done = snapboot(*usual, *arguments, env=OFFLINE)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("missing", ["source", "handler"])
def test_other_forms_still_take_a_function(tmp_path, missing):
    given = {"source": (tmp_path,), "handler": ("--handler", "app.handler")}
    words = [word for name, some in given.items() if name != missing for word in some]
    done = snapboot("package", *words, "--as", "zip", "--output", tmp_path / "dist")
    assert done.returncode == 2
    assert "--handler" in done.stderr


@pytest.mark.slow
def test_packages_for_the_runtime_come_with_it_where_they_are_asked_for(tmp_path):
    report = made(tmp_path, "--with", "orjson", "--with", "urllib3", env=dict(os.environ))
    if any("orjson is left out" in text and "index" in text for text in report["warnings"]):
        pytest.skip(report["warnings"][0])
    home = unpack(tmp_path / LAYER, tmp_path / "opt") / HOME
    built = {path.name.split(".")[1] for path in (home / "orjson").glob("*.so")}
    tag = f"cpython-{OWN.replace('.', '')}"
    assert {f"{tag}-x86_64-linux-gnu", f"{tag}-aarch64-linux-gnu"} <= built
    assert (home / "urllib3/__init__.py").is_file()


# --- it runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def var_runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("var") / "runtime"
    shutil.copytree(awslambdaric.folder(), folder)
    python = Path(sys.base_prefix) / f"bin/python{OWN}"
    aws_runtime.write_scripts(folder, f"python{OWN}", str(python))
    return folder


def test_its_bytecode_alone_serves_a_function_on_a_managed_runtime(function, var_runtime, opt):
    function.code("def handler(event, context): return [event, type(context).__module__]")
    for source in (opt / HOME).rglob("*.py"):
        source.write_text("raise AssertionError('the source was looked at')\n")
    variables = {
        "LAMBDA_RUNTIME_DIR": str(var_runtime),
        "AWS_LAMBDA_EXEC_WRAPPER": str(opt / WRAPPER),
    }
    contender = Contender("managed", lambda _: [str(var_runtime / "bootstrap")], lambda: variables)
    run = function.run(Event(b"1"), contender=contender)
    assert (run.result, run.stderr) == ([1, "snapboot.context"], "")


def test_the_script_is_the_repositorys_own(opt):
    assert (opt / WRAPPER).read_bytes() == (ROOT / "runtime/snapboot/exec").read_bytes()
