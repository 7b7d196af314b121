"""Who carries a mark: the processes of an environment, wherever they have fled to, and their end.

A mark is a variable, `NAME=value`, that nothing else on the machine has. It is inherited, and read
in /proc; where there is none (macOS) none is found. The standard library alone is imported, for
the reaper runs this without the rest of the host.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
else:
    import _signal as signal  # which `signal` names, after it has imported `enum`

# A killed process is gone within milliseconds, unless the kernel holds it; then we let it be.
LAST_BREATH_S = 2.0
_LONGEST_S = 30.0
_LOOK_AGAIN_S = 0.005
# Where one process's variables and its line of figures fit with room to spare.
_READ_BYTES = 1024 * 1024
# Zombies, and what is dying: they neither do anything nor can be ended.
_GONE = b"ZXx"


def carries(pid: int, mark: str) -> bool:
    """Tell whether a process has the mark among its variables. False for one that has gone."""
    needle = mark.encode()
    variables = read(f"/proc/{pid}/environ", _READ_BYTES)
    # The first look costs nothing, and says no for nearly all.
    return needle in variables and needle in variables.split(b"\0")


def in_group(pid: int, name: bytes) -> bool:
    """Tell whether a process is in a control group of that name, or in one below it."""
    groups = read(f"/proc/{pid}/cgroup", _READ_BYTES)
    # The first look costs nothing, and says no for nearly all.
    return name in groups and any(
        name in line.rpartition(b":")[2].split(b"/") for line in groups.splitlines()
    )


def standing(pid: int) -> tuple[int, int]:
    """Return the group and the session of a running process; zeros for one that has gone."""
    fields = _figures(pid)
    return (int(fields[2]), int(fields[3])) if fields else (0, 0)


def find(meant: Callable[[int], bool]) -> list[int]:
    """Return the processes that are meant."""
    return [pid for pid in _processes() if meant(pid)]


def send(pid: int, number: int, meant: Callable[[int], bool]) -> None:
    """Signal a process, if it still is the one that is meant and not its id's next owner."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # a kernel older than 5.3
        fd = -1
    try:
        # Asked while the handle is held: it cannot come to stand for another process.
        if not meant(pid):
            return
        if fd < 0:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(fd, number)
    except OSError:
        pass  # it has gone meanwhile
    finally:
        if fd >= 0:
            os.close(fd)


def end(meant: Callable[[int], bool]) -> None:
    """Kill all that are meant, and those that they start meanwhile, and see them gone.

    Gives up when nothing has changed for 2 s, or after 30 s in any case.
    """
    progress = time.monotonic()
    deadline = progress + _LONGEST_S
    before: set[int] = set()
    # On its way out a process loses what it was known by before it is gone.
    dying: dict[int, bytes] = {}
    while found := {
        *find(meant),
        *(pid for pid, birth in dying.items() if _birth(pid) == birth != b""),
    }:
        now = time.monotonic()
        if found != before:
            progress = now
        if now > min(deadline, progress + LAST_BREATH_S):
            return
        for pid in found - dying.keys():
            dying[pid] = _birth(pid)
        for pid in found:
            send(pid, signal.SIGKILL, meant)
        before = found
        time.sleep(_LOOK_AGAIN_S)


def _birth(pid: int) -> bytes:
    """Return when a running process was started, which its id's next owner does not share."""
    fields = _figures(pid)
    return fields[19] if fields else b""


def _figures(pid: int) -> list[bytes]:
    """Return what the kernel says of a running process, from its state on (man 5 proc)."""
    # What stands before the last parenthesis is the name, which may hold anything.
    fields = read(f"/proc/{pid}/stat", _READ_BYTES).rpartition(b")")[2].split()
    return [] if not fields or fields[0] in _GONE else fields


def _processes() -> list[int]:
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - see read
    except OSError:
        return []
    return [int(name) for name in names if name.isdigit()]


def read(path: str, most: int) -> bytes:
    """Return a file of /proc, at `most` so many bytes; empty for a process that has gone.

    So is one of another user's. Without pathlib, whose import would double the reaper's start, and
    without a file object, which would cost three times as much at every invocation.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(fd, most)
    except OSError:
        return b""
    finally:
        os.close(fd)
