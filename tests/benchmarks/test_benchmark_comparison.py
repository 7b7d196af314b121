"""`python -m benchmarks compare`: what two recordings say of a change, and when they cannot."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import compare, contenders
from benchmarks.__main__ import main
from benchmarks.figures import figures
from benchmarks.machine import interpreter_at
from benchmarks.recording import RecordingError, load
from benchmarks.samples import CountsSample, FootprintSample, HostSample, InitSample, MemorySample
from oracles import awslambdaric
from snapboot_devkit.profile.statistics import Verdict
from tests.benchmarks.recordings import recording, starts

if TYPE_CHECKING:
    from benchmarks.recording import Recording

ROOT = Path(__file__).resolve().parents[2]
RUN_DEADLINE_S = 480
ROUNDS = 40
OURS, THEIRS = "snapboot", "awslambdaric"


def interleaved(seed: int, *, ours: float = 1.0, machine: float = 1.0) -> Recording:
    """Return starts of both as timings are: a floor, a tail, and what meets both in a round."""
    source = random.Random(seed)
    together = [machine * (1 + source.expovariate(20)) for _ in range(ROUNDS)]
    alone = [[1 + source.expovariate(50) for _ in range(ROUNDS)] for _ in range(2)]
    return recording(
        "init",
        *starts(OURS, *(20 * ours * a * b for a, b in zip(together, alone[0], strict=True))),
        *starts(THEIRS, *(60 * a * b for a, b in zip(together, alone[1], strict=True))),
    )


def ours_alone(seed: int, factor: float = 1.0) -> Recording:
    source = random.Random(seed)
    values = (20 * factor * (1 + source.expovariate(50)) for _ in range(ROUNDS))
    return recording("init", *starts(OURS, *values))


def verdicts(before: Recording, after: Recording) -> set[Verdict]:
    return {change.verdict for change in compare.changes(before, after)}


@pytest.mark.parametrize("seed", range(8))
def test_a_planted_slowdown_of_five_percent_is_found(seed: int) -> None:
    found = verdicts(interleaved(seed), interleaved(seed + 100, ours=1.05))

    assert found == {Verdict.SLOWER}


@pytest.mark.parametrize("seed", range(8))
def test_five_percent_less_is_faster(seed: int) -> None:
    found = verdicts(interleaved(seed, ours=1.05), interleaved(seed + 100))

    assert found == {Verdict.FASTER}


@pytest.mark.parametrize("seed", range(16))
def test_two_runs_of_the_same_thing_cannot_be_distinguished(seed: int) -> None:
    assert verdicts(interleaved(seed), interleaved(seed + 100)) == {Verdict.CANNOT_TELL}


def test_a_machine_that_slowed_both_is_no_regression() -> None:
    assert verdicts(interleaved(1), interleaved(2, machine=1.5)) == {Verdict.CANNOT_TELL}


def test_a_slowdown_on_a_machine_that_became_faster_is_found_all_the_same() -> None:
    assert verdicts(interleaved(1), interleaved(2, ours=1.05, machine=0.7)) == {Verdict.SLOWER}


def test_without_anyone_else_the_times_are_compared_and_that_is_said() -> None:
    before, after = ours_alone(1), ours_alone(2, 1.05)
    found = compare.changes(before, after)

    assert {change.verdict for change in found} == {Verdict.SLOWER}
    assert "a change of the machine is in these ratios" in compare.render(before, after, found)


def test_another_version_of_theirs_is_no_yardstick() -> None:
    before, after = interleaved(1), interleaved(2)
    after.contenders[1]["version"] = "2"

    assert compare.yardstick(before, after) is None
    assert compare.yardstick(before, before) == THEIRS


def test_what_theirs_does_is_not_a_change_of_ours() -> None:
    found = compare.changes(interleaved(1), interleaved(2))

    assert {change.contender for change in found} == {OURS}


def test_few_samples_say_nothing_and_how_many_they_are() -> None:
    few = recording("init", *starts(OURS, 10, 11, 10), *starts(THEIRS, 30, 31, 30))
    (first, *_) = found = compare.changes(few, few)

    assert first.in_words == "cannot tell: the first has 3 samples, too few"
    assert compare.status(found) == 4


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([*[20, 20.2, 20.1, 19.9] * 4, *[30, 30.1, 29.9, 30.2] * 4], "two groups"),
        ([20 + number * 0.5 for number in range(40)], "drifts"),
    ],
)
def test_samples_without_one_figure_say_nothing_and_why(values: list[float], reason: str) -> None:
    unsteady = recording("init", *starts(OURS, *values))
    (first, *_) = compare.changes(ours_alone(1), unsteady)

    assert first.verdict is Verdict.CANNOT_TELL
    assert first.in_words == f"cannot tell: the second {reason}"


def footprint(calls: int, modules: int = 30) -> Recording:
    names = tuple(map(str, range(modules)))
    return recording(
        "footprint", *(FootprintSample(n, OURS, names, 0, calls + n % 2, 20) for n in range(3))
    )


def test_counts_need_no_many_rounds() -> None:
    verdict = {
        one.figure.name: one.in_words for one in compare.changes(footprint(400), footprint(420))
    }

    assert verdict["system calls"] == "more"
    assert verdict["modules imported"] == "the same"


def test_a_count_that_wavers_by_one_is_the_same() -> None:
    verdict = {
        one.figure.name: one.in_words for one in compare.changes(footprint(400), footprint(401))
    }

    assert verdict["system calls"] == "the same"


def test_more_requests_per_second_are_faster() -> None:
    def served(per_second: float) -> Recording:
        rows = [
            HostSample(
                number, "snapboot start", "7 B at once", 8, 1000, round(1e12 / (per_second + n)), ()
            )
            for number, n in enumerate([0, 3, 1, 2, 4, 1, 2, 3])
        ]
        return recording("host", *rows)

    assert verdicts(served(1000), served(1200)) == {Verdict.FASTER}
    assert verdicts(served(1200), served(1000)) == {Verdict.SLOWER}


def test_clients_who_are_served_side_by_side_are_shown_in_times_of_one_client() -> None:
    rows = [
        HostSample(number, "snapboot start", "20 ms at once", clients, 25 * clients, elapsed_ns, ())
        for number, all_ns in enumerate([520_000_000, 500_000_000])
        for clients, elapsed_ns in ((8, all_ns), (1, 500_000_000))
    ]
    served = {one.name: one.values for one in figures(recording("host", *rows))}

    assert served["times one client's rate, 8 at once, 20 ms each"] == {
        "snapboot start": [pytest.approx(8 * 500 / 520), 8.0]
    }
    assert served["requests per second of 20 ms, 1 at once"] == {"snapboot start": [50.0, 50.0]}


def test_what_an_idle_host_holds_is_a_figure() -> None:
    rows = [
        HostSample(n, "snapboot start", "idle", 1, 1, 10**6, (), held)
        for n, held in enumerate([23_000_000, 24_000_000])
    ]
    (held,) = figures(recording("host", *rows))

    assert (held.name, held.unit) == ("resident, idle", "MB")
    assert held.values == {"snapboot start": [23.0, 24.0]}


def test_growth_that_may_be_nothing_is_not_compared() -> None:
    def held(extra: int) -> Recording:
        rows = [
            MemorySample(0, OURS, count, 9_000_000 + extra * count, 5_000_000, count or None)
            for count in (0, 50, 100)
        ]
        return recording("memory", *rows)

    assert all("growth" not in one.figure.name for one in compare.changes(held(1), held(2)))


def instructions(init: int, warm: int) -> Recording:
    return recording("counts", *(CountsSample(n, OURS, init, warm + n % 2) for n in range(3)))


@pytest.mark.parametrize(
    ("init", "verdict"), [(31_000_000, "the same"), (32_600_000, "more"), (29_400_000, "less")]
)
def test_instructions_are_compared_as_counts(init: int, verdict: str) -> None:
    changes = compare.changes(instructions(31_000_000, 190_000), instructions(init, 190_000))

    assert [one.in_words for one in changes] == [verdict, "the same"]
    assert compare.status(changes) == (3 if verdict == "more" else 0)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind, which counts, is not installed")
def test_two_runs_count_the_same_and_five_percent_more_do_not_pass_the_gate(
    tmp_path: Path,
) -> None:
    files = []
    for name in ("a", "b"):
        options = ("--contenders", OURS, "--runs", "1", "--output", str(tmp_path / name))
        done = benchmarks("counts", *options)
        assert done.returncode == 0, done.stderr
        files.append(next((tmp_path / name).glob("*.json")))
    planted = load(files[1])
    planted.samples = [
        replace(one, init_instructions=one.init_instructions * 21 // 20)
        for one in planted.samples
        if isinstance(one, CountsSample) and one.init_instructions
    ]
    (tmp_path / "c").mkdir()

    same = benchmarks("compare", "--gate", *map(str, files))
    slower = benchmarks("compare", "--gate", str(files[0]), str(planted.save(tmp_path / "c")))
    assert (same.returncode, same.stdout.count(" the same |")) == (0, 2), same.stdout
    assert (slower.returncode, slower.stdout.count(" more |")) == (3, 1), slower.stdout


@pytest.mark.slow
def test_two_real_runs_are_compared_and_the_gate_says_what_the_rows_say(tmp_path: Path) -> None:
    awslambdaric.folder(sys.executable)
    contenders.dependencies(interpreter_at(Path(sys.executable)))
    for name in ("a", "b"):
        done = benchmarks("init", "--runs", "8", "--output", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
    done = benchmarks(
        "compare", "--gate", *(str(next((tmp_path / name).glob("*.json"))) for name in "ab")
    )

    words = [row.split(" | ")[-1].split(" |")[0] for row in done.stdout.splitlines()[2:6]]
    assert all(word.startswith(("faster", "slower", "cannot tell")) for word in words), done.stdout
    # A busy machine decides which; the exit status follows from the rows.
    unjudged = all(word.startswith("cannot tell: ") for word in words)
    assert done.returncode == (3 if "slower" in words else 4 if unjudged else 0)


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_DEADLINE_S,
    )


# --- the command --------------------------------------------------------------------------------


def saved(folder: Path, name: str, one: Recording) -> str:
    (folder / name).mkdir()
    return str(one.save(folder / name))


@pytest.mark.parametrize(
    ("factor", "gated", "word"), [(1.05, 3, "slower"), (0.95, 0, "faster"), (1.0, 0, "cannot tell")]
)
def test_the_command_says_it_and_its_gate_has_an_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float, gated: int, word: str
) -> None:
    files = [
        saved(tmp_path, "a", interleaved(1)),
        saved(tmp_path, "b", interleaved(2, ours=factor)),
    ]

    assert main(["compare", *files]) == 0
    assert main(["compare", "--gate", *files]) == gated
    first, _ = capsys.readouterr().out.split("| figure |")[1:]
    row = first.splitlines()[2]
    assert row.startswith("| spawn to next | snapboot | ")
    assert row.endswith(f" | {word} |")
    assert "The ratios are those of the relation to awslambdaric" in first


def test_what_differs_beside_the_code_is_said(tmp_path: Path) -> None:
    before, after = interleaved(1), interleaved(2)
    after.machine = {**after.machine, "cpus": 64}
    after.interpreter = {**after.interpreter, "version": "3.14.0"}
    after.commit = {"id": "f00", "modified": True}
    text = compare.render(before, after, compare.changes(before, after))

    assert "Warning: the machines differ: A CPU, 2 CPUs, x86_64 before, A CPU, 64 CPUs" in text
    assert "Warning: the interpreters differ: 3.13.0 before, 3.14.0 after" in text
    assert "Warning: after, files differed from the commit" in text


def test_two_scenarios_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [saved(tmp_path, "a", interleaved(1)), saved(tmp_path, "b", footprint(1))]

    assert main(["compare", *files]) == 1
    assert "name two recordings of the same scenario" in capsys.readouterr().err


def test_recordings_without_a_figure_in_common_cannot_be_compared() -> None:
    theirs = recording("init", InitSample(0, THEIRS, 1, 1))

    with pytest.raises(RecordingError, match="have no figure of ours in common"):
        compare.changes(theirs, theirs)


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_a_file_that_is_not_a_recording_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    assert main(["compare", str(path), str(path)]) == 1
    assert str(path) in (said := capsys.readouterr().err)
    assert len(said.splitlines()) == 1
