"""The adapters that people use today, on the same events: what differs is listed, with the reason."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from oracles import web
from tests.fakes.contenders import ROOT
from tests.fakes.http_events import MAKERS
from tests.web.compared import RESPONSES

ADAPTERS = ["mangum", "serverless-wsgi", "apig-wsgi"]
PROGRAM = Path(__file__).with_name("compared.py")
DEADLINE_S = 60
EVENTS = {
    **{f"answer {name}": ("GET", f"/{name}") for name in RESPONSES},
    "path": ("GET", "/a%20b%2Bc/%C3%A9/text"),
    "query": ("GET", "/text", "a=1&b=%20x%26&a=2&c=&d=1%2B1"),
    "headers": ("GET", "/text", "", [("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1; b=2")]),
    "text": ("POST", "/text", "", [("Content-Type", "text/plain")], "é".encode()),
    "bytes": ("POST", "/text", "", [("Content-Type", "application/x")], b"\xff\0"),
    "head": ("HEAD", "/text"),
}
REST = ["REST API"]
PAYLOAD_1_0 = ["REST API", "HTTP API 1.0"]
PAYLOAD_2_0 = ["HTTP API 2.0", "function URL"]
BALANCERS = ["load balancer", "load balancer, multi-value"]
DECODED = ["HTTP API 1.0", "HTTP API 2.0"]


class Row(NamedTuple):
    """A difference: in what, why, and on which events (None stands for all)."""

    adapters: list[str]
    fields: list[str]
    reason: str
    kinds: list[str] | None = None
    cases: list[str] | None = None

    def holds(self, adapter: str, field: str, kind: str, case: str) -> bool:
        """Whether it is this difference."""
        return (
            adapter in self.adapters
            and field in self.fields
            and (self.kinds is None or kind in self.kinds)
            and (self.cases is None or case in self.cases)
        )


DIFFERENCES = [
    Row(
        ["mangum"],
        ["path", "root_path"],
        "the stage is part of the URL, so it is where the application is mounted: links are right",
        REST,
    ),
    Row(["apig-wsgi"], ["root_path"], "as above, in SCRIPT_NAME", REST),
    Row(
        ["serverless-wsgi"],
        ["root_path"],
        "it takes any stage for a part of the URL, `$default`, the path's first part and none too",
        [*DECODED, *BALANCERS],
    ),
    Row(
        ["apig-wsgi"],
        ["path"],
        "PATH_INFO has the bytes of UTF-8 as latin-1 (PEP 3333), where the path comes decoded too",
        DECODED,
        ["path"],
    ),
    Row(
        ["mangum"],
        ["headers"],
        "each value of a repeated header is a header of its own, as in the request",
        PAYLOAD_1_0,
        ["headers"],
    ),
    Row(
        ["serverless-wsgi"],
        ["headers"],
        "all values of a repeated header arrive, and not the last one alone",
        [*PAYLOAD_1_0, "load balancer, multi-value"],
        ["headers"],
    ),
    Row(
        ["mangum"],
        ["headers"],
        "a request with a body says how long it is, as any server's does",
        None,
        ["text", "bytes"],
    ),
    Row(
        ["serverless-wsgi", "apig-wsgi"],
        ["headers"],
        "a request without cookies has no empty header for them",
        PAYLOAD_2_0,
    ),
    Row(
        ["apig-wsgi"],
        ["headers"],
        "type and length of the body are CONTENT_TYPE and CONTENT_LENGTH alone (PEP 3333)",
        None,
        ["text", "bytes"],
    ),
    Row(["apig-wsgi"], ["principal"], "who an authorizer has let in is REMOTE_USER", PAYLOAD_1_0),
    Row(
        ["serverless-wsgi"],
        ["client"],
        "behind a load balancer the client is the address that the balancer has added",
        BALANCERS,
    ),
    Row(
        ADAPTERS,
        ["base64"],
        "what is UTF-8 needs no base64, whatever its type; the client gets the same bytes",
        None,
        ["answer download", "answer untyped", "answer nothing"],
    ),
    Row(
        ["serverless-wsgi", "apig-wsgi"],
        ["error"],
        "text in another encoding than UTF-8 goes out as its bytes, and is not an error",
        None,
        ["answer latin"],
    ),
    Row(ADAPTERS, ["content"], "a response to HEAD has no body", None, ["head"]),
    Row(
        ["mangum"],
        ["response headers"],
        "a response without content type gets none",
        PAYLOAD_2_0,
        ["answer nothing", "answer untyped"],
    ),
    Row(
        ["serverless-wsgi"],
        ["response headers"],
        "a response without content type gets none",
        None,
        ["answer nothing", "answer untyped"],
    ),
    Row(
        ADAPTERS,
        ["response headers"],
        "the values of a repeated header are joined, and none is lost (RFC 9110, 5.3)",
        [*PAYLOAD_2_0, "load balancer"],
        ["answer repeated"],
    ),
    Row(
        ["apig-wsgi"],
        ["response headers"],
        "a load balancer without multi-value headers gets all cookies, by the case of the name",
        ["load balancer"],
        ["answer cookies"],
    ),
    Row(
        ["mangum", "apig-wsgi"],
        ["description"],
        "a load balancer's response has a status description: the phrase of RFC 9110",
        BALANCERS,
    ),
]


@functools.cache
def compared(adapter: str):
    """Return kind, case and both outcomes of every event."""
    events = {
        (kind, case): make(*arguments)
        for kind, make in MAKERS.items()
        for case, arguments in EVENTS.items()
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), adapter],
        input=json.dumps(list(events.values())),
        env={"PYTHONPATH": f"{ROOT / 'runtime'}:{web.folder(adapter)}"},
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    return list(zip(events, json.loads(done.stdout), strict=True))


def differences(adapter: str):
    """Yield field, kind, case and both values of each difference."""
    for (kind, case), (ours, theirs) in compared(adapter):
        if "error" in ours or "error" in theirs:
            yield "error", kind, case, ours.get("error"), theirs.get("error")
            continue
        for field in ours:
            if ours[field] != theirs[field]:
                yield field, kind, case, ours[field], theirs[field]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_difference_from_an_adapter_has_a_reason(adapter):
    unknown = [
        found
        for found in differences(adapter)
        if not any(row.holds(adapter, *found[:3]) for row in DIFFERENCES)
    ]
    assert unknown == []


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: f"{row.adapters[0]} {row.fields[0]}")
def test_every_difference_that_is_listed_is_there(row):
    for adapter in row.adapters:
        assert any(row.holds(adapter, *found[:3]) for found in differences(adapter)), adapter


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_adapter_and_ours_agree_on_most(adapter):
    """The oracle runs the application: an event that both refuse would be no comparison."""
    outcomes = [ours for _, (ours, _) in compared(adapter)]
    assert not [ours for ours in outcomes if "error" in ours]
    assert {ours["status"] for ours in outcomes} == {200, 201, 204, 503}
