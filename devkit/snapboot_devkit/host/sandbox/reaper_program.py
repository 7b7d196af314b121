"""The program that outlives a host that was killed, and ends what the host has left.

It reads from its standard input what is to be watched, as lines of a verb and a value, and waits
for the end of that: however the host ends, the kernel closes the pipe. It is started with its own
folder on the path and without `site`: there is the standard library and `process_scan`.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
else:
    import _signal as signal  # see `process_scan`

if __name__ == "__main__":
    import process_scan  # type: ignore[import-not-found,unused-ignore]
else:
    from snapboot_devkit.host.sandbox import process_scan

MARK = "mark"
SESSION = "session"
# A folder to remove with all that is in it, and a control group, in which all is killed before that
# is removed: a daemon that has left its session and has no variables is known by nothing else.
FOLDER = "folder"
GROUP = "group"
FORGET = "forget-"

_LOOK_AGAIN_S = 0.02
_GROUP_LOOK_S = 0.002
# `errno.EBUSY`, whose module would be one more to load.
_EBUSY = 16


def left(lines: Iterable[str]) -> dict[str, set[str]]:
    """Read the host's words to their end, and return what was being watched then."""
    watched: dict[str, set[str]] = {kind: set() for kind in (MARK, SESSION, FOLDER, GROUP)}
    for line in lines:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb.startswith(FORGET):
            watched[verb.removeprefix(FORGET)].discard(value)
        else:
            watched[verb].add(value)
    return watched


def clear(watched: dict[str, set[str]], host: int = 0) -> None:
    """End every process that is left, then remove every folder.

    `host` is the process that has had all this watched. While it lives it is spared: a thread of it
    may have joined a group.
    """
    for group in watched[GROUP]:
        _kill_group(group, host)
    sessions = {int(value) for value in watched[SESSION]}
    marks = watched[MARK]

    def meant(pid: int) -> bool:
        return process_scan.standing(pid)[1] in sessions or any(
            process_scan.carries(pid, mark) for mark in marks
        )

    for leader in sessions:
        try:
            os.killpg(leader, signal.SIGKILL)
        except OSError:
            continue
    if sessions or marks:
        process_scan.end(meant)
    for group in watched[GROUP]:
        remove_group(group)
    if watched[FOLDER]:
        import shutil  # noqa: PLC0415 - for the rare case alone

        for folder in watched[FOLDER]:
            shutil.rmtree(folder, ignore_errors=True)


def _kill_group(folder: str, host: int) -> None:
    """Kill all that is in a control group, or in groups that it has made below."""
    name = folder.rpartition("/")[2].encode()

    def meant(pid: int) -> bool:
        return process_scan.in_group(pid, name) and not (pid == host == os.getppid())

    # First none may start others; then the kernel kills all at once (version 2, Linux 5.14).
    _write(f"{folder}/pids.max", b"0")
    _write(f"{folder}/cgroup.kill", b"1")
    deadline = time.monotonic() + process_scan.LAST_BREATH_S
    while left := [pid for pid in _members(folder) if meant(pid)]:
        if time.monotonic() > deadline:
            return
        for pid in left:
            process_scan.send(pid, signal.SIGKILL, meant)
        time.sleep(_LOOK_AGAIN_S)


def _members(folder: str) -> set[int]:
    found = set()
    for group, _, _ in os.walk(folder):
        try:
            with open(f"{group}/cgroup.procs", "rb") as file:  # noqa: PTH123
                found |= set(map(int, file.read().split()))
        except OSError:
            continue
    return found


def _write(path: str, content: bytes) -> None:
    """Write to a file of a control group, if it has such a one."""
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, content)
    except OSError:
        return
    finally:
        os.close(fd)


def remove_group(folder: str, patience_s: float = process_scan.LAST_BREATH_S) -> None:
    """Remove a control group and those that a function has made below it.

    That takes until the kernel has buried its last process, for which it waits `patience_s` seconds
    at most.
    """
    deadline = time.monotonic() + patience_s
    while os.path.exists(folder) and time.monotonic() < deadline:  # noqa: PTH110 - no pathlib
        for group, _, _ in os.walk(folder, topdown=False):
            try:
                os.rmdir(group)  # noqa: PTH106
            except OSError as exc:
                if exc.errno != _EBUSY:
                    return
                time.sleep(_GROUP_LOOK_S)


def main() -> None:
    """Watch, until the host is gone."""
    host = os.getppid()
    # A Ctrl-C or a hang-up at the terminal is the host's business.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clear(left(sys.stdin), host)


if __name__ == "__main__":
    main()
