"""Asynchronous events: what becomes of them, with no function and no clock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapboot_devkit.host.lifecycle.rules import EventRules
from snapboot_devkit.host.lifecycle.terms import Invocation, ServiceFailure
from snapboot_devkit.host.scaling.async_events import (
    FIRST_BACKOFF_S,
    MAX_BACKOFF_S,
    MAX_EVENTS,
    MAX_EVENTS_BYTES,
    EventQueue,
    Failed,
    LogText,
    NotServed,
    Send,
    Succeeded,
    backoff_s,
    refused,
)

BOOM = Failed("function error Unhandled")
THROTTLED = NotServed("TooManyRequestsException: Rate Exceeded")


def event(name="e", payload=b"{}"):
    return Invocation(name, payload, "arn")


def queue(at_once=10, **rules):
    return EventQueue(EventRules(**rules), at_once)


def texts(effects):
    return [effect.text for effect in effects if isinstance(effect, LogText)]


def sent(effects):
    return [effect.invocation.request_id for effect in effects if isinstance(effect, Send)]


def test_an_event_is_sent_at_once_and_a_success_is_no_news():
    events = queue()
    assert events.taken(event(), now=0.0) == [Send(1, event())]
    assert events.ended(1, Succeeded(), now=0.1) == []
    assert (len(events), events.deadline) == (0, None)


def test_a_function_error_is_retried_twice_with_the_same_request_id_and_then_dropped():
    events = queue(retry_delays_s=(1.0, 2.0))
    events.taken(event("one"), now=0.0)
    assert texts(events.ended(1, BOOM, now=0.0)) == [
        f"snapboot: event one retries in 1 s (on Lambda in about 1 min): {BOOM.problem}"
    ]
    assert events.deadline == 1.0
    assert events.time_passed(now=0.9) == []
    assert sent(events.time_passed(now=1.0)) == ["one"]
    assert texts(events.ended(1, BOOM, now=1.0)) == [
        f"snapboot: event one retries in 2 s (on Lambda in about 2 min): {BOOM.problem}"
    ]
    assert sent(events.time_passed(now=3.0)) == ["one"]
    assert texts(events.ended(1, BOOM, now=3.0)) == [
        "snapboot: event one is dropped after 3 failed attempts: function error Unhandled"
    ]
    assert (len(events), events.deadline) == (0, None)


def test_a_success_after_failures_is_reported():
    events = queue(retry_delays_s=(1.0,))
    events.taken(event("one"), now=0.0)
    events.ended(1, BOOM, now=0.0)
    events.time_passed(now=1.0)
    assert texts(events.ended(1, Succeeded(), now=1.0)) == [
        "snapboot: event one is done after 1 failed attempt"
    ]


def test_a_function_without_retries_has_one_attempt():
    events = queue(retry_delays_s=())
    events.taken(event("one"), now=0.0)
    assert texts(events.ended(1, BOOM, now=0.0)) == [
        "snapboot: event one is dropped after 1 failed attempt: function error Unhandled"
    ]


def test_an_event_that_is_turned_away_comes_again_and_again_which_is_no_attempt():
    events = queue(retry_delays_s=())
    events.taken(event("one"), now=0.0)
    now = 0.0
    for count in range(1, 20):
        logged = texts(events.ended(1, THROTTLED, now))
        assert logged == [
            f"snapboot: event one retries in {backoff_s(count):g} s: {THROTTLED.problem}"
        ]
        now = events.deadline
        assert sent(events.time_passed(now)) == ["one"]
    assert events.ended(1, Succeeded(), now) == []


def test_the_pauses_grow_up_to_a_limit():
    pauses = [backoff_s(count) for count in range(1, 1_000)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (
        FIRST_BACKOFF_S,
        2 * FIRST_BACKOFF_S,
        MAX_BACKOFF_S,
    )


def test_an_event_that_would_get_too_old_is_dropped_with_its_last_problem():
    events = queue(max_age_s=1.0, retry_delays_s=(5.0,))
    events.taken(event("one"), now=0.0)
    assert texts(events.ended(1, BOOM, now=0.5)) == [
        "snapboot: event one is dropped after 1 failed attempt: function error Unhandled"
    ]
    events.taken(event("two"), now=0.0)
    assert texts(events.ended(2, THROTTLED, now=0.9)) == [
        f"snapboot: event two is dropped without delivery: {THROTTLED.problem}"
    ]


def test_an_event_that_got_too_old_behind_others_is_dropped_without_delivery():
    events = queue(at_once=1, max_age_s=1.0)
    events.taken(event("one"), now=0.0)
    assert events.taken(event("two"), now=0.0) == []
    assert events.ended(1, Succeeded(), now=5.0) == [
        LogText("snapboot: event two is dropped without delivery: it had to wait")
    ]


def test_no_more_than_so_many_are_at_work_and_the_first_goes_first():
    events = queue(at_once=2)
    assert [sent(events.taken(event(n), now=0.0)) for n in "abcd"] == [["a"], ["b"], [], []]
    # Nothing can be done before one of them ends, so that there is nothing to wake up for.
    assert events.deadline is None
    assert sent(events.ended(2, Succeeded(), now=1.0)) == ["c"]
    assert sent(events.ended(1, Succeeded(), now=1.0)) == ["d"]


def test_the_queue_takes_so_many_events_and_no_more():
    events = queue()
    for _ in range(MAX_EVENTS):
        assert events.has_room(event())
        events.taken(event(), now=0.0)
    assert not events.has_room(event())
    events.ended(1, Succeeded(), now=0.0)
    assert events.has_room(event())


def test_the_queue_takes_so_many_bytes_and_no_more():
    events = queue()
    large = event(payload=bytes(MAX_EVENTS_BYTES))
    assert events.has_room(large)
    events.taken(large, now=0.0)
    assert not events.has_room(event())
    events.ended(1, Succeeded(), now=0.0)
    assert events.has_room(large)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, NotServed), (500, NotServed), (502, NotServed), (400, Failed)]
)
def test_a_refusal_may_pass_or_not(status, kind):
    outcome = refused(ServiceFailure(status, "SomeException", "no"))
    assert outcome == kind("SomeException: no")


OUTCOMES = st.sampled_from([Succeeded(), BOOM, THROTTLED])


@settings(deadline=None)
@given(st.lists(OUTCOMES, max_size=60), st.integers(1, 3), st.integers(1, 8))
def test_whatever_happens_each_event_meets_one_fate(outcomes, at_once, count):
    events = queue(at_once=at_once, retry_delays_s=(1.0, 2.0), max_age_s=100.0)
    now, flying, fates = 0.0, [], []

    def follow(effects):
        flying.extend(effect.ticket for effect in effects if isinstance(effect, Send))
        fates.extend(text for text in texts(effects) if "dropped" in text)

    for number in range(count):
        follow(events.taken(event(f"e{number}"), now))
    successes = 0
    # What is not drawn goes well.
    for outcome in [*outcomes, *[Succeeded()] * (4 * count)]:
        assert len(flying) <= at_once
        if not flying and events.deadline is not None:
            now = max(now, events.deadline)
            follow(events.time_passed(now))
        if flying:
            successes += outcome == Succeeded()
            follow(events.ended(flying.pop(0), outcome, now))
    assert len(events) == 0
    assert successes + len(fates) == count
    assert events.has_room(event(payload=bytes(MAX_EVENTS_BYTES)))
