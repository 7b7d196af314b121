"""Telemetry on its way to real subscribers, well-behaved and not."""

import asyncio
import json
import socket

import pytest

from snapboot_devkit.host.lifecycle.records import RuntimeDone, Start
from snapboot_devkit.host.lifecycle.terms import Subscription, TelemetryApi
from snapboot_devkit.host.telemetry.delivery import RetryPolicy
from snapboot_devkit.host.telemetry.logs import EnvironmentInfo, LogLine, Source
from snapboot_devkit.host.telemetry.subscribers import ActiveTime, Telemetry
from tests.devkit.subscribers import DEADLINE_S, free_port, http_subscriber, tcp_subscriber

FACTS = EnvironmentInfo("name", "$LATEST", "arn", "stream", 128)
EPOCH = 1_800_000_000.0
# Quick to try again, and slow to give up: what is scripted happens, however slow the machine is.
DOGGED = RetryPolicy(answer_s=DEADLINE_S, pause_s=0.01, longest_pause_s=0.05, attempts=1000)
ALL = ("platform", "function", "extension")


def over_http(port, *, types=ALL, **settings):
    settings = {"timeout_ms": 25} | settings
    uri = f"http://sandbox.localdomain:{port}/some/path?of=mine"
    return Subscription(TelemetryApi.TELEMETRY, "2022-12-13", types, uri=uri, **settings)


def over_tcp(port, *, types=ALL, **settings):
    settings = {"timeout_ms": 25} | settings
    return Subscription(TelemetryApi.TELEMETRY, "2022-12-13", types, port=port, **settings)


def played(scenario, patience=DOGGED):
    """Run a scenario with a telemetry; afterwards no task of it is left."""

    async def play():
        async with asyncio.timeout(DEADLINE_S):
            telemetry = Telemetry(FACTS, patience, lambda: EPOCH)
            try:
                return await scenario(telemetry)
            finally:
                await telemetry.close()
                assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(play())


def say(telemetry, *texts):
    for text in texts:
        telemetry.emit(LogLine(Source.FUNCTION, text), EPOCH)


def texts(events):
    return [event["record"] for event in events if event["type"] == "function"]


async def arrived(received, count):
    return texts(await asyncio.to_thread(received.events, count))


def test_a_batch_is_posted_as_a_json_array_to_the_path_of_the_subscription():
    with http_subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            telemetry.emit(Start("id"), EPOCH)
            say(telemetry, "one", "zwei: ü")
            assert await telemetry.flush(DEADLINE_S)

        played(scenario)
        method, path, headers, body = received.attempts.get_nowait()
    assert (method, path) == ("POST", "/some/path?of=mine")
    assert headers["host"] == f"sandbox.localdomain:{received.port}"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == [
        {
            "time": "2027-01-15T08:00:00.000Z",
            "type": "platform.start",
            "record": {"requestId": "id", "version": "$LATEST"},
        },
        {"time": "2027-01-15T08:00:00.000Z", "type": "function", "record": "one"},
        {"time": "2027-01-15T08:00:00.000Z", "type": "function", "record": "zwei: ü"},
    ]


def test_a_subscriber_may_ask_for_put_and_for_some_streams_only():
    with http_subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port, types=("extension",), method="PUT"))
            say(telemetry, "not for it")
            telemetry.emit(LogLine(Source.EXTENSION, "hello"), EPOCH)
            assert await telemetry.flush(DEADLINE_S)

        played(scenario)
        assert received.attempts.get_nowait()[0] == "PUT"
        assert [event["record"] for event in received.events(1)] == ["hello"]


def test_what_was_reported_before_the_subscription_is_replayed():
    with http_subscriber() as received:

        async def scenario(telemetry):
            say(telemetry, "early")
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "late")
            assert await arrived(received, 2) == ["early", "late"]

        played(scenario)


def test_what_was_reported_in_a_former_life_is_not_replayed():
    with http_subscriber() as received:

        async def scenario(telemetry):
            say(telemetry, "of the init that failed")
            telemetry.settle()
            say(telemetry, "of the invocation that failed")
            telemetry.open()
            say(telemetry, "of the second init")
            telemetry.subscribe("ext", over_http(received.port))
            assert await arrived(received, 1) == ["of the second init"]

        played(scenario)


@pytest.mark.parametrize("misbehaviour", ["fail", "vanish", "break_off", "talk_nonsense"])
def test_a_batch_that_was_not_taken_is_sent_again_as_it_was(misbehaviour):
    with http_subscriber(misbehaviour, misbehaviour) as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "one")
            assert await arrived(received, 1) == ["one"]
            assert await telemetry.flush(DEADLINE_S)

        played(scenario)
        attempts = [received.attempts.get_nowait() for _ in range(3)]
        assert received.attempts.empty()
    assert len({body for *_, body in attempts}) == 1
    assert len({headers["sequence-id"] for _, _, headers, _ in attempts}) == 1


def test_an_answer_counts_as_soon_as_its_status_is_known():
    with http_subscriber("ok_but_endless") as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "one")
            assert await telemetry.flush(DEADLINE_S)
            say(telemetry, "two")
            assert await telemetry.flush(DEADLINE_S)

        played(scenario)
        assert received.batches.get_nowait() == "taken"
        assert texts(received.events(1)) == ["two"]


def test_a_subscriber_that_never_answers_is_asked_again_in_the_end():
    with http_subscriber("never") as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "one")
            assert await arrived(received, 1) == ["one"]

        played(scenario, RetryPolicy(answer_s=0.2, pause_s=0.01, attempts=1000))
        assert received.attempts.qsize() >= 2


def test_one_that_never_answers_does_not_keep_others_from_theirs():
    with http_subscriber("never") as stuck, http_subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("stuck", over_http(stuck.port))
            telemetry.subscribe("well", over_http(received.port))
            say(telemetry, "one")
            await asyncio.to_thread(stuck.attempts.get, timeout=DEADLINE_S)
            assert await arrived(received, 1) == ["one"]
            say(telemetry, "two")
            assert await arrived(received, 1) == ["two"]
            assert not await telemetry.flush(0.05)

        played(scenario)


@pytest.mark.parametrize(
    ("subscription", "subscriber"), [(over_http, http_subscriber), (over_tcp, tcp_subscriber)]
)
def test_a_subscriber_may_begin_to_listen_after_it_has_subscribed(subscription, subscriber):
    port = free_port()

    async def scenario(telemetry):
        telemetry.subscribe("ext", subscription(port))
        say(telemetry, "one")
        assert not await telemetry.flush(0.05)
        with subscriber(port=port) as received:
            assert await arrived(received, 1) == ["one"]
            await telemetry.close()

    played(scenario)


def test_a_batch_that_is_never_accepted_is_given_up_and_reported_as_dropped():
    with http_subscriber("fail", "fail", "fail") as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "one", "two")
            (dropped,) = await asyncio.to_thread(received.until, "platform.logsDropped")
            assert dropped["record"]["droppedRecords"] == 2
            assert "after 3 attempts" in dropped["record"]["reason"]
            assert "status 500" in dropped["record"]["reason"]

        played(scenario, RetryPolicy(answer_s=DEADLINE_S, pause_s=0.01, attempts=3))


@pytest.mark.parametrize(
    ("subscription", "subscriber"), [(over_http, http_subscriber), (over_tcp, tcp_subscriber)]
)
def test_a_flood_arrives_whole_when_its_subscriber_keeps_up(subscription, subscriber):
    lines = [f"line {number}" for number in range(100_000)]
    with subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", subscription(received.port))
            for begin in range(0, len(lines), 5_000):
                say(telemetry, *lines[begin : begin + 5_000])
                assert await telemetry.flush(DEADLINE_S)
            assert await arrived(received, len(lines)) == lines

        played(scenario)


@pytest.mark.parametrize(
    ("subscription", "subscriber"), [(over_http, http_subscriber), (over_tcp, tcp_subscriber)]
)
def test_of_a_flood_that_is_too_fast_each_line_arrives_or_is_counted(subscription, subscriber):
    lines = [f"line {number}" for number in range(100_000)]
    with subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", subscription(received.port))
            say(telemetry, *lines)
            events = await asyncio.to_thread(received.until, "platform.logsDropped")
            (dropped,) = [event for event in events if event["type"] == "platform.logsDropped"]
            assert await telemetry.flush(DEADLINE_S)
            count = len(lines) - dropped["record"]["droppedRecords"]
            rest = await arrived(received, count - len(texts(events)))
            assert texts(events) + rest == lines[:count]

        played(scenario)


def test_without_a_listener_no_flood_piles_up():
    async def scenario(telemetry):
        telemetry.subscribe("ext", over_http(free_port()))
        say(telemetry, *("x" * 1000 for _ in range(100_000)))
        waiting = telemetry._subscribers["ext"]._buffer
        assert waiting._size <= 8 * 262_144
        assert waiting.dropped > 90_000

    played(scenario)


def test_over_tcp_a_connection_that_was_lost_is_opened_again():
    with tcp_subscriber(patience=[1, 1]) as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_tcp(received.port))
            for text in ("one", "two", "three"):
                say(telemetry, text)
                while text not in await arrived(received, 1):
                    pass

        played(scenario)


def test_a_tcp_listener_that_never_reads_is_left_behind_at_the_end():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def scenario(telemetry):
            subscription = over_tcp(listener.getsockname()[1], max_bytes=1_048_576)
            telemetry.subscribe("ext", subscription)
            say(telemetry, *("x" * 100_000 for _ in range(80)))
            assert not await telemetry.flush(0.1)

        played(scenario)


def test_while_frozen_nothing_is_sent_and_afterwards_everything_is():
    with http_subscriber() as received:

        async def scenario(frozen):
            awake = Telemetry(FACTS, DOGGED)
            frozen.subscribe("ext", over_http(received.port))
            awake.subscribe("ext", over_http(received.port))
            frozen.pause()
            say(frozen, "frozen")
            for number in range(3):
                say(awake, f"awake {number}")
                assert await arrived(received, 1) == [f"awake {number}"]
            await awake.close()
            assert not await frozen.flush(0.01)
            frozen.resume()
            assert await arrived(received, 1) == ["frozen"]

        played(scenario)


def test_an_attempt_that_a_freeze_interrupts_is_not_sent_again():
    with http_subscriber("never") as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(received.port))
            say(telemetry, "one")
            await asyncio.to_thread(received.attempts.get, timeout=DEADLINE_S)
            telemetry.pause()
            # Another clock, not frozen, lets the attempt's time pass.
            with pytest.raises(TimeoutError):
                async with ActiveTime().limit(0.3):
                    await asyncio.Event().wait()
            assert received.attempts.empty()
            telemetry.resume()
            assert await arrived(received, 1) == ["one"]

        played(scenario, RetryPolicy(answer_s=0.2, pause_s=0.01, attempts=1000))


def test_who_subscribes_again_gets_what_it_is_still_owed_at_the_new_place():
    with http_subscriber() as former, http_subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(former.port))
            say(telemetry, "one")
            assert await telemetry.flush(DEADLINE_S)
            telemetry.pause()
            say(telemetry, "two")
            telemetry.subscribe("ext", over_http(received.port))
            telemetry.resume()
            say(telemetry, "three")
            assert await arrived(received, 2) == ["two", "three"]
            assert texts(former.events(1)) == ["one"]
            assert former.batches.empty()

        played(scenario)


def test_a_new_subscription_ends_an_attempt_that_hangs():
    with http_subscriber("never") as former, http_subscriber() as received:

        async def scenario(telemetry):
            telemetry.subscribe("ext", over_http(former.port))
            say(telemetry, "one")
            await asyncio.to_thread(former.attempts.get, timeout=DEADLINE_S)
            telemetry.subscribe("ext", over_http(received.port))
            assert await arrived(received, 1) == ["one"]

        played(scenario)


def test_each_subscriber_gets_the_events_of_the_schema_it_asked_for():
    def over_logs_api(port, version):
        uri = f"http://sandbox:{port}"
        return Subscription(TelemetryApi.LOGS, version, ALL, uri=uri, timeout_ms=25)

    with http_subscriber() as old, http_subscriber() as new:

        async def scenario(telemetry):
            telemetry.subscribe("old", over_logs_api(old.port, "2020-08-15"))
            telemetry.subscribe("new", over_logs_api(new.port, "2021-03-18"))
            telemetry.emit(RuntimeDone("id"), EPOCH)
            telemetry.emit(Start("next"), EPOCH)
            assert await telemetry.flush(DEADLINE_S)

        played(scenario)
        kinds = ["platform.runtimeDone", "platform.start"]
        assert [event["type"] for event in new.events(2)] == kinds
        assert [event["type"] for event in old.events(1)] == kinds[1:]


def test_a_limit_counts_active_time_only():
    async def scenario():
        time = ActiveTime()
        time.pause()

        async def limited():
            with pytest.raises(TimeoutError):
                async with time.limit(0.01):
                    await asyncio.Event().wait()

        task = asyncio.create_task(limited())
        with pytest.raises(TimeoutError):
            async with ActiveTime().limit(0.1):
                await asyncio.shield(task)
        assert not task.done()
        time.resume()
        await task

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))


def test_the_clock_stands_still_while_it_is_paused():
    async def scenario():
        time = ActiveTime()
        time.pause()
        before = time.now()
        await asyncio.sleep(0.001)
        assert time.now() == before
        time.pause()
        time.resume()
        time.resume()
        assert time.now() >= before

    asyncio.run(scenario())
