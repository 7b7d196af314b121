"""A snapshot and its restore with our own runtime: hooks, credentials, metadata, figures."""

import json
import re
from pathlib import Path

import pytest

from snapboot_devkit.host import InitializationType, InvokeError
from tests.devkit.hosted import hosted

FUNCTION = """
import json, os, urllib.error, urllib.request

import snapboot

def get(url, authorization):
    request = urllib.request.Request(url, headers={"Authorization": authorization})
    try:
        with urllib.request.urlopen(request) as response:
            return [response.status, json.load(response), response.headers["Cache-Control"]]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode(), None]

def credentials(token=os.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")):
    return get(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], token)

def metadata(token=os.environ["AWS_LAMBDA_METADATA_TOKEN"]):
    api = os.environ["AWS_LAMBDA_METADATA_API"]
    path = "/2026-01-15/metadata/execution-environment"
    return get(f"http://{api}{path}", f"Bearer {token}")

seen = {}

@snapboot.before_snapshot
def before():
    seen["before"] = {"credentials": credentials(), "metadata": metadata()}

@snapboot.after_restore
def after():
    seen["after"] = {"credentials": credentials(), "metadata": metadata()}

def handler(event, context):
    return {**seen, "names": sorted(os.environ)}

def strangers(event, context):
    return [credentials("a guess"), metadata("a guess")]

def botocores(event, context):
    import sys
    sys.path.append(event)
    import botocore.session
    found = botocore.session.Session().get_credentials().get_frozen_credentials()
    return [found.access_key, found.secret_key, found.token, seen["after"]["credentials"][1]]

def plain(event, context):
    return [get("http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2021-04-23/credentials", "x"), metadata()]
"""

FAILING = """
import os, threading
import snapboot

@snapboot.{hook}
def fail():
    {action}

def handler(event, context):
    return "never"
"""
SNAP_START = InitializationType.SNAP_START
FIGURE = r"\d+\.\d\d ms"


def restored(folder, handler="handler", *events, source=FUNCTION, **settings):
    """Return the results of a function that is restored from its snapshot."""
    (folder / "app.py").write_text(source)

    async def scenario(host):
        return [await host.invoke(event) for event in events or (None,)]

    settings = {"initialization": SNAP_START, "task_root": folder, "bootstrap": None} | settings
    return hosted(f"app.{handler}", scenario, **settings)


def test_a_restore_brings_fresh_credentials_and_leaves_the_address_and_token(tmp_path):
    first, second = restored(tmp_path, "handler", 1, 2)
    seen = json.loads(first.payload)
    statuses = [seen[moment]["credentials"][0] for moment in ("before", "after")]
    before, after = (seen[moment]["credentials"][1] for moment in ("before", "after"))
    assert statuses == [200, 200]
    assert (
        before.keys() == after.keys() == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    )
    assert before["Token"] != after["Token"]
    # One restore, however many invocations.
    assert json.loads(second.payload) == seen
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(
        seen["names"]
    )


def test_the_zone_may_be_kept_after_the_restore_and_not_before(tmp_path):
    [result] = restored(tmp_path)
    seen = json.loads(result.payload)
    for moment in ("before", "after"):
        status, document, _ = seen[moment]["metadata"]
        assert (status, document) == (200, {"AvailabilityZoneID": "use1-az1"})
    assert seen["before"]["metadata"][2] == "private, max-age=60"
    assert seen["after"]["metadata"][2] == "private, max-age=43200, immutable"


def test_neither_service_is_for_who_guesses_its_token(tmp_path):
    [result] = restored(tmp_path, "strangers")
    credentials, metadata = json.loads(result.payload)
    assert credentials[0] == 404
    assert metadata[0] == 401


def test_without_a_snapshot_there_is_metadata_and_credentials_are_variables(tmp_path):
    [result] = restored(tmp_path, "plain", initialization=InitializationType.ON_DEMAND)
    credentials, metadata = json.loads(result.payload)
    assert credentials[0] == 404
    assert metadata == [
        200,
        {"AvailabilityZoneID": "use1-az1"},
        "private, max-age=43200, immutable",
    ]


def test_botocore_finds_the_credentials_of_the_restored_environment(tmp_path):
    botocore = pytest.importorskip("botocore", reason="needs boto3, of the extra `test`")
    packages = str(Path(botocore.__file__).parents[1])
    [result] = restored(tmp_path, "botocores", packages)
    key, secret, token, after = json.loads(result.payload)
    assert [key, secret, token] == [after["AccessKeyId"], after["SecretAccessKey"], after["Token"]]


def test_the_log_reports_snapshot_restore_and_invocation(tmp_path):
    lines = []
    first, second = restored(tmp_path, "handler", 1, 2, log=lines.append)
    waking, restore, start, end, report = first.logs
    begun, init = [line.text for line in lines][:2]
    assert begun.startswith("INIT_START Runtime Version: python:")
    assert waking == begun.replace("INIT_START", "RESTORE_START")
    assert re.fullmatch(
        rf"INIT_REPORT Init Duration: {FIGURE}\tPhase: snap-start\tStatus: success", init
    )
    assert re.fullmatch(rf"RESTORE_REPORT Restore Duration: {FIGURE}", restore)
    assert start.startswith("START RequestId: ")
    assert end.startswith("END RequestId: ")
    assert re.search(rf"\tRestore Duration: {FIGURE}\tBilled Restore Duration: \d+ ms\t", report)
    assert "Init Duration" not in report
    assert first.report.restore_ms > 0
    assert second.report.restore_ms is None
    assert "Restore Duration" not in second.logs[-1]


@pytest.mark.parametrize(
    ("action", "limit_s", "exception", "ending"),
    [
        (
            "raise ValueError('not restored')",
            10,
            "SnapStartException",
            "error\tError Type: Runtime.AfterRestoreError",
        ),
        ("os._exit(3)", 10, "SnapStartException", "error\tError Type: Runtime.ExitError"),
        ("threading.Event().wait()", 0.5, "SnapStartTimeoutException", "timeout"),
    ],
    ids=["raises", "exits", "hangs"],
)
def test_a_restore_that_fails_is_refused_to_its_caller(
    tmp_path, action, limit_s, exception, ending
):
    source = FAILING.format(hook="after_restore", action=action)
    lines = []
    with pytest.raises(InvokeError, match="The restore failed: ") as refused:
        restored(tmp_path, source=source, restore_limit_s=limit_s, log=lines.append)
    assert refused.value.exception == exception
    [line] = [line.text for line in lines if line.text.startswith("RESTORE_REPORT")]
    assert re.fullmatch(rf"RESTORE_REPORT Restore Duration: {FIGURE}\tStatus: {ending}", line)


def test_a_snapshot_that_fails_is_refused_to_its_caller(tmp_path):
    source = FAILING.format(hook="before_snapshot", action="raise ValueError('not frozen')")
    lines = []
    with pytest.raises(InvokeError, match=r"The init before the snapshot failed: .*not frozen"):
        restored(tmp_path, source=source, log=lines.append)
    [line] = [line.text for line in lines if line.text.startswith("INIT_REPORT")]
    ending = "Phase: snap-start\tStatus: error\tError Type: Runtime.BeforeSnapshotError"
    assert line.endswith(ending)
