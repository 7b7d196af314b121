"""Who may come in: browsers' marks and names, without any browser."""

import json

import pytest

from snapboot_devkit.host.http.exchange import Head
from snapboot_devkit.host.routes.cross_site import OriginPolicy

LOOPBACK = OriginPolicy("127.0.0.1", "machine")
OPEN = OriginPolicy("0.0.0.0", "Machine", frozenset({"dev.example"}))


def refused(gate, **headers):
    """Return the error type of the refusal, or None for who may come in."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    refusal = gate.refusal(Head("POST", "/", "", named))
    assert refusal is None or refusal.status == 403
    return None if refusal is None else json.loads(refusal.body)["errorType"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9000",
        "127.8.9.1",
        "localhost",
        "LOCALHOST:9000",
        "localhost.:9000",
        "[::1]:9000",
        "app.lambda-url.localhost:9000",
    ],
)
def test_names_of_loopback_are_ours(host):
    assert refused(LOOPBACK, host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "machine",
        "10.0.0.1",
        "",
        "[::2]",
        "0x7f.1",
    ],
)
def test_other_names_are_foreign_on_loopback(host):
    assert refused(LOOPBACK, host=host) == "ForeignHost"


@pytest.mark.parametrize(
    "host", ["10.0.0.1:80", "[fe80::1]", "machine", "localhost", "dev.example"]
)
def test_who_listens_for_others_answers_to_addresses_and_its_own_names(host):
    assert refused(OPEN, host=host) is None


def test_who_listens_for_others_still_refuses_names_that_anybody_may_own():
    assert refused(OPEN, host="evil.example") == "ForeignHost"


@pytest.mark.parametrize(
    "marks",
    [
        {},
        {"origin": "http://localhost:9000", "sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin"},
    ],
    ids=["no browser", "our own page", "typed", "our own page's GET"],
)
def test_what_no_foreign_page_has_sent_comes_in(marks):
    assert refused(LOOPBACK, host="localhost:9000", **marks) is None


@pytest.mark.parametrize(
    "marks",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://localhost:9000"},
        {"origin": "http://localhost:3000", "sec_fetch_site": "same-site"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "a-value-to-come"},
    ],
)
def test_what_a_foreign_page_has_sent_stays_out(marks):
    assert refused(LOOPBACK, host="localhost:9000", **marks) == "CrossSiteRequest"


def test_pages_that_the_user_allows_come_in():
    assert refused(OPEN, host="localhost", origin="https://dev.example:3000") is None
    assert refused(OriginPolicy("127.0.0.1", "", frozenset({"*"})), host="evil.example") is None
