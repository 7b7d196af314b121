"""The test suites of other people's packages, which find nothing amiss in an archive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from oracles import suites
from snapboot_devkit.package.binary import modules
from tests.fakes.contenders import OURS, ROOT
from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

IN_TARGET = ROOT / "devkit/snapboot_devkit/package/in_target"

# An event is the name of a file of tests; the answer is what came of each, and who loaded what.
RUNNER = """
    import sys
    import pytest
    import {package}

    class Outcomes:
        def __init__(self):
            self.counts = dict.fromkeys(["passed", "failed", "skipped", "error"], 0)

        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.outcome != "passed":
                outcome = report.outcome if report.when == "call" else {{"failed": "error"}}.get(
                    report.outcome, report.outcome)
                self.counts[outcome] += 1

    def handler(event, context):
        outcomes = Outcomes()
        options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", "suite"]
        options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]  # of plugins not needed here
        status = pytest.main([*options, f"suite/tests/{{event}}"], plugins=[outcomes])
        loaders = {{
            name: type(module.__spec__.loader).__name__
            for name, module in sorted(sys.modules.items())
            if name.partition(".")[0] == {package!r}
        }}
        return [int(status), outcomes.counts, loaders]
"""


@pytest.fixture(params=[suites.DATEUTIL, suites.MARKUPSAFE], ids=lambda suite: suite.package)
def suite(request) -> suites.Suite:
    return request.param


@pytest.fixture
def function(suite, tmp_path: Path) -> Function:
    prepared = suites.folder(suite)
    shutil.copytree(prepared, tmp_path / "task")
    written = Function(tmp_path / "task")
    written.code(RUNNER.format(package=suite.package))
    return written


def outcomes(function: Function) -> dict[str, Any]:
    """Run each file of the tests in one and the same process."""
    files = sorted(path.name for path in (function.root / "suite/tests").glob("test_*.py"))
    with RuntimeAPI() as api:
        environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        process = RuntimeProcess(
            OURS, "app.handler", api.address, task_root=function.root, environment=environment
        )
        with process:
            return {name: _outcome(api, name, n, process) for n, name in enumerate(files, 1)}


def _outcome(api: RuntimeAPI, name: str, number: int, process: RuntimeProcess) -> Any:
    api.send(Event(json.dumps(name).encode()))
    status, counts, loaders = api.wait_for(Call.RESPONSE, count=number).json()
    assert status == pytest.ExitCode.OK, process.stdout.decode()[-5000:]
    return counts, loaders


def seal(function: Function, *included: str) -> modules.ModuleArchive:
    command = [sys.executable, "-SsP", str(IN_TARGET), "seal", str(function.root)]
    command += ["--handler", "app.handler", "--runtime", str(ROOT / "runtime")]
    command += [word for name in included for word in ("--include", name)]
    done = subprocess.run(command, capture_output=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout
    return modules.read((function.root / modules.NAME).read_bytes())


def test_a_package_s_own_tests_pass_with_the_package_loaded_from_the_archive(suite, function):
    from_files = outcomes(function)
    sealed = seal(function, f"{suite.package}.*")
    from_archive = outcomes(function)
    counts = {name: counted for name, (counted, _) in from_archive.items()}
    assert counts == {name: counted for name, (counted, _) in from_files.items()}
    assert sum(counted["passed"] for counted in counts.values()) > 50
    assert all(counted["failed"] == counted["error"] == 0 for counted in counts.values())
    _, loaders = list(from_archive.values())[-1]
    _, file_loaders = list(from_files.values())[-1]
    assert loaders.keys() == file_loaders.keys()
    assert set(loaders.values()) <= {"ArchiveLoader", "ExtensionFileLoader"}
    assert set(file_loaders.values()) <= {"SourceFileLoader", "ExtensionFileLoader"}
    of_package = [m for m in sealed.modules if m.name.partition(".")[0] == suite.package]
    assert {module.name for module in of_package} >= loaders.keys()
    extensions = {module.name for module in of_package if module.is_extension}
    assert {name for name in loaders if loaders[name] == "ExtensionFileLoader"} == extensions
    assert len(loaders) - len(extensions) >= suite.modules
