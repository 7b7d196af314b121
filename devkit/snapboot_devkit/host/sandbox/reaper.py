"""The host's end of the pipe to the reaper, which clears up after a host that was killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from snapboot_devkit.host.errors import LaunchError

_PROGRAM: Final = Path(__file__).with_name("reaper_program.py")
# Without site and the user's variables: it is at work after some 10 ms, for which nothing waits.
OPTIONS: Final = ("-B", "-E", "-s", "-S")


class Reaper:
    """A host's reaper. One is enough for all environments; close it after them.

    Use it as a context manager, or call `close`. Raises LaunchError.
    """

    def __init__(self) -> None:
        try:
            self._popen = subprocess.Popen(
                [sys.executable, *OPTIONS, str(_PROGRAM)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Nothing that a function could read, and no mark that a function could have.
                env={},
                cwd="/",
                # A kill of the host's group must not reach the reaper.
                start_new_session=True,
            )
        except OSError as exc:
            raise LaunchError(f"cannot start {sys.executable!r}: {exc.strerror}") from exc

    def __repr__(self) -> str:
        return f"<Reaper {self._popen.pid}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The reaper's process."""
        return self._popen.pid

    def send(self, verb: str, value: object) -> None:
        """Have something ended with the host, or let it be; the verbs are the reaper's.

        A function may have killed the reaper. Then the host goes on without.
        """
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            # So few bytes a pipe takes in one piece.
            self._popen.stdin.write(f"{verb} {value}\n".encode())

    def close(self) -> None:
        """End the reaper, with all that it still watches."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait()
