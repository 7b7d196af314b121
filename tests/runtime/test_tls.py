"""A Runtime API behind TLS: the second transport is chosen by the address alone."""

from __future__ import annotations

import pytest
import trustme

from tests.fakes.contenders import OURS
from tests.fakes.function import Function
from tests.fakes.runtime_api import Call, Event, RuntimeAPI
from tests.fakes.runtime_process import RuntimeProcess
from tests.fakes.tls import TlsFront

HANDLER = """
def handler(event, context):
    if event == "fail":
        raise ValueError("over TLS")
    return event
"""


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path):
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return {"SSL_CERT_FILE": str(path)}


def test_events_are_served_over_tls(function: Function, authority, trusted):
    function.code(HANDLER)
    large = b'"' + b"x" * 3_000_000 + b'"'
    with RuntimeAPI(Event(b'"first"'), Event(b'"fail"'), Event(large)) as api:
        with (
            TlsFront(api.address, authority) as front,
            RuntimeProcess(
                OURS, "app.handler", front.url, task_root=function.root, environment=trusted
            ),
        ):
            api.wait_idle()
        assert [request.body for request in api.sent(Call.RESPONSE)] == [b'"first"', large]
        (error,) = api.sent(Call.ERROR)
        assert error.json()["errorMessage"] == "over TLS"
        assert len({request.connection for request in api.requests}) == 1


def test_an_init_error_is_reported_over_tls(function: Function, authority, trusted):
    function.code("raise ValueError('at import')")
    with RuntimeAPI() as api:
        with (
            TlsFront(api.address, authority) as front,
            RuntimeProcess(
                OURS, "app.handler", front.url, task_root=function.root, environment=trusted
            ) as process,
        ):
            assert process.wait().returncode == 1
        (error,) = api.sent(Call.INIT_ERROR)
        assert error.json()["errorMessage"] == "at import"


def test_a_certificate_that_no_one_vouches_for_ends_the_process(function: Function, authority):
    function.code(HANDLER)
    with (
        RuntimeAPI(Event(b"1")) as api,
        TlsFront(api.address, authority) as front,
        RuntimeProcess(OURS, "app.handler", front.url, task_root=function.root) as process,
    ):
        ending = process.wait()
        assert ending.returncode == 1
        assert "certificate verify failed" in ending.last_error_line.lower()
        assert api.requests == ()
