"""The soak in small: hundreds of invocations, of which every fifth meets with a misfortune."""

import gc
import json
import os
import subprocess
import sys

import pytest

from benchmarks.recording import RecordingError
from benchmarks.soak import leftovers
from benchmarks.soak.__main__ import main
from benchmarks.soak.mix import MEANT, SHARES_OF, Event, Kind, number_of
from benchmarks.soak.summary import newest
from benchmarks.soak.tally import Tally
from snapboot_devkit.host import LogLine, Source

COUNT = 700
WHOLE = ("START {} Version: $LATEST", "END {}", "REPORT {}\tDuration: 1.00 ms")
# One in 500 hangs, which takes the timeout; of these few are enough.
STRETCH = 5


def event_of(kind):
    """Return the first event of a kind."""
    return next(event for number in range(100_000) if (event := Event(1, number)).kind is kind)


def logged(tally, number, *texts, log_stream="one"):
    """Have an environment's log say so of an invocation."""
    request_id = tally.event(number).request_id
    for text in texts:
        line = text.format(f"RequestId: {request_id}")
        tally.line(LogLine(Source.PLATFORM, line, "soaked", log_stream))


def test_a_client_that_hangs_up_must_not_be_answered():
    seed = next(seed for seed in range(10_000) if Event(seed, 0).kind is Kind.HANG_UP)
    tally = Tally(seed, 1)
    logged(tally, 0, *WHOLE)
    tally.left(tally.event(0))
    tally.close()
    assert tally.faults == []
    tally.answered(tally.event(0), json.dumps(tally.event(0).document).encode(), failed=False)
    tally.close()
    assert "invocation 0 (hang-up): 1 answers, not 0" in tally.faults


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is left")
def test_nothing_is_lost_and_nothing_is_left_whatever_happens(tmp_path, capsys):
    counts = ("--invocations", str(COUNT), "--seed", "3", "--stretch", str(STRETCH))
    python = os.path.relpath(sys.executable)
    code = main([*counts, "--python", python, "--output", str(tmp_path)])
    (path,) = tmp_path.iterdir()
    recorded = json.loads(path.read_text())
    assert recorded["faults"] == []
    assert recorded["after"] == recorded["before"]
    assert sum(recorded["outcomes"].values()) == COUNT
    assert set(recorded["kinds"]) == {kind.value for kind in Kind}
    assert recorded["clean"]
    first, last = recorded["held_mb"]
    assert f"{first:.1f} MB after the first twentieth and {last:.1f} MB after" in newest(tmp_path)
    assert code == 0
    assert capsys.readouterr().out == f"{newest(tmp_path)}\n"


def test_an_interpreter_that_is_not_there_is_refused_before_anything_is_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main(["--python", "no-such-python", "--output", str(tmp_path)])
    assert refused.value.code == 2
    assert "there is no program 'no-such-python'" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_folder_without_a_soak_says_how_to_have_one(tmp_path):
    with pytest.raises(RecordingError, match="run `python -m benchmarks soak`"):
        newest(tmp_path)


def test_the_mix_is_that_of_its_seed():
    kinds = [Event(1, number).kind for number in range(1_000)]
    assert kinds == [Event(1, number).kind for number in range(1_000)]
    assert kinds != [Event(2, number).kind for number in range(1_000)]


def test_the_mix_has_every_kind_about_as_often_as_it_says():
    kinds = [Event(1, number).kind for number in range(20_000)]
    for kind, meant in MEANT.items():
        expected = len(kinds) * meant.share / SHARES_OF
        assert abs(kinds.count(kind) - expected) < 5 * expected**0.5


def test_a_request_id_holds_the_number_and_the_kind():
    event = event_of(Kind.EXTENSION_KILLS_ITSELF)
    assert number_of(event.request_id) == event.number
    assert int(event.request_id.partition("-")[0], 16) == list(Kind).index(event.kind)


@pytest.mark.parametrize(
    ("kind", "payload", "failed", "fault"),
    [
        (Kind.ECHO, b'{"number": -1, "kind": "echo"}', False, "is no answer to it"),
        (Kind.ECHO, b'{"errorType": "Runtime.ExitError"}', True, "is not an error of it"),
        (Kind.ECHO, b'{"num', False, "is not JSON"),
        (Kind.HANG, b'{"number": 1, "kind": "hang"}', False, "is no answer to it"),
        (Kind.HANG, b'{"errorType": "Runtime.ExitError"}', True, "is not an error of it"),
        (
            Kind.EXIT_1,
            b'{"errorType": "Runtime.ExitError", "errorMessage": ""}',
            True,
            "is not an error of it",
        ),
    ],
)
def test_an_answer_that_is_not_that_of_its_event_is_a_fault(kind, payload, failed, fault):
    event = event_of(kind)
    tally = Tally(1, event.number + 1)
    tally.answered(event, payload, failed=failed)
    assert fault in tally.faults[0]
    assert tally.outcomes == {"wrong": 1}


def test_an_invocation_with_one_of_everything_has_no_fault():
    tally = Tally(1, 1)
    tally.answered(tally.event(0), b'{"number": 0, "kind": "echo"}', failed=False)
    logged(tally, 0, *WHOLE)
    tally.close()
    assert tally.faults == []


@pytest.mark.parametrize("answers", [0, 2])
def test_an_invocation_that_is_answered_never_or_twice_is_a_fault(answers):
    tally = Tally(1, 1)
    logged(tally, 0, *WHOLE)
    for _ in range(answers):
        tally.answered(tally.event(0), b'{"number": 0, "kind": "echo"}', failed=False)
    tally.close()
    assert tally.faults == [f"invocation 0 (echo): {answers} answers, not 1"]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (WHOLE[:2], "0 REPORT lines"),
        (WHOLE[1:], "its REPORT is in the log of another one"),
        (WHOLE * 2, "2 START lines"),
        (("line 0 0", *WHOLE), "it printed when it was not at work"),
    ],
)
def test_a_log_that_does_not_pair_up_is_a_fault(lines, fault):
    tally = Tally(1, 1)
    logged(tally, 0, *lines)
    tally.close()
    assert any(fault in found for found in tally.faults)


def test_two_invocations_at_once_in_one_environment_are_a_fault():
    tally = Tally(1, 2)
    logged(tally, 0, WHOLE[0])
    logged(tally, 1, WHOLE[0], log_stream="another")
    assert tally.faults == []
    logged(tally, 1, WHOLE[0])
    assert "began before 0 had ended" in tally.faults[0]


@pytest.mark.skipif(
    sys.platform != "linux" or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="glibc's malloc is asked",
)
def test_memory_that_no_one_uses_is_not_held():
    # Small enough to be malloc's own, and with one kept behind them that bars it from giving back.
    blocks = [bytes(10_000) for _ in range(5_000)]
    kept = blocks[-1]
    with_all = leftovers.held_mb()
    blocks.clear()
    assert leftovers.resident_mb() > with_all - 5
    assert leftovers.held_mb() < with_all - 40
    assert len(kept) == 10_000


def test_what_a_soak_counts_by_takes_its_memory_from_the_start():
    count = 2_000
    gc.collect()
    tally = Tally(1, count)
    before = sys.getallocatedblocks()
    for number in range(count):
        logged(tally, number, WHOLE[0], *[f"line {number} 0"] * 3, *WHOLE[1:])
    gc.collect()
    # One for each invocation would be too many; Python's own caches take some.
    assert sys.getallocatedblocks() - before < count / 4
    assert tally.fault_count == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is left")
def test_what_is_left_is_seen():
    mark = "SOAK_MARK=what-is-left-is-seen"
    name, _, value = mark.partition("=")
    with leftovers.temporary_folder() as folder:
        before = leftovers.Held.now(mark)
        (folder / "file").touch()
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={name: value}) as process:
            held = leftovers.Held.now(mark)
            assert leftovers.bearing(mark) == [process.pid]
        grown = [getattr(held, what) - getattr(before, what) for what in held.__slots__]
        assert dict(zip(held.__slots__, grown, strict=True)) == {
            "descriptors": 1,
            "threads": 0,
            "processes": 1,
            "files": 1,
        }
        (folder / "file").unlink()
        assert leftovers.Held.now(mark) == before
