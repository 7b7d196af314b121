"""`python -m benchmarks renew`: everything again, from one commit, on each interpreter."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import contenders, machine
from benchmarks.recording import load_all
from oracles import awslambdaric
from tests.benchmarks.recordings import recording, starts

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 240


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a clean checkout of what is here, committed or not."""
    folder = tmp_path / "checkout"
    for name in ("benchmarks", "oracles", "devkit", "runtime", ".ci"):
        ignore = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", "bootstrap"):
        shutil.copy2(ROOT / name, folder)
    (folder / ".gitignore").write_text("__pycache__\n.cache\n", encoding="utf-8")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for command in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-qm", "All")):
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=DEADLINE_S)
    return folder


def renew(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "renew", *arguments],
        cwd=checkout,
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def test_a_checkout_with_changes_is_refused_with_what_to_do(checkout: Path, tmp_path: Path) -> None:
    (checkout / "bootstrap").write_text("changed", encoding="utf-8")
    done = renew(checkout, "--output", str(tmp_path / "results"))

    assert done.returncode == 1
    assert "commit them first, or give --modified" in done.stderr
    assert not (tmp_path / "results").exists()


def test_an_interpreter_that_does_not_run_is_named_before_anything_is_measured(
    checkout: Path, tmp_path: Path
) -> None:
    done = renew(
        checkout, "--python", sys.executable, "--python", "/nowhere", "--output", str(tmp_path)
    )

    assert done.returncode == 1
    assert "cannot ask the interpreter '/nowhere' what it is" in done.stderr
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.slow
def test_recordings_are_renewed_one_after_another_and_all_are_of_one_clean_commit(
    checkout: Path, tmp_path: Path
) -> None:
    awslambdaric.folder(sys.executable)
    contenders.dependencies(machine.interpreter_at(Path(sys.executable)))
    (checkout / ".cache").symlink_to(ROOT / ".cache")
    results = checkout / "benchmarks" / "results"
    results.mkdir()
    # The first recording is a change of the checkout, and no reason for the second to say so.
    (results / "older.txt").write_text("not committed\n", encoding="utf-8")
    chosen = ("--scenario", "footprint", "--scenario", "init")
    renew(checkout, "--python", sys.executable, "--quick", *chosen)

    found = load_all(results)
    assert sorted(one.scenario for one in found) == ["footprint", "init"]
    assert {one.commit["modified"] for one in found} == {False}
    assert len({one.commit["id"] for one in found}) == 1
    builder = machine.interpreter_at(Path(sys.executable)).builder
    assert {one.interpreter["builder"] for one in found} == {builder}
    assert f"{builder}'s build" in (results / "tables.md").read_text(encoding="utf-8")


def test_a_distributions_interpreter_has_recordings_of_its_own(tmp_path: Path) -> None:
    one = recording("init", *starts("snapboot", 9, 10))
    pyenvs = one.save(tmp_path)
    one.interpreter = {**one.interpreter, "builder": "Debian"}
    debians = one.save(tmp_path)

    assert (pyenvs.name, debians.name) == ("init-3.13.0.json", "init-3.13.0-debian.json")
    assert json.loads(debians.read_bytes())["interpreter"]["builder"] == "Debian"


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="there is no system's Python")
def test_who_built_an_interpreter_is_asked_of_itself() -> None:
    system = machine.interpreter_at(Path("/usr/bin/python3"))

    assert system.builder not in {"pyenv", "uv", "other"}
