"""Around a snapshot, the two runtimes run the same hooks and report the same failures of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.suites import FUNCTIONS
from tests.fakes.contenders import CONTENDERS, Contender
from tests.fakes.runtime_api import Call, Event, Request, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

pytestmark = pytest.mark.usefixtures("incumbent")
every_contender = pytest.mark.parametrize(
    "contender", CONTENDERS, ids=lambda contender: contender.name
)

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
HOOKS = FUNCTIONS / "hooks"


def start(contender: Contender, api: RuntimeAPI, **environment: str) -> RuntimeProcess:
    return RuntimeProcess(
        contender, "app.handler", api.address, task_root=HOOKS, environment=environment
    )


def failure(contender: Contender, hooks: str, call: Call) -> tuple[int, Request]:
    with RuntimeAPI(Event()) as api, start(contender, api, HOOKS=hooks, **SNAP_START) as process:
        return process.wait().returncode, api.wait_for(call)


@every_contender
def test_hooks_run_last_registered_first_before_and_in_order_after(contender: Contender) -> None:
    with RuntimeAPI(Event()) as api, start(contender, api, **SNAP_START):
        result = api.wait_for(Call.RESPONSE)
        calls = [request.call for request in api.requests]
    assert result.json() == ["second before", "first before", "first after", "second after"]
    assert calls[:3] == [Call.RESTORE_NEXT, Call.NEXT, Call.RESPONSE]


@every_contender
def test_without_snapstart_no_hook_runs(contender: Contender) -> None:
    with RuntimeAPI(Event()) as api, start(contender, api):
        assert api.wait_for(Call.RESPONSE).json() == []
        assert api.sent(Call.RESTORE_NEXT) == ()


@pytest.mark.parametrize(
    ("hooks", "call", "error_type", "exit_code"),
    [
        ("before raises", Call.INIT_ERROR, "Runtime.BeforeSnapshotError", 64),
        ("before exits", Call.INIT_ERROR, "Runtime.BeforeSnapshotError", 64),
        ("after raises", Call.RESTORE_ERROR, "Runtime.AfterRestoreError", 65),
        ("after exits", Call.RESTORE_ERROR, "Runtime.AfterRestoreError", 65),
    ],
)
def test_a_hook_that_fails_is_reported_alike_and_ends_the_process(
    hooks: str, call: Call, error_type: str, exit_code: int
) -> None:
    documents: list[Any] = []
    for contender in CONTENDERS:
        seen, request = failure(contender, hooks, call)
        assert seen == exit_code, contender
        assert request.header("Lambda-Runtime-Function-Error-Type") == error_type, contender
        documents.append(request.json())
    ours, theirs = documents
    # Awslambdaric shows the frame of its own that runs the hook; we show the function's.
    assert theirs["stackTrace"].pop(0) not in ours["stackTrace"]
    assert ours == theirs
