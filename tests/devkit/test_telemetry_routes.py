"""Requests to the Telemetry API and the Logs API: what is taken, and what is wrong with the rest."""

import json
from uuid import UUID

import pytest

from snapboot_devkit.host.http.exchange import Body, Head, Response
from snapboot_devkit.host.lifecycle.effects import Accepted, Denied, SubscriptionAccepted
from snapboot_devkit.host.lifecycle.messages import SubscribeCalled
from snapboot_devkit.host.lifecycle.terms import Subscription, TelemetryApi
from snapboot_devkit.host.routes import telemetry
from snapboot_devkit.host.routes.telemetry import SubscribeCall

TELEMETRY, LOGS = "/2022-07-01/telemetry", "/2020-08-15/logs"
EXTENSION = str(UUID(int=7))
HTTP = {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/path"}
PLAIN = {"schemaVersion": "2025-01-29", "types": ["platform"], "destination": HTTP}


def head(path=TELEMETRY, method="PUT", identifier=EXTENSION):
    headers = {b"lambda-extension-identifier": identifier.encode()} if identifier else {}
    return Head(method, path, headers=headers)


def asked(document, path=TELEMETRY, *, managed=False, **options):
    """Return the outcome of a request with a document, or with bytes."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    request = head(path, **options)
    found = telemetry.route(request)
    return telemetry.closing(found, 4, request, Body(content, len(content)), managed=managed)


def subscription(document, path=TELEMETRY, **options):
    outcome = asked(document, path, **options)
    assert isinstance(outcome, SubscribeCalled), outcome
    return outcome.subscription


def refusal(document, path=TELEMETRY, **options):
    """Return the message of a 400 with the API's own error type."""
    response = asked(document, path, **options)
    assert isinstance(response, Response), response
    error = json.loads(response.body)
    wanted = "ValidationError" if path == TELEMETRY else "Logs.ValidationError"
    assert (response.status, error["errorType"]) == (400, wanted)
    return error["errorMessage"]


def test_a_plain_subscription_gets_the_defaults():
    called = asked(PLAIN)
    assert (called.call, called.identifier) == (4, EXTENSION)
    assert called.subscription == Subscription(
        TelemetryApi.TELEMETRY,
        "2025-01-29",
        ("platform",),
        uri="http://sandbox.localdomain:8080/path",
        max_items=10_000,
        max_bytes=262_144,
        timeout_ms=1_000,
    )


def test_everything_may_be_asked_for():
    buffering = {"maxItems": 1000, "maxBytes": 1_048_576, "timeoutMs": 25}
    types = ["platform", "function", "extension", "platform"]
    destination = {"protocol": "TCP", "port": 4711}
    found = subscription(
        {"schemaVersion": "2022-07-01", "types": types, "buffering": buffering}
        | {"destination": destination}
    )
    assert found == Subscription(
        TelemetryApi.TELEMETRY,
        "2022-07-01",
        ("platform", "function", "extension"),
        port=4711,
        max_items=1000,
        max_bytes=1_048_576,
        timeout_ms=25,
    )


def test_the_logs_api_has_a_default_schema_and_takes_a_method():
    destination = HTTP | {"method": "PUT", "encoding": "JSON"}
    found = subscription({"types": ["function"], "destination": destination}, LOGS)
    assert (found.api, found.schema_version) == (TelemetryApi.LOGS, "2020-08-15")
    assert found.method == "PUT"


@pytest.mark.parametrize(
    "uri",
    ["http://sandbox:44273", "http://sandbox.localdomain:80/", "http://SANDBOX.localdomain:1?a"],
)
def test_the_environment_has_these_names(uri):
    found = subscription(PLAIN | {"destination": {"protocol": "HTTP", "URI": uri}})
    assert found.uri.lower() == uri.lower()


@pytest.mark.parametrize("path", [TELEMETRY, f"{TELEMETRY}/"])
def test_a_slash_at_the_end_makes_no_difference(path):
    assert telemetry.route(head(path)) is SubscribeCall.TELEMETRY


def without(key):
    return {name: value for name, value in PLAIN.items() if name != key}


def buffering(**values):
    return PLAIN | {"buffering": values}


def destination(**values):
    return PLAIN | {"destination": values}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "the body is not JSON: "),
        (b"[" * 100_000, "the body is not JSON: "),
        (b"", "the body is not JSON: "),
        ([], "the body is []; it must be a JSON object"),
        (without("schemaVersion"), "schemaVersion is missing; it must be one of '2022-07-01', "),
        (PLAIN | {"schemaVersion": "2021-03-18"}, "schemaVersion is '2021-03-18'; it must be one"),
        (PLAIN | {"schemaVersion": 7}, "schemaVersion is 7; it must be one of"),
        (without("types"), "types is missing; it must be a list of some of 'platform', 'function'"),
        (PLAIN | {"types": []}, "types is []; it must be a list of some of"),
        (PLAIN | {"types": "platform"}, "types is 'platform'; it must be a list"),
        (PLAIN | {"types": ["all"]}, "types is 'all'; it must be one of 'platform', 'function'"),
        (PLAIN | {"types": [["platform"]]}, "types is ['platform']; it must be one of"),
        (PLAIN | {"buffering": None}, "buffering is missing; it must be a JSON object"),
        (
            buffering(maxItems=999),
            "buffering.maxItems is 999; it must be a number from 1000 to 10000",
        ),
        (buffering(maxItems=10_001), "buffering.maxItems is 10001; it must be"),
        (
            buffering(maxBytes=262_143),
            "buffering.maxBytes is 262143; it must be a number from 262144 to 1048576",
        ),
        (buffering(maxBytes=1_048_577), "buffering.maxBytes is 1048577; it must be"),
        (
            buffering(timeoutMs=24),
            "buffering.timeoutMs is 24; it must be a number from 25 to 30000",
        ),
        (buffering(timeoutMs=30_001), "buffering.timeoutMs is 30001; it must be"),
        (buffering(timeoutMs="25"), "buffering.timeoutMs is '25'; it must be a number"),
        (buffering(timeoutMs=25.5), "buffering.timeoutMs is 25.5; it must be a number"),
        (without("destination"), "destination is missing; it must be a JSON object"),
        (PLAIN | {"destination": "http"}, "destination is 'http'; it must be a JSON object"),
        (
            destination(protocol="UDP"),
            "destination.protocol is 'UDP'; it must be one of 'HTTP', 'TCP'",
        ),
        (destination(protocol="TCP"), "destination.port is missing; it must be a number from 1 to"),
        (destination(protocol="TCP", port=True), "destination.port is True; it must be a number"),
        (destination(protocol="TCP", port=0), "destination.port is 0; it must be a number"),
        (
            destination(protocol="TCP", port=65_536),
            "destination.port is 65536; it must be a number",
        ),
        (destination(protocol="TCP", port=9001), "destination.port is 9001; it must be any other"),
        (destination(protocol="HTTP"), "destination.URI is missing; it must be http://sandbox."),
        (destination(**HTTP | {"method": "GET"}), "destination.method is 'GET'; it must be one of"),
        (
            destination(**HTTP | {"encoding": "XML"}),
            "destination.encoding is 'XML'; it must be one of",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_the_field_the_value_and_what_it_must_be(document, message):
    assert refusal(document).startswith(message)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://localhost:8080", "destination.URI is 'http://localhost:8080'; it must be http://"),
        ("http://127.0.0.1:8080", "destination.URI is 'http://127.0.0.1:8080'; it must be"),
        ("https://sandbox.localdomain:8080", "destination.URI is 'https://"),
        ("http://sandbox.localdomain.example:80", "destination.URI is 'http://"),
        ("http://sandbox.localdomain:80000", "destination.URI is 'http://"),
        ("http://sandbox.localdomain:80/a b", "destination.URI is 'http://"),
        ("http://sandbox.localdomain:80/\r\nx: y", "destination.URI is 'http://"),
        ("http://sandbox.localdomain:80/ü", "destination.URI is 'http://"),
        ("", "destination.URI is ''"),
        (8080, "destination.URI is 8080"),
        ("http://sandbox.localdomain/path", "URI port is not provided: "),
        (
            "http://sandbox.localdomain:9001/",
            "destination.URI's port is 9001; it must be any other",
        ),
        ("http://sandbox.localdomain:0/", "destination.URI's port is 0; it must be a number"),
    ],
)
def test_a_uri_must_name_the_environment_and_a_port(uri, message):
    assert refusal(destination(protocol="HTTP", URI=uri)).startswith(message)


def test_all_that_is_wrong_is_reported_at_once():
    document = {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}}
    first, second = refusal(document | {"types": []}, LOGS).split("; it must be", 1)
    assert first.startswith("URI port is not provided")
    assert "types is []" in first + second


def test_a_body_that_is_too_large_is_refused_unread():
    response = telemetry.parse(TelemetryApi.TELEMETRY, Body(b"", 1024 * 1024 + 1))
    assert b"takes 1048577 bytes; it may take 1048576" in response.body


def test_managed_instances_take_the_latest_schema_alone():
    assert subscription(PLAIN, managed=True).schema_version == "2025-01-29"
    message = refusal(PLAIN | {"schemaVersion": "2022-12-13"}, managed=True)
    assert message == "schemaVersion is '2022-12-13'; it must be one of '2025-01-29'"


def test_managed_instances_have_no_logs_api():
    response = asked({"types": ["platform"], "destination": HTTP}, LOGS, managed=True)
    assert response.status == 202
    assert json.loads(response.body)["errorType"] == "Logs.NotSupported"


@pytest.mark.parametrize("identifier", ["", "not-a-uuid"])
def test_a_caller_without_an_identifier_is_refused(identifier):
    response = asked(PLAIN, identifier=identifier)
    assert response.status == 403
    assert json.loads(response.body)["errorType"].startswith("Extension.")


def test_other_methods_and_paths_are_refused():
    assert telemetry.route(head(method="POST")).status == 405
    assert telemetry.route(head("/2022-07-01/telemetries")).status == 404


def test_acceptance_is_the_word_ok_as_json():
    response = telemetry.render(SubscriptionAccepted())
    assert (response.status, response.body) == (200, b'"OK"')


def test_a_denial_keeps_its_status_and_type():
    closed = Denied(403, "Telemetry.SubscriptionClosed", "Telemetry API subscription is closed")
    response = telemetry.render(closed)
    assert response.status == 403
    assert json.loads(response.body)["errorType"] == "Telemetry.SubscriptionClosed"


def test_no_other_reply_is_rendered():
    with pytest.raises(TypeError, match="not a reply of the Telemetry API"):
        telemetry.render(Accepted())
