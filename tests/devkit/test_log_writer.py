"""The log's writer: in order, by one call for each turn of the loop, and never in the host's way."""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from snapboot_devkit.host.streams import LogWriter
from tests.devkit.hosted import DEADLINE_S

# More than any pipe takes at once.
LINES = [f"line {number} {'x' * 200}\n" for number in range(5_000)]


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(fd)


def writers():
    return [one for one in threading.enumerate() if one.name == "log writer"]


def read_to_end(reading):
    with open(reading, "rb", closefd=False) as file:
        return file.read().decode()


def test_what_is_written_comes_by_itself_and_in_one_piece(pipe):
    reading, writing = pipe

    async def scenario():
        log = LogWriter(writing)
        log.write("one\n")
        log.write("two\n")
        assert await asyncio.to_thread(os.read, reading, 4096) == b"one\ntwo\n"
        await asyncio.to_thread(log.close, DEADLINE_S)

    asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))


def test_what_is_flushed_is_there_and_needs_no_thread(pipe):
    reading, writing = pipe

    async def scenario():
        log = LogWriter(writing)
        before = len(writers())
        for number in range(3):
            for line in LINES[:5]:
                log.write(f"{number} {line}")
            log.flush()
            assert os.read(reading, 65536).decode() == "".join(
                f"{number} {line}" for line in LINES[:5]
            )
        assert len(writers()) == before
        log.close()

    asyncio.run(scenario())


def test_a_file_takes_all_at_once(tmp_path):
    async def scenario():
        with (tmp_path / "log").open("wb") as file:
            log = LogWriter(file.fileno())
            for line in LINES:
                log.write(line)
            log.flush()
            assert (tmp_path / "log").read_text() == "".join(LINES)
            log.close()

    asyncio.run(scenario())


def test_a_full_pipe_stops_no_loop_and_every_line_comes_in_its_order(pipe):
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)

    async def scenario():
        log = LogWriter(writing)
        for line in LINES:
            log.write(line)
            if len(line) % 3 == 0:
                log.flush()
        log.flush()
        taken = asyncio.create_task(asyncio.to_thread(read_to_end, reading))
        log.write("the last\n")
        await asyncio.to_thread(log.close, DEADLINE_S)
        os.close(writing)
        return await taken

    assert asyncio.run(scenario()) == "".join(LINES) + "the last\n"


def test_lines_are_written_in_order_when_the_reader_catches_up_again_and_again(pipe):
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    taken = []

    def read_slowly():
        while piece := os.read(reading, 1000):
            taken.append(piece)

    reader = threading.Thread(target=read_slowly)
    reader.start()

    async def scenario():
        log = LogWriter(writing)
        for line in LINES[:2000]:
            log.write(line)
            log.flush()
        log.close(DEADLINE_S)

    asyncio.run(scenario())
    os.close(writing)
    reader.join(DEADLINE_S)
    assert b"".join(taken).decode() == "".join(LINES[:2000])


def test_what_is_beyond_the_limit_is_counted_in_its_place(pipe):
    reading, writing = pipe

    async def scenario():
        log = LogWriter(writing)
        large = "y" * 1024 * 1024
        for _ in range(20):
            log.write(f"{large}\n")
        taken = asyncio.create_task(asyncio.to_thread(read_to_end, reading))
        await asyncio.to_thread(log.close, DEADLINE_S)
        os.close(writing)
        return (await taken).splitlines()

    lines = asyncio.run(scenario())
    assert len(lines) == 16
    assert lines[-1] == "snapboot: 5 lines dropped, as no one read the log"


def test_a_line_that_is_too_large_by_itself_is_counted_and_keeps_no_later_one_back(pipe):
    reading, writing = pipe

    async def scenario():
        log = LogWriter(writing)
        log.write("y" * 17 * 1024 * 1024 + "\n")
        log.flush()
        log.write("later\n")
        log.flush()
        log.close()

    asyncio.run(scenario())
    os.close(writing)
    counted = "snapboot: 1 lines dropped, as no one read the log\n"
    assert read_to_end(reading) == f"{counted}later\n"


def test_a_record_of_several_lines_is_dropped_whole(pipe):
    reading, writing = pipe
    record = "a\rb\r" + "c" * 1024 * 1024 + "\n"

    async def scenario():
        log = LogWriter(writing)
        for _ in range(20):
            log.write(record)
        taken = asyncio.create_task(asyncio.to_thread(read_to_end, reading))
        await asyncio.to_thread(log.close, DEADLINE_S)
        os.close(writing)
        return await taken

    counted = "snapboot: 5 lines dropped, as no one read the log\n"
    assert asyncio.run(scenario()) == record * 15 + counted


def test_a_reader_that_has_gone_is_noticed_and_ends_nothing(pipe):
    reading, writing = pipe
    os.close(reading)

    async def scenario():
        log = LogWriter(writing)
        broken = asyncio.Event()
        log.on_broken(broken.set)
        log.write("nobody reads this\n")
        async with asyncio.timeout(DEADLINE_S):
            await broken.wait()
        assert log.broken
        log.write("nor this\n")
        log.close()

    asyncio.run(scenario())


def test_without_a_loop_and_at_its_end_everything_is_written(pipe):
    reading, writing = pipe
    log = LogWriter(writing)
    log.write("before\n")

    async def scenario():
        log.write("within\n")

    asyncio.run(scenario())
    log.write("after\n")
    log.close()
    os.close(writing)
    assert read_to_end(reading) == "before\nwithin\nafter\n"


def test_a_pipe_that_another_program_made_non_blocking_is_written_to(pipe):
    reading, writing = pipe
    os.set_blocking(writing, False)

    async def scenario():
        log = LogWriter(writing)
        for line in LINES:
            log.write(line)
        log.flush()
        taken = asyncio.create_task(asyncio.to_thread(read_to_end, reading))
        await asyncio.to_thread(log.close, DEADLINE_S)
        os.close(writing)
        return await taken

    assert asyncio.run(scenario()) == "".join(LINES)


OTHER = """
import os
try:
    while True:
        os.write(1, b"#" * 4096)
except BrokenPipeError:
    pass
"""


def test_another_writer_that_fills_the_pipe_first_stops_no_loop_and_no_line_is_lost(pipe):
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2 * 4096)
    taken = []

    async def scenario():
        log = LogWriter(writing)
        for line in LINES[:500]:
            # At once the other takes the room.
            taken.append(os.read(reading, 4096))
            log.write(line)
            log.flush()
        other.kill()
        log.write("the last\n")
        rest = asyncio.create_task(asyncio.to_thread(read_to_end, reading))
        await asyncio.to_thread(log.close, DEADLINE_S)
        os.close(writing)
        taken.append((await rest).encode())

    with subprocess.Popen([sys.executable, "-c", OTHER], stdout=writing) as other:
        asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))
    found = b"".join(taken).decode().replace("#", "")
    assert found == "".join(LINES[:500]) + "the last\n"


def test_a_pipes_other_users_still_wait_for_room(pipe):
    reading, writing = pipe

    async def scenario():
        log = LogWriter(writing)
        log.write("line\n")
        log.flush()
        assert os.read(reading, 4096) == b"line\n"
        assert os.get_blocking(writing)
        log.close()
        assert os.get_blocking(writing)

    asyncio.run(scenario())
    os.close(writing)
    assert os.read(reading, 1) == b""  # the writer has kept no end of its own


def test_a_pipe_that_cannot_be_opened_once_more_is_written_by_the_thread(pipe, monkeypatch):
    reading, writing = pipe
    opened = os.open

    def refuse(path, flags):
        if path == f"/proc/self/fd/{writing}":
            raise PermissionError(13, "another user's", path)
        return opened(path, flags)

    monkeypatch.setattr(os, "open", refuse)

    async def scenario():
        log = LogWriter(writing)
        for line in LINES[:5]:
            log.write(line)
            log.flush()
        await asyncio.to_thread(log.close, DEADLINE_S)

    asyncio.run(scenario())
    os.close(writing)
    assert read_to_end(reading) == "".join(LINES[:5])
