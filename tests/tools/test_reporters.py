"""Error reporters get under snapboot what they get under awslambdaric, packaged or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.runtime_api import Event

if TYPE_CHECKING:
    from tests.tools.conftest import Pair
    from tests.tools.sink import Sink

pytestmark = pytest.mark.slow

OWN_FILE = "app.py"


# --- Sentry -------------------------------------------------------------------------------------

SENTRY = {"SENTRY_DSN": "http://key@{address}/1", "SENTRY_RELEASE": "1"}
SENTRY_FUNCTION = """
    import logging
    import time
    import sentry_sdk
    from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration

    sentry_sdk.init(
        integrations=[AwsLambdaIntegration(timeout_warning=True)], traces_sample_rate=1.0
    )

    def handler(event, context):
        sentry_sdk.set_tag("order", "4711")
        if event.get("fail"):
            raise ValueError("no table")
        if event.get("linger"):
            while context.get_remaining_time_in_millis() > 500:
                time.sleep(0.05)
        if event.get("log"):
            logging.getLogger("shop").error("sold out")
        return {"statusCode": 200}
"""
REQUEST = {
    "httpMethod": "GET",
    "path": "/orders",
    "headers": {"Host": "shop.example", "X-Forwarded-Proto": "https"},
    "queryStringParameters": {"page": "2"},
}


def sentry_items(sink: Sink) -> list[tuple[str, dict[str, Any]]]:
    """Return the type and payload of what was sent in envelopes, errors and transactions."""
    found = []
    for post in sink.posts:
        lines = post.body.splitlines()[1:]
        for head, payload in zip(lines[::2], lines[1::2], strict=True):
            kind = json.loads(head)["type"]
            if kind in {"event", "transaction"}:
                found.append((kind, json.loads(payload)))
    return found


def sentry_facts(sink: Sink) -> list[Any]:
    """Return what a person would look at, without times and ids that are drawn at random."""
    return [sentry_fact(kind, item) for kind, item in sentry_items(sink)]


def sentry_fact(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    values = item.get("exception", {}).get("values", [])
    extra = item.get("extra", {})
    about = extra.get("lambda", {})
    for changing in ("execution_duration_in_millis", "remaining_time_in_millis"):
        about.pop(changing, None)
    logs = extra.get("cloudwatch logs", {})
    trace = item.get("contexts", {}).get("trace", {})
    trace.get("data", {}).pop("thread.id", None)
    return {
        "kind": kind,
        "errors": [[v["type"], v["value"], v["mechanism"], own_frames(v)] for v in values],
        "message": item.get("logentry", {}).get("message"),
        "logger": item.get("logger"),
        "level": item.get("level"),
        "tags": item.get("tags"),
        "lambda": about,
        "logs": [logs.get("log_group"), logs.get("log_stream")],
        "transaction": [item.get("transaction"), item.get("transaction_info")],
        "request": item.get("request"),
        "trace": [trace.get(name) for name in ("op", "origin", "status", "data")],
        "release": item.get("release"),
        "runtime": item.get("contexts", {}).get("runtime"),
    }


def own_frames(value: dict[str, Any]) -> list[Any]:
    frames = value.get("stacktrace", {}).get("frames", [])
    own = [f for f in frames if f["filename"].rpartition("/")[2] == OWN_FILE]
    return [[f["filename"], f["function"], f["lineno"], f.get("context_line")] for f in own]


def same_in_sentry(pair: Pair, *events: Event, **options: Any) -> list[dict[str, Any]]:
    pair.use("sentry")
    ours, theirs = pair.run(*events, environment=SENTRY, **options)
    sent = sentry_facts(ours.sink)
    assert sent == sentry_facts(theirs.sink), ours.run
    assert ours.run.returncode == theirs.run.returncode
    return sent


def test_sentry_is_sent_errors_successes_and_log_records(pair: Pair):
    pair.write("app.py", SENTRY_FUNCTION)
    wanted = [{}, {"fail": 1, **REQUEST}, {"log": 1}, {"fail": 1}]
    sent = same_in_sentry(pair, *(Event(json.dumps(event).encode()) for event in wanted))
    kinds = ["transaction", "event", "transaction", "event", "transaction", "event", "transaction"]
    assert [fact["kind"] for fact in sent] == kinds
    ((kind, message, mechanism, frames),) = sent[1]["errors"]
    assert [kind, message, mechanism["type"]] == ["ValueError", "no table", "aws_lambda"]
    assert [frame[1] for frame in frames] == ["handler"]
    assert sent[1]["tags"]["order"] == "4711"
    assert sent[1]["lambda"]["function_name"] == "test_function"
    assert sent[1]["request"]["url"] == "https://shop.example/orders"
    assert sent[3]["message"] == "sold out"


def test_sentry_is_sent_a_warning_before_the_time_is_up(pair: Pair):
    pair.write("app.py", SENTRY_FUNCTION)
    sent = same_in_sentry(pair, Event(b'{"linger": 1}', timeout_s=3), Event(b"{}"))
    errors = [error[0] for fact in sent for error in fact["errors"]]
    assert errors == ["ServerlessTimeoutWarning"]


@pytest.mark.parametrize("failure", ["raise RuntimeError('no table')", "import nowhere_at_all"])
def test_sentry_is_sent_what_made_init_fail(pair: Pair, failure):
    source = SENTRY_FUNCTION.partition("def handler")[0].rstrip()
    pair.write("app.py", f"{source}\n\n    {failure}\n")
    (sent,) = same_in_sentry(pair, importable=False)
    ((kind, message, mechanism, _),) = sent["errors"]
    names = ("RuntimeError", "Runtime.ImportModuleError")
    assert kind in names
    assert "no table" in message or "nowhere_at_all" in message
    assert mechanism == {"type": "aws_lambda", "handled": False}


# --- Honeybadger --------------------------------------------------------------------------------

HONEYBADGER = {"HONEYBADGER_ENDPOINT": "{url}", "HONEYBADGER_API_KEY": "key"}
HONEYBADGER_FUNCTION = """
    import time
    from honeybadger import honeybadger

    honeybadger.configure(environment="production")

    def handler(event, context):
        honeybadger.set_context(order="4711")
        if event.get("fail"):
            raise ValueError("no table")
        while event.get("linger") and context.get_remaining_time_in_millis() > 500:
            time.sleep(0.05)
        return event
"""


def honeybadger_facts(sink: Sink) -> list[Any]:
    facts = []
    for post in sink.posts:
        notice = json.loads(post.body)
        error, request = notice["error"], notice["request"]
        own = [f for f in error["backtrace"] if f["file"].rpartition("/")[2] == OWN_FILE]
        facts.append({
            "path": post.path,
            "class": error["class"],
            "message": error["message"],
            "frames": [[f["method"], str(f["number"])] for f in own],
            "request": {name: request.get(name) for name in ("component", "action", "params", "context")},
            "details": notice["details"],
        })  # fmt: skip
    return facts


def test_honeybadger_is_sent_the_handlers_errors_and_nothing_else(pair: Pair):
    pair.use("honeybadger")
    pair.write("app.py", HONEYBADGER_FUNCTION)
    events = [
        Event(b"{}"),
        Event(b'{"fail": 1}'),
        Event(b'{"linger": 1}', timeout_s=2),
        Event(b"{}"),
    ]
    ours, theirs = pair.run(*events, environment=HONEYBADGER)
    sent = honeybadger_facts(ours.sink)
    assert sent == honeybadger_facts(theirs.sink)
    (notice,) = sent
    assert (notice["class"], notice["frames"][0][0]) == ("ValueError", "handler")
    assert notice["request"]["component"] == "test_function"
    assert notice["request"]["params"] == {"event": {"fail": 1}}
    assert notice["request"]["context"]["order"] == "4711"
    assert [a.call for a in ours.run.answers] == [a.call for a in theirs.run.answers]


def test_honeybadger_is_sent_of_a_failed_init_what_it_is_sent_under_awslambdaric(pair: Pair):
    pair.use("honeybadger")
    source = HONEYBADGER_FUNCTION.partition("def handler")[0].rstrip()
    pair.write("app.py", f"{source}\n    raise RuntimeError('no table')\n")
    ours, theirs = pair.run(environment=HONEYBADGER, importable=False)
    assert honeybadger_facts(ours.sink) == honeybadger_facts(theirs.sink)
    assert ours.run.document["errorType"] == theirs.run.document["errorType"] == "RuntimeError"
