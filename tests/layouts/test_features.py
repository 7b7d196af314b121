"""The features of the runtime, each in every layout."""

from __future__ import annotations

from tests.fakes.runtime_api import Event


def test_an_event_is_echoed(layout):
    layout.code("def handler(event, context): return event")
    run = layout.run(Event(b"1"))
    assert (run.result, run.stderr) == (1, "")
