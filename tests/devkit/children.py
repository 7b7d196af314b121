"""Children of a sandbox that do their worst, as programs; and their owner, which keeps notes."""

import asyncio
import os
import sys
from pathlib import Path

from snapboot_devkit.host.sandbox.limits import Limits
from snapboot_devkit.host.sandbox.sandbox import Sandbox

DEADLINE_S = 60
# Long enough to be found alive by every test, short enough for nothing to stay if one fails.
LIFE_S = 300

WAIT = f"import time; time.sleep({LIFE_S})"
# Each reports the id of the process that shall not live on.
PROGRAMS = {
    "waits": f"import os; print(os.getpid(), flush=True); {WAIT}",
    "ignores SIGTERM": f"""
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
{WAIT}""",
    "stops itself": """
import os, signal
print(os.getpid(), flush=True)
os.kill(0, signal.SIGSTOP)""",
    "changes its group": f"""
import os
if os.fork() == 0:
    os.setpgid(0, 0)
    print(os.getpid(), flush=True)
{WAIT}""",
    "changes its session": f"""
import os
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
{WAIT}""",
    "forks twice": f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.closerange(0, 3)
        {WAIT}
    os._exit(0)
os.wait()
{WAIT}""",
    "leaves a daemon and goes": f"""
import os
readable, writable = os.pipe()
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    os.write(writable, b"x")
    {WAIT}
os.read(readable, 1)""",
    "closes its output": f"""
import os
os.write(1, b"%d\\n" % os.getpid())
os.closerange(0, 3)
{WAIT}""",
    "fills its pipes": """
import os, threading
def fill(fd):
    while True:
        os.write(fd, b"x" * 4096 + b"\\n")
os.write(1, b"%d\\n" % os.getpid())
threading.Thread(target=fill, args=(2,)).start()
fill(1)""",
    "forgets its variables": f"""
import os
if os.fork() == 0:
    os.setpgid(0, 0)
    program = "import os; os.write(1, b'%d\\\\n' % os.getpid()); {WAIT}"
    os.execve({sys.executable!r}, ["python", "-S", "-c", program], {{}})
{WAIT}""",
}


class Notes:
    """The owner of a sandbox."""

    def __init__(self):
        self.lines = []
        self.codes = {}
        self.happened = asyncio.Event()

    def printed(self, name, line):
        self.lines.append((name, line))
        self.happened.set()

    def exited(self, name, code):
        # All output has been reported before.
        self.codes[name] = code
        self.happened.set()

    async def until(self, condition):
        """Wait until something is so."""
        while not condition():
            self.happened.clear()
            await self.happened.wait()

    async def line(self, name=None):
        """Return the first line of a process, once it is there."""
        await self.until(lambda: any(who == name for who, _ in self.lines))
        return next(text for who, text in self.lines if who == name)

    async def exit(self, name=None):
        """Return how a process ended, once it has."""
        await self.until(lambda: name in self.codes)
        return self.codes[name]


class Play:
    """A sandbox with its notes, and children by their text."""

    def __init__(self, sandbox, notes, mark):
        self.sandbox = sandbox
        self.notes = notes
        self._mark = mark

    def spawn(self, program, name=None, **variables):
        command = [sys.executable, "-S", "-c", PROGRAMS.get(program, program)]
        key, _, value = self._mark.partition("=")
        path = {"PATH": os.environ["PATH"]}
        self.sandbox.spawn(name, command, Path.cwd(), {key: value} | path | variables)

    async def child(self, program, name=None):
        """Spawn, and return the number that the child prints."""
        self.spawn(program, name)
        return int(await self.notes.line(name))

    async def end(self):
        """Kill all that is there, and wait for it."""
        for name in [None, "first", "second"]:
            self.sandbox.kill(name)
        await self.notes.until(lambda: not self.sandbox.living)


def played(scenario, limits=None, **options):
    """Run a scenario with a sandbox, and return what it returns once all is over."""

    async def play():
        notes = Notes()
        mark = f"AWS_LAMBDA_RUNTIME_API=test:{os.getpid()}:{id(notes)}"
        sandbox = Sandbox(notes, mark, limits or Limits(), **options)
        stage = Play(sandbox, notes, mark)
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await scenario(stage)
        finally:
            async with asyncio.timeout(DEADLINE_S):
                await stage.end()
            sandbox.close()

    return asyncio.run(play())


def state(pid):
    """Return the state of a process as /proc spells it, "" if there is none or it has ended."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if letter in "ZX" else letter


async def until_state(pid, letters):
    """Look until a process is in one of these states; it has no way to tell."""
    while state(pid) not in letters:
        await asyncio.to_thread(state, pid)
