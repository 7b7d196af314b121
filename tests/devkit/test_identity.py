"""The ids that an invocation carries: valid, and each there once."""

import re
import subprocess
import sys
import threading
from uuid import UUID

from snapboot_devkit.host.identity import Identity, new_id, new_trace_id
from tests.devkit.hosted import DEADLINE_S

TRACE_ID = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0")


def test_request_ids_are_uuids_of_version_4():
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    for one in ids:
        assert str(UUID(one)) == one
        assert (UUID(one).version, UUID(one).variant) == (4, "specified in RFC 4122")


def test_trace_ids_are_of_traces_that_are_not_sampled():
    ids = {new_trace_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(map(TRACE_ID.fullmatch, ids))


def test_threads_that_make_ids_at_the_same_time_get_none_twice():
    made = []
    threads = [
        threading.Thread(target=lambda: made.extend([new_id() for _ in range(5000)]))
        for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(DEADLINE_S)
    assert len(made) == len(set(made)) == 20_000


FORKED = """
import os
from snapboot_devkit.host.identity import new_id, new_trace_id
new_id(), new_trace_id()
child = os.fork()
os.write(1, f"{new_id()} {new_trace_id()}\\n".encode())
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_process_makes_ids_of_its_own():
    run = subprocess.run(
        [sys.executable, "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    (one, traced), (other, also_traced) = map(str.split, run.stdout.splitlines())
    assert one != other
    assert traced.partition(";")[2] != also_traced.partition(";")[2]


def test_the_arn_is_the_functions():
    arn = "arn:aws:lambda:eu-west-1:012345678912:function:orders"
    assert Identity("orders", region="eu-west-1").arn == arn
