"""The benchmarks measure what they say: run for real and in brief, and their arithmetic by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import (
    bytecode,
    contenders,
    endpoints,
    estimates,
    managed,
    packages,
    payloads,
    plots,
    summary,
    tables,
    warn,
    web,
)
from benchmarks.bare_loop import BARE_LOOP, PROGRAM
from benchmarks.bench import QUICK, Bench
from benchmarks.contenders import Contender
from benchmarks.endpoints import FIRST_ID, REQUEST_ID, ContenderError, FirstByte, RuntimeAPI
from benchmarks.figures import Figure, figures
from benchmarks.layouts import SLIM
from benchmarks.machine import interpreter_at
from benchmarks.page_cache import PageCache, emptied
from benchmarks.platforms import EMULATOR, HOST, UNFROZEN
from benchmarks.recording import RecordingError, load, load_all
from benchmarks.samples import (
    CountsSample,
    FootprintSample,
    FunctionInitSample,
    ImageSample,
    InitSample,
    MemorySample,
    RestoreSample,
    Sample,
    WarmSample,
)
from benchmarks.scenarios import SCENARIOS, asynchronous, image_files, restore, stream, warm
from benchmarks.scenarios.footprint import calls_until_ready
from benchmarks.scenarios.function_init import SUITES
from oracles import awslambdaric
from snapboot_devkit.host.snapshots.snapshot import reason_of_machine
from tests.benchmarks.recordings import recording, starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
RUN_DEADLINE_S = 1500
JOIN_DEADLINE_S = 10


# --- a real run -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that a quick run of everything wrote."""
    awslambdaric.folder(sys.executable)
    interpreter = interpreter_at(Path(sys.executable))
    contenders.dependencies(interpreter)
    packages.installed(interpreter, packages.IMPORT)
    folder = tmp_path_factory.mktemp("results")
    done = run("all", "--quick", "--output", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_DEADLINE_S,
    )


IMAGES = [contenders.OURS, contenders.THEIRS, contenders.THEIRS_UNPOOLED, SLIM]
ANSWERING = [contenders.OURS, contenders.THEIRS, contenders.THEIRS_UNPOOLED, BARE_LOOP]
WEB = [web.SERVED, web.MANGUM, web.MANGUM_OWN, web.PROXIED]
# Who is compared, where it is not the contenders as they are.
ENTRANTS = {
    "warm": ANSWERING,
    "counts": ANSWERING,
    "host": [HOST, UNFROZEN, EMULATOR],
    "image": IMAGES,
    "image_files": IMAGES,
    "managed_init": [managed.WRAPPED, managed.MANAGED],
    "web": WEB,
    "stream": [contenders.OURS, stream.LOOP],
    "async": [asynchronous.ASYNC, asynchronous.PLAIN],
    "restore": [restore.LOCAL, restore.FRESH],
    "libraries": [
        *(contenders.OURS, *([packages.LAZY] * (sys.version_info >= packages.LAZY_FROM))),
        *(contenders.THEIRS, contenders.THEIRS_UNPOOLED),
    ],
    "function_init": [
        packaging.name
        for packaging in packages.PACKAGINGS
        if not packaging.lazy or sys.version_info >= packages.LAZY_FROM
    ],
}
# Those of `function_init` that a quick run measures.
QUICK_PACKAGINGS = [
    name
    for name in ENTRANTS["function_init"]
    if any(name in suite.packagings for suite in SUITES if suite.at_least)
]


@pytest.mark.slow
def test_a_web_application_is_started_and_asked_in_each_of_the_ways(tmp_path: Path) -> None:
    interpreter = interpreter_at(Path(sys.executable))
    awslambdaric.folder(sys.executable)
    contenders.dependencies(interpreter)
    packages.installed(interpreter, web.FUNCTIONS[web.SERVED])
    done = run("web", "--quick", "--runs", "5", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = raw(tmp_path, "web")["samples"]
    assert [row["contender"] for row in rows] == WEB * 2
    assert all(row["ready_ns"] > 0 and min(row["round_trips_ns"]) > 0 for row in rows)
    assert "snapboot.asgi : uvicorn, proxy" in tables.render(load_all(tmp_path))


@pytest.mark.slow
def test_a_local_clone_is_restored_beside_each_fresh_init(tmp_path: Path) -> None:
    if reason := reason_of_machine():
        pytest.skip(reason)
    packages.installed(interpreter_at(Path(sys.executable)), restore.FUNCTION)
    done = run("restore", "--quick", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = raw(tmp_path, "restore")["samples"]
    ways = {(number, way) for number in range(QUICK.runs) for way in ENTRANTS["restore"]}
    assert {(row["round"], row["contender"]) for row in rows} == ways
    assert all(row["ready_ns"] > 0 and row["answered_ns"] > 0 for row in rows)
    assert all((row["safety_ns"] is None) == (row["contender"] == restore.FRESH) for row in rows)
    assert "| local clone : fresh init |" in tables.render(load_all(tmp_path))


@pytest.mark.slow
class TestAQuickRunOfEverything:
    def test_leaves_a_recording_of_each_scenario(self, measured: Path) -> None:
        found = [recording.scenario for recording in load_all(measured)]

        assert found == list(SCENARIOS)

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_records_where_when_and_how_it_measured(self, measured: Path, scenario: str) -> None:
        document = raw(measured, scenario)

        assert document["format"] == 2
        assert document["started"].endswith("+00:00")
        assert set(document["machine"]) == {"system", "architecture", "processor", "cpus"}
        assert document["interpreter"]["version"].startswith("3.")
        assert set(document["commit"]) == {"id", "modified"}
        assert document["flags"]["quick"] is True
        expected = ENTRANTS.get(scenario, list(contenders.LAYOUTS))
        assert [row["name"] for row in document["contenders"]] == expected
        assert all(row["version"] and row["command"] for row in document["contenders"])

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_lists_no_path_of_the_machine(self, measured: Path, scenario: str) -> None:
        text = json.dumps(raw(measured, scenario))

        assert sys.executable not in text
        assert str(measured) not in text
        assert str(ROOT) not in text

    def test_starts_every_contender_in_every_round(self, measured: Path) -> None:
        rows = {(row["round"], row["contender"]) for row in raw(measured, "init")["samples"]}

        assert rows == {(number, name) for number in range(3) for name in contenders.LAYOUTS}

    def test_starts_what_runs_functions_beside_a_path_file_too(self, measured: Path) -> None:
        rows = raw(measured, "init")["samples"]
        beside = {(row["round"], row["contender"]) for row in rows if row["path_file"]}
        invokable = set(contenders.LAYOUTS) - {contenders.FLOOR}

        assert beside == {(number, name) for number in range(3) for name in invokable}

    def test_times_every_start_in_both_clocks(self, measured: Path) -> None:
        for row in raw(measured, "init")["samples"]:
            assert row["ready_ns"] > 0
            assert row["cpu_ns"] > 0 or sys.platform != "linux"

    def test_sends_every_size_to_every_contender_that_runs_functions(self, measured: Path) -> None:
        seen = {(row["payload"], row["contender"]) for row in raw(measured, "warm")["samples"]}

        assert seen == {(size, name) for size in payloads.SIZES_BYTES for name in ANSWERING}

    def test_keeps_every_round_trip(self, measured: Path) -> None:
        for row in raw(measured, "warm")["samples"]:
            assert row["event_bytes"] == payloads.SIZES_BYTES[row["payload"]]
            assert row["round_trips_ns"]
            assert min(row["round_trips_ns"]) > 0

    def test_reads_memory_from_the_first_next_to_the_last_invocation(self, measured: Path) -> None:
        rows = raw(measured, "memory")["samples"]

        assert {row["invocations"] for row in rows} >= {0, 1_000}
        assert all(row["resident_bytes"] >= row["proportional_bytes"] > 0 for row in rows)
        assert all((row["blocks"] is None) == (row["invocations"] == 0) for row in rows)

    def test_asks_hosts_by_one_and_eight_clients_and_reads_what_idle_ones_hold(
        self, measured: Path
    ) -> None:
        rows = raw(measured, "host")["samples"]
        together = {
            (row["payload"], row["clients"], row["contender"])
            for row in rows
            if row["payload"].endswith(" at once")
        }
        held = {row["contender"]: row["idle_bytes"] for row in rows if row["payload"] == "idle"}

        assert together == {
            (payload, clients, name)
            for payload in ("7 B at once", "20 ms at once")
            for clients in (1, 8)
            for name in (HOST, UNFROZEN)
        }
        assert set(held) == {HOST, UNFROZEN, EMULATOR}
        assert sys.platform != "linux" or min(held.values()) > 0

    def test_no_contender_is_measured_by_its_compiler(self, measured: Path) -> None:
        rows = raw(measured, "footprint")["samples"]
        staged = [row for row in rows if row["contender"] != contenders.FLOOR]

        assert {row["compiled_at_start"] for row in staged} == {0}
        assert all(row["modules"] for row in rows)

    def test_starts_every_image_with_the_page_cache_warm_and_cold(self, measured: Path) -> None:
        rows = raw(measured, "image")["samples"]
        caches = {row["page_cache"] for row in rows}

        assert len(caches & {"dropped", "advised"}) == 1
        assert {(row["page_cache"], row["contender"]) for row in rows} == {
            (cache, name) for cache in ("warm", *caches - {"warm"}) for name in IMAGES
        }

    def test_an_image_of_ours_opens_and_reads_at_most_half_of_a_plain_one(
        self, measured: Path
    ) -> None:
        if not shutil.which("strace"):
            pytest.skip("strace, which lists the files of a start, is not installed")
        rows = raw(measured, "image_files")["samples"]
        (ours,), (plain,) = (
            {
                (len(row["files"]), sum(row["read_bytes"]))
                for row in rows
                if row["contender"] == name
            }
            for name in (contenders.OURS, SLIM)
        )  # one of each: counts do not waver

        assert ours[0] <= plain[0] / 2
        assert ours[1] <= plain[1] / 2

    def test_lists_the_files_of_an_image_as_they_are_in_it(self, measured: Path) -> None:
        if not shutil.which("strace"):
            pytest.skip("strace, which lists the files of a start, is not installed")
        (row, *_) = raw(measured, "image_files")["samples"]
        inside = [path for path in row["files"] if not path.startswith("/")]

        assert {"task", "python"} < {path.partition("/")[0] for path in inside}
        assert not [path for path in row["files"] if "/snapboot-benchmarks-" in path]

    def test_starts_every_function_in_every_packaging(self, measured: Path) -> None:
        rows = raw(measured, "function_init")["samples"]
        functions = {packages.EMPTY.name, packages.IMPORT.name, packages.CLIENT.name}
        warm = {(row["function"], row["contender"]) for row in rows if row["page_cache"] == "warm"}

        assert warm == {(name, contender) for name in functions for contender in QUICK_PACKAGINGS}
        assert {row["function"] for row in rows if row["page_cache"] != "warm"} == functions

    def test_renders_a_table_and_plots_of_each_scenario(self, measured: Path) -> None:
        done = run("render", "--output", str(measured))

        assert done.returncode == 0, done.stderr
        assert done.stdout == (measured / "tables.md").read_text(encoding="utf-8")
        for one in load_all(measured):
            assert tables.table(one) in done.stdout
            assert len(list(measured.glob(f"{one.scenario}-*.svg"))) == len(figures(one))

    def test_draws_plots_that_any_reader_of_svg_can_open(self, measured: Path) -> None:
        for path in measured.glob("*.svg"):
            tree = ET.parse(path)

            assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"


def raw(folder: Path, scenario: str) -> dict[str, Any]:
    (path,) = folder.glob(f"{scenario}-*.json")
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


# --- the command line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("sideways",), "invalid choice: 'sideways'"),
        (("init", "--contenders", "cobol"), "unknown ['cobol']; choose among"),
        (("init", "--cpu", "fast"), "not a CPU: 'fast'; give its number, auto or none"),
        (("init", "--runs", "0"), "not a count: '0'; give a whole number from 1 on"),
    ],
)
def test_a_wrong_argument_is_named_with_its_remedy(
    arguments: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    done = run(*arguments, "--output", str(tmp_path))

    assert done.returncode == 2
    assert remedy in done.stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("render",), "run `python -m benchmarks all` to make them"),
        (("init", "--python", "/nowhere/python"), "cannot ask the interpreter '/nowhere/python'"),
        (("init", "--cpu", "9999"), "cannot pin to CPU 9999; --cpu takes one of ["),
    ],
)
def test_what_cannot_be_done_is_reported_in_one_line(
    arguments: tuple[str, ...], remedy: str, tmp_path: Path
) -> None:
    done = run(*arguments, "--output", str(tmp_path))

    assert done.returncode == 1
    assert remedy in done.stderr
    assert len(done.stderr.splitlines()) == 1


# --- the statistics -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "value"), [(0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.9, 3.7), (1, 4.0)]
)
def test_a_quantile_is_between_its_neighbours(share: float, value: float) -> None:
    assert estimates.quantile([4, 1, 3, 2], share) == pytest.approx(value)


def test_the_median_ignores_how_far_an_outlier_is() -> None:
    assert estimates.median([3, 1, 2, 900, 2]) == 2


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1)])
def test_a_quantile_of_nothing_or_beyond_the_ends_is_refused(
    values: list[float], share: float
) -> None:
    with pytest.raises(ValueError, match="cannot take the"):
        estimates.quantile(values, share)


def test_a_ratio_is_taken_round_by_round() -> None:
    # Every round is slower than the last for both; the medians' ratio would be the same by luck
    # only, the pairs' is.
    assert estimates.ratio_of_pairs([(1, 2), (10, 20), (100, 200), (7, 28)]).value == 0.5


def test_an_overhead_is_what_exceeds_the_floor() -> None:
    assert estimates.overhead_ratio([(12, 30, 10), (11, 30, 10), (13, 30, 10)]) == 0.1


def test_an_interval_holds_its_estimate_and_is_the_same_every_time() -> None:
    rounds = [(3.0 + number / 100, 5.0, 1.0) for number in range(40)]
    estimate = estimates.bootstrap(rounds, estimates.overhead_ratio)

    assert estimate.low < estimate.value < estimate.high
    assert estimate == estimates.bootstrap(rounds, estimates.overhead_ratio)


def test_an_interval_has_no_width_where_samples_do_not_differ() -> None:
    for estimate in (
        estimates.ratio_of_pairs([(1.0, 4.0)] * 10),
        estimates.bootstrap([(2.0, 5.0, 1.0)] * 10, estimates.overhead_ratio),
    ):
        assert (estimate.low, estimate.value, estimate.high) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("values", "count"), [([1, 2, 3, 2, 1, 400], 1), ([1, 2, 3, 2, 1], 0), ([5, 5, 5, 900], 0)]
)
def test_an_outlier_is_far_by_the_measure_of_the_others(values: list[float], count: int) -> None:
    assert estimates.outliers(values) == count


# --- the events ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", payloads.SIZES_BYTES.values())
def test_an_event_has_exactly_the_size_it_is_named_for(size: int) -> None:
    event = payloads.mixed_json(size)

    assert len(event) == size
    assert json.loads(event)["version"] == "1.0"
    assert event == payloads.mixed_json(size)


def test_a_large_event_mixes_what_json_has() -> None:
    record = json.loads(payloads.mixed_json(6_000))["records"][0]

    assert {type(value) for value in record.values()} == {
        int, str, float, bool, type(None), list,
    }  # fmt: skip


def test_an_event_too_small_for_its_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot make a document of 10 bytes"):
        payloads.mixed_json(10)


# --- the measuring Runtime API ------------------------------------------------------------------

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"
RESPONSE = (
    f"POST /2018-06-01/runtime/invocation/{REQUEST_ID}/response HTTP/1.1\r\n"
    "Host: x\r\ncontent-length: 4\r\n\r\npong"
).encode()


def response(number: int) -> bytes:
    """Return an answer to the delivery of this number, from 0 on."""
    return RESPONSE.replace(b"%x" % FIRST_ID, b"%x" % (FIRST_ID + number))


@pytest.fixture
def api() -> Iterator[RuntimeAPI]:
    with closing(RuntimeAPI()) as endpoint:
        yield endpoint


def client(api: RuntimeAPI, *turns: tuple[bytes, bytes]) -> Callable[[], None]:
    """Take turns: await the first of each, then send the second. Return how to make it leave."""
    leaving = threading.Event()

    def talk() -> None:
        host, port = api.address.split(":")
        with socket.create_connection((host, int(port)), JOIN_DEADLINE_S) as connection:
            for awaited, sent in turns:
                received = b""
                while awaited not in received:
                    received += connection.recv(65_536)
                connection.sendall(sent)
            leaving.wait(JOIN_DEADLINE_S)

    def leave() -> None:
        leaving.set()
        thread.join(JOIN_DEADLINE_S)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    return leave


def test_an_answer_and_the_next_request_may_come_apart(api: RuntimeAPI) -> None:
    leave = client(api, (b"", NEXT), (b"ping", RESPONSE), (b"OK", NEXT))
    api.wait_until_ready()

    assert api.invoke(b"ping") == b"pong"
    leave()


def test_an_answer_and_the_next_request_may_come_in_one_send(api: RuntimeAPI) -> None:
    leave = client(api, (b"", NEXT), *[(b"ping", response(number) + NEXT) for number in range(2)])
    api.wait_until_ready()

    assert [api.invoke(b"ping"), api.invoke(b"ping")] == [b"pong", b"pong"]
    leave()


@pytest.mark.parametrize("size", [1, 7, 64])
def test_an_answer_may_come_in_pieces(api: RuntimeAPI, size: int) -> None:
    whole = RESPONSE + NEXT
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    leave = client(api, (b"", NEXT), (b"ping", pieces[0]), *((b"", piece) for piece in pieces[1:]))
    api.wait_until_ready()

    assert api.invoke(b"ping") == b"pong"
    leave()


def test_every_round_trip_is_timed(api: RuntimeAPI) -> None:
    leave = client(api, (b"", NEXT), *[(b"ping", response(number) + NEXT) for number in range(3)])
    api.wait_until_ready()
    times = api.round_trips_ns([b"ping"], 3)
    leave()

    assert len(times) == 3
    assert min(times) > 0


def test_deliveries_vary_as_those_of_the_platform_do(api: RuntimeAPI) -> None:
    count = 2 * endpoints.DELIVERIES_PER_SECOND
    deliveries, answers = [], []

    def serve() -> None:
        host, port = api.address.split(":")
        with socket.create_connection((host, int(port)), JOIN_DEADLINE_S) as connection:
            connection.sendall(NEXT)
            for number in range(count):
                received = b""
                while b"ping" not in received:
                    received += connection.recv(65_536)
                deliveries.append(received)
                connection.sendall(response(number))
                answers.append(connection.recv(65_536))
                connection.sendall(NEXT)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    api.wait_until_ready()
    api.round_trips_ns([b"ping", b"a longer ping"], count - 1)
    api.invoke(b"ping")
    thread.join(JOIN_DEADLINE_S)

    def found(pattern: bytes) -> list[bytes]:
        return [match for each in deliveries for match in re.findall(pattern, each)]

    traces = found(rb"Trace-Id: (\S+)")
    assert len({*traces}) == len({*found(rb"Request-Id: (\S+)")}) == count
    assert {len(each) for each in traces} == {len(endpoints.TRACE_ID)}
    assert found(rb"Content-Length: (\d+)")[:4] == [b"4", b"13", b"4", b"13"]
    assert sorted(found(rb"Deadline-Ms: (\d+)")) == found(rb"Deadline-Ms: (\d{13})")
    assert len({*found(rb"Date: (.*)\r")}) == len({*answers}) == 2


def test_the_answer_to_another_delivery_is_refused(api: RuntimeAPI) -> None:
    leave = client(api, (b"", NEXT), (b"ping", response(1)))
    api.wait_until_ready()

    with pytest.raises(ContenderError, match="where a response to this id"):
        api.invoke(b"ping")
    leave()


@pytest.mark.parametrize("load", warm.LOADS, ids=[load.payload for load in warm.LOADS])
def test_events_of_a_load_have_its_size_on_the_average(load: warm.Load) -> None:
    sizes = [len(event) for event in load.events]

    assert sum(sizes) == len(sizes) * payloads.SIZES_BYTES[load.payload]
    assert len({*sizes}) == min(load.block, len(warm.SHARES))
    assert load.block % len(sizes) == 0


def calls_of_the_loop(command: list[str], folder: Path) -> list[str]:
    """Return the system calls of a program from its second `next` on, by their names.

    Those for memory are left out: the allocator decides when they come.
    """
    (folder / "app.py").write_text("def handler(event, context):\n    return event\n")
    log = folder / "calls"
    with closing(RuntimeAPI()) as api:
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": str(folder),
        }
        program = subprocess.Popen(
            ["strace", "-f", "-e", "trace=!%memory", "-o", log, *command],
            cwd=folder,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        api.wait_until_ready()
        api.round_trips_ns([b"[1]", b'{"a": 2}'], 20)
    program.wait(JOIN_DEADLINE_S)  # it has no Runtime API any more
    loop = re.split(r"sendto\(.*GET /.*", log.read_text())[2:-1]
    return [",".join(re.findall(r"^\d+ +(\w+)\(", turn, re.MULTILINE)) for turn in loop]


def test_the_bare_loop_makes_the_system_calls_of_ours(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace, which lists the system calls, is not installed")
    if subprocess.run(["strace", "-o", tmp_path / "log", "true"], check=False).returncode:
        pytest.skip("strace may not trace here")
    ours = calls_of_the_loop(
        [sys.executable, "-SsP", str(ROOT / "bootstrap"), "app.handler"], tmp_path
    )
    bare = calls_of_the_loop([sys.executable, "-SsP", "-c", PROGRAM], tmp_path)

    # Those of the end are left out: ours may ask again before it knows that no one answers.
    assert ours[:18] == bare[:18]
    assert len(bare) >= 18
    assert "sendto" in bare[0]


def test_an_event_is_delivered_as_the_platform_delivers_it() -> None:
    head, _, body = endpoints.delivery(b"ping").partition(b"\r\n\r\n")

    assert body == b"ping"
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Lambda-Runtime-Aws-Request-Id: {REQUEST_ID}".encode() in head
    assert b"Content-Length: 4" in head


@pytest.mark.parametrize(
    "first",
    [
        b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        RESPONSE,
    ],
)
def test_a_contender_that_fails_to_start_is_no_contender(api: RuntimeAPI, first: bytes) -> None:
    leave = client(api, (b"", first))

    with pytest.raises(ContenderError, match="where GET next alone was awaited"):
        api.wait_until_ready()
    leave()


FAILS_TO_START = """
import os, socket, sys
sys.stderr.write("ModuleNotFoundError: No module named 'app'")
sys.stderr.flush()
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
with socket.create_connection((host, int(port))) as connection:
    connection.sendall(b"POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\n\\r\\n")
    connection.recv(1)
"""


def test_the_last_words_of_a_contender_that_fails_are_reported(tmp_path: Path) -> None:
    broken = Contender("broken", "1", "broken", (sys.executable, "-c", FAILS_TO_START))
    interpreter = interpreter_at(Path(sys.executable))
    bench = Bench(QUICK, interpreter, (broken,), task_root=tmp_path, scratch=tmp_path)

    with pytest.raises(ContenderError, match="init/error") as caught, bench.start(broken):
        pass
    assert caught.value.__notes__[0].endswith("ModuleNotFoundError: No module named 'app'")


@pytest.mark.parametrize(
    "answer", [RESPONSE.replace(b"/response", b"/error"), RESPONSE.replace(b"length", b"size")]
)
def test_an_answer_that_is_an_error_is_never_timed(api: RuntimeAPI, answer: bytes) -> None:
    leave = client(api, (b"", NEXT), (b"ping", answer))
    api.wait_until_ready()

    with pytest.raises(ContenderError, match="where a response to this id, with a Content-Length"):
        api.invoke(b"ping")
    leave()


def test_a_contender_that_goes_away_is_noticed_at_once(api: RuntimeAPI) -> None:
    leave = client(api, (b"", NEXT))
    api.wait_until_ready()
    leave()

    with pytest.raises(ContenderError, match="run its command by hand"):
        api.invoke(b"ping")


def test_an_api_that_no_one_reached_cannot_be_invoked(api: RuntimeAPI) -> None:
    with pytest.raises(RuntimeError, match="listening>; call wait_until_ready first"):
        api.invoke(b"ping")


def test_a_bare_program_is_ready_at_its_first_byte() -> None:
    with closing(FirstByte()) as endpoint:
        with socket.fromfd(endpoint.stdout, socket.AF_UNIX, socket.SOCK_STREAM) as stdout:
            stdout.send(b".")

        assert endpoint.wait_until_ready() > 0


# --- what a start leaves behind -----------------------------------------------------------------


def test_system_calls_are_counted_up_to_the_first_next() -> None:
    log = (
        '7 openat(AT_FDCWD, "/lib/x", O_RDONLY) = 3\n'
        '7 openat(AT_FDCWD, "/lib/y", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
        "8 futex(0x7f, FUTEX_WAIT, 0 <unfinished ...>\n"
        "7 mmap(NULL, 4096) = 0x7f0000000000\n"
        "8 <... futex resumed>) = 0\n"
        "8 +++ exited with 0 +++\n"
        '7 sendto(3, "GET /2018-06-01/runtime/invocation/next HTTP/1.1", 60, 0) = 60\n'
        "7 recvfrom(3, 0x1, 2, 0) = 200\n"
    )

    assert calls_until_ready(log) == [
        ("openat", "3"),
        ("openat", "-1"),
        ("mmap", "0x7f0000000000"),
        ("futex", "0"),
        ("sendto", "60"),
    ]


def test_a_module_compiled_at_start_is_distinguished_from_one_with_bytecode() -> None:
    verbose = (
        "import 'posix' # <class '_frozen_importlib.BuiltinImporter'>\n"
        "# code object from '/lib/__pycache__/a.cpython-313.pyc'\n"
        "import 'a' # <_frozen_importlib_external.SourceFileLoader object at 0x1>\n"
        "# code object from /lib/b.py\n"
        "import 'b' # <_frozen_importlib_external.SourceFileLoader object at 0x2>\n"
    )

    assert bytecode.compiled_at_start(verbose) == ("/lib/b.py",)
    assert bytecode.imported(verbose) == ("posix", "a", "b")


def test_bytecode_is_used_whatever_the_time_of_its_source(tmp_path: Path) -> None:
    source = tmp_path / "stale.py"
    source.write_text("value = 1\n", encoding="utf-8")
    bytecode.compile_folder(Path(sys.executable), tmp_path)
    source.write_text("value = 2\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-v", "-c", "import stale; print(stale.value)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=JOIN_DEADLINE_S,
    )

    assert done.stdout == "1\n"
    assert str(source) not in bytecode.compiled_at_start(done.stderr)


def test_stale_bytecode_is_read_and_compiled_again(tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text("", encoding="utf-8")
    bytecode.compile_folder(Path(sys.executable), tmp_path)
    bytecode.make_stale(tmp_path)
    done = subprocess.run(
        [sys.executable, "-B", "-v", "-c", "import app"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=JOIN_DEADLINE_S,
    )

    assert str(source) in bytecode.compiled_at_start(done.stderr)
    assert len(list(tmp_path.rglob("*.pyc"))) == 1


# --- the files of a start -----------------------------------------------------------------------

STRACE_OF_FILES = """\
7 openat(AT_FDCWD</task>, "/python/os.pyc", O_RDONLY|O_CLOEXEC) = 3</python/os.pyc>
7 read(3</python/os.pyc>, "\\363\\r"..., 90) = 80
7 read(3</python/os.pyc>, "", 10) = 0
7 openat(AT_FDCWD</task>, "/python/gone.py", O_RDONLY) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD</task>, "/python", O_RDONLY|O_DIRECTORY) = 4</python>
7 getdents64(4</python>, 0x55 /* 9 entries */, 32768) = 300
7 openat(AT_FDCWD</task>, "/lib/libm.so", O_RDONLY|O_CLOEXEC) = 3</lib/libm.so>
7 pread64(3</lib/libm.so>, "\\6\\0"..., 784, 64) = 784
7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_DENYWRITE, 3</lib/libm.so>, 0) = 0x7f01
7 mmap(0x7f00, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3</lib/libm.so>, 0x1000) = 0x7f02
7 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f03
7 openat(AT_FDCWD</task>, "/task/app.pyc", O_RDONLY <unfinished ...>
8 read(5</python/os.pyc>,  <unfinished ...>
7 <... openat resumed>) = 6</task/app.pyc>
8 <... read resumed>"x", 1) = 1
8 sendto(3<socket:[9]>, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r"..., 99, 0, NULL, 0) = 99
7 openat(AT_FDCWD</task>, "/python/late.pyc", O_RDONLY|O_CLOEXEC) = 3</python/late.pyc>
"""


def test_a_start_s_files_are_counted_up_to_its_readiness_whichever_thread_opens_them() -> None:
    found = image_files.touched(STRACE_OF_FILES)

    assert {path: (file.read_bytes, file.mapped_to) for path, file in found.items()} == {
        "/python/os.pyc": (81, 0),
        "/lib/libm.so": (784, 0x1000 + 8192),
        "/task/app.pyc": (0, 0),
    }


# --- the page cache -----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="only Linux tells what is in memory")
def test_without_the_right_to_empty_it_the_page_cache_loses_the_files_named(tmp_path: Path) -> None:
    path = tmp_path / "package" / "app.py"
    path.parent.mkdir()
    path.write_bytes(bytes(100_000))
    if not in_memory(path):
        pytest.skip("this file system does not say what is in memory")

    assert emptied(path.parent, drop=tmp_path / "nowhere" / "drop_caches") is PageCache.ADVISED
    if tmpfs(path):
        pytest.skip("this file system has nothing but memory")
    # It is advice: the kernel keeps a page that another CPU has at hand just then.
    deadline, pause = time.monotonic() + 20, threading.Event()
    while in_memory(path):
        assert time.monotonic() < deadline, "the page cache keeps the file"
        pause.wait(0.05)
        emptied(path.parent, drop=tmp_path / "nowhere" / "drop_caches")


def in_memory(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) == 1
        except OSError:
            return False


def tmpfs(path: Path) -> bool:
    listed = subprocess.run(
        ["stat", "--file-system", "--format=%T", path],
        check=True,
        capture_output=True,
        text=True,
        timeout=JOIN_DEADLINE_S,
    )
    return listed.stdout.strip() in {"tmpfs", "ramfs"}


# --- recordings, tables, plots, warnings --------------------------------------------------------


THREE_STARTS = (
    *starts("snapboot", 9, 10, 11),
    *starts("awslambdaric", 30, 28, 32),
    *starts("interpreter", 8, 8, 8),
)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = recording("init", *THREE_STARTS)

    assert load(written.save(tmp_path)) == written


def test_a_recording_has_a_line_for_each_sample(tmp_path: Path) -> None:
    lines = recording("init", *THREE_STARTS).save(tmp_path).read_text(encoding="utf-8").split("\n")

    assert sum('"ready_ns"' in line for line in lines) == len(THREE_STARTS)


def test_a_recording_takes_the_place_of_the_one_before_when_it_is_complete(tmp_path: Path) -> None:
    path = recording("init", *THREE_STARTS).save(tmp_path)
    later = recording("init", *THREE_STARTS[:1])
    unfinished = later.save_unfinished(tmp_path)

    assert load(unfinished).samples == list(THREE_STARTS[:1])
    assert load_all(tmp_path) == [recording("init", *THREE_STARTS)]

    later.save(tmp_path)

    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert load(path).samples == list(THREE_STARTS[:1])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "scenario": "nonsense", "samples": []}']
)
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(RecordingError, match=r"other\.json.*measure again"):
        load(path)


def test_a_recording_of_another_format_is_refused(tmp_path: Path) -> None:
    path = recording("init", *THREE_STARTS).save(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 2', '"format": 9'))

    with pytest.raises(RecordingError, match="its format is 9, not 2"):
        load(path)


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="run `python -m benchmarks all`"):
        load_all(tmp_path)


def test_a_table_shows_medians_spreads_overheads_and_ratios() -> None:
    assert tables.table(recording("init", *THREE_STARTS)) == (
        "|  | snapboot 1 | awslambdaric, AWS's image 1 | interpreter 1 "
        "| snapboot : awslambdaric, AWS's image | rounds |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| spawn to next, ms | 10 (9.2\N{EN DASH}10.8) | 30 (28.4\N{EN DASH}31.6) | 8 "
        "| 0.34 (0.30\N{EN DASH}0.36) | 3 |\n"
        "| the same, less the interpreter's, ms | 2 | 22 | - | 0.09 (0.05\N{EN DASH}0.12) | 3 |\n"
        "| CPU time to next, ms | 5 (4.6\N{EN DASH}5.4) | 15 (14.2\N{EN DASH}15.8) | 4 "
        "| 0.34 (0.30\N{EN DASH}0.36) | 3 |\n"
        "| the same, less the interpreter's, ms | 1 | 11 | - | 0.09 (0.05\N{EN DASH}0.12) | 3 |\n"
    )


def test_starts_beside_a_path_file_are_figures_of_their_own() -> None:
    beside = [replace(start, path_file=True, ready_ns=2 * start.ready_ns) for start in THREE_STARTS]
    found = {each.name: each for each in figures(recording("init", *THREE_STARTS, *beside))}

    assert found["spawn to next"].values["snapboot"] == [9, 10, 11]
    assert found["spawn to next, one .pth file"].values["snapboot"] == [18, 20, 22]


def test_a_table_without_ours_has_no_ratio() -> None:
    table = tables.table(recording("init", *starts("awslambdaric", 30)))

    assert table.splitlines()[0] == "|  | awslambdaric, AWS's image 1 | rounds |"


def test_a_clone_is_named_a_local_one_and_has_its_part_of_a_fresh_init() -> None:
    pairs = [
        sample
        for number in range(20)
        for sample in (
            RestoreSample(number, restore.LOCAL, 4_000_000, 15_000_000, 700_000),
            RestoreSample(number, restore.FRESH, 400_000_000, 300_000_000, None),
        )
    ]
    rows = tables.table(recording("restore", *pairs)).splitlines()
    assert rows[0].startswith("|  | local clone 1 | fresh init 1 | local clone : fresh init |")
    assert rows[2].endswith("| 4 | 400 | 0.01 (0.01\N{EN DASH}0.01) | 20 |")
    assert rows[3].endswith("| 15 | 300 | 0.05 (0.05\N{EN DASH}0.05) | 20 |")
    assert rows[4] == "| restore safety, ms | 0.7 | - | - | 20 |"


def test_a_block_of_invocations_counts_by_its_median_round_trip() -> None:
    block = WarmSample(0, "snapboot", "200 B", 200, (20_000, 30_000, 900_000), 75_000)
    round_trip, cpu = figures(recording("warm", block))

    assert round_trip.values == {"snapboot": [30]}
    assert cpu.values == {"snapboot": [25]}


def test_what_a_function_takes_is_reported_whole_and_beyond_a_start_with_nothing() -> None:
    def start(number: int, function: str, ms: float, cache: str = "warm") -> FunctionInitSample:
        return FunctionInitSample(number, "snapboot", function, cache, round(ms * 1e6), None)

    found = figures(
        recording(
            "function_init",
            *(start(0, "nothing", 10), start(0, "pandas", 400)),
            *(start(1, "nothing", 20), start(1, "pandas", 430)),
            *(start(0, "nothing", 50, "dropped"), start(0, "boto3", 550, "dropped")),
        )
    )

    assert {figure.name: figure.values["snapboot"] for figure in found} == {
        "nothing: spawn to next": [10, 20],
        "pandas: spawn to next": [400, 430],
        "pandas: beyond a start with nothing": [385, 415],
        "nothing, page cache cold: spawn to next": [50],
        "boto3, page cache cold: spawn to next": [550],
        "boto3, page cache cold: beyond a start with nothing": [500],
    }


def test_what_storage_gave_is_reported_of_a_cold_page_cache_alone() -> None:
    found = figures(
        recording(
            "image",
            ImageSample(0, "snapboot", "warm", 10_000_000, 9_000_000, 4096),
            ImageSample(0, "snapboot", "dropped", 50_000_000, 20_000_000, 14_000_000),
        )
    )

    assert {figure.name: figure.values["snapboot"] for figure in found} == {
        "spawn to next": [10],
        "CPU time to next": [9],
        "spawn to next, page cache cold": [50],
        "CPU time to next, page cache cold": [20],
        "read from storage, page cache cold": [14],
    }


def test_growth_is_what_goes_on_in_the_second_half() -> None:
    at = MemorySample(0, "snapboot", 0, 9_000_000, 5_000_000, None)
    found = figures(
        recording(
            "memory",
            at,
            replace(at, invocations=20, resident_bytes=9_100_000, blocks=10),
            replace(at, invocations=100, resident_bytes=9_500_000, blocks=1_000),
            replace(at, invocations=200, resident_bytes=9_504_000, blocks=1_050),
        )
    )

    assert {figure.name: figure.values["snapboot"] for figure in found} == {
        "resident at first next": [9],
        "proportional at first next": [5],
        "resident after 200 invocations": [9.504],
        "resident growth in the second half": [4],
        "blocks kept per invocation in the second half": [0.5],
    }


def test_too_few_rounds_are_warned_of_with_the_flag_that_helps() -> None:
    few = recording("init", *starts("snapboot", *[9.0] * 19))

    (warning,) = warn.of_samples(few)
    assert warning == (
        "2 of 2 series have fewer than 20 samples, spawn to next of snapboot has 19: too few to "
        "rank by; give more --runs"
    )


def test_rounds_are_counted_in_the_samples_whatever_the_flags_were() -> None:
    few = recording("init", *starts("snapboot", 9, 10, 9, 8))
    few.flags["runs"] = 500

    assert "has 4: too few to rank by" in next(warn.of_samples(few))
    assert "; 4 interleaved rounds, 2026-01-01." in tables.provenance(few)
    assert tables.table(few).splitlines()[2].endswith(" | 4 |")


def test_each_row_reports_its_own_count() -> None:
    both = recording(
        "function_init",
        *(FunctionInitSample(n, "snapboot", "nothing", "warm", 9, 9) for n in range(20)),
        *(FunctionInitSample(n, "snapboot", "pandas", "warm", 9, 9) for n in range(8)),
    )
    counts = {
        row.split(" | ")[0][2:]: row.split(" | ")[-1] for row in tables.table(both).splitlines()
    }

    assert counts["nothing: spawn to next, ms"] == "20 |"
    assert counts["pandas: spawn to next, ms"] == "8 |"
    assert "8\N{EN DASH}20 interleaved rounds" in tables.provenance(both)


STEADY = [9, 9.1, 9.2, 9.1, 9, 9.3, 8.9, 9.1, 9.2, 9] * 2


def test_outliers_are_warned_of_with_the_flag_that_helps() -> None:
    noisy = recording("init", *starts("snapboot", *STEADY, 60, 70))

    (warning,) = warn.of_samples(noisy)
    assert warning.startswith("2 of 2 series have outliers, spawn to next of snapboot has 2 of 22:")
    assert warning.endswith("choose a quieter CPU with --cpu, or give more --runs")


def test_a_slow_first_round_is_warned_of_with_the_flag_that_helps() -> None:
    cold = recording("init", *starts("snapboot", 15, *STEADY))

    (warning,) = warn.of_samples(cold)
    assert warning == (
        "2 of 2 series have a first round slower than the rest, spawn to next of snapboot the "
        "first of them; give more --warmup"
    )


def test_steady_samples_are_not_warned_of() -> None:
    assert not list(warn.of_samples(recording("init", *starts("snapboot", *STEADY))))


# --- samples without one median -------------------------------------------------------------------

TWO_GROUPS = [180, 260, 200, 290, 190, 300, 185, 255, 195, 270] * 2
TWICE = [2 * (value + number % 3) for number, value in enumerate(TWO_GROUPS)]
DRIFTING = [100 + 2 * number for number in range(40)]


@pytest.mark.parametrize(
    ("values", "word"), [(TWO_GROUPS, "two groups"), (DRIFTING, "drifts"), (STEADY, None)]
)
def test_a_median_is_shown_of_steady_samples_alone(values: list[float], word: str | None) -> None:
    row = tables.table(recording("init", *starts("snapboot", *values))).splitlines()[2]

    assert row.split(" | ")[1] == (word or "9.1 (8.99\N{EN DASH}9.21)")


def test_the_ratio_of_pairs_stays_where_both_move_together() -> None:
    both = recording("init", *starts("snapboot", *TWO_GROUPS), *starts("awslambdaric", *TWICE))
    row = tables.table(both).splitlines()[2].split(" | ")

    assert row[1:3] == ["two groups", "two groups"]
    assert row[3] == "0.50 (0.50\N{EN DASH}0.50)"


def test_pairs_are_of_the_rounds_in_which_both_took_part() -> None:
    figure = Figure(
        "start",
        "ms",
        {"ours": [2.0, 3.0, 4.0], "theirs": [30.0, 40.0]},
        rounds={"ours": [0, 1, 2], "theirs": [1, 2]},
    )

    assert figure.paired("ours", "theirs") == [(3.0, 30.0), (4.0, 40.0)]
    assert figure.ratio("theirs", "ours").value == 10


def test_contenders_of_two_suites_are_compared_within_theirs() -> None:
    late = [replace(one, round=one.round + 20) for one in starts("late", *[40.0] * 20)]
    ours = [replace(one, round=one.round + 20) for one in starts("snapboot", *[10.0] * 20)]
    early = (*starts("snapboot", *[20.0] * 20), *starts("awslambdaric", *[40.0] * 20))
    [figure, *_] = figures(recording("init", *early, *ours, *late))

    assert figure.ratio("snapboot", "awslambdaric").value == 0.5
    assert figure.ratio("snapboot", "late").value == 0.25


def test_a_ratio_of_pairs_that_is_not_steady_is_not_shown_either() -> None:
    both = recording(
        "init", *starts("snapboot", *TWO_GROUPS), *starts("awslambdaric", *[400.0] * 20)
    )

    assert tables.table(both).splitlines()[2].split(" | ")[1:4] == [
        *("two groups", "400", "two groups")
    ]


def test_they_are_warned_of_once() -> None:
    both = recording("init", *starts("snapboot", *TWO_GROUPS), *starts("awslambdaric", *DRIFTING))

    (warning,) = warn.of_samples(both)
    assert warning.startswith("4 of 4 series have no one median, their samples drift or fall into")


def test_an_overhead_of_unsteady_samples_is_not_shown() -> None:
    rows = recording("init", *starts("snapboot", *TWO_GROUPS), *starts("interpreter", *[8.0] * 20))
    overhead = tables.table(rows).splitlines()[3]

    assert overhead.split(" | ")[1] == "two groups"


def test_counts_are_shown_as_they_are() -> None:
    rows = [FootprintSample(n, "snapboot", ("a",) * (1 + n % 2), 0, 1, 1) for n in range(40)]
    (modules, *_) = figures(recording("footprint", *rows))

    assert modules.flaw("snapboot") == ""


# --- what stands beside a table and in a plot ------------------------------------------------------


def test_times_of_a_millisecond_and_more_are_reported_in_ms() -> None:
    slow = WarmSample(0, "snapboot", "5 MB", 5_000_000, (65_683_000,), 63_000_000)
    fast = WarmSample(0, "snapboot", "200 B", 200, (48_400,), 33_000)
    rows = tables.table(recording("warm", slow, fast)).splitlines()

    assert rows[2] == "| round trip, 5 MB, ms | 65.7 | 1 |"
    assert rows[4] == "| round trip, 200 B, µs | 48.4 | 1 |"


def test_every_warning_of_a_recording_is_beside_its_table_and_in_its_plots(tmp_path: Path) -> None:
    one = recording("init", *starts("snapboot", *TWO_GROUPS))
    one.commit["modified"] = True
    one.warnings = ["the interpreter is a debug build", "the machine is busy (load 3.00 per CPU)"]
    expected = warn.of(one)
    assert len(expected) == 4

    beside = tables.render([one])
    (path, _) = plots.write(one, tmp_path)
    drawn = " ".join(text for text in ET.parse(path).getroot().itertext())

    for warning in expected:
        assert f"- Warning: {warning}.\n" in beside
        assert warning.replace("`", "") in " ".join(drawn.split())
    assert "files differed from the commit (modified)" in beside


def test_plots_of_figures_that_a_recording_has_no_more_are_removed(tmp_path: Path) -> None:
    one = recording("init", *THREE_STARTS)
    debians = recording("init", *THREE_STARTS)
    debians.interpreter = {**one.interpreter, "builder": "Debian"}
    plots.write_all([one, debians], tmp_path)
    (tmp_path / f"{one.stem}-a-figure-of-old.svg").touch()
    (tmp_path / "notes.svg").touch()
    plots.write_all([one, debians], tmp_path)

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("notes.svg", "init-3.13.0-spawn-to-next.svg", "init-3.13.0-cpu-time-to-next.svg"),
        "init-3.13.0-debian-spawn-to-next.svg",
        "init-3.13.0-debian-cpu-time-to-next.svg",
    }


def test_a_plot_has_the_interval_the_count_and_the_machine(tmp_path: Path) -> None:
    one = recording("init", *starts("snapboot", *STEADY), *starts("awslambdaric", *TWICE))
    (path, _) = plots.write(one, tmp_path)
    texts = [text.strip() for text in ET.parse(path).getroot().itertext()]

    assert "9.1 (9\N{EN DASH}9.2), n 20" in texts
    assert "two groups: no one median; n 20" in texts
    assert any("A CPU, 2 CPUs, Linux 6 x86_64; CPython 3.13.0" in text for text in texts)


def test_the_readme_names_each_recording_that_a_row_comes_from() -> None:
    start = recording("init", *THREE_STARTS)
    warm = recording("warm", WarmSample(0, "snapboot", "200 B", 200, (48_400,), 33_000))
    warm.warnings = ["the machine is busy"]
    warm.commit = {"id": "fedcba9876543210", "modified": True}
    text = summary.summary([start, warm])

    assert "- `init-3.13.0.json`: A CPU" in text
    assert "- `warm-3.13.0.json`: A CPU" in text
    assert "commit 0123456789ab;" in text
    assert "commit fedcba987654;" in text
    assert "- Warning of `warm-3.13.0.json`: the machine is busy.\n" in text
    assert "- Warning of `warm-3.13.0.json`: files differed from the commit (modified)" in text


def test_the_docs_show_what_exceeds_a_start_with_nothing_of_every_function() -> None:
    functions = ("nothing", *summary.FUNCTIONS)
    rows = [
        FunctionInitSample(n, contender, function, "warm", 20 + 10 * at, None)
        for at, function in enumerate(functions)
        for contender in ("snapboot", "awslambdaric")
        for n in range(3)
    ]
    text = summary.shipping([recording("function_init", *rows)])

    beyond = [row for row in text.splitlines() if "less each one's start with nothing" in row]
    whole = [row for row in text.splitlines() if row.startswith("|") and row not in beyond][2:-1]
    assert len(beyond) == len(whole) == len(functions) - 1


def test_the_docs_show_what_imports_that_wait_gain_for_every_function_that_was_measured() -> None:
    took_ms = {
        "nothing": {"snapboot": 10, packages.GUIDED: 10, "awslambdaric": 30},
        "an S3 client of boto3": {"snapboot": 110, packages.GUIDED: 90, "awslambdaric": 200},
        "pandas": {"snapboot": 300, "awslambdaric": 400},
    }
    rows = [
        FunctionInitSample(n, contender, function, "warm", ms * 1_000_000, None)
        for function, taken in took_ms.items()
        for contender, ms in taken.items()
        for n in range(3)
    ]
    text = summary.shipping([recording("function_init", *rows)])

    (row,) = [row for row in text.splitlines() if "`--lazy guided`" in row]
    assert row.startswith("| boto3 with a client, `--lazy guided` | 90")


def test_the_interpreter_with_the_most_recordings_comes_first_and_others_are_named(
    tmp_path: Path,
) -> None:
    rows = [
        FunctionInitSample(n, contender, function, "warm", 1_000_000 * ms, None)
        for function, ms in (("nothing", 10), ("an S3 client of boto3", 100))
        for contender in ("snapboot", packages.LAZY, "awslambdaric")
        for n in range(3)
    ]
    usual = [recording("init", *THREE_STARTS), recording("function_init", *rows)]
    newer = recording("function_init", *rows)
    newer.interpreter = newer.interpreter | {"version": "3.15.2", "builder": "Debian"}
    for one in (*usual, newer):
        one.save(tmp_path)

    found = load_all(tmp_path)
    text = summary.shipping(found)

    assert found == [*usual, newer]
    assert "- `function_init-3.13.0.json`: " in text
    (line,) = [line for line in text.splitlines() if "`function_init-3.15.2-debian.json`" in line]
    assert line.startswith("boto3 with a client on CPython 3.15.2 (Debian's build): snapboot : aws")
    assert "snapboot, lazy imports : awslambdaric " in line
    assert summary.scenario(found, "function_init").count("json`: A CPU") == 2


def test_both_ways_to_run_theirs_are_columns_with_their_names() -> None:
    both = recording(
        "init",
        *(start for name in ("snapboot", "awslambdaric") for start in starts(name, *STEADY)),
        *starts("awslambdaric-unpooled", *STEADY),
    )

    for head in (tables.table(both).splitlines()[0], summary.summary([both]).splitlines()[0]):
        assert "| awslambdaric, AWS's image" in head
        assert "| awslambdaric, own image" in head
        assert head.count(": awslambdaric, ") == 2


def test_modules_compiled_at_each_start_are_warned_of() -> None:
    compiled = FootprintSample(0, "snapboot", ("a", "b"), 1, 300, 20)

    (warning,) = warn.of_samples(recording("footprint", compiled))
    assert warning.startswith("snapboot compiles 1 modules at each start; write their bytecode")


@pytest.mark.parametrize(
    ("sample", "remedy"),
    [
        (InitSample(0, "snapboot", 1, None), "cpu_ns could not be measured here: run on Linux"),
        (
            MemorySample(0, "snapboot", 0, None, None, None),
            "resident_bytes could not be measured here: run on Linux",
        ),
        (
            FootprintSample(0, "snapboot", ("a",), 0, None, None),
            "system_calls could not be measured here: install strace",
        ),
        (
            CountsSample(0, "snapboot", None, None),
            "init_instructions could not be measured here: install valgrind",
        ),
    ],
)
def test_what_the_system_does_not_tell_is_said(sample: Sample, remedy: str) -> None:
    one = recording(sample_scenario(sample), sample)

    assert any(warning.startswith(remedy) for warning in warn.of_samples(one))
    assert tables.table(one)


def sample_scenario(sample: Sample) -> str:
    return next(name for name, scenario in SCENARIOS.items() if scenario.sample is type(sample))


def test_an_interpreter_that_runs_code_at_each_start_is_warned_of() -> None:
    clean = replace(interpreter_at(Path(sys.executable)), pth_files=[], optimised=True, debug=False)
    dirty = replace(clean, pth_files=["distutils-precedence.pth"])

    said = set(warn.of_machine(dirty, pinned=1)) - set(warn.of_machine(clean, pinned=1))

    (warning,) = (one for one in said if "the machine is busy" not in one)
    assert "has distutils-precedence.pth, which every start reads" in warning
    assert warning.endswith("name an interpreter without any with --python")


def test_an_unpinned_run_is_warned_of_with_the_flag_that_helps() -> None:
    here = interpreter_at(Path(sys.executable))

    assert any(warning.endswith("--cpu auto") for warning in warn.of_machine(here, None))
