"""The program that outlives a host that was killed, and ends what the host has left.

It reads from its standard input what is to be watched, as lines of a verb and a value, and waits
for the end of that: however the host ends, the kernel closes the pipe. It is started with its own
folder on the path and without `site`, so nothing but the standard library and `bearers` is there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

if __name__ == "__main__":
    import bearers  # type: ignore[import-not-found,unused-ignore]
else:
    from snapboot_devkit.host.sandbox import bearers

MARK = "mark"
SESSION = "session"
# A folder to remove with all that is in it, and a control group, which is removed once it is empty.
FOLDER = "folder"
GROUP = "group"
FORGET = "forget-"

_LOOK_AGAIN_S = 0.02


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


def clear(watched: dict[str, set[str]]) -> None:
    """End every process that is left, then remove every folder."""
    sessions = {int(value) for value in watched[SESSION]}
    marks = watched[MARK]

    def meant(pid: int) -> bool:
        return bearers.standing(pid)[1] in sessions or any(
            bearers.carries(pid, mark) for mark in marks
        )

    for leader in sessions:
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    if sessions or marks:
        bearers.end(meant)
    for group in watched[GROUP]:
        _remove_group(group)
    if watched[FOLDER]:
        import shutil  # noqa: PLC0415 - for the rare case alone

        for folder in watched[FOLDER]:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_group(folder: str) -> None:
    """Remove a control group, which takes until the kernel has buried its last process."""
    deadline = time.monotonic() + bearers.LAST_BREATH_S
    while os.path.exists(folder) and time.monotonic() < deadline:  # noqa: PTH110 - no pathlib
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106
            return
        time.sleep(_LOOK_AGAIN_S)


def main() -> None:
    """Watch, until the host is gone."""
    # A Ctrl-C or a hang-up at the terminal is the host's business.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    clear(left(sys.stdin))


if __name__ == "__main__":
    main()
