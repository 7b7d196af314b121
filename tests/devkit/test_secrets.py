"""Keys and passwords stay out of packages, and a dependency cannot bring what Lambda would start."""

import os

import pytest

from snapboot_devkit.package.audit import audit
from snapboot_devkit.package.checks import secrets
from snapboot_devkit.package.contents import tree
from snapboot_devkit.package.errors import PackageError
from tests.devkit.audited import codes, compile_all, distribution, filled, found
from tests.devkit.packages import wheel
from tests.devkit.test_package_command import beside

MIB = 1024 * 1024
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n"
APP = {"app.py": "def handler(event, context): return event\n"}
SECRETS = {
    ".env": "PASSWORD=1",
    ".env.production": "PASSWORD=1",
    ".aws/credentials": "[default]",
    "home/.aws/credentials": "[default]",
    ".docker/config.json": "{}",
    "id_rsa": KEY,
    ".ssh/id_ed25519": "key",
    "tls/server.pem": CERTIFICATE * 1_000 + KEY,
    "tls/server.key": KEY,
    "signing.p12": b"\x30\x82",
    ".netrc": "machine",
    ".npmrc": "//registry/:_authToken=1",
    ".pypirc": "[pypi]",
    ".git-credentials": "https://user:word@host",
    "terraform.tfstate": "{}",
    "infra/terraform.tfstate.backup": "{}",
}
PUBLIC = {
    "id_rsa.pub": "ssh-rsa",
    "cacert.pem": CERTIFICATE * 1_000,
    "translations.key": "title = Hello",
    "environ.py": "",
    "aws/credentials.py": "",
    "credentials": "",
    "netrc.py": "",
    "config.json": "{}",
}


def copied(tmp_path, **settings):
    (tmp_path / "task").mkdir()
    done = tree.copy(
        tmp_path / "source",
        tmp_path / "task",
        max_bytes=MIB,
        spare=tmp_path / "out",
        bootstrap=True,
        **settings,
    )
    files = {str(one.relative_to(tmp_path / "task")) for one in (tmp_path / "task").rglob("*")}
    return done, files


def test_packaging_leaves_out_each_kind_and_names_it(tmp_path):
    filled(tmp_path / "source", APP | SECRETS | PUBLIC)
    done, files = copied(tmp_path)
    assert sorted(done.private) == sorted(SECRETS)
    assert not files & SECRETS.keys()
    assert files >= PUBLIC.keys() | APP.keys()


def test_audit_names_the_same_files(tmp_path):
    report = audit(compile_all(filled(tmp_path, APP | SECRETS | PUBLIC)))
    for path, content in SECRETS.items():
        filled(tmp_path / "one", APP | {path: content})
        compile_all(tmp_path / "one")
        finding = found(tmp_path / "one", "secret")
        assert (finding.path, finding.severity.value) == (path, "warning")
        (tmp_path / "one" / path).unlink()
    assert codes(report)["secret"] == "warning"
    assert "secret" not in codes(audit(compile_all(filled(tmp_path / "two", APP | PUBLIC))))


def test_a_test_key_in_a_wheel_is_its_publishers(tmp_path):
    files = {"web/test.key": KEY} | distribution("web", "1", "web/test.key")
    assert "secret" not in codes(audit(compile_all(filled(tmp_path, APP | files))))


def test_a_file_that_is_asked_for_is_kept(tmp_path):
    filled(tmp_path / "source", APP | SECRETS)
    done, files = copied(tmp_path, kept=["tls/server.pem", "./id_rsa"])
    assert {"tls/server.pem", "id_rsa"} <= files
    assert sorted(done.private) == sorted(SECRETS.keys() - {"tls/server.pem", "id_rsa"})


def test_a_file_to_be_kept_that_is_not_there_is_an_error(tmp_path):
    filled(tmp_path / "source", APP)
    with pytest.raises(PackageError, match=r"no file 'tls/server\.pem'.*--keep"):
        copied(tmp_path, kept=["tls/server.pem"])


def test_no_more_of_a_file_is_read_than_a_bundle_has():
    asked = []
    assert not secrets.is_secret("a.pem", lambda size: asked.append(size) or b"")
    assert set(asked) == {2 * MIB}


@pytest.mark.parametrize("name", ["bootstrap", ".snapboot/python/bin/python3", "snapboot.modules"])
def test_a_dependency_that_brings_what_would_be_started_is_refused(tmp_path, name):
    source, output = tmp_path / "source", tmp_path / "out"
    wheels = wheel(tmp_path / "wheels", "evil", files={"evil.py": "", name: "#!/bin/sh\n"})
    filled(source, APP | {"requirements.txt": "evil\n"})
    done = beside(source, output, env=os.environ | {"UV_FIND_LINKS": str(wheels)})
    assert done.returncode == 2
    assert f"the dependency evil 1.0 brings {name!r}" in done.stderr
    assert not output.exists() or not any(output.iterdir())


def test_audit_finds_such_a_dependency(tmp_path):
    files = {"bootstrap": "#!/bin/sh\n"} | distribution("evil", "1", "bootstrap")
    finding = found(compile_all(filled(tmp_path, APP | files)), "reserved-name")
    assert (finding.severity.value, finding.path) == ("error", "bootstrap")
    assert "the dependency evil 1" in finding.message
