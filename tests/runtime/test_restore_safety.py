"""After a restore nothing is shared, stale or dead that the runtime can renew; the rest is named."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.fakes import boto
from tests.fakes.runtime_api import Call, Event

if TYPE_CHECKING:
    from tests.fakes.function import Function, Run

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
ITEMS = (
    "random",
    "numpy",
    "tempfile",
    "uuid",
    "openssl",
    "pools",
    "credentials",
    "log",
    "generators",
)
DEBUG = """
import logging
logging.getLogger().setLevel(logging.DEBUG)
"""


def snapped(function: Function, source: str, *events: Event, **environment) -> Run:
    function.code(source)
    return function.run(*events, environment={**SNAP_START, **environment})


def debug_line(run: Run) -> str:
    (line,) = (line for line in run.stdout.splitlines() if "restore safety" in line)
    return line


# --- random numbers -----------------------------------------------------------------------------

# What each item renews: how it is set in init, and whether it went on from there.
RENEWED = {
    "random": """
import random
random.seed(5)
FORESEEN = random.Random(5).random()
def same(): return random.random() == FORESEEN
""",
    "numpy": """
import numpy
numpy.random.seed(5)
FORESEEN = numpy.random.RandomState(5).random_sample()
def same(): return bool(numpy.random.random() == FORESEEN)
""",
    "tempfile": """
import random, tempfile
NAMES = tempfile._get_candidate_names()
NAMES.rng.seed(5)
FORESEEN = next(NAMES)
NAMES.rng.seed(5)
def same(): return next(tempfile._get_candidate_names()) == FORESEEN
""",
    "uuid": """
import uuid
NODE = uuid.uuid1().node
def same(): return uuid.uuid1().node == NODE
""",
}


@pytest.mark.parametrize("off", ["", "no-{}", "off", "no-pools, no-{}"])
@pytest.mark.parametrize("name", RENEWED)
def test_an_item_is_renewed_unless_it_is_switched_off(function: Function, name, off):
    if name == "numpy":
        pytest.importorskip("numpy")
    source = f"{RENEWED[name]}\ndef handler(event, context): return same()"
    run = snapped(function, source, Event(), SNAPBOOT_RESTORE_SAFETY=off.format(name))
    assert run.result is bool(off)
    assert run.stderr == ""


def test_a_word_that_is_no_item_is_an_error_that_names_the_choices(function: Function):
    run = snapped(function, "def handler(*_): pass", SNAPBOOT_RESTORE_SAFETY="no-random,randomness")
    assert (run.returncode, run.error.call) == (64, Call.INIT_ERROR)
    message = run.document["errorMessage"]
    assert "SNAPBOOT_RESTORE_SAFETY is 'no-random,randomness'" in message
    assert all(f"no-{item}" in message for item in ITEMS)


def test_one_debug_line_names_what_was_renewed_and_what_is_switched_off(function: Function):
    source = DEBUG + "import random, ssl\ndef handler(*_): pass"
    line = debug_line(snapped(function, source, Event(), SNAPBOOT_RESTORE_SAFETY="no-uuid"))
    assert line.startswith("[DEBUG]\t")
    assert "random seeded" in line
    assert "OpenSSL stirred" in line
    assert "switched off: uuid" in line


def test_the_debug_line_is_json_where_the_log_is(function: Function):
    variables = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}
    run = snapped(function, "def handler(*_): pass", Event(), **variables)
    record = json.loads(debug_line(run))
    assert record["level"] == "DEBUG"
    assert "nothing to renew" in record["message"]


def test_nothing_is_written_or_loaded_for_a_plain_function(function: Function):
    source = """
import sys
def handler(event, context):
    names = {"random", "numpy", "tempfile", "uuid", "ssl", "urllib3", "botocore", "logging"}
    return sorted(names & set(sys.modules))
"""
    run = snapped(function, source, Event())
    assert (run.result, run.stdout, run.stderr) == ([], "", "")


def test_an_after_hook_starts_from_what_is_renewed(function: Function):
    source = """
import random, snapboot
random.seed(5)
FORESEEN = random.Random(5).random()
seen = []
snapboot.after_restore(lambda: seen.append(random.random() == FORESEEN))
def handler(event, context): return seen
"""
    assert snapped(function, source, Event()).result == [False]


def test_a_module_of_the_functions_that_fails_is_a_warning_and_no_end(function: Function):
    function.write(
        "random.py", "class _inst:\n    @staticmethod\n    def seed(): raise OSError('no')"
    )
    run = snapped(function, "import random\ndef handler(*_): return 1", Event())
    assert run.result == 1
    assert "restore safety could not renew 'random': OSError('no')" in run.stdout


# --- generators of the function's own ------------------------------------------------------------

OWN = """
import random
import snapboot

RNG: random.Random = random.Random(1)
SEVERAL = [random.Random(2)]
SAFE = random.SystemRandom()

class Model:
    shared = random.Random(3)
    def __init__(self):
        self.sampler = random.Random(4)

MODEL = Model()
{hook}

def handler(event, context):
    return RNG.random()
"""


def test_generators_of_the_functions_own_are_named_in_one_warning_with_their_lines(
    function: Function,
):
    run = snapped(function, OWN.format(hook=""), Event())
    (warning,) = run.stdout.splitlines()
    assert warning.startswith("[WARNING]\t")
    assert f"app.RNG, {function.root}/app.py:5" in warning
    assert f"app.SEVERAL, {function.root}/app.py:6" in warning
    assert "class app.Model" in warning
    assert "app.MODEL" in warning or "attribute 'sampler' of an object of app.Model" in warning
    assert warning.count("random.Random (") == 4
    assert "snapboot.after_restore" in warning


def test_a_generator_that_a_hook_seeds_or_replaces_is_not_named(function: Function):
    hook = """
snapboot.after_restore(RNG.seed)
@snapboot.after_restore
def renew():
    SEVERAL[0] = random.Random()
    Model.shared = MODEL.sampler = random.Random()
"""
    assert snapped(function, OWN.format(hook=hook), Event()).stdout == ""


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="tracemalloc of CPython 3.11 finds no object with attributes"
)
def test_the_line_that_made_a_generator_is_named_where_allocations_are_traced(function: Function):
    source = """
import random, tracemalloc
tracemalloc.start()
def build():
    rng = random.Random(1)
    return lambda: rng
draw = build()
def handler(event, context): return 1
"""
    run = snapped(function, source, Event())
    assert f"random.Random (made at {function.root}/app.py:5)" in run.stdout


def test_generators_of_numpy_are_named(function: Function):
    pytest.importorskip("numpy")
    source = """
import numpy, snapboot
GENERATOR = numpy.random.default_rng(1)
STATE = numpy.random.RandomState(2)
SEEDED = numpy.random.RandomState(3)
snapboot.after_restore(SEEDED.seed)
def handler(event, context): return 1
"""
    (warning,) = snapped(function, source, Event()).stdout.splitlines()
    assert "app.GENERATOR" in warning
    assert "app.STATE" in warning
    assert "app.SEEDED" not in warning


def test_the_search_asks_no_object_of_the_functions(function: Function):
    source = """
import random
class Meta(type):
    def __hash__(cls): raise RuntimeError("hashed")
    def __eq__(cls, other): raise RuntimeError("compared")
class Odd(metaclass=Meta):
    def __getattribute__(self, name): raise RuntimeError("asked")
ODD = [Odd(), random.Random(1)]
def handler(event, context): return 1
"""
    run = snapped(function, source, Event())
    assert run.result == 1
    (warning,) = run.stdout.splitlines()
    assert "app.ODD" in warning


def test_a_generator_whose_state_cannot_be_read_or_compared_is_not_named(function: Function):
    source = """
import random
class Incomparable:
    def __eq__(self, other): raise RuntimeError("compared")
class Stateless(random.Random):
    def getstate(self): raise NotImplementedError("no state")
class Odd(random.Random):
    def getstate(self): return Incomparable()
OWN = [Stateless(), Odd(), random.Random(1)]
def handler(event, context): return 1
"""
    run = snapped(function, source, Event())
    assert run.result == 1
    (warning,) = run.stdout.splitlines()
    assert warning.startswith("[WARNING]\t")
    assert "random.Random (app.OWN" in warning
    assert "app.Stateless" not in warning
    assert "app.Odd" not in warning


def test_what_init_made_stays_frozen(function: Function):
    source = """
import gc, random
gc.collect()
KEPT = [[] for _ in range(5000)]
def handler(event, context): return gc.get_freeze_count() > 5000
"""
    assert snapped(function, source, Event()).result is True


# --- connections and credentials ----------------------------------------------------------------


class _Peer(BaseHTTPRequestHandler):
    """Answers with the number of the connection, and hands out credentials, ever new ones."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.number = self.server.connections

    def do_GET(self):
        document = {"connection": self.number}
        if self.path == "/credentials":
            with self.server.lock:
                self.server.fetched += 1
            document = {
                "AccessKeyId": f"key{self.server.fetched}",
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def peer():
    """Return a server of HTTP on this machine, with `url`, `connections` and `fetched`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    server.lock = threading.Lock()
    server.connections = server.fetched = 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


POOLED = """
import json, os
import urllib3

manager = urllib3.PoolManager(retries=False)
pool = urllib3.connection_from_url(os.environ["PEER"], retries=False)

def ask():
    return [json.loads(client.request("GET", os.environ["PEER"] + path).data)["connection"]
            for client, path in ((manager, "/"),)] + [
            json.loads(pool.request("GET", "/").data)["connection"]]

FIRST = ask()

def handler(event, context):
    return [FIRST, ask()]
"""


@pytest.mark.parametrize("off", [False, True])
def test_pooled_connections_of_urllib3_are_closed_and_clients_go_on(function, peer, off):
    variables = {"SNAPBOOT_RESTORE_SAFETY": "no-pools"} if off else {}
    before, after = snapped(function, POOLED, Event(), PEER=peer.url, **variables).result
    assert (before == after) is off
    assert not set(before) & set(after) or off


def test_a_pool_that_the_function_has_closed_is_left_alone(function, peer):
    source = POOLED + "\npool.close()\nask = lambda: 1"
    run = snapped(function, source, Event(), PEER=peer.url)
    assert run.result[1] == 1
    assert run.stderr == ""


CREDENTIALS = """
import boto3
session = boto3.Session()
client = session.client("sqs", region_name="eu-west-1")
credentials = session.get_credentials()

def key(): return credentials.get_frozen_credentials().access_key

FIRST = key()

def handler(event, context):
    return [FIRST, key(), key()]
"""


def container(peer):
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{peer.url}/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/nonexistent",
    }


@pytest.mark.parametrize("off", [False, True])
def test_credentials_of_botocore_are_fetched_again_before_their_next_use(function, peer, off):
    boto.place(function.root, ["sqs"])
    variables = {"SNAPBOOT_RESTORE_SAFETY": "no-credentials"} if off else {}
    run = snapped(function, CREDENTIALS, Event(), **container(peer), **variables)
    later = "key1" if off else "key2"
    assert run.result == ["key1", later, later]


def test_credentials_of_the_functions_own_are_left_alone(function, peer):
    boto.place(function.root, ["sqs"])
    variables = {**boto.VARIABLES, "AWS_ACCESS_KEY_ID": "mine"}
    run = snapped(function, CREDENTIALS, Event(), **variables)
    assert run.result == ["mine", "mine", "mine"]
    assert peer.fetched == 0


# --- the log ------------------------------------------------------------------------------------


def test_a_log_descriptor_that_did_not_survive_leaves_standard_output(function: Function):
    source = """
import os, logging, snapboot
snapboot.before_snapshot(os.close, 2)
def handler(event, context):
    logging.warning("low stock")
    return 1
"""
    run = snapped(function, source, Event(), _LAMBDA_TELEMETRY_LOG_FD="2")
    assert run.result == 1
    assert "low stock" in run.stdout
