"""What waits for a subscriber: batches that are due, bounds, and nothing that gets lost in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapboot_devkit.host.lifecycle.records import LogsDropped, Start
from snapboot_devkit.host.lifecycle.terms import Subscription, TelemetryApi
from snapboot_devkit.host.telemetry.delivery import MAX_WAITING_BATCHES, TOO_SLOW, Buffer
from snapboot_devkit.host.telemetry.logs import LogLine, Source
from snapboot_devkit.host.telemetry.subscribers import MAX_CHARACTERS, History

GAP = b"gap "


def limits(max_items=3, max_bytes=100, timeout_ms=1000):
    return Subscription(
        TelemetryApi.TELEMETRY,
        "2025-01-29",
        ("platform",),
        max_items=max_items,
        max_bytes=max_bytes,
        timeout_ms=timeout_ms,
    )


def buffer(**settings):
    """Return a buffer that reports a gap as `gap <records> <bytes>`."""
    return Buffer(
        limits(**settings), lambda gap: GAP + b"%d %d" % (gap.dropped_records, gap.dropped_bytes)
    )


def filled(*events, **settings):
    made = buffer(**settings)
    for event in events:
        made.add(event, 0.0)
    return made


def test_nothing_is_due_of_an_empty_buffer():
    empty = buffer()
    assert empty.due_at() is None
    assert empty.take(1e9, everything=True) is None


def test_a_batch_is_due_when_its_first_event_has_waited_long_enough():
    waiting = buffer()
    waiting.add(b"one", 5.0)
    waiting.add(b"two", 5.9)
    assert waiting.due_at() == 6.0
    assert waiting.take(5.99) is None
    assert waiting.take(6.0) == (b"one", b"two")


def test_a_batch_is_due_at_once_when_it_has_all_its_items():
    waiting = filled(b"1", b"2", b"3", b"4")
    assert waiting.due_at() == 0.0
    assert waiting.take(0.0) == (b"1", b"2", b"3")
    assert waiting.take(0.0) is None
    assert waiting.take(1.0) == (b"4",)


def test_the_event_that_fills_a_batch_belongs_to_it():
    waiting = filled(b"x" * 60, b"y" * 60, b"z")
    assert waiting.take(0.0) == (b"x" * 60, b"y" * 60)


def test_a_flush_takes_what_is_not_due():
    assert filled(b"1").take(0.0, everything=True) == (b"1",)


def test_an_overflow_is_one_gap_reported_where_it_is():
    capacity = 3 * MAX_WAITING_BATCHES
    waiting = filled(*[b"kept"] * capacity, *[b"lost"] * 10)
    assert (len(waiting), waiting.dropped) == (capacity, 10)
    waiting.take(0.0)
    waiting.add(b"after", 0.0)
    rest = []
    while batch := waiting.take(0.0, everything=True):
        rest += batch
    assert rest == [b"kept"] * (capacity - 3) + [GAP + b"10 40", b"after"]


def test_until_a_batch_has_left_even_what_would_fit_stays_out():
    waiting = filled(*[b"x" * 99] * 7, b"y" * 200, b"z", max_items=1000)
    assert waiting.dropped == 2


def test_an_event_larger_than_the_buffer_is_left_out_and_reported_at_once():
    waiting = filled(b"x" * 1000, b"small")
    assert waiting.take(0.0, everything=True) == (GAP + b"1 1000", b"small")


def test_a_batch_that_was_never_taken_is_reported_in_the_next():
    waiting = filled(b"1", b"2")
    batch = waiting.take(0.0, everything=True)
    waiting.lose(batch, 0.0, "nobody there")
    assert waiting.take(0.0, everything=True) == (GAP + b"2 2",)


def test_the_reason_is_reported_but_not_to_a_subscriber_without_records_of_the_platform():
    reported = []
    waiting = Buffer(limits(), reported.append)
    waiting.add(b"x" * 1000, 0.0)
    waiting.lose((b"12",), 0.0, "nobody there")
    assert reported == [LogsDropped(1000, 1, TOO_SLOW), LogsDropped(2, 1, "nobody there")]
    assert len(waiting) == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 120)),
        st.tuples(st.just("take"), st.sampled_from([0.0, 0.5, 3.0])),
        st.tuples(st.just("flush"), st.none()),
        st.tuples(st.just("lose"), st.none()),
    ),
    max_size=120,
)


class Course:
    """Steps that a buffer is led through, with all that went in and came out."""

    def __init__(self):
        self.buffer = buffer()
        self.now = 0.0
        self.added = []
        self.taken = []
        self.lost = []

    def add(self, size):
        event = (b"%d " % len(self.added)).ljust(size, b"x")
        self.added.append(event)
        self.buffer.add(event, self.now)

    def take(self, seconds, *, everything=False):
        self.now += seconds
        batch = self.buffer.take(self.now, everything=everything) or ()
        assert len(batch) <= 3
        assert sum(map(len, batch[:-1])) < 100
        self.taken += batch
        return batch

    def flush(self, _):
        self.take(0.0, everything=True)

    def lose(self, _):
        batch = self.take(0.0, everything=True)
        del self.taken[len(self.taken) - len(batch) :]
        self.lost += batch
        self.buffer.lose(batch, self.now, "lost") if batch else None


@given(STEPS)
def test_nothing_is_lost_in_silence_doubled_or_out_of_order(steps):
    course = Course()
    for name, argument in steps:
        getattr(course, name)(argument)
        # The tale of a gap may be all that goes beyond.
        assert course.buffer._size <= 100 * MAX_WAITING_BATCHES + 2 * len(GAP + b"123 12345")
    while course.take(0.0, everything=True):
        pass
    gaps = [event for event in course.taken if event.startswith(GAP)]
    arrived = [event for event in course.taken if not event.startswith(GAP)]
    numbers = [int(event.split()[0]) for event in arrived]
    assert numbers == sorted(set(numbers))
    assert set(arrived) <= set(course.added)
    lost_gaps = [event for event in course.lost if event.startswith(GAP)]
    # Each event has arrived or is counted; the tale of a gap can be lost, and counts then, too.
    assert len(arrived) + course.buffer.dropped == len(course.added) + len(lost_gaps)
    reported = sum(int(gap.split()[1]) for gap in gaps + lost_gaps)
    assert reported == course.buffer.dropped


def line(text):
    return LogLine(Source.FUNCTION, text)


def test_a_history_replays_all_in_order():
    history = History()
    history.add(Start("id"), 1.0)
    history.add(line("hello"), 2.0)
    assert list(history.replay(9.0)) == [(Start("id"), 1.0), (line("hello"), 2.0)]
    assert list(history.replay(9.0)) == [(Start("id"), 1.0), (line("hello"), 2.0)]


def test_a_history_keeps_the_oldest_and_reports_what_it_left_out():
    history = History()
    half = "x" * (MAX_CHARACTERS // 2)
    for text in (half, half, "no room", "none at all"):
        history.add(line(text), 1.0)
    *kept, (gap, reported_at) = history.replay(9.0)
    assert [reported.text for reported, _ in kept] == [half, half]
    assert (gap.dropped_records, gap.dropped_bytes, reported_at) == (2, 18, 9.0)


def test_a_closed_history_knows_nothing_and_learns_nothing():
    history = History()
    history.add(line("early"), 1.0)
    history.close()
    history.add(line("late"), 2.0)
    assert list(history.replay(9.0)) == []
    history.open()
    history.add(line("anew"), 3.0)
    assert list(history.replay(9.0)) == [(line("anew"), 3.0)]


@pytest.mark.parametrize("owner", [History(), buffer()])
def test_each_shows_its_state(owner):
    assert repr(owner).startswith(f"<{type(owner).__name__} ")
