"""`snapboot audit` as people and CI type it."""

import json

import pytest

from tests.devkit.audited import (
    LONG,
    as_json,
    compile_all,
    filled,
    snapboot_audit,
    zipped,
)

APP = {"app.py": "import library\n", "library.py": LONG}


@pytest.fixture
def folder(tmp_path):
    return filled(tmp_path / "code", APP)


def test_nothing_found_is_success(folder, capfdbinary):
    done = snapboot_audit(capfdbinary, compile_all(folder))
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "Nothing found."


def test_what_is_found_is_reported_with_its_cost_and_its_remedy(folder, capfdbinary):
    done = snapboot_audit(capfdbinary, folder)
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "This package spends " in text
    assert "modules compiled by Python " in text
    assert "→ compile with unchecked hashes" in text
    assert text.index("\nwarning [") < text.index("0 errors, 1 warning, 0 notes")


def test_warnings_may_be_let_through(folder, capfdbinary):
    assert snapboot_audit(capfdbinary, "--fail-on", "error", folder).returncode == 0
    filled(folder, {"app.py": "def ("})
    assert snapboot_audit(capfdbinary, "--fail-on", "error", folder).returncode == 1


def test_notes_alone_are_success(folder, capfdbinary):
    assert as_json(capfdbinary, "--runtime", "provided.al2023", compile_all(folder))[0] == 0


def test_the_document_has_what_its_description_promises(folder, tmp_path, capfdbinary):
    status, document = as_json(capfdbinary, zipped(folder, tmp_path / "function.zip"))
    assert status == 1
    assert set(document) == {
        "schema", "path", "form", "for", "python", "architecture", "files", "sizeBytes",
        "zipBytes", "sizes", "costSeconds", "measured", "findings", "fixed",
    }  # fmt: skip
    assert document["schema"] == 1
    assert set(document["measured"]) == {"interpreter", "version", "modules", "start"}
    fields = {"code", "severity", "path", "message", "remedy", "costSeconds"}
    assert [set(finding) for finding in document["findings"]] == [fields]
    assert document["costSeconds"] == document["findings"][0]["costSeconds"] > 0
    assert document["zipBytes"] == (tmp_path / "function.zip").stat().st_size


def test_fixing_first_leaves_nothing_to_find(folder, capfdbinary):
    status, document = as_json(capfdbinary, "--fix", folder)
    assert (status, document["findings"]) == (0, [])
    assert [one["act"] for one in document["fixed"]] == ["compiled", "compiled"]
    assert b"fixed" not in snapboot_audit(capfdbinary, "--fix", folder).stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["absent"], b"cannot audit 'absent': it does not exist; give a folder or a zip file"),
        ([__file__], b"as a zip file"),
        (["--python", "no-such-python", "."], b"cannot find the interpreter 'no-such-python'"),
        (["--python", "3.99", "."], b"no Python 3.99 was found on this machine; give --python"),
    ],
)
def test_what_cannot_be_audited_ends_with_two(
    arguments, reason, tmp_path, capfdbinary, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    done = snapboot_audit(capfdbinary, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert reason in done.stderr


def test_a_reader_that_has_gone_is_no_failure_of_ours(folder):
    import subprocess
    import sys

    command = [sys.executable, "-m", "snapboot_devkit", "audit", "--json", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_the_help_says_what_the_exit_codes_mean(capfdbinary):
    text = " ".join(snapboot_audit(capfdbinary, "--help").stdout.decode().split())
    assert "Nothing of the package is executed" in text
    assert json.dumps("--fail-on")[1:-1] in text
