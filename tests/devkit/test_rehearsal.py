"""Rehearsing SnapStart: each flaw is found and named by its line; what is right passes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from snapboot_devkit.host import FunctionConfig, InitializationType
from snapboot_devkit.rehearse import rehearsal
from snapboot_devkit.rehearse.checks import CHECKS
from snapboot_devkit.rehearse.stage import Backend
from tests.fakes import boto

HAS_NAMESPACES = """
import ctypes, os, sys
flags = 0x2000_0000 | (0 if os.geteuid() == 0 else 0x1000_0000)
sys.exit(ctypes.CDLL(None).unshare(flags) != 0)
"""
HANDLER = "\ndef handler(event, context): return 1\n"


@pytest.fixture(scope="module", autouse=True)
def namespaces():
    """Skip where the kernel refuses what a clone needs; `fork` is the backend there."""
    done = subprocess.run([sys.executable, "-c", HAS_NAMESPACES], check=False, timeout=60)
    if done.returncode:
        pytest.skip("this machine does not allow pid namespaces")


def rehearsed(root: Path, source: str, *, env=None, timeout_s=5.0, **plan):
    (root / "app.py").write_text(textwrap.dedent(source) + HANDLER, "utf-8")
    config = FunctionConfig(
        "app.handler",
        task_root=root,
        timeout_s=timeout_s,
        env=env or {},
        initialization=InitializationType.SNAP_START,
    )
    wanted = {"restores": 2, "fresh": 0, **plan}
    return rehearsal.rehearse(config, rehearsal.RehearsalPlan(**wanted))


def line(source: str, text: str) -> int:
    lines = textwrap.dedent(source).splitlines()
    return next(number for number, found in enumerate(lines, 1) if text in found)


# --- the gallery ---------------------------------------------------------------------------------

# check -> the function with the flaw, marked by `# here`, the corrected one, and variables.
OFF = {"SNAPBOOT_RESTORE_SAFETY": "off"}
SERVER = """
import os, socket
def connect(): return socket.create_connection(("127.0.0.1", int(os.environ["PEER_PORT"])))
"""
GALLERY = {
    "random": ("import random", "import random", OFF),
    "numpy": ("import numpy.random", "import numpy.random", OFF),
    "uuid1": ("import uuid; uuid.uuid1()", "import uuid; uuid.uuid1()", OFF),
    "tempfile": (
        "import tempfile; next(tempfile._get_candidate_names())",
        "import tempfile; next(tempfile._get_candidate_names())",
        OFF,
    ),
    "openssl": ("import ssl; ssl.RAND_bytes(1)", "import ssl; ssl.RAND_bytes(1)", OFF),
    "generators": (
        "import random\nRNG = random.Random(4)  # here",
        "import random, snapboot\nRNG = random.Random(4)\nsnapboot.after_restore(RNG.seed)",
        {},
    ),
    "token": (
        "import uuid\nTOKEN = uuid.uuid4().hex",
        (
            "import snapboot, uuid\nTOKEN = None\n@snapboot.after_restore\ndef make():\n"
            "    global TOKEN\n    TOKEN = uuid.uuid4().hex"
        ),
        {},
    ),
    "sockets": (
        SERVER + "CONNECTION = connect()\nDONE = 1  # called",
        SERVER + "import snapboot\nCONNECTION = connect()\n"
        "snapboot.before_snapshot(CONNECTION.close)",
        {},
    ),
    "pipes": (
        "import os\nENDS = os.pipe()  # here",
        "import os, snapboot\nENDS = os.pipe()\nfor end in ENDS: snapboot.before_snapshot(os.close, end)",
        {},
    ),
    "files": (
        "FILE = open(__file__)  # here",
        "import snapboot\nFILE = open(__file__)\nsnapboot.before_snapshot(FILE.close)",
        {},
    ),
    "threads": (
        (
            "import threading\nEND = threading.Event()\nONE = threading.Thread(target=END.wait, daemon=True)\n"
            "ONE.start()  # here"
        ),
        (
            "import threading, snapboot\nEND = threading.Event()\n"
            "ONE = threading.Thread(target=END.wait, daemon=True)\nONE.start()\n"
            "snapboot.before_snapshot(ONE.join)\nsnapboot.before_snapshot(END.set)"
        ),
        {},
    ),
    "tmp": (
        (
            "import tempfile, pathlib\nPLACE = pathlib.Path(tempfile.gettempdir(), 'model.bin')\n"
            "PLACE.write_text('x')"
        ),
        (
            "import tempfile, pathlib, snapboot\n"
            "PLACE = pathlib.Path(tempfile.gettempdir(), 'model.bin')\nPLACE.write_text('x')\n"
            "snapboot.before_snapshot(PLACE.unlink)"
        ),
        {},
    ),
    "credentials": (
        "import os\nTOKEN = os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']  # here",
        "import os\ndef token(): return os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']",
        {},
    ),
    "variables": (
        "import os\nAPI = {'base': os.environ['AWS_LAMBDA_RUNTIME_API']}  # here",
        "import os\nAPI = {'region': os.environ['AWS_REGION']}",
        {},
    ),
    "timestamps": (
        "import time\nSTARTED = time.time()  # here",
        "import time\nSTARTED = None",
        {},
    ),
    "dns": (
        "import socket\nADDRESS = socket.gethostbyname('localhost')  # here",
        "import socket\nsocket.gethostbyname('localhost')",
        {},
    ),
    "hooks": (
        "import snapboot\n@snapboot.after_restore  # here\ndef fail(): raise ValueError('no table')",
        "import snapboot\n@snapboot.after_restore\ndef fail(): pass",
        {},
    ),
    "restore": ("raise OSError('no model')", "", {}),
}


@pytest.fixture
def peer():
    """Return the port of a server that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("check", CHECKS)
def test_a_flaw_is_found_and_named_and_the_corrected_function_passes(tmp_path, peer, check):
    flawed, corrected, variables = GALLERY[check]
    if check == "numpy":
        pytest.importorskip("numpy")
    env = {"PEER_PORT": str(peer)}
    plan = {"token": "app.TOKEN"} if check == "token" else {}
    held = rehearsed(tmp_path, flawed, env={**env, **variables}, **plan)
    found = [one for one in held.findings if one.check == check]
    assert found, held.findings
    if "# here" in flawed:
        assert f"{tmp_path}/app.py:{line(flawed, '# here')}" in {one.where for one in found}
    if check == "sockets":
        assert found[0].where == f"{tmp_path}/app.py:{line(flawed, 'def connect')}"
    held = rehearsed(tmp_path, corrected, env=env, **plan)
    assert held.findings == []


def test_a_fork_declines_the_checks_for_what_is_shared_and_says_so(tmp_path):
    (tmp_path / "app.py").write_text("import random\nRNG = random.Random(4)\n" + HANDLER)
    done = command(tmp_path, "--backend", "fork")
    assert done.returncode == 0
    assert (
        "not checked, as random generators renew themselves at a fork: generators, " in done.stdout
    )
    document = json.loads(command(tmp_path, "--backend", "fork", "--json").stdout)
    assert set(document["checks"]) | set(document["declined"]) == set(CHECKS)
    assert "random" in document["declined"]


def test_a_fork_finds_what_is_no_matter_of_sharing(tmp_path):
    for check in ("files", "timestamps", "hooks"):
        held = rehearsed(tmp_path, GALLERY[check][0], backend=Backend.FORK)
        assert {one.check for one in held.findings} == {check}


def test_the_gallery_has_every_check():
    assert set(GALLERY) == set(CHECKS)


# --- hooks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "where", "text"),
    [
        (
            "import snapboot\n@snapboot.before_snapshot\ndef fail(): raise ValueError('no table')",
            "app.py:2",
            "the before-snapshot hook fail: ValueError: no table",
        ),
        (
            "import snapboot\n@snapboot.after_restore\ndef hang():\n    while True: pass",
            "app.py:2",
            "the after-restore hook hang: the restore has not ended within 0.5 s",
        ),
        (
            "import snapboot\n@snapboot.after_restore\ndef leave():\n    import os\n    os._exit(3)",
            "app.py:2",
            "the after-restore hook leave: the environment has ended with status 3",
        ),
    ],
)
def test_a_hook_that_does_not_return_is_named(tmp_path, source, where, text):
    held = rehearsed(tmp_path, source, restore_limit_s=0.5)
    (found,) = [one for one in held.findings if one.check == "hooks"]
    assert found.where == f"{tmp_path}/{where}"
    assert found.text == text


def test_a_hook_that_hangs_before_the_snapshot_is_named(tmp_path):
    source = "import snapboot\n@snapboot.before_snapshot\ndef hang():\n    while True: pass"
    held = rehearsed(tmp_path, source, init_limit_s=1.0)
    (found,) = held.findings
    assert (found.check, found.where) == ("hooks", f"{tmp_path}/app.py:2")
    assert "has not ended within 1 s" in found.text


def test_a_function_may_ignore_the_ends_of_its_children(tmp_path):
    source = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    held = rehearsed(tmp_path, source)
    assert held.findings == []
    assert len(held.clones) == 2


def test_a_generator_that_cannot_be_drawn_from_is_noted_and_the_others_are_compared(tmp_path):
    source = """
import random
class Stateless(random.Random):
    def getstate(self): raise NotImplementedError("no state")
OWN = Stateless()
SHARED = random.Random(1)
"""
    held = rehearsed(tmp_path, source)
    (found,) = held.findings
    assert (found.check, found.where) == ("generators", f"{tmp_path}/app.py:6")
    (note,) = held.notes
    assert "cannot draw from app.Stateless" in note


def test_a_hook_that_the_handler_registers_is_too_late(tmp_path):
    source = """
import snapboot
def late(): pass
def handler(event, context):
    snapboot.after_restore(late)
"""
    (tmp_path / "late.py").write_text(source)
    held = rehearsed(tmp_path, "import late\nhandle = late.handler\n")
    assert held.findings == []
    (tmp_path / "app.py").write_text(source)
    config = FunctionConfig(
        "app.handler", task_root=tmp_path, initialization=InitializationType.SNAP_START
    )
    held = rehearsal.rehearse(config, rehearsal.RehearsalPlan(restores=2, fresh=0))
    assert {(one.check, one.where) for one in held.findings} == {("hooks", f"{tmp_path}/app.py:3")}


# --- the negative control ------------------------------------------------------------------------


def draws(held, name):
    return [clone.draws[name] for clone in held.clones]


MANY = """
import random, ssl, tempfile
next(tempfile._get_candidate_names())
ssl.RAND_bytes(1)
def drawn():
    names = tempfile._get_candidate_names()
    return [
        [random.getrandbits(64) for _ in range(10_000)],
        [next(names) for _ in range(10_000)],
        [ssl.RAND_bytes(8) for _ in range(10_000)],
    ]
def digest():
    import hashlib, pathlib, pickle, os
    place = pathlib.Path(os.environ["DRAWN"])
    (place / os.urandom(8).hex()).write_bytes(pickle.dumps(drawn()))
"""
KINDS = ("random", "tempfile", "openssl")


@pytest.mark.slow
def test_without_restore_safety_64_clones_share_all_sequences(tmp_path):
    held = rehearsed(tmp_path, MANY, env=OFF, restores=64)
    assert len(held.clones) == 64
    for kind in KINDS:
        assert len(set(draws(held, kind))) == 1, kind


@pytest.mark.slow
def test_with_restore_safety_64_clones_of_10_000_draws_have_none_in_common(tmp_path):
    import pickle

    place = tmp_path / "drawn"
    place.mkdir()
    root = tmp_path / "task"
    root.mkdir()
    held = rehearsed(
        root, MANY, env={"DRAWN": str(place)}, restores=64, token="app.digest", ignored={"token"}
    )
    assert held.findings == []
    files = list(place.iterdir())
    assert len(files) == 64
    for index, kind in enumerate(KINDS):
        seen = [one for file in files for one in set(pickle.loads(file.read_bytes())[index])]
        # Temporary names have 37 bits: among 640,000 a few meet by chance, sequences never.
        allowed = 20 if kind == "tempfile" else 0
        assert len(seen) - len(set(seen)) <= allowed, kind


# --- what is measured ----------------------------------------------------------------------------


def test_clones_have_the_process_id_of_the_snapshot_and_its_memory(tmp_path):
    held = rehearsed(
        tmp_path, "import os\nPID = os.getpid()\ndef pid(): return os.getpid()", token="app.pid"
    )
    assert draws(held, "token") == ["1", "1"]
    for clone in held.clones:
        assert clone.restored_ns > 0
        assert clone.shared_kib > 0
        assert len(clone.invoked_ns) == 1


def test_fresh_inits_are_measured_beside_them(tmp_path):
    held = rehearsed(tmp_path, "", fresh=2)
    assert len(held.fresh_init_ms) == len(held.fresh_invoke_ms) == 2


def test_a_handler_that_fails_after_the_restore_is_named(tmp_path):
    source = "def handler(event, context): raise KeyError('table')\nkept = handler"
    (tmp_path / "app.py").write_text(source)
    config = FunctionConfig(
        "app.handler", task_root=tmp_path, initialization=InitializationType.SNAP_START
    )
    held = rehearsal.rehearse(config, rehearsal.RehearsalPlan(restores=2, fresh=0))
    assert {one.text for one in held.findings} == {"the first invocation failed: KeyError: 'table'"}


# --- live connections ----------------------------------------------------------------------------


@pytest.fixture
def http_peer():
    """Return the URL of a server of HTTP that keeps connections open."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Peer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_GET(self):
            self.do_POST()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_boto3_client_with_a_live_connection_works_in_every_clone(tmp_path, http_peer):
    boto.place(tmp_path, ["sqs"])
    source = """
import os, boto3
client = boto3.client("sqs", region_name="eu-west-1", endpoint_url=os.environ["PEER"])
client.list_queues()
def handler(event, context): return client.list_queues()["ResponseMetadata"]["HTTPStatusCode"]
kept = handler
"""
    (tmp_path / "app.py").write_text(source)
    config = FunctionConfig(
        "app.handler",
        task_root=tmp_path,
        timeout_s=10,
        env={"PEER": http_peer, "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"},
        initialization=InitializationType.SNAP_START,
    )
    held = rehearsal.rehearse(config, rehearsal.RehearsalPlan(restores=2, fresh=0))
    assert held.findings == []
    assert [len(clone.invoked_ns) for clone in held.clones] == [1, 1]


# --- threads that are lost -----------------------------------------------------------------------

LOCKED = """
import logging, threading
HELD = threading.Event()
def hold():
    with {locks}:
        HELD.set()
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
HELD.wait()
def handler(event, context):
    logging.getLogger("made later").error("served")
    return 1
"""


OF_HANDLER = "logging.getLogger().handlers[0].lock"


@pytest.mark.parametrize(
    ("backend", "locks"),
    # A fork waits for the other one in the process that forks.
    [(Backend.CLONE, f"logging._lock, {OF_HANDLER}"), (Backend.FORK, OF_HANDLER)],
)
def test_a_lost_thread_that_held_the_locks_of_logging_keeps_none_of_them(tmp_path, backend, locks):
    (tmp_path / "app.py").write_text(LOCKED.format(locks=locks))
    config = FunctionConfig(
        "app.handler", task_root=tmp_path, initialization=InitializationType.SNAP_START
    )
    held = rehearsal.rehearse(config, rehearsal.RehearsalPlan(backend=backend, restores=2, fresh=0))
    assert [one.check for one in held.findings] == ["threads"]
    assert [clone.results for clone in held.clones] == [[b"1"], [b"1"]]


# --- the command ---------------------------------------------------------------------------------


def command(root, *words):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "snapboot_devkit",
            "rehearse",
            "app.handler",
            "--restores",
            "2",
            "--fresh",
            "1",
            *words,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=root,
    )


def test_the_command_prints_a_table_and_its_exit_code_is_for_ci(tmp_path):
    (tmp_path / "app.py").write_text("import time\nSTARTED = time.time()\n" + HANDLER)
    done = command(tmp_path)
    assert done.returncode == 1
    assert re.search(r"fresh init +\d+\.\d\d ms", done.stdout)
    assert re.search(r"local clone: release to next +\d+\.\d\d ms", done.stdout)
    assert "A local clone is not AWS's restore" in done.stdout
    assert f"FAIL timestamps: {tmp_path}/app.py:2: the time of the init is kept" in done.stdout
    assert command(tmp_path, "--ignore", "timestamps").returncode == 0


def test_json_is_one_object_with_all_samples(tmp_path):
    (tmp_path / "app.py").write_text(HANDLER)
    done = command(tmp_path, "--json", "--restore-ms", "300")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["findings"] == []
    assert len(document["clones"]) == 2
    assert "does not start faster with SnapStart" in document["cost"]["text"]


def test_a_function_with_files_of_its_own_is_rehearsed_too(tmp_path):
    (tmp_path / "app.py").write_text(HANDLER)
    assert command(tmp_path, "--isolate").returncode == 0


def test_without_a_figure_of_lambda_there_is_no_verdict_on_cost(tmp_path):
    (tmp_path / "app.py").write_text(HANDLER)
    assert json.loads(command(tmp_path, "--json").stdout)["cost"] is None


RESTORED = "2026-07-01T10:00:00 2026/07/01/[{}]ab RESTORE_REPORT Restore Duration: {} ms"
STARTED = (
    "2026-07-01T10:00:00 2026/07/01/[1]ab REPORT RequestId: 1\tDuration: 2.00 ms\t"
    "Billed Duration: 2 ms\tInit Duration: {} ms"
)


def test_logs_give_a_verdict_by_the_newest_versions_restores_and_their_own_inits(tmp_path):
    (tmp_path / "app.py").write_text(HANDLER)
    lines = [RESTORED.format("9", 900), *(RESTORED.format("10", ms) for ms in (300, 400, 500))]
    log = tmp_path / "log"
    log.write_text("\n".join([*lines, *(STARTED.format(ms) for ms in (950, 1000, 1050))]))
    cost = json.loads(command(tmp_path, "--json", "--logs", str(log)).stdout)["cost"]
    assert cost == {
        "restoreMs": 400.0,
        "initMs": 1000.0,
        "text": "With a restore of 400 ms on Lambda (median in the logs of version 10), and an init"
        " of 1000 ms as in the logs, the function starts 600 ms faster with SnapStart.",
    }
    log.write_text(lines[0])
    found = command(tmp_path, "--logs", str(log)).stdout
    assert "With a restore of 900 ms on Lambda (median in the logs of version 9), and" in found
    assert "ms as here, the function does not start faster with SnapStart" in found


def test_logs_without_a_restore_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "app.py").write_text("print('runs')" + HANDLER)
    log = tmp_path / "log"
    for text, reason in (
        (STARTED.format(900), "no Restore Duration; export the logs of a version with SnapStart"),
        ("nothing", "no REPORT, INIT_REPORT, RESTORE_REPORT or snapbootInit line among 1 lines"),
    ):
        log.write_text(text)
        done = command(tmp_path, "--logs", str(log))
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--logs", "absent"], "cannot read the log 'absent': No such file or directory"),
        (["--logs", "a", "--restore-ms", "1"], "both say what a restore takes; leave one out"),
        (["--ignore", "luck"], "'luck' is not a check; it can be random, "),
        (["--token", "make id"], "'make id' must be a module and a name"),
        (["--restore-ms", "-1"], "--restore-ms -1 must be more than 0"),
        (["--backend", "podman"], "'podman' is not one of clone, fork, criu"),
        (["--env", "AWS_LAMBDA_EXEC_WRAPPER=/w"], "leave out AWS_LAMBDA_EXEC_WRAPPER"),
        (["--restores", "1"], "'1' is not a whole number from 2 up"),
        (["--bootstrap", "python -m awslambdaric"], "leave out --bootstrap"),
        (["--token", "app.absent"], "no attribute 'absent'"),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path, words, text):
    (tmp_path / "app.py").write_text(HANDLER)
    done = command(tmp_path, *words)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_whose_name_is_too_long_for_a_socket_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "app.py").write_text(HANDLER)
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    done = command(tmp_path)
    assert done.returncode == 2
    assert "choose another folder for temporary files by TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


# --- in tests of functions -----------------------------------------------------------------------


def test_the_fixture_returns_what_each_clone_returned(tmp_path, snapstart_clones):
    source = """
import os
MADE = os.urandom(8).hex()
def handler(event, context): return [MADE, os.urandom(8).hex(), event]
"""
    (tmp_path / "app.py").write_text(source)
    clones = snapstart_clones(3, task_root=tmp_path, event={"n": 1}, invocations=2)
    clones.check()
    flat = [result for results in clones.results for result in results]
    assert [len(results) for results in clones.results] == [2, 2, 2]
    assert len({made for made, _, _ in flat}) == 1
    assert len({drawn for _, drawn, _ in flat}) == 6
    assert all(event == {"n": 1} for _, _, event in flat)


def test_the_fixtures_check_names_what_is_wrong(tmp_path, snapstart_clones):
    (tmp_path / "app.py").write_text("import random\nRNG = random.Random(4)\n" + HANDLER)
    with pytest.raises(AssertionError, match=rf"generators: {tmp_path}/app.py:2 2 of 2 clones"):
        snapstart_clones(2, task_root=tmp_path).check()
    snapstart_clones(2, task_root=tmp_path, ignore=["generators"]).check()


# --- nothing is left -----------------------------------------------------------------------------


def leftovers(root, restores):
    descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
    held = rehearsed(root, "import random, ssl", restores=restores)
    assert len(held.clones) == restores
    assert held.findings == []
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) - descriptors


def of_this_test(root):
    """Return the processes whose command names the function's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(root).encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            pass
    return found


def test_nothing_is_left_of_a_rehearsal(tmp_path):
    assert leftovers(tmp_path, 3) == 0
    assert of_this_test(tmp_path) == []


@pytest.mark.slow
def test_nothing_is_left_of_1_000_restores(tmp_path, monkeypatch):
    """No process, and so no namespace, no descriptor and no file."""
    with tempfile.TemporaryDirectory() as scratch:  # its path is short enough for a socket
        monkeypatch.setenv("TMPDIR", scratch)
        monkeypatch.setattr(tempfile, "tempdir", scratch)
        assert leftovers(tmp_path, 1000) == 0
        assert of_this_test(tmp_path) == []
        assert list(Path(scratch).iterdir()) == []
