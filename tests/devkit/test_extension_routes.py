"""The Extensions API on the wire: what a request means, and what a reply looks like."""

import json
from uuid import uuid4

import pytest

from snapboot_devkit.host.http.exchange import Body, Head, Response
from snapboot_devkit.host.lifecycle.effects import (
    Accepted,
    Denied,
    InvokeEvent,
    Registered,
    Restored,
    ShutdownEvent,
)
from snapboot_devkit.host.lifecycle.messages import (
    ExtensionErrorPosted,
    ExtensionNextCalled,
    RegisterCalled,
)
from snapboot_devkit.host.lifecycle.terms import Delivery, Invocation, ShutdownReason
from snapboot_devkit.host.protocol import MAX_EXTENSION_BODY_BYTES
from snapboot_devkit.host.routes import extensions
from snapboot_devkit.host.routes.extensions import ExtensionCall, FunctionDetails

BASE = "/2020-01-01/extension/"
FACTS = FunctionDetails("greeter", "$LATEST", "app.handler", "012345678912")
IDENTIFIER = str(uuid4())


def request(method, name, body=b"", **headers):
    """Return the message of a whole request, or the response that refuses it."""
    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    head = Head(method, BASE + name, headers=names)
    found = extensions.route(head)
    if isinstance(found, Response):
        return found
    return extensions.closing(found, 7, head, Body(body, len(body)))


def register(body=b'{"events":[]}', name="watcher", **headers):
    return request("POST", "register", body, lambda_extension_name=name, **headers)


def refusal(response):
    """Return status, error type and text of a refusing response."""
    document = json.loads(response.body)
    return response.status, document["errorType"], document["errorMessage"]


# ---- which call ------------------------------------------------------------------------------


@pytest.mark.parametrize("found", ExtensionCall)
def test_every_call_has_its_path_and_its_one_method(found):
    method, other = ("GET", "POST") if found is ExtensionCall.NEXT else ("POST", "GET")
    assert extensions.route(Head(method, BASE + found.value)) is found
    refused = extensions.route(Head(other, BASE + found.value))
    assert refused.status == 405
    assert (b"allow", method.encode()) in refused.fields


@pytest.mark.parametrize("path", ["", "register/", "event/next/1", "error"])
def test_any_other_path_does_not_exist(path):
    assert extensions.route(Head("POST", BASE + path)).status == 404


# ---- register --------------------------------------------------------------------------------


def test_a_registration_carries_name_and_events():
    assert register(b'{"events":["INVOKE","SHUTDOWN"]}') == RegisterCalled(
        7, "watcher", ("INVOKE", "SHUTDOWN")
    )


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"events":[]}', b'{"events":null}'])
def test_a_registration_for_no_event_is_one(body):
    assert register(body) == RegisterCalled(7, "watcher", ())


def test_events_that_do_not_exist_are_left_to_the_lifecycle():
    assert register(b'{"events":["PAINT"]}').events == ("PAINT",)


@pytest.mark.parametrize(
    ("feature", "wanted"),
    [("accountId", True), ("colour, accountId ", True), ("accountid", False), ("", False)],
)
def test_the_account_is_sent_to_those_who_ask_for_it(feature, wanted):
    assert register(lambda_extension_accept_feature=feature).wants_account is wanted


def test_an_extension_without_a_name_is_refused():
    expected = (403, "Extension.InvalidExtensionName", "Empty extension name")
    assert refusal(request("POST", "register", b"{}")) == expected
    assert refusal(register(name="")) == expected


def test_configuration_keys_are_refused_unless_there_are_none():
    expected = "configurationKeys are deprecated; use environment variables instead"
    refused = register(b'{"events":[],"configurationKeys":["A"]}')
    assert refusal(refused) == (403, "InvalidRequestFormat", expected)
    assert register(b'{"events":[],"configurationKeys":[]}') == RegisterCalled(7, "watcher", ())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'["INVOKE"]', "['INVOKE']"),
        (b'{"events":"INVOKE"}', "'INVOKE'"),
        (b'{"events":[1]}', "[1]"),
        (b'{"configurationKeys":{"a":1}}', "{'a': 1}"),
    ],
)
def test_a_body_that_is_no_registration_is_refused_with_an_example(body, named):
    status, error_type, text = refusal(register(body))
    assert (status, error_type) == (403, "InvalidRequestFormat")
    assert '{"events": ["INVOKE", "SHUTDOWN"]}' in text
    assert named in text


def test_a_registration_that_is_too_large_is_refused():
    head = Head("POST", BASE + "register", headers={b"lambda-extension-name": b"watcher"})
    body = Body(b"", MAX_EXTENSION_BODY_BYTES + 1)
    refused = extensions.closing(ExtensionCall.REGISTER, 7, head, body)
    assert refusal(refused) == (
        413,
        "RequestEntityTooLarge",
        "Exceeded maximum allowed payload size (1048576 bytes).",
    )


# ---- the other calls -------------------------------------------------------------------------


def test_next_carries_the_identifier():
    called = request("GET", "event/next", lambda_extension_identifier=IDENTIFIER)
    assert called == ExtensionNextCalled(7, IDENTIFIER)


def test_an_identifier_in_capitals_is_the_same():
    called = request("GET", "event/next", lambda_extension_identifier=IDENTIFIER.upper())
    assert called.identifier == IDENTIFIER


@pytest.mark.parametrize(("name", "exiting"), [("init/error", False), ("exit/error", True)])
def test_an_error_carries_its_type_and_when_it_came(name, exiting):
    posted = request(
        "POST",
        name,
        lambda_extension_identifier=IDENTIFIER,
        lambda_extension_function_error_type="Extension.Tired",
    )
    assert posted == ExtensionErrorPosted(7, IDENTIFIER, "Extension.Tired", exiting)


@pytest.mark.parametrize("name", ["init/error", "exit/error"])
def test_an_error_without_a_type_is_refused(name):
    refused = request("POST", name, lambda_extension_identifier=IDENTIFIER)
    text = "Lambda-Extension-Function-Error-Type not found"
    assert refusal(refused) == (403, "Extension.MissingHeader", text)


@pytest.mark.parametrize(
    ("method", "name"), [("GET", "event/next"), ("POST", "init/error"), ("POST", "exit/error")]
)
def test_a_call_without_a_usable_identifier_is_refused_before_all_else(method, name):
    assert refusal(request(method, name)) == (
        403,
        "Extension.MissingExtensionIdentifier",
        "Missing Lambda-Extension-Identifier header",
    )
    assert refusal(request(method, name, lambda_extension_identifier="me")) == (
        403,
        "Extension.InvalidExtensionIdentifier",
        "Invalid Lambda-Extension-Identifier",
    )


# ---- replies ---------------------------------------------------------------------------------


def rendered(content):
    response = extensions.render(content, FACTS)
    return response.status, dict(response.fields), json.loads(response.body)


def test_a_registered_extension_learns_its_identifier_and_the_function():
    status, headers, document = rendered(Registered(IDENTIFIER))
    assert status == 200
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"lambda-extension-identifier"].decode() == IDENTIFIER
    assert document == {
        "functionName": "greeter",
        "functionVersion": "$LATEST",
        "handler": "app.handler",
    }


def test_the_account_is_sent_when_it_was_asked_for():
    _, _, document = rendered(Registered(IDENTIFIER, with_account=True))
    assert document["accountId"] == "012345678912"


def test_an_invocation_is_sent_without_its_payload():
    invocation = Invocation("request-1", b'{"secret":1}', "arn:f", trace_id="Root=1-2")
    event = InvokeEvent(Delivery(invocation, "attempt-1", 1_790_000_003_000), IDENTIFIER)
    status, headers, document = rendered(event)
    assert status == 200
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"lambda-extension-event-identifier"].decode() == IDENTIFIER
    assert document == {
        "eventType": "INVOKE",
        "deadlineMs": 1_790_000_003_000,
        "requestId": "request-1",
        "invokedFunctionArn": "arn:f",
        "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-2"},
    }


def test_an_invocation_without_a_trace_has_none():
    delivery = Delivery(Invocation("request-1", b"{}", "arn:f"), "attempt-1", 1)
    _, _, document = rendered(InvokeEvent(delivery, IDENTIFIER))
    assert "tracing" not in document


@pytest.mark.parametrize("reason", ShutdownReason)
def test_a_shutdown_is_sent_as_text_with_its_reason_and_no_identifier(reason):
    status, headers, document = rendered(ShutdownEvent(1_790_000_002_000, reason))
    assert status == 200
    assert headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert b"lambda-extension-event-identifier" not in headers
    assert document == {
        "eventType": "SHUTDOWN",
        "deadlineMs": 1_790_000_002_000,
        "shutdownReason": reason.value,
    }


def test_a_post_that_was_taken_and_one_that_was_not():
    assert rendered(Accepted())[::2] == (202, {"status": "OK"})
    denied = Denied(403, "Extension.UnknownExtensionIdentifier", "Unknown extension")
    status, _, document = rendered(denied)
    assert (status, document) == (
        403,
        {"errorType": denied.error_type, "errorMessage": denied.message},
    )


def test_a_reply_of_another_api_is_a_bug_of_the_host():
    with pytest.raises(TypeError, match="Restored"):
        extensions.render(Restored(), FACTS)
