"""A function under a debugger: the protocol read along, and real debugpy processes."""

import asyncio
import contextlib
import importlib.util
import json
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from snapboot_devkit.debugging import DebugSession, debugged
from snapboot_devkit.debugging.messages import (
    MAX_HEAD_BYTES,
    MAX_MESSAGE_BYTES,
    MessageError,
    MessageReader,
    framed,
)
from snapboot_devkit.debugging.progress import Progress, after, after_hanging_up
from snapboot_devkit.host import AddressInUseError, ConfigError, FunctionConfig, LocalHost, Status
from tests.devkit.debugger import Debugger
from tests.devkit.hosted import DEADLINE_S

MESSAGES = [{"seq": 1, "type": "event", "event": "stopped"}, {}, {"text": "é" * 100}]
STREAM = b"".join(map(framed, MESSAGES))


# ---- the protocol ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_messages_are_read_however_they_are_cut(size):
    reader = MessageReader()
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert [message for piece in pieces for message in reader.receive(piece)] == MESSAGES


def test_other_headers_are_no_matter():
    head = b"Content-Type: application/vscode-jsonrpc\r\ncontent-length:  2 \r\n\r\n"
    assert MessageReader().receive(head + b"{}") == [{}]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "a head without a length"),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "with more than that"),
        (b"Content-Length: -1\r\n\r\n", "a head without a length"),
        (b"x" * (MAX_HEAD_BYTES + 1), "a head is longer"),
        (b"Content-Length: %d\r\n\r\n" % (MAX_MESSAGE_BYTES + 1), "are allowed"),
        (b"Content-Length: 1\r\n\r\n{", "not JSON"),
        (b"Content-Length: 2\r\n\r\n[]", "not an object"),
    ],
)
def test_what_is_not_the_protocol_is_refused(data, reason):
    with pytest.raises(MessageError, match=reason):
        MessageReader().receive(data)


def event(name):
    return {"type": "event", "event": name}


def answered(command, *, success=True):
    return {"type": "response", "command": command, "success": success}


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ([], Progress.WAITING),
        ([event("initialized"), answered("setBreakpoints")], Progress.WAITING),
        ([answered("configurationDone")], Progress.RUNNING),
        ([answered("configurationDone", success=False)], Progress.WAITING),
        ([answered("configurationDone"), event("stopped")], Progress.STOPPED),
        ([event("stopped"), answered("evaluate"), answered("threads")], Progress.STOPPED),
        ([event("stopped"), answered("continue")], Progress.RUNNING),
        ([event("stopped"), answered("continue", success=False)], Progress.STOPPED),
        ([event("stopped"), event("continued")], Progress.RUNNING),
        ([event("stopped"), answered("next"), event("stopped")], Progress.STOPPED),
        ([event("stopped"), answered("disconnect")], Progress.RUNNING),
        # A request passes in the other direction; only its answer counts.
        ([event("stopped"), {"type": "request", "command": "continue"}], Progress.STOPPED),
    ],
)
def test_a_process_stops_until_the_debugger_continues_it(messages, end):
    present = Progress.WAITING
    for message in messages:
        present = after(present, message)
    assert present is end


def test_a_debugger_that_hangs_up_lets_the_process_run_unless_it_still_waits_for_one():
    ends = {present: after_hanging_up(present) for present in Progress}
    assert ends == {
        Progress.WAITING: Progress.WAITING,
        Progress.RUNNING: Progress.RUNNING,
        Progress.STOPPED: Progress.RUNNING,
    }


# ---- the command -----------------------------------------------------------------------------

NEEDS_DEBUGPY = pytest.mark.skipif(
    importlib.util.find_spec("debugpy") is None, reason="debugpy is not installed"
)


@NEEDS_DEBUGPY
@pytest.mark.parametrize(
    ("words", "options", "safe_path", "target"),
    [
        (["-SsP", "bootstrap"], ["-sP"], "1", ["bootstrap"]),
        (["-I", "bootstrap", "-x"], [], "1", ["bootstrap", "-x"]),
        (["-X", "dev", "-m", "awslambdaric", "a.b"], ["-X", "dev"], "0", ["-m", "awslambdaric", "a.b"]),
        (["-B", "runtime.py"], ["-B"], "0", ["runtime.py"]),
    ],
)  # fmt: skip
def test_a_command_keeps_its_options_but_those_that_hide_debugpy(
    words, options, safe_path, target, tmp_path
):
    python, *rest = debugged([sys.executable, *words], 4711, tmp_path)
    launcher = rest[len(options) + 2]
    assert (python, Path(launcher).name) == (sys.executable, "launcher.py")
    assert rest == [*options, "-X", "frozen_modules=off", launcher, "4711", safe_path, *target]


@pytest.mark.parametrize(
    "command",
    [["/bin/sh", "run.sh"], ["./bootstrap"], [sys.executable], [sys.executable, "-c", "pass"]],
)
def test_a_command_that_is_not_python_cannot_be_debugged(command, tmp_path):
    with pytest.raises(ConfigError, match="cannot be debugged; use one that starts Python"):
        debugged(command, 4711, tmp_path)


def test_an_interpreter_without_debugpy_is_named_with_what_to_install(tmp_path):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=60)
    python = str(bare / "bin" / "python")
    with pytest.raises(ConfigError, match=f"`{python} -m pip install debugpy`"):
        debugged([python, "run.py"], 4711, tmp_path)


# ---- the session, with real processes --------------------------------------------------------

PROGRAM = """\
import sys

def double(number):
    result = number * 2
    return result

print(double(21), *sys.argv, flush=True)
"""


class Log:
    """A clock that keeps count, and the lines that a session writes."""

    def __init__(self):
        self.turns = []
        self.lines = []
        self.paused = asyncio.Event()

    def pause_clock(self):
        self.turns.append("pause")
        self.paused.set()

    def resume_clock(self):
        self.turns.append("resume")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def played(scenario):
    async def play():
        async with asyncio.timeout(DEADLINE_S):
            return await scenario()

    return asyncio.run(play())


@contextlib.contextmanager
def started(session, program, *arguments):
    """Start a program under debugpy, and end it."""
    words = [sys.executable, "-B", str(program), *arguments]
    command = debugged(words, session.report_port, program.parent)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


async def last_line(process):
    """Return the line that a program prints, once it has ended; debugpy may outlive it."""
    line = await asyncio.to_thread(process.stdout.readline)
    await asyncio.to_thread(process.wait)
    return line


@NEEDS_DEBUGPY
def test_the_clock_rests_while_the_program_waits_and_while_it_is_stopped(program):
    clock = Log()

    async def scenario():
        async with DebugSession(0, clock.lines.append) as session:
            session.drive(clock)
            with started(session, program, "an argument") as process:
                async with Debugger(session.port) as debugger:
                    await debugger.attach([4], program)
                    thread, frame = await debugger.stopped_in()
                    assert (frame["name"], frame["line"]) == ("double", 4)
                    assert clock.turns == ["pause", "resume", "pause"]
                    value = await debugger.ask("evaluate", expression="number", frameId=frame["id"])
                    assert value["result"] == "21"
                    await debugger.ask("next", threadId=thread)
                    assert (await debugger.stopped_in())[1]["line"] == 5
                    await debugger.ask("continue", threadId=thread)
                    return session.port, await last_line(process)

    port, printed = played(scenario)
    assert printed.decode() == f"42 {program} an argument\n"
    assert clock.turns == ["pause", "resume"] * 3
    assert clock.lines[0].endswith(f"waits for a debugger at 127.0.0.1:{port}; attach to it")


@NEEDS_DEBUGPY
def test_a_program_runs_on_when_its_debugger_goes_away(program):
    clock = Log()

    async def scenario():
        async with DebugSession(0, clock.lines.append) as session:
            session.drive(clock)
            with started(session, program) as process:
                async with Debugger(session.port) as debugger:
                    await debugger.attach([4], program)
                    await debugger.stopped_in()
                return await last_line(process)

    assert played(scenario).startswith(b"42 ")
    assert clock.turns == ["pause", "resume"] * 2


@NEEDS_DEBUGPY
def test_a_debugger_may_come_first_and_the_next_process_gets_the_next_one(program):
    async def scenario():
        async with DebugSession(0, bool) as session:
            return [await printed(session, argument) for argument in ("one", "two")]

    async def printed(session, argument):
        async with Debugger(session.port) as debugger:
            with started(session, program, argument) as process:
                await debugger.attach([], program)
                return (await last_line(process)).split()[-1]

    assert played(scenario) == [b"one", b"two"]


def test_a_stranger_at_the_port_for_reports_is_no_process():
    clock = Log()

    async def scenario():
        async with DebugSession(0, clock.lines.append) as session:
            session.drive(clock)
            for data in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"[]\n", b"7\n", b"x" * 100_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", session.report_port)
                writer.write(data)
                assert await reader.read() == b""
                writer.close()

    played(scenario)
    assert (clock.turns, clock.lines) == ([], [])


def test_a_request_of_a_browser_does_not_reach_the_process():
    received = []

    async def adapter(reader, writer):
        received.append(await reader.read())
        writer.close()

    async def scenario():
        async with (
            await asyncio.start_server(adapter, "127.0.0.1", 0) as process,
            DebugSession(0, bool) as session,
        ):
            _, report = await asyncio.open_connection("127.0.0.1", session.report_port)
            port = process.sockets[0].getsockname()[1]
            report.write(json.dumps({"port": port, "pid": 1}).encode() + b"\n")
            reader, browser = await asyncio.open_connection("127.0.0.1", session.port)
            message = framed({"type": "request", "command": "evaluate"})
            browser.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + message)
            assert await reader.read() == b""
            browser.close()
            report.close()

    played(scenario)
    assert received == [b""]


def test_a_clock_that_rests_at_the_end_goes_on():
    clock = Log()

    async def scenario():
        async with DebugSession(0, clock.lines.append) as session:
            _, writer = await asyncio.open_connection("127.0.0.1", session.report_port)
            writer.write(json.dumps({"port": 1, "pid": 1}).encode() + b"\n")
            session.drive(clock)
            await clock.paused.wait()
            writer.close()

    played(scenario)
    assert clock.turns == ["pause", "resume"]


def test_a_port_that_is_taken_is_reported():
    async def scenario(port):
        async with DebugSession(port, bool):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port}.*choose another port"):
            played(lambda: scenario(port))


# ---- on the host -----------------------------------------------------------------------------

FUNCTION = """\
def handler(event, context):
    seen = context.get_remaining_time_in_millis()
    return [event, seen > 0]
"""
TIMEOUT_S = 1.0


@NEEDS_DEBUGPY
def test_a_function_that_is_stopped_for_longer_than_its_timeout_answers_all_the_same(tmp_path):
    (tmp_path / "app.py").write_text(FUNCTION)

    async def scenario():
        async with DebugSession(0, bool) as session:
            plain = FunctionConfig(
                "app.handler", task_root=tmp_path, timeout_s=TIMEOUT_S, freeze=False
            )
            command = debugged(plain.command, session.report_port, tmp_path)
            async with LocalHost(replace(plain, bootstrap=command)) as host:
                session.drive(host)
                work = asyncio.ensure_future(host.invoke("an event"))
                async with Debugger(session.port) as debugger:
                    await debugger.attach([3], tmp_path / "app.py")
                    thread, frame = await debugger.stopped_in()
                    assert (frame["name"], frame["line"]) == ("handler", 3)
                    done, _ = await asyncio.wait([work], timeout=2 * TIMEOUT_S)
                    assert not done
                    await debugger.ask("continue", threadId=thread)
                    result = await work
                session.release()
                return result

    result = played(scenario)
    assert (result.function_error, json.loads(result.payload)) == (None, ["an event", True])
    assert result.report.status is Status.SUCCESS


@NEEDS_DEBUGPY
def test_the_command_waits_for_a_debugger_and_says_where(tmp_path):
    (tmp_path / "app.py").write_text(FUNCTION)
    command = ["invoke", "app.handler", "7", "--task-root", str(tmp_path), "--debug", "0"]
    running = subprocess.Popen(
        [sys.executable, "-m", "snapboot_devkit", *command, "--timeout", str(TIMEOUT_S)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    async def scenario(port):
        async with Debugger(port) as debugger:
            await debugger.attach([3], tmp_path / "app.py")
            thread, _ = await debugger.stopped_in()
            # The command may be gone before the answer to that comes.
            debugger.send("continue", threadId=thread)
            return await asyncio.to_thread(running.communicate)

    with running:
        reason = iter(running.stderr.readline, b"")
        where = next(
            filter(None, (re.search(rb"debugger at 127.0.0.1:(\d+)", line) for line in reason))
        )
        printed, _ = played(lambda: scenario(int(where[1])))
    assert (running.returncode, json.loads(printed)) == (0, [7, True])
