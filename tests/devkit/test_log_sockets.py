"""The socket that workers connect to for their output, with real workers."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

from snapboot_devkit.host.sandbox.output import LogSocket

DEADLINE_S = 20.0

# What awslambdaric's workers do: two connections, which become descriptors 1 and 2.
WORKER = """
import os, socket, sys
for descriptor in (1, 2):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        os.dup2(connection.fileno(), descriptor)
print("out of", sys.argv[2], flush=True)
print("error of", sys.argv[2], file=sys.stderr, flush=True)
os.write(1, b"the last word of " + sys.argv[2].encode())
"""


def with_workers(names):
    """Let workers print and end; return the lines that arrive, and where they were sent."""

    async def play():
        lines = []
        sockets = LogSocket(lines.append)
        workers = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, sockets.path, name)
            for name in names
        ]
        async with asyncio.timeout(DEADLINE_S):
            codes = [await worker.wait() for worker in workers]
        sockets.close()
        return lines, codes, sockets.path

    return asyncio.run(play())


def test_every_line_of_every_worker_arrives_whole():
    names = ["one", "two", "three"]
    lines, codes, _ = with_workers(names)
    assert codes == [0, 0, 0]
    expected = {
        f"{kind} {name}" for kind in ("out of", "error of", "the last word of") for name in names
    }
    assert sorted(lines) == sorted(expected)


def test_nothing_is_left_in_the_file_system():
    _, _, path = with_workers(["one"])
    assert not Path(path).parent.exists()


def test_whole_lines_can_be_had_at_once_and_one_that_has_begun_is_not_broken():
    async def play():
        lines = []
        sockets = LogSocket(lines.append)
        with socket.socket(socket.AF_UNIX) as worker:
            worker.connect(sockets.path)
            worker.sendall(b"a line\nhalf a line")
            # Without the loop having had a chance to look.
            sockets.flush()
            before = list(lines)
            worker.sendall(b" and the other half")
        sockets.close()
        return before, lines

    before, lines = asyncio.run(play())
    assert before == ["a line"]
    assert lines == ["a line", "half a line and the other half"]


def test_only_the_user_may_connect():
    async def play():
        sockets = LogSocket(print)
        mode = Path(sockets.path).parent.stat().st_mode
        sockets.close()
        return mode & 0o777

    assert asyncio.run(play()) == 0o700


def test_a_worker_that_comes_after_the_end_is_refused():
    _, _, path = with_workers([])
    outcome = subprocess.run(
        [sys.executable, "-c", WORKER, path, "late"],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert outcome.returncode != 0
    assert b"FileNotFoundError" in outcome.stderr
