"""`python -m benchmarks renew`: everything again, from one commit, on each interpreter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import contenders, enough, machine
from benchmarks.bench import QUICK, Bench
from benchmarks.recording import load, load_all
from benchmarks.renew import remove_others
from benchmarks.samples import CountsSample, HostSample
from oracles import awslambdaric
from tests.benchmarks.recordings import recording, starts

if TYPE_CHECKING:
    from collections.abc import Callable

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


@pytest.fixture
def results(checkout: Path) -> Path:
    """Return the checkout's folder of recordings, with all at hand that a recording needs."""
    awslambdaric.folder(sys.executable)
    contenders.dependencies(machine.interpreter_at(Path(sys.executable)))
    (checkout / ".cache").symlink_to(ROOT / ".cache")
    folder = checkout / "benchmarks" / "results"
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_recordings_are_renewed_one_after_another_and_all_are_of_one_clean_commit(
    checkout: Path, results: Path
) -> None:
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
    assert all(one.seconds for one in found)


@pytest.mark.slow
def test_what_is_recorded_of_this_commit_is_kept_and_all_else_is_recorded(
    checkout: Path, results: Path
) -> None:
    one = ("--python", sys.executable, "--quick", "--scenario", "init")
    first = renew(checkout, *one)
    assert "recorded: init-" in first.stderr
    (path,) = results.glob("*.json")
    content = path.read_bytes()

    assert f"kept: {path.name}, 3 rounds" in renew(checkout, *one).stderr
    assert path.read_bytes() == content
    for longer in (("--again",), ("--runs", "2")):
        assert "recorded: init-" in renew(checkout, *one, *longer).stderr
        assert path.read_bytes() != content
    older = load(path)
    older.commit = {**older.commit, "id": "0" * 40}
    older.save(results)
    assert "recorded: init-" in renew(checkout, *one, "--runs", "2").stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="signals a group of processes")
def test_an_interrupted_run_keeps_the_recordings_before_and_goes_on_where_it_was(
    checkout: Path, results: Path
) -> None:
    one = ("--python", sys.executable, "--scenario", "footprint", "--scenario", "init")
    command = [sys.executable, "-m", "benchmarks", "renew", *one, "--runs", "2000"]
    with subprocess.Popen(
        command, cwd=checkout, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: bool(list(results.glob("init-*.unfinished"))))
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 130
    assert "interrupted: what is recorded is kept" in said
    assert "Traceback" not in said
    assert [path.name.partition("-")[0] for path in results.glob("*.json")] == ["footprint"]
    again = renew(checkout, *one[:4], "--runs", "2000").stderr
    assert "kept: footprint-" in again


def test_a_whole_renewal_leaves_no_recording_of_another_commit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, others = recording("init", *starts("snapboot", 9)), recording("warm")
    ours.commit = {**ours.commit, "id": machine.this_commit().id}
    kept, removed = ours.save(tmp_path), others.save(tmp_path)
    plots = [tmp_path / f"{one.stem}-figure.svg" for one in (ours, others)]
    (tmp_path / "notes.json").write_text("{}", encoding="utf-8")
    for plot in plots:
        plot.touch()
    remove_others(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {kept.name, plots[0].name, "notes.json"}
    said = capsys.readouterr().err
    assert f"removed: {removed.name}, of commit 0123456789ab" in said
    assert "left alone: cannot read" in said


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "nothing came within the deadline"
        time.sleep(0.05)


STEADY = [100 + number % 3 / 10 for number in range(20)]


@pytest.mark.parametrize(
    ("ours", "theirs", "known"),
    [
        (STEADY, [300.0] * 20, True),
        (STEADY[:15], [300.0] * 15, False),
        # Both move together: the ratio does not.
        (
            [value * (1 + at / 10) for at, value in enumerate(STEADY)],
            [300 + 30.0 * at for at in range(20)],
            True,
        ),
        # The interval is 3 % wide, and a little more.
        ([97 + at % 7 for at in range(20)], [300.0] * 20, False),
        ([*[100.0] * 10, *[150.0] * 10], [300.0] * 20, False),
    ],
    ids=["steady", "too few", "drifts together", "wide", "two groups"],
)
def test_rounds_end_when_each_ratio_is_known(
    ours: list[float],
    theirs: list[float],
    known: bool,  # noqa: FBT001
) -> None:
    one = recording("init", *starts("snapboot", *ours), *starts("awslambdaric", *theirs))

    assert enough.known(one, one.samples) is known


def test_one_ratio_that_is_not_known_has_all_of_them_go_on() -> None:
    wide = [100 + 5 * (number % 3) for number in range(20)]
    one = recording(
        "init",
        *(*starts("snapboot", *STEADY), *starts("awslambdaric", *STEADY)),
        *starts("awslambdaric-unpooled", *wide),
    )

    assert not enough.known(one, one.samples)


def test_what_has_nothing_to_be_compared_with_is_judged_by_its_own_median() -> None:
    def served(spread: int) -> list[HostSample]:
        return [
            HostSample(at, "snapboot start", "7 B at once", 8, 800, 10**9 + at % 3 * spread, ())
            for at in range(20)
        ]

    assert enough.known(recording("host", *served(10**6)), served(10**6))
    assert not enough.known(recording("host", *served(10**8)), served(10**8))


def test_counts_take_the_rounds_that_they_have() -> None:
    samples = [CountsSample(at, "snapboot", 10, 10) for at in range(20)]

    assert not enough.known(recording("counts", *samples), samples)


def test_a_part_ends_when_it_is_known_and_with_the_rounds_of_the_plan_at_the_latest() -> None:
    everything = Bench(QUICK, machine.interpreter_at(Path(sys.executable)), (), ROOT, ROOT)
    some = replace(everything, known=lambda samples: len(samples) >= 4)

    def taken(bench: Bench) -> list[int]:
        rounds = bench.part(5, lambda number, _source: starts(f"{number}", 1.0, 2.0))
        return [len(samples) for samples in rounds]

    assert taken(everything) == [2] * 5
    assert taken(some) == [2] * 2


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
