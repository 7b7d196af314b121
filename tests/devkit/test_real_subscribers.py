"""Real extensions that subscribe to telemetry, and get all of it, in order, whenever it froze."""

import asyncio
import sys

import pytest

from tests.devkit.children import until_state
from tests.devkit.extensions import Stage
from tests.devkit.hosted import hosted
from tests.devkit.test_freeze import STOPPED

TELEMETRY = "/2022-07-01/telemetry"
LOGS = "/2020-08-15/logs"
ALL = ("platform", "function", "extension")
REGISTER = ["register", "INVOKE", "SHUTDOWN"]
SERVE = ["serve"]
# Longer than any test: only a full buffer, or the end, makes it go.
NEVER_MS = 30_000
FULL_BUFFER = "\n".join(["x"] * 10_000)
INIT = [
    "platform.initStart",
    "platform.telemetrySubscription",
    "platform.initRuntimeDone",
    "platform.extension",
    "platform.initReport",
]
INVOCATION = ["platform.start", "function", "platform.runtimeDone", "platform.report"]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def subscribe(protocol="HTTP", *types, path=TELEMETRY, schema="2022-12-13", timeout_ms=25):
    return ["subscribe_by", protocol, path, schema, timeout_ms, *(types or ALL)]


def subscriber(stage, step, owed):
    """Add an extension that subscribes, hears of two events, and leaves when it has what is owed."""
    patient = [["look"], ["look"], ["look"], ["wait_for_telemetry", owed], ["leave", 0]]
    stage.extension("subscriber", [REGISTER, ["say", "early"], step, *patient])


def staged(stage, scenario, **settings):
    """Run a scenario with a function that prints its event."""
    return hosted("say", scenario, layers=[stage.layer], env=stage.variables, **settings)


def delivered(stage, scenario, **settings):
    """Run a scenario, and return what was delivered to the subscriber."""
    staged(stage, scenario, **settings)
    return stage.telemetry("subscriber")


async def twice(host):
    for text in ("one", "two"):
        await host.invoke([f"{text}\n"])


def records(events, kind):
    return [event["record"] for event in events if event["type"] == kind]


@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "awake"])
def test_a_subscriber_gets_everything_in_order_from_before_it_subscribed_to_the_end(
    stage, protocol, freeze
):
    subscriber(stage, subscribe(protocol), len(INIT + INVOCATION * 2) + 1)
    events = delivered(stage, twice, freeze=freeze)
    kinds = [event["type"] for event in events]
    # When a line of its own is read is a matter of luck.
    assert [kind for kind in kinds if kind != "extension"] == INIT + INVOCATION * 2
    assert records(events, "extension") == ["early"]
    assert records(events, "function") == ["one", "two"]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    requests = {record["requestId"] for record in records(events, "platform.report")}
    assert requests == {record["requestId"] for record in records(events, "platform.start")}
    assert len(requests) == 2


def test_a_subscriber_to_some_streams_gets_no_other(stage):
    subscriber(stage, subscribe("HTTP", "function"), 2)
    assert [event["type"] for event in delivered(stage, twice)] == ["function", "function"]


def test_a_subscriber_to_logs_gets_what_they_were_before_telemetry(stage):
    init = [kind for kind in INIT if kind not in {"platform.initStart", INIT[1]}]
    invocation = [*INVOCATION[:3], "platform.end", "platform.report"]
    expected = ["platform.logsSubscription", *init, *invocation, *invocation]
    subscriber(stage, subscribe(path=LOGS, schema="2021-03-18"), len(expected) + 1)
    events = delivered(stage, twice)
    assert [event["type"] for event in events if event["type"] != "extension"] == expected
    assert records(events, "function") == ["one", "two"]


def test_what_was_not_yet_delivered_at_the_end_is_delivered_then(stage):
    subscriber(stage, subscribe(timeout_ms=NEVER_MS), len(INIT + INVOCATION * 2) + 1)
    before = []

    async def scenario(host):
        await twice(host)
        before.extend(stage.telemetry("subscriber"))

    events = delivered(stage, scenario)
    assert before == []
    assert records(events, "function") == ["one", "two"]
    assert len(records(events, "platform.report")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who stands still")
def test_what_a_frozen_environment_owes_is_delivered_when_it_is_thawed(stage):
    stage.extension("subscriber", [REGISTER, subscribe(timeout_ms=NEVER_MS), SERVE])
    # The second event fills the buffer, in which the first one's report still is.
    full = [["ask"], ["say", FULL_BUFFER], ["wait", "delivered"], ["respond"], ["echo"]]
    runtime = stage.runtime([["ask"], ["respond"], *full])

    async def scenario(host):
        await host.invoke(1)
        await until_state(stage.pid("subscriber"), STOPPED)
        before = stage.telemetry("subscriber")
        second = asyncio.create_task(host.invoke(2))
        await asyncio.to_thread(stage.wait_for_telemetry, "subscriber", "platform.report")
        stage.flag("delivered")
        return before, (await second).payload

    assert staged(stage, scenario, bootstrap=runtime) == ([], b"2")


def test_an_extension_that_has_not_registered_may_not_subscribe(stage):
    stage.extension(
        "subscriber",
        [
            *(subscribe(), REGISTER, subscribe("HTTP", "nonsense"), subscribe("HTTP", "platform")),
            SERVE,
        ],
    )
    events = delivered(stage, twice)
    _, stranger, registered, invalid, taken, *_ = stage.journal("subscriber")
    assert stranger.startswith("telemetry -> 403 Extension.")
    assert registered == "register -> 200"
    assert invalid.startswith("telemetry -> 400 ValidationError: ")
    assert taken == 'telemetry -> 200 "OK"'
    assert [record["types"] for record in records(events, "platform.telemetrySubscription")] == [
        ["platform"]
    ]


def test_subscribers_do_not_get_in_each_others_way(stage):
    subscriber(stage, subscribe(), len(INIT + INVOCATION * 2) + 3)
    stage.extension(
        "picky",
        [
            *(REGISTER, subscribe("TCP", "platform", schema="2022-07-01")),
            *(["look"], ["look"], ["look"], ["wait_for_telemetry", 13], ["leave", 0]),
        ],
    )
    events = delivered(stage, twice)
    assert records(events, "function") == ["one", "two"]
    kinds = [event["type"] for event in stage.telemetry("picky")]
    assert kinds.count("platform.report") == 2
    assert set(kinds) & {"function", "extension"} == set()
