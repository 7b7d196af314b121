"""The services beside the Runtime API: credentials after a restore, and metadata."""

import json
from dataclasses import replace

import pytest

from snapboot_devkit.host.http.exchange import Head
from snapboot_devkit.host.routes.services import Credentials, Services, page

CREDENTIALS = "/2021-04-23/credentials"
METADATA = "/2026-01-15/metadata/execution-environment"
SERVICES = Services(
    metadata_token="open sesame",
    zone_id="euw1-az2",
    credentials=Credentials("AKID", "secret", "session", 1_790_000_000.7),
    credentials_token="a token",
)


def asked(path, authorization=None, method="GET", services=SERVICES):
    headers = {} if authorization is None else {b"authorization": authorization.encode()}
    return page(Head(method, path, headers=headers), services)


def test_credentials_are_for_a_caller_with_their_token():
    response = asked(CREDENTIALS, "a token")
    assert response.status == 200
    assert json.loads(response.body) == {
        "AccessKeyId": "AKID",
        "SecretAccessKey": "secret",
        "Token": "session",
        "Expiration": "2026-09-21T14:13:20Z",
    }


@pytest.mark.parametrize("token", [None, "", "another", "Bearer a token", "a token "])
def test_credentials_are_not_found_with_any_other_token(token):
    response = asked(CREDENTIALS, token)
    assert response.status == 404
    assert b"AKID" not in response.body


def test_there_are_no_credentials_without_a_snapshot():
    assert asked(CREDENTIALS, "a token", services=replace(SERVICES, credentials=None)) is None


def test_no_token_is_never_a_right_one():
    without_tokens = replace(SERVICES, credentials_token="", metadata_token="")
    assert asked(CREDENTIALS, "", services=without_tokens).status == 404
    assert asked(METADATA, "Bearer ", services=without_tokens).status == 401


def test_metadata_has_the_zone_for_as_long_as_it_holds():
    response = asked(METADATA, "Bearer open sesame")
    assert response.status == 200
    assert json.loads(response.body) == {"AvailabilityZoneID": "euw1-az2"}
    assert (b"cache-control", b"private, max-age=43200, immutable") in response.fields


def test_metadata_must_not_outlive_a_snapshot():
    response = asked(
        METADATA, "Bearer open sesame", services=replace(SERVICES, before_snapshot=True)
    )
    assert b"immutable" not in dict(response.fields)[b"cache-control"]


@pytest.mark.parametrize(
    "token", [None, "open sesame", "Bearer", "Bearer x", "Basic open sesame", "Bearer é"]
)
def test_metadata_is_refused_to_any_other_token(token):
    response = asked(METADATA, token)
    assert response.status == 401
    assert "AWS_LAMBDA_METADATA_TOKEN" in json.loads(response.body)["errorMessage"]


@pytest.mark.parametrize("path", [CREDENTIALS, METADATA])
def test_both_are_only_read(path):
    response = asked(path, "Bearer open sesame", method="POST")
    assert response.status == 405
    assert (b"allow", b"GET") in response.fields


def test_any_other_page_is_not_of_the_services():
    assert asked("/2018-06-01/runtime/invocation/next") is None
