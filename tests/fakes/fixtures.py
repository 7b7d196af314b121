"""Fixtures for every test that runs the runtime as a process; a conftest imports those it wants."""

from __future__ import annotations

import compileall
import shutil
import venv
from typing import TYPE_CHECKING

import pytest

from tests.fakes.contenders import ROOT
from tests.fakes.function import TRANSPORTS, Function
from tests.fakes.sealed import Scene

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def bytecode() -> None:
    """Compile the runtime once, and not in each of the hundreds of processes."""
    compileall.compile_dir(ROOT / "runtime", quiet=2)


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an interpreter without packages, and so without the editable install of a checkout."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, symlinks=True)
    return str(folder / "bin/python")


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the runtime as it is in an image, a layer or a zip: `bootstrap` beside its modules."""
    folder = tmp_path_factory.mktemp("flat")
    folder.chmod(0o755)  # as in an image; pytest keeps its folders to one user
    shutil.copy2(ROOT / "bootstrap", folder)
    for module in (ROOT / "runtime").glob("*.py"):
        shutil.copy2(module, folder)
    sources_only = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "runtime/snapboot", folder / "snapboot", ignore=sources_only)
    return folder


@pytest.fixture
def function(tmp_path: Path) -> Function:
    """Return a function without any code yet."""
    root = tmp_path / "task"
    root.mkdir()
    return Function(root)


@pytest.fixture
def scene(function: Function) -> Scene:
    """Return a function that is to be sealed."""
    return Scene(function)


@pytest.fixture(params=TRANSPORTS)
def over(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables that choose a transport: each of them in turn."""
    return {"SNAPBOOT_TRANSPORT": request.param}
