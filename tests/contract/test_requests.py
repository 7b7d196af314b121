"""What the two runtimes send to the Runtime API is the same where the platform or a caller reads it."""

from __future__ import annotations

import json

import pytest

from tests.contract.suites import FUNCTIONS
from tests.fakes.contenders import AWSLAMBDARIC, CONTENDERS, OURS, Contender
from tests.fakes.runtime_api import Call, Event, Request, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess

pytestmark = pytest.mark.usefixtures("incumbent")

INVOCATION_ID = "Lambda-Runtime-Invocation-Id"
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
CAUSE = "Lambda-Runtime-Function-XRay-Error-Cause"


def named(name: str, **headers: str) -> Event:
    return Event(json.dumps(name).encode(), headers=headers)


def requests(contender: Contender, function: str, *events: Event) -> tuple[Request, ...]:
    root = FUNCTIONS / function
    with (
        RuntimeAPI(*events) as api,
        RuntimeProcess(contender, "app.handler", api.address, task_root=root),
    ):
        api.wait_idle()
        return api.requests


def answer(contender: Contender, function: str, event: Event) -> Request:
    return next(r for r in requests(contender, function, event) if r.method == "POST")


@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_every_call_of_a_run_travels_on_one_connection(contender: Contender) -> None:
    sent = requests(contender, "echo", *(named(str(number)) for number in range(20)))
    assert {request.connection for request in sent} == {1}
    assert [request.call for request in sent] == [Call.NEXT, Call.RESPONSE] * 20 + [Call.NEXT]


@pytest.mark.parametrize("result", ["dict", "text", "none", "bytes", "no bytes"])
def test_results_are_posted_with_the_same_content_type(result: str) -> None:
    ours, theirs = (answer(each, "results", named(result)) for each in CONTENDERS)
    assert ours.path == theirs.path
    assert ours.header("Content-Type") == theirs.header("Content-Type") is not None


@pytest.mark.parametrize("function", ["echo", "failures"])
def test_the_invocation_id_is_echoed_when_there_is_one(function: str) -> None:
    marked, unmarked = named("ValueError", **{INVOCATION_ID: "abc-1"}), named("ValueError")
    for contender in CONTENDERS:
        sent = requests(contender, function, marked, unmarked)
        ids = [request.header(INVOCATION_ID) for request in sent if request.method == "POST"]
        assert ids == ["abc-1", None], contender


@pytest.mark.parametrize("failure", ["ValueError", "unicode", "chained", "stdlib frames", "group"])
def test_the_cause_for_x_ray_says_the_same(failure: str) -> None:
    causes = [answer(each, "failures", named(failure)).header(CAUSE) for each in CONTENDERS]
    ours, theirs = (json.loads(cause or "null") for cause in causes)
    for cause in (ours, theirs):
        cause["paths"].sort()
    assert ours == theirs


def test_only_snapboot_names_the_type_of_a_failed_invocation_to_the_platform() -> None:
    assert answer(OURS, "failures", named("ValueError")).header(ERROR_TYPE) == "ValueError"
    assert answer(AWSLAMBDARIC, "failures", named("ValueError")).header(ERROR_TYPE) is None


def test_a_cause_too_long_for_a_header_is_cut_by_snapboot_and_left_out_by_awslambdaric() -> None:
    ours, theirs = (answer(each, "failures", named("10 MB")) for each in CONTENDERS)
    cause = json.loads(ours.header(CAUSE) or "null")
    assert cause["exceptions"][0]["type"] == "ValueError"
    assert not theirs.header(CAUSE)
