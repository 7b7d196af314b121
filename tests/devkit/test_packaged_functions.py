"""A packaged function's own bootstrap: when the host starts that one, in place of its own."""

import sys
from pathlib import Path

import pytest

from snapboot_devkit.host.execution import packaged
from snapboot_devkit.host.sources import Code
from tests.devkit.packages import filled

PROGRAM = ".snapboot/python/bin/python3"


def head():
    return Path(sys.executable).read_bytes()[:64]


def part(root, place, program=None):
    """Make the folder of a package that is at `place` on Lambda."""
    files = {"bootstrap": f"#!{place}/{PROGRAM} -SsP\nimport snapboot\n"}
    return filled(root, files | {PROGRAM: head() if program is None else program})


def test_one_in_the_code_is_known_by_its_path_on_lambda(tmp_path):
    assert packaged.bootstrap(Code(part(tmp_path, "/var/task"))) == Path("/var/task/bootstrap")


def test_so_is_one_in_a_layer(tmp_path):
    code = filled(tmp_path / "task", {"app.py": ""})
    layer = part(tmp_path / "opt", "/opt")
    assert packaged.bootstrap(Code(code, layer)) == Path("/opt/bootstrap")


def test_one_for_another_machine_is_left_alone(tmp_path):
    other = bytearray(head())
    other[18] ^= 0xFF
    assert packaged.bootstrap(Code(part(tmp_path, "/var/task", bytes(other)))) is None


@pytest.mark.parametrize(
    "text",
    ["#!/bin/sh\n", "#!/usr/bin/env -S python3 -SsP\n", "#!/opt/python\n", "#!\n", "", "\x7fELF"],
)
def test_one_that_names_no_interpreter_of_the_package_is_none(tmp_path, text):
    assert packaged.bootstrap(Code(filled(tmp_path, {"bootstrap": text}))) is None


def test_one_whose_interpreter_is_missing_is_none(tmp_path):
    code = part(tmp_path, "/var/task")
    (code / PROGRAM).unlink()
    assert packaged.bootstrap(Code(code)) is None


def test_without_a_bootstrap_there_is_none(tmp_path):
    assert packaged.bootstrap(Code(filled(tmp_path, {"app.py": ""}))) is None
