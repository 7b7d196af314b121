"""botocore's own tests, which give the same with its data and modules sealed into an archive."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from oracles import suites
from tests.fakes.boto import VARIABLES
from tests.fakes.contenders import OURS
from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess
from tests.fakes.sealed import seal

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

# An event is the name of a file of tests; the answer is each test's outcome, how many files with
# botocore's data were opened, and what loaded botocore. A client is made first, as a function does.
RUNNER = """
    import site
    import sys
    import botocore.session
    import pytest

    site.sethelper()  # some tests call `help`, which a function does not have
    session = botocore.session.get_session()
    client = session.create_client("s3")
    opened = []

    def hear(event, arguments):
        if event == "open" and "/botocore/data/" in str(arguments[0]):
            opened.append(arguments[0])

    sys.addaudithook(hear)

    class Outcomes:
        def __init__(self):
            self.by_test = {}

        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.outcome != "passed":
                self.by_test[report.nodeid] = f"{report.when} {report.outcome}"

    def handler(event, context):
        outcomes = Outcomes()
        options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--rootdir", "suite"]
        status = pytest.main([*options, f"suite/tests/{event}"], plugins=[outcomes])
        loader = type(botocore.session.__spec__.loader).__name__
        return [int(status), outcomes.by_test, len(opened), loader]
"""
# What looks for data, makes clients of it, and hooks into them; and how many tests are there, at least.
FILES = {
    "unit/test_args.py": 100,
    "unit/test_client.py": 250,
    "unit/test_config_provider.py": 80,
    "unit/test_endpoint_provider.py": 140,
    "unit/test_hooks.py": 40,
    "unit/test_loaders.py": 30,
    "unit/test_model.py": 90,
    "unit/test_paginate.py": 70,
    "unit/test_regions.py": 100,
    "unit/test_session.py": 80,
    "unit/test_waiters.py": 40,
    "functional/test_loaders.py": 1,
    "functional/test_regions.py": 350,
    "functional/test_s3.py": 280,
    "functional/test_stub.py": 20,
}
# Those whose clients the tests make most.
SERVICES = ("s3", "s3control", "sts", "sqs", "dynamodb", "ec2", "iam", "lambda", "cloudformation")
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def ways(tmp_path_factory) -> tuple[Function, Function]:
    """Return the same function twice, of which the second has an archive."""
    prepared = suites.folder(suites.BOTOCORE)
    made = []
    for name in ("files", "archive"):
        root: Path = tmp_path_factory.mktemp("botocore") / name
        shutil.copytree(prepared, root)
        function = Function(root)
        function.code(RUNNER)
        made.append(function)
    data = [f"botocore.loaders:{service}" for service in SERVICES]
    included = "botocore.discovery", "botocore.stub", *data
    document = seal(made[1].root, "app.handler", *included, **VARIABLES)
    assert document["data"].keys() >= {"botocore.loaders", "botocore.hooks"}
    return made[0], made[1]


def outcomes(function: Function, file: str) -> Any:
    environment = {**VARIABLES, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with RuntimeAPI(Event(json.dumps(file).encode()), deadline_s=DEADLINE_S) as api:
        process = RuntimeProcess(
            OURS, "app.handler", api.address, task_root=function.root, environment=environment
        )
        with process:
            answer = api.wait_for(Call.RESPONSE).json()
    assert answer[0] == pytest.ExitCode.OK, process.stdout.decode()[-5000:]
    return answer[1:]


@pytest.mark.parametrize("file", FILES)
def test_botocores_own_tests_give_the_same_with_its_data_sealed(ways, file: str):
    files, archive = (outcomes(function, file) for function in ways)
    assert archive[0] == files[0]
    assert len(files[0]) >= FILES[file]
    assert archive[1] < files[1]  # what was sealed is not read
    assert [files[2], archive[2]] == ["SourceFileLoader", "ArchiveLoader"]
